"""The Statistics page over runs that can say little, each of its tabs in turn."""

import re

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.importing import import_results
from sapo_analysis.analysis.importing.columns import REQUIRED
from sapo_analysis.store import open_run
from tests.app.test_statistics import every_tab, said, shown
from tests.synthetic import Truth, write_run

pytestmark = pytest.mark.filterwarnings("default")
STILL = Truth(spread=0, in_task_spread=0, seed_effect=0, noise=0, own=0)
EXACT = Truth(r=1.0, seed_effect=0, noise=0, own=0)
SEEDS = {"seeds": (0, 1), "noise_seeds": (7, 8)}


def ties(path):
    """Past tasks alone, scores in tens, one value of pre-update loss in the first task."""
    df = analysis.impacts(open_run(path))
    df = df[(df["purpose"] == "main") & (df["role"] == "past")]
    same = df["current_task"] == "current-0"
    change = df["score_change"].round(-1)
    df = df.assign(score_change=change, pre_update_loss=df["pre_update_loss"].mask(same, 2.0))
    return df[[*REQUIRED, "score_change", "loss_change"]]


@pytest.mark.parametrize(
    "shape",
    [
        {"n_tasks": 1, "n_prompts": 1},
        {"n_tasks": 4, "truth": STILL, **SEEDS},
        {"n_tasks": 4, "n_prompts": 8, "truth": EXACT, **SEEDS},
        {"n_tasks": 3, "n_prompts": 5, "seeds": (0, 1), "imported": ties},
    ],
    ids=["one trial", "nothing moves", "no seed noise", "imported ties"],
)
def test_what_can_say_little_has_a_page(monkeypatch, tmp_path, shape):
    change = shape.get("imported")
    own = {name: value for name, value in shape.items() if name != "imported"}
    path = write_run(tmp_path / "runs", **own)
    if change is not None:
        path = import_results(change(path), tmp_path / "imported").path
    for app in every_tab(shown(monkeypatch, path)):
        assert not re.search(r"(?<![a-z])(nan|inf)(?![a-z])", said(app))

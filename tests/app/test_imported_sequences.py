"""Imported sequences on every page: shown where sequences are, and never run, resumed or joined."""

import re

import pytest

from sapo_analysis.analysis.importing import import_released
from tests.app.opening import opened
from tests.app.test_explore import charts, frame_with, text_of
from tests.released import SUPER_NI, write_base, write_outputs
from tests.synthetic import write_run

pytestmark = pytest.mark.filterwarnings("default")
PAGE = "views/sequences.py"
TABS = ["Along a sequence", "Contrasts", "Tasks", "Cost of choosing"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    write_outputs(folder / "saves", "LoraInc", outputs=3)
    write_outputs(folder / "saves", "LoraInc_SAPO", outputs=3)
    base = write_base(folder / "base.json")
    import_released(folder / "saves", folder / "runs", base, name="whole")
    lone = write_outputs(folder / "saves", "O-LoRA")
    import_released(lone, folder / "runs", name="lone")
    write_run(folder / "runs", n_tasks=1, n_prompts=3, name="study")
    return folder / "runs"


def run_id(runs, name):
    (path,) = runs.glob(f"{name}-*")
    return path.name


def nothing_undefined(app):
    assert not re.search(r"(?<![a-z])(nan|inf|None)(?![a-z])", text_of(app))


def test_sequences_shows_strategies_matrices_and_what_cannot_be_said(monkeypatch, runs):
    app = opened(monkeypatch, runs, PAGE, runs=run_id(runs, "whole"), cell="sapo+lora-inc|3|1")
    text = text_of(app)
    assert "no provenance" in text and "settings and seeds not recorded" in text
    assert "an interval over orders needs 3" in text and "divided by the number of" in text
    assert app.segmented_control(key="kind").options == ["training"]
    assert "gain over the first row, the base model" in text
    assert len(charts(app)) == 3 and all(chart["data"] for chart in charts(app))
    assert frame_with(app, "right_then")["right_now"].tolist() == ["1 of 1"] * 3
    nothing_undefined(app)


@pytest.mark.parametrize("tab", TABS)
def test_one_strategy_without_a_base_model_has_every_tab(monkeypatch, runs, tab):
    app = opened(monkeypatch, runs, PAGE, runs=run_id(runs, "lone"), tab=tab)
    text = text_of(app)
    assert "base model not measured" in text and "neither forward transfer" in text
    assert "gain over the first row;" in text
    assert "There are no outputs of both states" in text
    nothing_undefined(app)


@pytest.mark.parametrize(
    ("page", "query", "says"),
    [
        ("views/explore.py", "run", "is a sequence run: see Sequences"),
        ("views/statistics.py", "study", "is a sequence run: see Sequences"),
        ("views/live.py", "run", "holds imported results: nobody works on it"),
        ("views/launch.py", "from", "its results were imported from saves/LoraInc"),
    ],
)
def test_other_pages_say_where_it_is_and_what_it_cannot_do(monkeypatch, runs, page, query, says):
    app = opened(monkeypatch, runs, page, **{query: run_id(runs, "whole")})
    assert says in text_of(app)


def test_runs_lists_them_and_offers_nothing_that_would_run_them(monkeypatch, runs):
    app = opened(monkeypatch, runs, "views/runs.py", chosen=run_id(runs, "whole"))
    table = frame_with(app, "kind")
    table = table[table["kind"] == "imported sequences"]
    assert set(table["tasks"]) == {", ".join(SUPER_NI.values())}
    assert set(table["finished"]) == {"6 of 6", "3 of 3"}
    offered = {link.proto.label for link in app.get("page_link")}
    assert "Open" in offered and not offered & {"Extend", "Duplicate and change"}

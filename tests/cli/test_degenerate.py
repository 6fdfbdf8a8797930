"""`sapo report` of runs that can say little: exit status 0, and no number that does not exist."""

import json
import re
from copy import deepcopy

import pandas as pd
import pytest
from typer.testing import CliRunner

from sapo_analysis import analysis
from sapo_analysis.analysis.importing import import_results
from sapo_analysis.analysis.importing.columns import REQUIRED
from sapo_analysis.cli import app
from sapo_analysis.store import open_run
from tests.synthetic import Truth, write_run

DIVERGED = [f"t-current-{t}-{p}-0" for t in range(3) for p in ("original", "para-01", "para-02")]
RUNS = {
    "one task": {"n_tasks": 1},
    "one task, one prompt": {"n_tasks": 1, "n_prompts": 1},
    "one prompt": {"n_prompts": 1, "seeds": [0, 1]},
    "two prompts": {"n_prompts": 2, "seeds": [0, 1], "noise_seeds": [7, 8]},
    "three prompts": {"n_prompts": 3},
    "four prompts": {"n_prompts": 4, "seeds": [0, 1], "noise_seeds": [7]},
    "one seed": {"seeds": [0], "noise_seeds": [7, 8]},
    "random weights": {"weights": "random", "seeds": [0, 1]},
    "interrupted": {"finish": False, "seeds": [0, 1], "noise_seeds": [7, 8]},
    "many diverged": {"diverged": DIVERGED},
    "no past": {"n_past": 0},
    "one other task": {"n_past": 0, "n_unseen": 0, "n_retained": 1, "n_tasks": 1},
    "nothing moves": {
        "truth": Truth(spread=0, in_task_spread=0, seed_effect=0, noise=0, own=0),
        "seeds": [0, 1],
        "noise_seeds": [7, 8],
        "n_tasks": 4,
    },
    "no seed noise": {
        "truth": Truth(r=1.0, seed_effect=0, noise=0, own=0, rounding=0),
        "seeds": [0, 1],
        "noise_seeds": [7, 8],
        "n_tasks": 4,
    },
    "metrics differ": {"metrics": {"unseen-0": "exact_match"}, "n_prompts": 1, "seeds": [0, 1]},
}


def few_columns(df):
    main = df[(df["purpose"] == "main") & (df["role"] == "past")]
    return main[[*REQUIRED, "score_change", "loss_change"]]


IMPORTED = {
    "few columns": few_columns,
    "few columns, one row": lambda df: few_columns(df).iloc[:1],
    "few columns, one prompt": lambda df: few_columns(df)[lambda t: t["prompt_id"] == "original"],
    "few columns, constant": lambda df: few_columns(df).assign(
        pre_update_loss=2.0, score_change=-5.0, loss_change=0.1
    ),
    "few columns, ties": lambda df: few_columns(df).assign(
        score_change=lambda t: t["score_change"].round(-1)
    ),
    "in-task alone": lambda df: df[(df["purpose"] == "main") & (df["role"] == "current")][
        [*REQUIRED, "score_change", "loss_change"]
    ],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return analysis.impacts(
        open_run(write_run(tmp_path_factory.mktemp("whole"), n_tasks=3, seeds=[0, 1]))
    )


@pytest.fixture(autouse=True)
def made_once(monkeypatch):
    """The report of a test's run is made once, with few shuffles, and told in three ways."""
    made, report = [], analysis.report

    def once(runs, **settings):
        if not made:
            made.append(report(runs, n_permutations=9))
        return deepcopy(made[0])

    monkeypatch.setattr(analysis, "report", once)


def reported(path, *options):
    found = CliRunner().invoke(app, ["report", str(path), *options])
    assert found.exit_code == 0, found.output + repr(found.exception)
    return found.output


def check(path):
    for options in ((), ("--markdown",)):
        said = reported(path, *options)
        assert "Traceback" not in said
        assert not re.search(r"(?i)(?<![a-z])(nan|inf|infinity)(?![a-z])", said), said
    document = json.loads(reported(path, "--json"), parse_constant=pytest.fail)
    for one in document["estimates"]:
        assert one["lower"] is None or one["lower"] < one["upper"]


@pytest.mark.parametrize("shape", RUNS)
def test_a_run_that_can_say_little_is_reported(tmp_path, shape):
    check(write_run(tmp_path, **{"n_prompts": 6, "n_tasks": 3, **RUNS[shape]}))


@pytest.mark.parametrize("shape", IMPORTED)
def test_imported_results_that_can_say_little_are_reported(tmp_path, whole, shape):
    table = pd.DataFrame(IMPORTED[shape](whole)).dropna(axis="columns", how="all")
    table.to_csv(tmp_path / "t.csv", index=False)
    check(import_results(tmp_path / "t.csv", tmp_path / "runs").path)

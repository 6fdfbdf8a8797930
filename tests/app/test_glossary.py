"""Every table that a page shows takes label and help of each column from the glossary."""

import json

import pytest

from sapo_analysis.analysis.glossary import TERMS
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.statistics_tabs import TABS
from sapo_analysis.errors import InputError
from tests.app.test_explore import explored, opened
from tests.synthetic import STEPS
from tests.synthetic_sequence import write_sequence_run
from tests.watched import Look, write_watched_run

pytestmark = pytest.mark.filterwarnings("default")


def described(table):
    """The table's columns and what its configuration says of each."""
    config = json.loads(table.proto.columns)
    return {name: config.get(name, {}) for name in table.value.columns}


def check(app):
    assert len(app.dataframe) >= 1
    for table in app.dataframe:
        for name, config in described(table).items():
            assert config.get("label") and config.get("help"), name


@pytest.mark.parametrize("tab", ["Findings", "Prompts"])
def test_tables_of_explore(monkeypatch, runs, tab):
    check(explored(monkeypatch, runs, "few", tab=tab))


def test_tables_of_a_run_with_checkpoints(monkeypatch, tmp_path):
    path = write_watched_run(
        tmp_path, lambda i, seed, step: Look(2 - step / STEPS, 1 + i, step), n_prompts=4, n_tasks=3
    )
    check(opened(monkeypatch, tmp_path, run=path.name, tab="Findings"))


@pytest.mark.parametrize("part", TABS)
def test_tables_of_statistics(monkeypatch, runs, part):
    path = runs["few"]
    check(opened(monkeypatch, path.parent, "views/statistics.py", study=path.name, part=part))


@pytest.mark.parametrize("tab", ["Along a sequence", "Contrasts", "Tasks", "Cost of choosing"])
def test_tables_of_sequences(monkeypatch, tmp_path, tab):
    write_sequence_run(
        tmp_path,
        lambda strategy, order, seed, stage, position, prompt: 50.0 + stage,
        strategies=["original", "random", "sapo"],
        losses={"00": 1.5, "01": 1.0, "02": 4.0},
    )
    app = opened(monkeypatch, tmp_path)
    app.query_params["tab"] = tab
    app.switch_page("views/sequences.py").run()
    assert not app.exception
    check(app)


def test_a_column_belongs_to_the_term_whose_interval_it_gives():
    found = columns(["final", "final_lower", "final_n"], formats={"final": "%.1f"})
    assert found["final_lower"]["label"] == "final, from"
    assert found["final"]["help"] == TERMS["final"].help
    assert found["final_n"]["help"].endswith("How many values it is over.")


@pytest.mark.parametrize("name", ["nothing", "nothing_lower"])
def test_a_column_without_a_term_is_refused(name):
    with pytest.raises(InputError, match="Unknown term 'nothing'"):
        columns([name])

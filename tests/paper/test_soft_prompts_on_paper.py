"""Figures of soft prompts for a paper: who is offered them, and of which task."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.paper.figures import every_figure, figure, kinds_of
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.offered import offered
from sapo_analysis.paper.options import Options
from sapo_analysis.store import open_run
from tests.methods_runs import write_promot, write_prompt_tuning

NAMES = ("topology", "persistence_diagram")
SMALL = {"n_tasks": 2, "n_prompts": 2, "n_shots": (0,)}


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    return numbers_of([open_run(write_prompt_tuning(tmp_path_factory.mktemp("clouds"), **SMALL))])


def test_runs_that_looked_at_soft_prompts_have_both_figures(numbers):
    assert set(NAMES) <= {kind.name for kind in kinds_of(numbers)}
    made = list(every_figure(numbers, NAMES))
    assert [one.why_not for one in made] == [""] * 2
    assert made[0].spec.table["value"].notna().all()


def test_a_diagram_is_that_of_a_tasks_first_fine_tune_or_of_each(numbers):
    assert offered(numbers, "task", Options()) == ["", "current-0", "current-1"]
    every = figure("persistence_diagram", numbers)
    one = figure("persistence_diagram", numbers, Options(task="current-1"))
    assert set(every.table["tuned_task"]) == {"current-0", "current-1"}
    assert set(one.table["tuned_task"]) == {"current-1"}
    for spec in (every, one):
        assert set(spec.table["fine_tune"]) == {"original, seed 0"}
    assert one.name == "persistence_diagram-current-1"
    with pytest.raises(InputError, match="tuned task 'x'.*current-0"):
        figure("persistence_diagram", numbers, Options(task="x"))


def test_older_runs_are_not_offered_what_they_did_not_look_at(tmp_path):
    small = {**SMALL, "n_tasks": 1, "n_prompts": 1}
    old = numbers_of([open_run(write_promot(tmp_path, **small))])
    assert not {kind.name for kind in kinds_of(old)} & set(NAMES)
    with pytest.raises(InputError, match="topology: It is drawn from soft prompts"):
        figure("topology", old)

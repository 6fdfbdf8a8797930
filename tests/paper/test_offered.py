"""The values that options can take, over runs whose content is known."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.paper.figures import FIGURES, figure, kinds_of
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.offered import asked, offered
from sapo_analysis.paper.options import OPTIONS, Options
from sapo_analysis.store import open_run
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run

ORDERS = [["a", "b", "c"], ["b", "c", "a"]]


def score(strategy, order, seed, stage, position, prompt):
    return 40.0 + stage + len(strategy) + 3 * (position <= stage)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    path = write_run(folder, n_tasks=3, n_prompts=5, n_past=2, n_unseen=0, n_retained=0)
    return numbers_of([open_run(path)])


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    path = write_sequence_run(
        tmp_path_factory.mktemp("sequence"),
        score,
        orders=ORDERS,
        strategies=["original", "random", "sapo", "original+o-lora"],
        losses={"00": 1.5, "01": 1.0, "02": 4.0},
    )
    return numbers_of([open_run(path)])


def test_outcomes_are_those_that_were_measured(study):
    past, *others = offered(study, "outcome", Options())
    # Tasks that are current in turn are unseen by the others.
    assert (past, others) == ("forgetting_past", ["generalization", "in_task"])


@pytest.mark.parametrize(
    ("outcome", "tasks"),
    [
        ("forgetting_past", ["", "past-0", "past-1"]),
        ("generalization", ["", "current-0", "current-1", "current-2"]),
        ("in_task", [""]),  # which is the task itself
    ],
)
def test_evaluated_tasks_hang_on_the_outcome(study, outcome, tasks):
    assert offered(study, "eval_task", Options(outcome=outcome)) == tasks


def test_pre_update_loss_comes_first_and_only_what_differs_follows(study):
    first, *others = offered(study, "x", Options())
    assert first == "pre_update_loss"
    assert others and all(study.df[name].nunique() > 1 for name in others)
    assert not {"score_before", "trial_id", "impact"} & set(others)


def test_what_a_sequence_offers(sequence):
    assert offered(sequence, "test_prompts", Options()) == ["original", "training", "test-only"]
    assert offered(sequence, "method", Options()) == ["lora", "o-lora"]
    assert offered(sequence, "strategy", Options())[0] == "sapo+lora"
    assert offered(sequence, "strategy", Options(method="o-lora")) == ["original+o-lora"]
    assert offered(sequence, "order", Options()) == ["", "a > b > c", "b > c > a"]
    assert offered(sequence, "outcome", Options()) == []


def test_studies_beside_each_other_offer_what_all_of_them_have(tmp_path, study):
    other = write_run(tmp_path, n_tasks=1, n_prompts=4, n_unseen=0, fingerprint="e" * 16)
    both = numbers_of([*study.runs, open_run(other)])
    assert offered(both, "outcome", Options()) == ["forgetting_past", "in_task"]
    assert offered(both, "x", Options())[0] == "pre_update_loss"
    assert offered(both, "method", Options()) == []


@pytest.mark.parametrize("which", ["study", "sequence"])
def test_everything_that_is_offered_can_be_drawn(request, which):
    numbers = request.getfixturevalue(which)
    for kind in kinds_of(numbers):
        for field in (name for name in OPTIONS if name in kind.uses):
            for value in offered(numbers, field, Options()):
                try:
                    figure(kind.name, numbers, Options(**{field: value}))
                except InputError as error:  # no data is no unknown value
                    assert "nknown" not in str(error) or "has a good side" in str(error)


def test_what_all_stands_for_has_the_same_name_when_it_is_chosen(study, sequence):
    scatter = FIGURES["impact_scatter"]
    chosen = {"outcome": "forgetting_past", "form": "score", "view": "panels", "eval_task": ""}
    assert asked(study, scatter, chosen) in scatter.variants(study)
    assert asked(study, scatter, {**chosen, "form": "loss"}).form == "loss"
    intervals = FIGURES["strategy_intervals"]
    assert asked(sequence, intervals, {"test_prompts": "original"}) == Options()
    assert asked(sequence, intervals, {"test_prompts": "training"}).test_prompts == "training"


def test_before_the_first_trial_has_ended_it_says_so(tmp_path):
    path = write_sequence_run(tmp_path, score, stages=0, state="running")
    with pytest.raises(InputError, match="No stage of these runs has ended yet"):
        offered(numbers_of([open_run(path)]), "order", Options())

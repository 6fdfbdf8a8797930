"""Rows of a plan, and the study that a speed is measured on."""

import pytest

from sapo_analysis.methods import make_method
from sapo_analysis.plan import Amounts, amounts_of, disk_bytes, first_result, plan_of, to_measure
from sapo_analysis.plan.amounts import fine_tune_steps
from sapo_analysis.spec import METHODS, PRESETS, load_study, parse_study


def preset(which, **changes):
    study = load_study(PRESETS / f"{which}.yaml")
    return parse_study({**study.model_dump(mode="json"), **changes}, "a study")


def test_rows_of_a_study_that_is_small_enough_to_count_by_hand():
    plan = plan_of(preset("smoke"))
    # 4 tasks, 1 past; 4 candidates; 4 main, 2 noise and 2 repeated trials, of which one stack each.
    found = amounts_of(plan)
    assert len(plan.trials) == 8
    assert found.trained == (8 + 1) * 10 * 16
    assert found.scored == 4 * 40
    # θ_0 and the stage on 4 tasks, 3 candidates under themselves; main and noise stacks and the
    # repeat of a paraphrase also under the own prompt, the repeat of the original not.
    assert found.evaluated == 20 * (4 + 4 + 3 + 4 * 5 + 2 * 5 + 5 + 4)
    assert found.differentiated == found.watched == 0


def test_rows_of_a_sequence_that_is_small_enough_to_count_by_hand():
    plan = plan_of(preset("sequence-smoke"))
    found = amounts_of(plan)
    assert found.trained == 3 * 2 * 10 * 16
    # sapo: four candidates of the first task at θ_0, four of the second at its own state.
    assert found.scored == 2 * 4 * 40
    # θ_0 under two fixed prompts of two tasks; after stage t also t own prompts.
    assert found.evaluated == 20 * (4 + 3 * (4 + 1) + 3 * (4 + 2))


def test_checkpoints_and_diagnostics_add_rows():
    plain = amounts_of(plan_of(preset("smoke")))
    data = preset("smoke").model_dump(mode="json")
    data["scoring"]["diagnostics"] = 5
    data["evaluation"]["checkpoints"] = [4]
    found = amounts_of(plan_of(parse_study(data, "a study")))
    assert found.differentiated == 5 * (4 + 3)
    assert found.scored == plain.scored + 4 * (5 + 1 + 1) + 1
    assert found.watched == (4 + 2) * 3 * 20
    assert found.evaluated == plain.evaluated + 20 * (4 + 2) * 5
    assert found.trained == plain.trained


def test_demonstrations_add_rows_and_disk():
    for name, measured in (("smoke", 4 * (1 + 1 + 8)), ("sequence-smoke", 2 * (1 + 3 * 2))):
        data = preset(name).model_dump(mode="json")
        data["evaluation"]["n_predictions_kept"] = 5
        plain = plan_of(parse_study(data, "a study"))
        data["evaluation"]["n_shots"] = [0, 1, 3]
        plan = plan_of(parse_study(data, "a study"))
        # Every task at the base model, after each stage and trial, twice more.
        assert amounts_of(plan) == amounts_of(plain)._replace(shown=2 * 20 * measured)
        tested = (
            measured if name == "sequence-smoke" else measured - 4 * 2
        )  # states are not counted
        assert disk_bytes(plan) - disk_bytes(plain) == 2 * tested * (24 + 5 * 24)
        assert to_measure(plan.study) != to_measure(plain.study)


def test_looks_add_rows_to_trials_and_to_every_stage_of_a_chain():
    looks = {"every": 4, "examples": 5, "shuffles": 3}
    found, plain = (
        amounts_of(plan_of(preset("smoke", diagnostics=d))) for d in (looks, {**looks, "every": 0})
    )
    # Six main and noise trials of ten steps: at 0, 4, 8 and 10, five rows of four tasks; gradients
    # of five rows, and of three shuffles of them.
    assert found.evaluated == plain.evaluated + 6 * 4 * 4 * 5
    assert found.aligned == 6 * 4 * 5 * (1 + 3) and plain.aligned == 0
    assert found.trained == plain.trained and found.scored == plain.scored
    few = preset("sequence-smoke", diagnostics={**looks, "every": 10, "examples": 50})
    found, plain = amounts_of(plan_of(few)), amounts_of(plan_of(preset("sequence-smoke")))
    # Three chains of two stages, at both ends: all 20 test rows of two tasks; 50 training rows.
    assert found.evaluated == plain.evaluated + 3 * 2 * 2 * 2 * 20
    assert found.aligned == 3 * 2 * 2 * 50 * (1 + 3)
    assert disk_bytes(plan_of(few)) > disk_bytes(plan_of(preset("sequence-smoke")))


def test_a_fine_tune_of_several_phases_has_the_steps_of_all():
    study = preset("sequence-smoke", promot={"steps": 7})
    assert fine_tune_steps(study, "lora", 2) == fine_tune_steps(study, "promot-joint") == 10
    assert fine_tune_steps(study, "promot", 2) == fine_tune_steps(study, "promot-lora-first") == 17
    assert fine_tune_steps(study, "multi-task", 2) == 30
    assert fine_tune_steps(study, "promot-multi-task", 2) == 37
    given = study.model_copy(
        update={"promot": study.promot.model_copy(update={"stage_1_from": "somewhere"})}
    )
    assert fine_tune_steps(given, "promot") == 10


@pytest.mark.parametrize("method", METHODS)
def test_its_steps_are_those_of_the_methods_recipe(method):
    study = preset("sequence-smoke", promot={"steps": 7})
    own = make_method(method, study)
    for n_past in (0, 2):
        recipe = own.recipe(n_past)
        steps = own.training(n_past).steps if recipe is None else recipe.steps
        assert fine_tune_steps(study, method, n_past) == steps


def test_kept_outputs_of_a_sequence_take_disk_and_no_new_measurement():
    kept, none = (
        preset("sequence-smoke", evaluation={"examples": 20, "n_predictions_kept": n})
        for n in (50, 0)
    )
    # 20 rows at most, of two tasks, at the base model and after each of three times two stages.
    assert disk_bytes(plan_of(kept)) - disk_bytes(plan_of(none)) == 20 * 2 * (1 + 3 * 2) * 24
    assert to_measure(kept) == to_measure(none)


def test_seconds_are_rows_times_seconds_per_row():
    assert Amounts(10, 20, 0, 30, 0).seconds(Amounts(0.1, 0.01, 5, 0.001, 5)) == pytest.approx(1.23)


def test_the_first_result_comes_with_four_prompts_or_with_the_first_stage():
    plan = plan_of(preset("quick"))
    first = first_result(plan)
    assert [group.kind for group in first.groups].count("trials") == 1
    assert amounts_of(first).trained < amounts_of(plan).trained
    assert first.groups[-1].trials[0].purpose == "main"
    race = first_result(plan_of(preset("sequence-smoke")))
    assert [group.kind for group in race.groups] == ["base", "score", "stage"]
    few = plan_of(preset("smoke", prompts=1))
    assert first_result(few) is few


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"seeds": [1, 2, 3]},
        {"noise_seeds": [7, 8, 9]},
        {"training": {"examples": 480, "steps": 200, "warmup_steps": 20}},
        {"evaluation": {"examples": 200, "n_predictions_kept": 3}},
        {"diagnostics": {"examples": 9, "shuffles": 3}},
    ],
)
def test_what_changes_no_speed_asks_for_no_new_measurement(changes):
    assert to_measure(preset("quick", **changes)) == to_measure(preset("quick"))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "pocket-1"},
        {"lora": {"r": 4}},
        {"training": {"batch_size": 8}},
        {"diagnostics": {"every": 5}},
    ],
)
def test_what_changes_a_speed_asks_for_one(changes):
    assert to_measure(preset("quick", **changes)) != to_measure(preset("quick"))


@pytest.mark.parametrize("name", ["pilot", "demo", "sequence", "sequence-smoke"])
def test_the_measured_study_can_be_planned_and_is_smaller(name):
    study = preset(name)
    small = parse_study(to_measure(study).model_dump(mode="json"), "the measured study")
    assert amounts_of(plan_of(small)).trained < amounts_of(plan_of(study)).trained
    assert disk_bytes(plan_of(small)) < disk_bytes(plan_of(study))

"""What methods put into a model and train, and where their stages start."""

from pathlib import Path

import pytest

from sapo_analysis.methods import Learned, make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from tests.tiny_sequence import tiny_sequence

STUDY = tiny_sequence(
    strategies=["original+promot"],
    training={"examples": 24, "batch_size": 4, "steps": 5, "warmup_steps": 4},
    soft_prompt={"learning_rate": 0.02},
    ia3={"learning_rate": 0.03},
    promot={"steps": 3, "select_every": 2},
)
FULL = STUDY.model_copy(update={"promot": STUDY.promot.model_copy(update={"update": "full"})})
PAST = [Learned("sentiment", None, Path("a"), ()), Learned("add", None, Path("b"), ())]

CARRIED = {
    "prompt-tuning": "soft-prompt",
    "p-tuning": "prompt-encoder",
    "prefix-tuning": "prefix",
    "ia3": "ia3",
}


@pytest.mark.parametrize(("name", "part"), CARRIED.items())
def test_what_is_always_on_is_one_part_carried_on(name, part):
    method = make_method(name, STUDY)
    recipe = method.recipe(2)
    assert recipe.always_on and recipe.parts == (part,)
    (phase,) = recipe.phases
    rate = 0.03 if name == "ia3" else 0.02
    assert phase.settings == STUDY.training.model_copy(update={"learning_rate": rate})
    assert phase.trains == (part,) and phase.select_every == 0
    assert method.start(7, PAST) == method.standing(7, PAST) == AdapterStart(7, carried=Path("b"))


def test_promot_trains_a_soft_prompt_and_then_an_adapter():
    method = make_method("promot", STUDY)
    recipe = method.recipe(0)
    first, second = recipe.phases
    assert (first.trains, second.trains) == (("soft-prompt",), ("lora",))
    assert (first.settings.steps, first.settings.learning_rate) == (3, 0.02)
    assert first.settings.warmup_steps == 3  # no longer than the stage
    assert second.settings == STUDY.training
    assert (first.select_every, second.select_every, recipe.steps) == (2, 2, 8)
    assert not recipe.always_on and not method.trains_all
    folder = Path("b")
    assert method.start(7, PAST) == AdapterStart(7, carried=folder, removable=folder)
    assert method.standing(7, PAST) == AdapterStart(7, carried=folder)


def test_stage_2_can_train_all_weights_at_their_own_rate():
    method = make_method("promot", FULL)
    assert method.trains_all
    second = method.recipe(0).phases[1]
    assert second.trains == ("whole-model",)
    assert second.settings.learning_rate == STUDY.full.learning_rate


def test_variants_differ_from_promot_as_they_say():
    recipes = {
        name: make_method(name, STUDY).recipe(0)
        for name in (
            "promot",
            "promot-1-shot",
            "promot-lora-first",
            "promot-joint",
            "promot-random",
        )
    }
    plain = recipes["promot"]
    assert recipes["promot-1-shot"] == plain
    assert make_method("promot-1-shot", STUDY).demonstrations == 1
    assert recipes["promot-joint"].phases[0].trains == ("soft-prompt", "lora")
    assert len(recipes["promot-joint"].phases) == 1
    assert recipes["promot-random"].uniform and recipes["promot-random"].phases == plain.phases[1:]
    by_adapter = recipes["promot-lora-first"]
    assert by_adapter.phases[0].trains == ("first-lora",)
    assert by_adapter.phases[0].settings.learning_rate == STUDY.training.learning_rate
    assert by_adapter.phases[1] == plain.phases[1]


def test_a_saved_soft_prompt_stands_for_stage_1():
    given = STUDY.promot.model_copy(update={"stage_1_from": "folder"})
    recipe = make_method("promot", STUDY.model_copy(update={"promot": given})).recipe(0)
    assert [phase.trains for phase in recipe.phases] == [("lora",)]


@pytest.mark.parametrize("name", ["multi-task", "promot-multi-task"])
def test_a_mixture_starts_at_the_base_again_and_takes_its_tasks_steps(name):
    method = make_method(name, STUDY)
    assert method.training(2).steps == 3 * STUDY.training.steps
    assert list(method.mixed(PAST)) == PAST
    start = method.start(7, PAST)
    assert start.carried is None
    assert start.removable == (Path("b") if name == "promot-multi-task" else None)
    assert method.standing(7, PAST) == AdapterStart(7, carried=Path("b"))
    assert method.start(7, ()) == AdapterStart(7)
    recipe = method.recipe(2)
    if recipe is not None:
        assert [phase.settings.steps for phase in recipe.phases] == [3, 15]


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("promot", "soft_prompt", {"virtual_tokens": 7}),
        ("promot", "promot", {"steps": 4}),
        ("prompt-tuning", "soft_prompt", {"init": "vocabulary"}),
        ("ia3", "ia3", {"learning_rate": 0.5}),
    ],
)
def test_settings_that_decide_a_fine_tune_are_named(name, setting, value):
    own = getattr(STUDY, setting).model_copy(update=value)
    changed = STUDY.model_copy(update={setting: own})
    assert make_method(name, changed).decides(0) != make_method(name, STUDY).decides(0)

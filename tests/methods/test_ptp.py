"""PTP as a method: its recipe, the settings that decide it, what it reads, what is refused."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.methods import find_method, make_method
from sapo_analysis.methods.recipe import Perturbed
from sapo_analysis.plan import amounts_of, plan_of, to_measure
from sapo_analysis.plan.amounts import fine_tune_reads
from sapo_analysis.spec import SequenceStudy, parse_study, read_preset

SETTINGS = {
    "noise_strength": 0.2,
    "adversarial_strength": 0.3,
    "adversarial_steps": 4,
    "mask_share": 0.05,
    "weight": 2.0,
}
EXPECTED = {
    "ptp-noise": Perturbed("noise", 0.2, 2.0),
    "ptp-masking": Perturbed("masking", 0.05, 2.0),
    "ptp-adversarial": Perturbed("adversarial", 0.3, 2.0, 4),
}


def smoke_of(method, **changes):
    return parse_study({**read_preset(f"smoke-{method}"), **changes}, "a study")


@pytest.mark.parametrize(("name", "how"), EXPECTED.items())
def test_it_is_prompt_tuning_read_once_more_as_the_study_says(name, how):
    study = smoke_of(name, ptp=SETTINGS)
    recipe = make_method(name, study).recipe(0)
    plain = make_method("prompt-tuning", study).recipe(0)
    (phase,), (clean,) = recipe.phases, plain.phases
    assert phase.perturbed == how and clean.perturbed is None
    assert (phase.trains, phase.settings) == (clean.trains, clean.settings)
    assert (recipe.parts, recipe.always_on) == (plain.parts, plain.always_on)
    assert "reconstruction" in find_method(name).facts.caveat


@pytest.mark.parametrize(("name", "how"), EXPECTED.items())
def test_what_decides_a_fine_tune_is_told_and_what_does_not_is_idle(name, how):
    def decides(**changes):
        return make_method(name, smoke_of(name, ptp=SETTINGS | changes)).decides(0)

    changes = {"noise_strength": 0.7, "adversarial_strength": 0.7, "adversarial_steps": 5}
    changes |= {"mask_share": 0.7, "weight": 0.7}
    idle = {
        setting for setting, value in changes.items() if decides(**{setting: value}) == decides()
    }
    assert idle == {s.partition(".")[2] for s in find_method(name).idle if s.startswith("ptp.")}
    own = {
        "noise": "noise_strength",
        "masking": "mask_share",
        "adversarial": "adversarial_strength",
    }
    assert own[how.by] not in idle and "weight" not in idle


def test_every_pass_over_a_batch_is_counted():
    plain = amounts_of(plan_of(smoke_of("prompt-tuning")))
    stage = 10 * 16  # the past task is learned without
    own = plain.trained - stage
    for name, passes in (("ptp-noise", 2), ("ptp-masking", 2), ("ptp-adversarial", 1 + 4 + 1)):
        found = amounts_of(plan_of(smoke_of(name, ptp=SETTINGS)))
        assert found._replace(trained=0) == plain._replace(trained=0)
        assert found.trained == stage + passes * own
    strategies = ["original+lora", "original+ptp-adversarial"]
    shared = {"kind": "sequence", "orders": [["sentiment", "add"]], "prompts": 1, "ptp": SETTINGS}
    shared["training"] = {"steps": 5, "batch_size": 4}
    study = SequenceStudy.model_validate({**shared, "strategies": strategies})
    assert fine_tune_reads(study, "ptp-adversarial", 1) == 5 * 6
    assert amounts_of(plan_of(study)).trained == 2 * 5 * 4 * (1 + 6)


def test_how_strong_changes_no_speed_and_how_often_is_sought_does():
    study = smoke_of("ptp-adversarial", ptp=SETTINGS)
    other = smoke_of("ptp-adversarial", ptp=SETTINGS | {"adversarial_strength": 9.0, "weight": 0.5})
    assert to_measure(study) == to_measure(other)
    more = smoke_of("ptp-adversarial", ptp=SETTINGS | {"adversarial_steps": 9})
    assert to_measure(study) != to_measure(more)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"noise_strength": -0.1}, "ptp.noise_strength: "),
        ({"adversarial_strength": float("inf")}, "ptp.adversarial_strength: "),
        ({"adversarial_steps": 0}, "greater than 0 (got 0)"),
        ({"mask_share": 1.2}, "less than or equal to 1 (got 1.2)"),
        ({"weight": -1}, "ptp.weight: "),
        ({"strength": 0.1}, "Known here: noise_strength, adversarial_strength"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_what_is_allowed(changes, says):
    with pytest.raises(InputError) as error:
        smoke_of("ptp-noise", ptp=changes)
    assert says in str(error.value)

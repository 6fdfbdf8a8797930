"""What `ct-prompt` and `ct-kv` put into a model, and what of their settings is refused."""

from pathlib import Path

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.methods import Learned, make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.recipe import Context
from sapo_analysis.plan import make_plan
from sapo_analysis.spec import ParaphraseStudy, SequenceStudy
from tests.tiny import tiny_study
from tests.tiny_sequence import tiny_sequence

OWN = {"demonstrations": 3, "learning_rate": 0.5, "token_drop": 0.1, "leave_one_out": False}
PARTS = {"ct-prompt": "soft-prompt", "ct-kv": "prefix"}
PAST = [Learned("sentiment", None, Path("a"), ()), Learned("add", None, Path("b"), ())]


def paraphrase(method="ct-kv", **changes):
    return ParaphraseStudy(
        current=["sentiment"],
        unseen=["place"],
        **{"method": method, "context_tuning": OWN, **changes},
    )


@pytest.mark.parametrize(("name", "part"), PARTS.items())
def test_one_part_is_trained_at_a_rate_of_its_own(name, part):
    study = paraphrase(name, training={"schedule": "cosine"})
    recipe = make_method(name, study).recipe(0)
    (phase,) = recipe.phases
    assert recipe.parts == phase.trains == (part,) and recipe.always_on
    assert recipe.context == Context(3, False, 0.1)
    assert phase.settings == study.training.model_copy(update={"learning_rate": 0.5})


@pytest.mark.parametrize("name", PARTS)
def test_in_a_sequence_each_task_keeps_its_own_and_the_model_stays(name):
    method = make_method(name, tiny_sequence(strategies=[f"original+{name}"]))
    assert not method.recipe(2).always_on
    assert method.start(7, PAST) == AdapterStart(7, removable=Path("b"))
    assert method.start(7, ()) == AdapterStart(7)
    assert method.standing(7, PAST) == AdapterStart(7)


def test_its_settings_name_its_fine_tunes_and_no_others():
    def ids(method, **own):
        plan = make_plan(tiny_study().model_copy(update={"method": method, **own}))
        return {trial.trial_id for trial in plan.trials}

    other = {"context_tuning": paraphrase().context_tuning}
    assert not ids("ct-kv") & ids("ct-kv", **other)
    assert not ids("ct-kv") & ids("ct-prompt")
    assert ids("prompt-tuning") == ids("prompt-tuning", **other)
    own = tiny_sequence()
    changed = own.model_copy(update=other)
    for name in PARTS:
        assert make_method(name, own).decides(0) != make_method(name, changed).decides(0)


@pytest.mark.parametrize(
    ("own", "training", "message"),
    [
        ({"demonstrations": 0}, {}, r"demonstrations"),
        ({"token_drop": 1.0}, {}, r"token_drop"),
        ({"demonstrations": 5}, {"examples": 4}, r"= 5 training rows, and training.examples is 4"),
        (
            {"demonstrations": 1},
            {"examples": 1},
            r"nothing is left that could be trained\. Raise training\.examples",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(own, training, message):
    with pytest.raises(InputError, match=message):
        paraphrase(context_tuning=own, training=training)
    sequence = {"orders": ["sentiment", "add"], "strategies": ["original+ct-prompt"]}
    with pytest.raises(InputError, match=message):
        SequenceStudy(**sequence, context_tuning=own, training=training)


def test_the_papers_setting_can_be_asked_for():
    study = paraphrase(context_tuning={"demonstrations": 4}, training={"examples": 4})
    assert study.context_tuning.leave_one_out and study.context_tuning.token_drop == 0.05
    # Of other methods such settings say nothing.
    paraphrase("lora", context_tuning={"demonstrations": 9}, training={"examples": 4})
    alone = {"demonstrations": 1, "leave_one_out": False}
    paraphrase(context_tuning=alone, training={"examples": 1})

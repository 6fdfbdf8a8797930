"""Stacked training against peft in a plain loop, one adapter at a time, in float64."""

import math

import pytest
import torch

from sapo_analysis.learning.members import Member
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.learning.training import train
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task

SETTINGS = TrainingSettings(
    steps=20,
    batch_size=4,
    learning_rate=3e-3,
    max_grad_norm=3.0,
    schedule="linear",
    warmup_steps=3,
    weight_decay=0.01,
)


@pytest.fixture(scope="module")
def members(encoder):
    """Other tasks, prompts, seeds, lengths, ends and settings in one stack."""

    def member(task, prompt, seed, **changes):
        rows = encoder.encode_split(get_task(task), "train", 40, get_prompts(task)[prompt])
        return Member(rows, SETTINGS.model_copy(update=changes), seed)

    return [
        member("sentiment", 0, 5),
        member("last_word", 3, 5, max_grad_norm=1.0),
        member("product", 2, 77, steps=12, learning_rate=1e-3, schedule="cosine"),
        member("sentiment", 4, 6, batch_size=3, weight_decay=0.0),
    ]


@pytest.fixture(scope="module")
def brief(members):
    """The same members, ten steps at most."""

    def shorter(member):
        steps = member.settings.steps // 2
        return Member(member.rows, member.settings.model_copy(update={"steps": steps}), member.seed)

    return [shorter(member) for member in members]


def weights_of(adapted):
    return {
        name: (module.lora_A["default"].weight, module.lora_B["default"].weight)
        for name, module in adapted.base_model.model.named_modules()
        if hasattr(module, "lora_A")
    }


def assert_same_as_one_by_one(model, lora, members, pad_id, tolerance):
    with stacked_adapters(model, lora, [m.seed for m in members]) as adapters:
        fits = train_stacked(model, adapters, members, pad_id)
        stacked = {
            name: (module.a.detach(), module.b.detach())
            for name, module in adapters.modules.items()
        }
    for k, member in enumerate(members):
        with fresh_adapter(model, lora, member.seed) as adapted:
            fit = train(adapted, member.rows, member.settings, member.seed, pad_id)
            assert fits[k].losses == pytest.approx(fit.losses, rel=tolerance)
            assert fits[k].grad_norms == pytest.approx(fit.grad_norms, rel=tolerance)
            for name, pair in weights_of(adapted).items():
                for own, expected in zip(stacked[name], pair, strict=True):
                    largest = max(1.0, float(expected.detach().abs().max()))
                    assert (own[k] - expected.detach()).abs().max() <= tolerance * largest, name


@pytest.mark.parametrize(
    ("targets", "dropout"),
    [("all-linear", 0.0), ("all-linear", 0.1), (("q_proj", "v_proj"), 0.1)],
    ids=["all", "all with dropout", "q, v with dropout"],
)
def test_weights_after_twenty_steps_are_those_of_separate_training(
    model64, encoder, members, targets, dropout
):
    lora = LoraSettings(lora_dropout=dropout, target_modules=targets)
    assert_same_as_one_by_one(model64, lora, members, encoder.pad_id, 1e-10)


def test_the_gradients_were_clipped_at_some_steps_and_not_at_others(model64, encoder, members):
    # Else the test above would say nothing about clipping.
    with fresh_adapter(model64, LoraSettings(), 5) as adapted:
        fit = train(adapted, members[0].rows, members[0].settings, 5, encoder.pad_id)
    norms = torch.tensor(fit.grad_norms)
    clip = members[0].settings.max_grad_norm
    assert (norms > clip).any() and (norms < clip).any()


def test_in_float32_the_first_steps_agree(pocket_model, encoder, members):
    # Losses, not weights: AdamW's first steps turn the sign of a tiny gradient into a whole step.
    short = [
        Member(m.rows, m.settings.model_copy(update={"steps": 4, "warmup_steps": 0}), m.seed)
        for m in members
    ]
    with stacked_adapters(pocket_model, LoraSettings(), [m.seed for m in short]) as adapters:
        fits = train_stacked(pocket_model, adapters, short, encoder.pad_id)
    for member, fit in zip(short, fits, strict=True):
        with fresh_adapter(pocket_model, LoraSettings(), member.seed) as adapted:
            plain = train(adapted, member.rows, member.settings, member.seed, encoder.pad_id)
        assert fit.losses == pytest.approx(plain.losses, rel=1e-3)


def test_an_adapter_does_not_depend_on_its_neighbours(model64, encoder, brief):
    lora = LoraSettings(lora_dropout=0.1)
    found = []
    for stack in (brief, brief[:1]):
        with stacked_adapters(model64, lora, [m.seed for m in stack]) as adapters:
            train_stacked(model64, adapters, stack, encoder.pad_id)
            found.append(adapters.values[0].clone())
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-12)


@pytest.fixture(scope="module", params=[0.0, 0.1])
def apart(request, model64, encoder, brief):
    """Two members in a stack of their own, and one that diverges by itself, without the others."""
    lora = LoraSettings(lora_dropout=request.param)
    wild = Member(brief[0].rows, brief[0].settings.model_copy(update={"learning_rate": 1e200}), 5)
    with fresh_adapter(model64, lora, 5) as adapted:
        alone = train(adapted, wild.rows, wild.settings, 5, encoder.pad_id)
    others = [brief[1], brief[2]]
    with stacked_adapters(model64, lora, [m.seed for m in others]) as adapters:
        fits = train_stacked(model64, adapters, others, encoder.pad_id)
        return lora, wild, alone, others, fits, adapters.values.clone()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_diverging_adapter_stops_alone_and_keeps_its_last_good_weights(
    model64, encoder, apart, place
):
    lora, wild, alone, others, expected, expected_values = apart
    stack = [*others[:place], wild, *others[place:]]
    good = [k for k in range(3) if k != place]
    with stacked_adapters(model64, lora, [m.seed for m in stack]) as adapters:
        fits = train_stacked(model64, adapters, stack, encoder.pad_id)
        values = adapters.values.clone()
    assert [fits[k].diverged for k in good] == [False, False]
    assert fits[place].diverged and 1 <= len(fits[place].losses) < wild.settings.steps
    assert not math.isfinite(fits[place].losses[-1] + fits[place].grad_norms[-1])
    assert len(alone.losses) == len(fits[place].losses)
    torch.testing.assert_close(values[good], expected_values, rtol=1e-10, atol=1e-12)
    assert fits[good[0]].losses == pytest.approx(expected[0].losses, rel=1e-12)
    assert len(fits[good[1]].losses) == 6


def test_a_finished_member_no_longer_changes(model64, encoder, members):
    short = Member(members[0].rows, SETTINGS.model_copy(update={"steps": 4}), 5)
    found = []
    for others in ([], [members[1]]):
        stack = [short, *others]
        with stacked_adapters(model64, LoraSettings(), [m.seed for m in stack]) as adapters:
            train_stacked(model64, adapters, stack, encoder.pad_id)
            found.append(adapters.values[0].clone())
    # Weight decay and moments would go on moving it, by far more than two members' rounding.
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-12)


def test_shared_prefixes_are_read_once(pocket_model, encoder):
    rows = [Encoded([9, 8, 7, *own, 5], 3 + len(own), 4 + len(own)) for own in ([1], [2, 3])]
    member = Member(rows, TrainingSettings(steps=2, batch_size=2), 0)
    with stacked_adapters(pocket_model, LoraSettings(), [0]) as adapters:
        (fit,) = train_stacked(pocket_model, adapters, [member], encoder.pad_id)
    assert fit.tokens == 2 * (3 + 2 + 3)
    assert fit.logits == 2 * 2
    with stacked_adapters(pocket_model, LoraSettings(lora_dropout=0.5), [0]) as adapters:
        (fit,) = train_stacked(pocket_model, adapters, [member], encoder.pad_id)
    assert fit.tokens == 2 * (5 + 6)  # each copy of the prefix has a mask of its own

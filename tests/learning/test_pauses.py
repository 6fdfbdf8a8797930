"""Training that pauses to be looked at: the same weights, bit for bit, and the same looks."""

import pytest
import torch

from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.learning.mean_loss import mean_loss, stacked_mean_losses
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.stacked_training import StackedTraining, train_stacked
from sapo_analysis.learning.training import Training, train
from sapo_analysis.models.delta_norm import delta_norm, stacked_delta_norms
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import list_tasks

TASKS = list_tasks()[:2]
SETTINGS = TrainingSettings(steps=5, batch_size=4, schedule="linear", warmup_steps=1)
PAUSES = (0, 2, 3)
DROPOUT = LoraSettings(lora_dropout=0.2)


@pytest.fixture(scope="module")
def members(encoder):
    """Two prompts of one task and another task; other seeds, other ends."""

    def member(task, prompt, seed, **changes):
        rows = encoder.encode_split(task, "train", 20, get_prompts(task.name)[prompt])
        return Member(rows, SETTINGS.model_copy(update=changes), seed)

    return [
        member(TASKS[0], 0, 5),
        member(TASKS[0], 1, 5, steps=2),
        member(TASKS[1], 2, 8, max_grad_norm=0.1),
    ]


@pytest.fixture(scope="module")
def dev(encoder):
    """Per member: the dev examples of its task under its own prompt."""
    own = [(TASKS[0], 0), (TASKS[0], 1), (TASKS[1], 2)]
    return [encoder.encode_split(t, "dev", 7, get_prompts(t.name)[p]) for t, p in own]


def exam_rows(encoder):
    return encoder.encode_split(TASKS[1], "test", 6, get_prompts(TASKS[1].name)[0])


def look_at(model, encoder, rows):
    """Everything that a checkpoint measures of one adapter."""
    loss = mean_loss(model, rows, 4, encoder.pad_id).value
    found = evaluate(model, encoder, TASKS[1], TASKS[1].examples("test", 6), exam_rows(encoder), 4)
    return loss, delta_norm(model), found.loss


def look_at_stack(model, adapters, encoder, dev):
    losses = [x.value for x in stacked_mean_losses(model, dev, 4, encoder.pad_id)]
    examples, rows = TASKS[1].examples("test", 6), [exam_rows(encoder)] * len(dev)
    found = evaluate_stacked(model, encoder, TASKS[1], examples, rows, 4)
    return [
        (loss, norm, own.loss)
        for loss, norm, own in zip(losses, stacked_delta_norms(adapters), found, strict=True)
    ]


def paused(model, lora, member, encoder, rows):
    """One fine-tune, looked at: what it left behind, its weights, the looks."""
    looks = []
    with fresh_adapter(model, lora, member.seed) as adapted:
        training = Training(adapted, member, encoder.pad_id)
        for step in PAUSES:
            training.advance(step)
            looks.append(look_at(adapted, encoder, rows))
        training.advance()
        looks.append(look_at(adapted, encoder, rows))
        weights = [p.detach().clone() for p in adapted.parameters() if p.requires_grad]
    return training.fit, weights, looks


def test_a_paused_fine_tune_ends_at_the_same_weights(pocket_model, encoder, members, dev):
    member = members[0]
    torch.manual_seed(11)
    before = torch.get_rng_state()
    fit, weights, looks = paused(pocket_model, DROPOUT, member, encoder, dev[0])
    assert torch.equal(torch.get_rng_state(), before)
    with fresh_adapter(pocket_model, DROPOUT, member.seed) as adapted:
        expected = train(adapted, member.rows, member.settings, member.seed, encoder.pad_id)
        plain = [p.detach().clone() for p in adapted.parameters() if p.requires_grad]
    assert fit == expected and len(fit.losses) == 5
    assert all(torch.equal(own, other) for own, other in zip(weights, plain, strict=True))
    assert looks[0][1] == 0 and len(set(looks)) == 4  # it moved between any two looks


def test_a_paused_stack_ends_at_the_same_weights(pocket_model, encoder, members, dev):
    seeds = [m.seed for m in members]
    torch.manual_seed(11)
    before = torch.get_rng_state()
    with stacked_adapters(pocket_model, DROPOUT, seeds) as adapters:
        training = StackedTraining(pocket_model, adapters, members, encoder.pad_id)
        for step in PAUSES:
            training.advance(step)
            look_at_stack(pocket_model, adapters, encoder, dev)
        training.advance()
        found = adapters.values.detach().clone()
    assert torch.equal(torch.get_rng_state(), before)
    with stacked_adapters(pocket_model, DROPOUT, seeds) as adapters:
        expected = train_stacked(pocket_model, adapters, members, encoder.pad_id)
        assert torch.equal(found, adapters.values)
    assert training.fits == expected
    assert [len(fit.losses) for fit in training.fits] == [5, 2, 5]


def test_in_float64_both_engines_see_the_same_at_every_pause(model64, encoder, members, dev):
    with stacked_adapters(model64, DROPOUT, [m.seed for m in members]) as adapters:
        training = StackedTraining(model64, adapters, members, encoder.pad_id)
        stacked = []
        for step in (*PAUSES, None):
            training.advance(step)
            stacked.append(look_at_stack(model64, adapters, encoder, dev))
    for k, member in enumerate(members):
        _, _, looks = paused(model64, DROPOUT, member, encoder, dev[k])
        for own, alone in zip(stacked, looks, strict=True):
            assert own[k] == pytest.approx(alone, rel=1e-9, abs=1e-12)
    # The second member ended at step 2: it looks the same from there on.
    assert stacked[1][1] == stacked[2][1] == stacked[3][1]


def test_a_mean_loss_is_over_tokens_and_counts_what_was_read(model64, encoder, dev):
    rows = dev[0]
    total = n = 0.0
    for row in rows:
        ids = torch.tensor([row.ids])
        log_p = model64(input_ids=ids).logits[0].log_softmax(-1)
        places = range(row.target_start, len(row.ids))
        total -= float(sum(log_p[t - 1, ids[0, t]] for t in places))
        n += len(places)
    plain = mean_loss(model64, rows, 3, encoder.pad_id)
    (packed,) = stacked_mean_losses(model64, [rows], 3, encoder.pad_id)
    assert plain.value == pytest.approx(total / n, rel=1e-10)
    assert packed.value == pytest.approx(total / n, rel=1e-10)
    assert plain.tokens == plain.logits == sum(len(row.ids) for row in rows)
    assert packed.logits == n and n < packed.tokens < plain.tokens


def test_going_back_or_beyond_the_end_trains_nothing(pocket_model, encoder, members):
    member = members[1]
    with fresh_adapter(pocket_model, DROPOUT, member.seed) as adapted:
        training = Training(adapted, member, encoder.pad_id)
        for until, taken in ((1, 1), (0, 1), (1, 1), (99, 2), (None, 2)):
            training.advance(until)
            assert len(training.fit.losses) == taken
            assert not any(module.training for module in adapted.modules())
    with stacked_adapters(pocket_model, LoraSettings(), [5, 5]) as adapters:
        stack = StackedTraining(pocket_model, adapters, members[:2], encoder.pad_id)
        for until, taken in ((1, [1, 1]), (0, [1, 1]), (4, [4, 2]), (99, [5, 2]), (None, [5, 2])):
            stack.advance(until)
            assert [len(fit.losses) for fit in stack.fits] == taken


def test_what_was_seen_at_a_pause_does_not_change_later(pocket_model, encoder, members):
    with stacked_adapters(pocket_model, LoraSettings(), [5]) as adapters:
        stack = StackedTraining(pocket_model, adapters, members[:1], encoder.pad_id)
        stack.advance(1)
        (early,) = stack.fits
        stack.advance()
    with fresh_adapter(pocket_model, LoraSettings(), 5) as adapted:
        training = Training(adapted, members[0], encoder.pad_id)
        training.advance(1)
        alone = training.fit
        training.advance()
    assert len(early.losses) == len(alone.losses) == len(early.grad_norms) == 1


def test_a_divergence_is_seen_at_the_next_pause_and_stops_that_member_alone(
    pocket_model, encoder, members
):
    wild = Member(members[0].rows, SETTINGS.model_copy(update={"learning_rate": 1e30}), 5)
    with stacked_adapters(pocket_model, LoraSettings(), [5, 8]) as adapters:
        stack = StackedTraining(pocket_model, adapters, [wild, members[2]], encoder.pad_id)
        seen = []
        # The warm-up's first step has a learning rate of zero, the second one breaks the weights.
        for step in (1, 2, 3, 4, None):
            stack.advance(step)
            seen.append([(len(fit.losses), fit.diverged) for fit in stack.fits])
    assert seen == [
        [(1, False), (1, False)],
        [(2, False), (2, False)],
        [(3, True), (3, False)],
        [(3, True), (4, False)],
        [(3, True), (5, False)],
    ]
    with fresh_adapter(pocket_model, LoraSettings(), 5) as adapted:
        training = Training(adapted, wild, encoder.pad_id)
        for step, taken in ((2, 2), (3, 3), (4, 3), (None, 3)):
            training.advance(step)
            assert len(training.fit.losses) == taken
        assert training.fit.diverged

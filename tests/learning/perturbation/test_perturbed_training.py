"""Training on perturbed texts: both loops, a loop written here, and what must change nothing."""

import math

import pytest
import torch

from sapo_analysis.learning.members import Member, batch_order
from sapo_analysis.learning.perturbation.embedding import mean_norm
from sapo_analysis.learning.perturbation.masking import masked
from sapo_analysis.learning.perturbation.noise import noise
from sapo_analysis.learning.perturbation.places import Met, drawing
from sapo_analysis.learning.stacked_training import StackedTraining
from sapo_analysis.learning.training import Training
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.soft_prompt import standing_before
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.spec import LoraSettings, TrainingSettings
from tests.learning.perturbation.conftest import (
    LENGTH,
    ORDINARY,
    VOCABULARY,
    perturbation,
    soft_prompts,
)
from tests.models.soft_parts import some_rows

KINDS = ("noise", "adversarial", "masking")
SETTINGS = TrainingSettings(steps=3, batch_size=3, learning_rate=0.02, schedule="linear")
ROWS = some_rows(5, seed=2), some_rows(4, seed=7), some_rows(6, seed=3, shared=1)
SEEDS = 5, 5, 8


def members(how, **changes):
    """Three fine-tunes with rows, seeds, clipping and ends of their own."""
    others = {"max_grad_norm": 0.05}, {"steps": 2, "weight_decay": 0.1}
    settings = [SETTINGS.model_copy(update={**own, **changes}) for own in ({}, *others)]
    return [
        Member(rows, own, seed, perturbed=how)
        for rows, own, seed in zip(ROWS, settings, SEEDS, strict=True)
    ]


def behind(prompts, member):
    changes = {"rows": prompts.tokens.before(member.rows)}
    return Member(**{**vars(member), **changes})


def plain(model, member, pauses=()):
    """One soft prompt by the plain loop: what it left behind, its weights."""
    prompts = soft_prompts(model, [member.seed])
    with standing_before(model, prompts):
        training = Training(model, behind(prompts, member), 0, prompts.tensors)
        for step in (*pauses, None):
            training.advance(step)
    return training.fit, prompts.values[0].detach()


def stacked(model, some, pauses=()):
    """Soft prompts in one stack: what they left behind, their weights."""
    prompts = soft_prompts(model, [member.seed for member in some])
    with standing_before(model, prompts):
        read = [behind(prompts, member) for member in some]
        training = StackedTraining(model, prompts, read, 0)
        for step in (*pauses, None):
            training.advance(step)
    return training.fits, prompts.values.detach()


@pytest.mark.parametrize("by", KINDS)
def test_a_stack_gives_what_the_plain_loop_gives(small, by):
    some = members(perturbation(by, weight=1.5))
    fits, weights = stacked(small, some)
    unperturbed, _ = plain(small, members(None)[0])
    for k, member in enumerate(some):
        fit, own = plain(small, member, pauses=(0, 2))
        torch.testing.assert_close(weights[k], own, rtol=1e-9, atol=1e-11)
        assert fits[k].losses == pytest.approx(fit.losses, rel=1e-9)
        assert fits[k].grad_norms == pytest.approx(fit.grad_norms, rel=1e-9)
        assert (fits[k].searched, fits[k].reread) == (fit.searched, fit.reread)
    # The recorded loss is of the texts as they are; the weights went elsewhere.
    assert fits[0].losses[0] == pytest.approx(unperturbed.losses[0], rel=1e-12)
    assert fits[0].losses[1:] != pytest.approx(unperturbed.losses[1:], rel=1e-3)


@pytest.mark.parametrize("by", ["adversarial", "masking"])
def test_adapters_with_dropout_agree_too(small, by):
    lora = LoraSettings(r=2, lora_alpha=4, lora_dropout=0.3)
    some = members(perturbation(by))[:2]
    with stacked_adapters(small, lora, list(SEEDS[:2])) as adapters:
        training = StackedTraining(small, adapters, some, 0)
        training.advance()
        weights = [[leaf[k].detach().clone() for leaf in adapters.tensors] for k in range(2)]
    for k, member in enumerate(some):
        with fresh_adapter(small, lora, member.seed) as adapted:
            alone = Training(adapted, member, 0)
            alone.advance()
            own = [p.detach().clone() for p in adapted.parameters() if p.requires_grad]
        assert training.fits[k].losses == pytest.approx(alone.fit.losses, rel=1e-9)
        assert training.fits[k].tokens == alone.fit.tokens  # neither shares a prefix
        for found, expected in zip(weights[k], own, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("by", ["noise", "masking"])
def test_it_is_the_weighted_mean_of_two_losses_a_row_at_a_time(small, by):
    """Embeddings, losses, clipping and AdamW by hand; nothing is batched or padded."""
    strength, weight = 0.4, 2.0
    member = members(perturbation(by, strength, weight=weight))[1]
    fit, found = plain(small, member)
    prompt = soft_prompts(small, [member.seed]).prompts()[0].detach().requires_grad_()
    optimizer = torch.optim.AdamW([prompt], lr=0.02, weight_decay=0.0)
    table, order = small.get_input_embeddings().weight, batch_order(4, 3, member.seed)

    def nll(row, delta):
        ids = torch.tensor(row.ids)
        own = table[ids].clone()
        own[: row.target_start] += delta
        log_p = small(inputs_embeds=torch.cat([prompt, own])[None]).logits[0].log_softmax(-1)
        targets = range(row.target_start, len(row.ids))
        return -sum(log_p[LENGTH + t - 1, ids[t]] for t in targets)

    losses = []
    for step in range(3):
        optimizer.param_groups[0]["lr"] = 0.02 * (3 - step) / 3
        batch = [member.rows[i] for i in next(order)]
        clean = perturbed = 0.0
        for i, row in enumerate(batch):
            seed, delta, read = drawing(member.seed, step, i), 0.0, row
            if by == "noise":
                length = strength * mean_norm(small)
                met = [Met(row, seed, range(len(row.ids)))]
                delta = noise(met, VOCABULARY, 32, length, torch.device("cpu"))
            else:
                read = masked(row, ORDINARY, strength, seed)
            clean, perturbed = clean + nll(row, 0.0), perturbed + nll(read, delta)
        n = sum(row.n_target for row in batch)
        losses.append(float(clean.detach()) / n)
        optimizer.zero_grad()
        ((clean + weight * perturbed) / n / (1 + weight)).backward()
        torch.nn.utils.clip_grad_norm_([prompt], 0.05)
        optimizer.step()
    assert fit.losses == pytest.approx(losses, rel=1e-9)
    torch.testing.assert_close(found, prompt.detach().flatten(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("by", KINDS)
def test_without_strength_it_is_training_without_perturbation(small, by):
    clean, perturbed = members(None), members(perturbation(by, 0.0))
    _, expected = stacked(small, clean)
    _, found = stacked(small, perturbed)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    _, alone = plain(small, perturbed[0])
    torch.testing.assert_close(alone, expected[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("by", ["noise", "adversarial"])
def test_where_it_pauses_decides_nothing(small, by):
    some = members(perturbation(by))
    fits, weights = stacked(small, some)
    again, same = stacked(small, some, pauses=(0, 1, 2))
    assert fits == again and torch.equal(weights, same)


def test_every_pass_counts_the_tokens_that_it_reads(small):
    per_step = {"noise": (2, 0), "masking": (2, 0), "adversarial": (4, 2)}
    for by, (passes, searching) in per_step.items():
        member = members(perturbation(by))[0]
        order = batch_order(5, 3, member.seed)
        read = [member.rows[i] for _ in range(3) for i in next(order)]
        once = sum(LENGTH + len(row.ids) for row in read)
        fit, _ = plain(small, member)
        assert (fit.tokens, fit.searched) == (passes * once, searching * once)
        assert fit.reread == (passes - 1) * len(read)
        assert member.perturbed.how.passes == passes - 1
        ((fit,), _) = stacked(small, [member])
        # The clean pass alone reads what the three of a batch share once: virtual tokens, three.
        assert (fit.tokens, fit.searched) == (passes * once - 3 * 2 * 7, searching * once)
        assert fit.logits == passes * sum(row.n_target for row in read)


@pytest.mark.parametrize("by", ["noise", "adversarial"])
def test_a_perturbed_loss_that_is_no_number_stops_before_the_update(small, by):
    some = members(perturbation(by, math.inf))
    start = soft_prompts(small, SEEDS).values
    fits, weights = stacked(small, some)
    assert all(fit.diverged and math.isfinite(fit.losses[0]) for fit in fits)
    assert [len(fit.losses) for fit in fits] == [1, 1, 1] and torch.equal(weights, start)
    fit, own = plain(small, some[0])
    assert fit.diverged and len(fit.losses) == 1 and torch.equal(own, start[0])


def test_one_stack_is_perturbed_alike(small):
    one, other, _ = members(perturbation("noise"))
    with pytest.raises(ValueError, match="perturbed alike"):
        stacked(small, [one, Member(**{**vars(other), "perturbed": None})])

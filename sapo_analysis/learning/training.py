"""One fine-tune by a plain loop: the reference that faster paths are compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel, get_scheduler

from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.lora import set_adapter_dropout
from sapo_analysis.spec import TrainingSettings

_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


@dataclass(frozen=True)
class Fit:
    """What training left behind.

    Attributes:
        losses: mean loss of each step's batch before the step (nats per target token); shorter than
            the plan if training diverged.
        grad_norms: gradient norm of each step before clipping.
        diverged: whether a loss or gradient became NaN or infinite; training stopped there.
        tokens: tokens read, padding left out.
        logits: tokens at which the head was computed.
    """

    losses: list[float]
    grad_norms: list[float]
    diverged: bool
    tokens: int
    logits: int


@dataclass(frozen=True)
class Member:
    """One fine-tune: its examples under its prompt, its settings, its seed."""

    rows: Sequence[Encoded]
    settings: TrainingSettings
    seed: int


def train(
    model: PreTrainedModel,
    rows: Sequence[Encoded],
    settings: TrainingSettings,
    seed: int,
    pad_id: int,
) -> Fit:
    """Minimise the token mean of each batch's loss over the trainable parameters with AdamW.

    The order of examples is a function of `seed`, the dropout stream of each step one of `seed` and
    the step, so two prompts with one seed meet the same examples in the same order under the same
    streams. (Within a step, texts of unequal length take unequally many numbers from the stream.)
    The frozen base stays in eval mode: dropout is the adapter's own.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer, scheduler = make_optimizer(parameters, settings)
    order = batch_order(len(rows), settings.batch_size, seed)
    losses: list[float] = []
    norms: list[float] = []
    tokens = 0
    set_adapter_dropout(model, on=True)
    with torch.random.fork_rng():
        for step in range(settings.steps):
            torch.manual_seed(seed + step)
            batch = [rows[i] for i in next(order)]
            inputs, labels = collate(batch, pad_id, model.device)
            per_token = token_losses(model(**inputs, use_cache=False).logits, labels)
            loss = per_token.sum() / sum(row.n_target for row in batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
            tokens += sum(len(row.ids) for row in batch)
            losses.append(float(loss.detach()))
            norms.append(float(norm))
            if not (math.isfinite(losses[-1]) and math.isfinite(norms[-1])):
                break
            optimizer.step()
            scheduler.step()
    set_adapter_dropout(model, on=False)
    diverged = not math.isfinite(losses[-1] + norms[-1])
    return Fit(losses, norms, diverged, tokens, logits=tokens)


def make_optimizer(
    parameters: Sequence[Tensor], settings: TrainingSettings
) -> tuple[torch.optim.AdamW, LRScheduler]:
    """AdamW and its learning rate schedule."""
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = get_scheduler(
        _SCHEDULES[settings.schedule], optimizer, settings.warmup_steps, settings.steps
    )
    return optimizer, schedule


def batch_order(n: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of each batch, every one full: a new permutation when the rows are used up."""
    generator = torch.Generator().manual_seed(seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < batch_size:
            waiting += torch.randperm(n, generator=generator).tolist()
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]

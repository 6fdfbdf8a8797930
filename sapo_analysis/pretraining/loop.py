"""The training loop of pretraining: next-token loss on conversations, answers above all."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from sapo_analysis.learning.batching import in_batches
from sapo_analysis.pretraining import checkpoint
from sapo_analysis.pretraining.conversations import Conversation, conversations, padded
from sapo_analysis.pretraining.mix import (
    mixture_fingerprint,
    pretraining_stream,
    suite_fingerprints,
)
from sapo_analysis.pretraining.settings import PretrainSettings
from sapo_analysis.tasks.pocket import task_names

LOG = "pretraining_log.jsonl"
# Rows of like length are read together, so that a long conversation pads few others; what a few
# rows need fits into a cache.
_ROWS_AT_ONCE = 16

Report = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, a short text). It may raise to stop the work."""


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    settings: PretrainSettings,
    out: Path,
    report: Report,
) -> checkpoint.Progress:
    """Train to the end, from the checkpoint in `out` if there is one; loss per `log_every` steps.

    Stopped and continued it gives the same weights as at one go.
    """
    optimizer = _optimizer(model, settings)
    suite = {
        **suite_fingerprints(task_names()),
        "mixture": mixture_fingerprint(settings, task_names()),
    }
    begun = checkpoint.load(out, settings, suite, model, optimizer)
    frequencies = begun.frequencies
    stream = pretraining_stream(settings)
    for _ in islice(stream, begun.step * settings.batch_size):
        pass  # what was trained on already
    _cut_log(out / LOG, begun.step)
    pad_id = int(tokenizer.pad_token_id or 0)
    started = time.perf_counter() - begun.seconds
    progress = begun
    model.train()
    for step in range(begun.step + 1, settings.steps + 1):
        draws = list(islice(stream, settings.batch_size))
        for draw in draws:
            frequencies[draw.prompt.prompt_id] += len(draw.examples)
        rate = settings.learning_rate * rate_factor(step - 1, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        rows = conversations(tokenizer, draws)
        answer_loss, text_loss = _backward(model, pad_id, rows, settings, step)
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.grad_clip)
        optimizer.step()
        progress = checkpoint.Progress(step, time.perf_counter() - started, frequencies)
        if step % settings.log_every == 0 or step in (1, settings.steps):
            row = {
                "step": step,
                "answer_loss": round(answer_loss, 5),
                "text_loss": round(text_loss, 5),
                "learning_rate": rate,
                "seconds": round(progress.seconds, 1),
            }
            with (out / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            report(step, settings.steps, f"answer loss {answer_loss:.3f}")
        if step % settings.save_every == 0 and step < settings.steps:
            checkpoint.save(out, settings, suite, model, optimizer, progress)
    return progress


def _backward(
    model: LlamaForCausalLM,
    pad_id: int,
    rows: Sequence[Conversation],
    settings: PretrainSettings,
    step: int,
) -> tuple[float, float]:
    """Add the batch's gradient; mean loss on answers and on the user's tokens, nats per token.

    The user's tokens take turns from step to step: the head is the dearest layer of a small model.
    """
    ordered = sorted(rows, key=lambda row: len(row.ids))
    parts = [padded(part, pad_id) for part in in_batches(ordered, _ROWS_AT_ONCE)]
    taken = [
        (is_text & (torch.arange(ids.shape[1]) % settings.text_every == step % settings.text_every))
        for ids, _, is_text in parts
    ]
    # The first token of a row is never predicted.
    n_answer = sum(int(is_answer[:, 1:].sum()) for _, is_answer, _ in parts)
    n_text = sum(int(is_taken[:, 1:].sum()) for is_taken in taken)
    answer_sum = text_sum = 0.0
    for (ids, is_answer, _), is_taken in zip(parts, taken, strict=True):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        answer = _nll(model, hidden, ids, is_answer)
        text = _nll(model, hidden, ids, is_taken)
        loss: Any = answer / n_answer + settings.text_weight * text / n_text
        loss.backward()
        answer_sum += answer.item()
        text_sum += text.item()
    return answer_sum / n_answer, text_sum / n_text


def _nll(model: LlamaForCausalLM, hidden: Tensor, ids: Tensor, wanted: Tensor) -> Tensor:
    """Summed loss of the wanted tokens; position t of `hidden` is held against token t + 1."""
    chosen = wanted[:, 1:]
    logits = model.lm_head(hidden[chosen])
    return cross_entropy(logits, ids[:, 1:][chosen], reduction="sum")


def _optimizer(model: LlamaForCausalLM, settings: PretrainSettings) -> torch.optim.AdamW:
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )


def rate_factor(step: int, settings: PretrainSettings) -> float:
    """The learning rate of a step (from 0) over its peak: linear warm-up, then cosine to zero."""
    warm = max(1, round(settings.warmup * settings.steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, settings.steps - warm)
    return 0.5 * (1.0 + math.cos(math.pi * done))


def _cut_log(path: Path, step: int) -> None:
    """Drop what a killed session logged after its last checkpoint."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    kept = [line for line in lines if json.loads(line)["step"] <= step]
    path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

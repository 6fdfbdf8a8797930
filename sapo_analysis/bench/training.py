"""Fine-tunes of one frozen model, an adapter per prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import torch

from sapo_analysis.bench.arms import ours, plain, trainer
from sapo_analysis.bench.arms.weights import Weights, distance
from sapo_analysis.bench.compare import compared, require_alike
from sapo_analysis.bench.floor import (
    Peak,
    Reading,
    last_layer_share,
    reading,
    sizes_of,
    training_flops,
)
from sapo_analysis.bench.gate import without_dropout
from sapo_analysis.bench.harness import Arm, Say, best, interleave, thread_counts
from sapo_analysis.bench.largest import largest
from sapo_analysis.bench.workload import Workload
from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.members import batch_order
from sapo_analysis.models.lora import fresh_adapter


def tune(work: Workload, say: Say) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """The best threads and micro-batch for `Trainer`, and the grid they were chosen from.

    Best in the steady state: that is what is measured, and a short job is start-up for the most.
    """
    size = work.preset.batch_size
    grid = [
        {"threads": n, "micro_batch": micro}
        for n in thread_counts(work.device, work.threads)
        for micro in (size, size // 2, size // 4)
    ]
    short, long = work.preset.steps
    return best("training, trainer", grid, lambda cell: _trainer_arm(work, cell), long, say, short)


def tune_threads(work: Workload, name: str, say: Say) -> int:
    """The best number of threads for another arm."""
    threads = [{"threads": n} for n in thread_counts(work.device, work.threads)]
    make = {"plain": _plain_arm, "ours": _our_arm}[name]
    short, long = work.preset.steps
    chosen, _ = best(f"training, {name}", threads, lambda cell: make(work, cell), long, say, short)
    return chosen["threads"]


def measure(
    work: Workload,
    peak: Peak,
    chosen: dict[str, int],
    threads: dict[str, int],
    say: Say,
) -> dict[str, Any]:
    """Seconds per step of one adapter, of each arm.

    Raises:
        WorkError: the arms' weights differ.
    """
    difference = _difference(work)
    require_alike("weights after training", difference, work.model.dtype, 1e-3)
    arms = [
        _trainer_arm(work, chosen),
        _plain_arm(work, {"threads": threads["plain"]}),
        _our_arm(work, {"threads": threads["ours"]}),
    ]
    timings = interleave(arms, work.preset.steps, work.preset.repeats, say)
    sizes, read = sizes_of(work.model), step_reading(work)
    single = range(work.preset.n_single)
    needed = training_flops(sizes, read, n_lora(work))
    return {
        **compared(
            {name: timing.summary() for name, timing in timings.items()},
            needed / peak.flops,
            f"step of one adapter, batch {work.preset.batch_size}",
            difference,
        ),
        "needed_flops": needed,
        "last_layer_share": last_layer_share(sizes, read),
        "threads": {arm.name: arm.threads for arm in arms},
        "micro_batch": chosen["micro_batch"],
        "stack": work.preset.n_adapters,
        "tokens_per_step": {
            "single": step_reading(work, single, shared=False).tokens,
            "stack": step_reading(work, shared=False).tokens,
        },
    }


def step_reading(
    work: Workload, which: Sequence[int] | None = None, shared: bool | None = None
) -> Reading:
    """What an average step of these adapters reads, by default of all.

    A prefix is read once where no dropout tells copies apart, or as `shared` says.
    """
    size, steps = work.preset.batch_size, work.preset.steps[1]
    if shared is None:
        shared = work.lora.lora_dropout == 0
    reads = [
        reading([work.train[k][i] for i in batch], shared)
        for k in (range(len(work.train)) if which is None else which)
        for batch in islice(batch_order(len(work.train[k]), size, k), steps)
    ]
    return Reading(
        tokens=round(sum(read.tokens for read in reads) / len(reads)),
        targets=round(sum(read.targets for read in reads) / len(reads)),
        pairs=round(sum(read.pairs for read in reads) / len(reads)),
    )


def n_lora(work: Workload) -> int:
    """Weights of one adapter."""
    with fresh_adapter(work.model, work.lora, seed=0) as adapted:
        return sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def _difference(work: Workload) -> float:
    if work.device == "cuda":  # masks are the same in all arms on a CPU alone
        work = replace(work, lora=without_dropout(work.lora))
    n, steps, size = work.preset.n_single, work.preset.steps[0], work.preset.batch_size
    expected = plain.train(work, n, steps)
    found: list[list[Weights]] = [
        ours.train(work, n, steps),
        trainer.train(work, n, steps, size, seeded=True),
    ]
    return largest(distance(weights, expected) for weights in found)


def _trainer_arm(work: Workload, cell: dict[str, int]) -> Arm:
    n, micro = work.preset.n_single, cell["micro_batch"]
    return Arm("trainer", cell["threads"], lambda steps: trainer.train(work, n, steps, micro), n)


def _plain_arm(work: Workload, cell: dict[str, int]) -> Arm:
    n = work.preset.n_single
    return Arm("plain", cell["threads"], lambda steps: plain.train(work, n, steps), n)


def _our_arm(work: Workload, cell: dict[str, int]) -> Arm:
    n = work.preset.n_adapters
    return Arm("ours", cell["threads"], lambda steps: ours.train(work, n, steps), n)


def numerical_noise(work: Workload, steps: int) -> dict[str, Any]:
    """The same float32 fine-tunes in another stack: what rounding alone does to the results."""
    n = work.preset.n_adapters
    half = n // 2
    whole, losses = _trained_and_measured(work, range(n), steps)
    first, second = range(half), range(half, n)
    parts = [_trained_and_measured(work, which, steps) for which in (first, second)]
    other = [weights for part, _ in parts for weights in part]
    other_losses = [loss for _, part in parts for loss in part]
    return {
        "steps": steps,
        "stacks": [[n], [half, n - half]],
        "weights": distance(other, whole),
        "loss": largest(abs(b - a) / a for a, b in zip(losses, other_losses, strict=True)),
    }


def _trained_and_measured(
    work: Workload, which: range, steps: int
) -> tuple[list[Weights], list[float]]:
    with ours.trained(work, which, steps) as adapters, torch.no_grad():
        weights = [ours.stack_weights(adapters, k) for k in range(len(which))]
        losses: list[list[float]] = [[] for _ in which]
        for part in work.evaluated:
            found = evaluate_stacked(
                work.model,
                work.encoder,
                part.task,
                part.examples,
                [part.rows] * len(which),
                max(work.preset.eval_batches),
            )
            for own, result in zip(losses, found, strict=True):
                own.append(result.loss)
    return weights, [loss for own in losses for loss in own]

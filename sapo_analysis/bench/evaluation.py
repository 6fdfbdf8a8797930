"""Trained adapters measured on tasks: the gold answers' loss, and greedy answers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sapo_analysis.bench.arms import ours, plain, trainer
from sapo_analysis.bench.arms.reloaded import reloaded
from sapo_analysis.bench.compare import compared, require_alike
from sapo_analysis.bench.floor import Peak, decoding_seconds, forward_flops, reading, sizes_of
from sapo_analysis.bench.gate import Check, require
from sapo_analysis.bench.greedy import greedy_tokens, left_after_draft
from sapo_analysis.bench.harness import Arm, Say, best, interleave, thread_counts
from sapo_analysis.bench.largest import largest
from sapo_analysis.bench.workload import Workload
from sapo_analysis.models.stacked_lora import stacked_adapters

_ROUNDS = (1, 4)
_DIFFERING = 0.02
"""Share of float32 answers that may differ: ties. In bfloat16 they are counted and shown alone."""


def measure(work: Workload, peak: Peak, say: Say) -> dict[str, Any]:
    """Seconds per adapter and round, a round being every evaluated task once.

    Raises:
        WorkError: the arms' losses differ, or in float32 more of their answers than ties explain.
    """
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(k) for k in range(work.preset.n_adapters)]
        _prepare(work, folders)
        return _measure(work, folders, peak, say)


def _prepare(work: Workload, folders: Sequence[Path]) -> None:
    """Adapters as files: trained ones on the pocket model, fresh ones on random weights.

    A fresh one changes nothing, so the model's own answers are gold on the known share.
    """
    n = len(folders)
    if work.preset.shape is None:
        with ours.trained(work, range(n), work.preset.steps[1]) as adapters:
            for k, folder in enumerate(folders):
                adapters.save(k, folder)
    else:
        with stacked_adapters(work.model, work.lora, list(range(n))) as adapters:
            for k, folder in enumerate(folders):
                adapters.save(k, folder)


def _measure(work: Workload, folders: Sequence[Path], peak: Peak, say: Say) -> dict[str, Any]:
    single = folders[: work.preset.n_single]
    batch = max(work.preset.eval_batches)
    difference, differing = _difference(work, single, batch)
    require_alike("losses after training", difference, work.model.dtype, 1e-5)
    if work.model.dtype == torch.float32:
        require(Check("share of answers that differ", differing, _DIFFERING))
    threads = [{"threads": n} for n in thread_counts(work.device, work.threads)]
    grid = [
        {**cell, "batch": size} for cell in threads for size in sorted(work.preset.eval_batches)
    ]

    def trainer_arm(cell: dict[str, int]) -> Arm:
        return Arm(
            "trainer",
            cell["threads"],
            lambda rounds: trainer.evaluate(work, single, rounds, cell["batch"]),
            len(single),
        )

    def plain_arm(cell: dict[str, int]) -> Arm:
        return Arm(
            "plain",
            cell["threads"],
            lambda rounds: plain.evaluate(work, single, rounds, batch),
            len(single),
        )

    def our_arm(cell: dict[str, int]) -> Arm:
        return Arm(
            "ours",
            cell["threads"],
            lambda rounds: ours.evaluate(work, folders, rounds, batch),
            len(folders),
        )

    chosen, cells = best("evaluation, trainer", grid, trainer_arm, 1, say)
    arms = [trainer_arm(chosen)]
    for name, make in (("plain", plain_arm), ("ours", our_arm)):
        own, _ = best(f"evaluation, {name}", threads, make, 1, say)
        arms.append(make(own))
    timings = interleave(arms, _ROUNDS, work.preset.repeats, say)
    floor, settled = _floor(work, single, peak)
    names = ", ".join(part.task.name for part in work.evaluated)
    return {
        **compared(
            {name: timing.summary() for name, timing in timings.items()},
            floor,
            f"adapter, {len(work.evaluated[0].rows)} answers on each of: {names}",
            difference,
        ),
        "answers_that_differ": differing,
        "share_settled_by_draft": settled,
        "threads": {arm.name: arm.threads for arm in arms},
        "trainer_batch": chosen["batch"],
        "stack": len(folders),
        "grid": cells,
    }


def _difference(work: Workload, folders: Sequence[Path], batch: int) -> tuple[float, float]:
    """(largest relative difference of a loss, an arm's share of answers not the plain loop's).

    Answers are identical in float64, which the gate checks; in float32 a tie may fall either way.
    """
    expected = plain.evaluate(work, folders, 1, batch)
    found = ours.evaluate(work, folders, 1, batch)
    written = trainer.evaluate(work, folders, 1, batch)
    right = [text for one in expected for text in one.outputs]
    arms = (
        [text for two in found for text in two.outputs],
        [text for _, three in written for text in three],
    )
    shares = [sum(a != b for a, b in zip(right, own, strict=True)) / len(right) for own in arms]
    losses = largest(
        abs(b.loss - a.loss) / max(a.loss, 1.0) for a, b in zip(expected, found, strict=True)
    )
    return losses, max(shares)


def _floor(work: Workload, folders: Sequence[Path], peak: Peak) -> tuple[float, float]:
    """(seconds per adapter and round, share of answers that checking the gold one settles)."""
    sizes = sizes_of(work.model)
    checking = decoding = 0.0
    settled = total = 0
    for part in work.evaluated:
        checking += forward_flops(sizes, reading(part.rows, shared=True)) / peak.flops
        left: list[int] = []
        for folder in folders:
            limit, size = part.task.max_new_tokens, max(work.preset.eval_batches)
            with reloaded(work.model, folder) as adapted:
                written = greedy_tokens(adapted, work.encoder, part.rows, limit, size)
            left += left_after_draft(part.rows, written)
        # All adapters of a stack write their answers on in the same passes.
        stack = work.preset.n_adapters
        whole = (left * stack)[: len(part.rows) * stack]
        decoding += decoding_seconds(sizes, peak, whole) / stack
        settled += sum(n == 0 for n in left)
        total += len(left)
    return checking + decoding, settled / total

"""Pre-update losses of many prompts on the same examples."""

from __future__ import annotations

from typing import Any

from sapo_analysis.bench.arms import ours, plain, trainer
from sapo_analysis.bench.compare import compared, require_alike
from sapo_analysis.bench.floor import Peak, forward_flops, last_layer_share, reading, sizes_of
from sapo_analysis.bench.gate import score_difference, worst_average
from sapo_analysis.bench.harness import Arm, Say, best, interleave, thread_counts
from sapo_analysis.bench.largest import largest
from sapo_analysis.bench.workload import Workload

_PROMPTS = (1, 5)
_RELEASED_BATCH = 8


def measure(work: Workload, peak: Peak, say: Say) -> dict[str, Any]:
    """Seconds per prompt of each arm.

    Raises:
        WorkError: the arms' losses differ.
    """
    difference = _difference(work)
    require_alike("scores per example", difference, work.model.dtype, 1e-5)
    batch = max(work.preset.eval_batches)
    threads = [{"threads": n} for n in thread_counts(work.device, work.threads)]
    grid = [
        {**cell, "batch": size} for cell in threads for size in sorted(work.preset.eval_batches)
    ]

    def trainer_arm(cell: dict[str, int]) -> Arm:
        return Arm("trainer", cell["threads"], lambda n: trainer.score(work, n, cell["batch"]))

    def plain_arm(cell: dict[str, int]) -> Arm:
        return Arm("plain", cell["threads"], lambda n: plain.score(work, n, batch))

    def our_arm(cell: dict[str, int]) -> Arm:
        return Arm("ours", cell["threads"], lambda n: ours.score(work, n))

    chosen, cells = best("scoring, trainer", grid, trainer_arm, 1, say)
    arms = [trainer_arm(chosen)]
    for name, make in (("plain", plain_arm), ("ours", our_arm)):
        own, _ = best(f"scoring, {name}", threads, make, 1, say)
        arms.append(make(own))
    timings = interleave(arms, _PROMPTS, work.preset.repeats, say)
    sizes = sizes_of(work.model)
    reads = [reading(rows, shared=True) for rows in work.scored[: _PROMPTS[1]]]
    needed = sum(forward_flops(sizes, read) for read in reads) / len(reads)
    examples = len(work.scored[0])
    return {
        **compared(
            {name: timing.summary() for name, timing in timings.items()},
            needed / peak.flops,
            f"prompt of {examples} examples",
            difference,
        ),
        "needed_flops": needed,
        "last_layer_share": last_layer_share(sizes, reads[0]),
        "threads": {arm.name: arm.threads for arm in arms},
        "trainer_batch": chosen["batch"],
        "grid": cells,
    }


def _difference(work: Workload) -> float:
    expected = plain.score(work, 1, max(work.preset.eval_batches))
    found = trainer.score(work, 1, _RELEASED_BATCH)
    return largest(
        [
            score_difference(expected, ours.score(work, 1)),
            worst_average(expected, found, _RELEASED_BATCH),
        ]
    )

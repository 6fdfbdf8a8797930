"""What a phase of work cost: time, examples, tokens, floating point operations, memory."""

from __future__ import annotations

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import PreTrainedModel

from sapo_analysis.models.quantized import n_weights

_STATUS = Path("/proc/self/status")
Phase = Literal["score", "train", "evaluate"]
FORWARD_FLOPS, BACKWARD_FLOPS_FROZEN, BACKWARD_FLOPS_TRAINED = 2, 2, 4
"""Per parameter and token. A frozen weight needs the gradient of its input, not its own."""


@dataclass(frozen=True)
class Sizes:
    """Parameters that a token is multiplied with.

    Attributes:
        body: of every layer; the input embedding is looked up, not multiplied.
        head: of the output head, where logits are computed.
    """

    body: int
    head: int


def model_sizes(model: PreTrainedModel) -> Sizes:
    """The sizes of a model; a head tied to the input embedding counts as a head."""
    untyped: Any = model  # transformers leaves both methods untyped
    embedding, head = untyped.get_input_embeddings(), untyped.get_output_embeddings()
    tables = {id(table.weight): n_weights(table.weight) for table in (embedding, head)}
    total = sum(n_weights(p) for p in model.parameters())
    return Sizes(total - sum(tables.values()), n_weights(head.weight))


@dataclass
class _Total:
    seconds: float = 0.0
    examples: int = 0
    tokens: int = 0
    flops: float = 0.0


class Meter:
    """Adds up the phases of one group."""

    def __init__(self, sizes: Sizes):
        self._sizes = sizes
        self._totals: dict[Phase, _Total] = defaultdict(_Total)

    @contextmanager
    def time(self, phase: Phase) -> Iterator[None]:
        """Count the time of a block to a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._totals[phase].seconds += time.perf_counter() - started

    def seconds(self, phase: Phase) -> float:
        """Time counted to a phase so far."""
        return self._totals[phase].seconds

    def include(self, other: Meter, failed: bool = False) -> None:
        """Add what another meter counted; of a failed attempt the time alone."""
        for phase, theirs in other._totals.items():
            total = self._totals[phase]
            total.seconds += theirs.seconds
            if not failed:
                total.examples += theirs.examples
                total.tokens += theirs.tokens
                total.flops += theirs.flops

    def add(
        self,
        phase: Phase,
        examples: int,
        tokens: int,
        logits: int,
        n_trained: int = 0,
        n_differentiated: int = 0,
        searched: int = 0,
    ) -> None:
        """Count work to a phase: tokens read or written, tokens with logits.

        `n_trained` parameters beside the model's, and `n_differentiated` of the model's own, also
        had gradients of their own; at `searched` of the tokens gradients were taken by the input
        alone.
        """
        total = self._totals[phase]
        total.examples += examples
        total.tokens += tokens
        frozen = self._sizes.body * tokens + self._sizes.head * logits
        total.flops += FORWARD_FLOPS * (frozen + n_trained * tokens)
        if n_trained or n_differentiated:
            own = BACKWARD_FLOPS_TRAINED - BACKWARD_FLOPS_FROZEN
            total.flops += BACKWARD_FLOPS_FROZEN * (frozen + n_trained * tokens)
            total.flops += own * (n_trained + n_differentiated) * (tokens - searched)

    def rows(self, group_id: str) -> list[dict[str, Any]]:
        """The `costs` rows of a group."""
        return [
            {
                "group": group_id,
                "phase": phase,
                "seconds": total.seconds,
                "examples": total.examples,
                "tokens": total.tokens,
                "model_flops": total.flops,
                "peak_bytes": peak_bytes(),
            }
            for phase, total in sorted(self._totals.items())
        ]


def peak_bytes() -> int:
    """The most memory held so far: on the GPU where one is in use, else by this program.

    On Linux from the kernel's mark for this program: the usual counter starts at what the parent
    process held when it started this one.
    """
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return int(torch.cuda.max_memory_allocated())
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # others count in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

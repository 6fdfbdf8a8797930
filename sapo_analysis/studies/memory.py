"""A stack that the memory does not hold is halved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sapo_analysis.errors import WorkError
from sapo_analysis.models.out_of_memory import free_memory, is_out_of_memory
from sapo_analysis.studies.engine import Engine
from sapo_analysis.studies.meter import Meter

Item = TypeVar("Item")
Rows = dict[str, list[dict[str, Any]]]


def halved_when_full(
    work: Callable[[Sequence[Item], Meter], Rows],
    items: Sequence[Item],
    meter: Meter,
    engine: Engine,
    say: Callable[[str], None],
) -> Rows:
    """Work on all items at once, or on halves one after the other where they do not fit.

    Each trial's row says in how large a stack it was trained.
    """
    attempt = Meter(engine.sizes)
    try:
        found = work(items, attempt)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(items) == 1:
            raise WorkError(
                "Out of memory with a single adapter. Set memory.gradient_checkpointing, lower"
                " training.batch_size, or make the base model smaller: dtype bfloat16,"
                " memory.quantization. What is finished is saved; resume does not change these"
                " settings, so run a changed spec."
            ) from error
    else:
        meter.include(attempt)
        return found
    meter.include(attempt, failed=True)
    # Here the failed attempt is over and nothing refers to its tensors any more.
    free_memory()
    half = len(items) // 2
    say(f"out of memory with {len(items)} adapters: trying {len(items) - half}")
    found = halved_when_full(work, items[:half], meter, engine, say)
    for table, rows in halved_when_full(work, items[half:], meter, engine, say).items():
        found[table] += rows
    return found

"""Figures as files: drawn one after the other, or by several processes side by side."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sapo_analysis.errors import InputError, WorkError

if TYPE_CHECKING:
    from sapo_analysis.figures import FigureSpec
    from sapo_analysis.figures.stamp import Stamp
    from sapo_analysis.figures.venues import Page

FEW = 6
"""Figures that one process draws before others have begun: each takes a second to import what it
needs."""
_PRELOADED = "sapo_analysis.figures.render_matplotlib"


@dataclass(frozen=True)
class ToDraw:
    """A figure, its page, the formats of its files and what they say of where it comes from."""

    spec: FigureSpec
    page: Page
    kinds: tuple[str, ...]
    stamp: Stamp


@dataclass(frozen=True)
class Files:
    """The files of a figure.

    Attributes:
        contents: by format.
        problems: what cannot be read in them.
        why_not: why it cannot be drawn; "" where it was.
        seconds: that it took.
    """

    contents: dict[str, bytes]
    problems: tuple[str, ...]
    why_not: str
    seconds: float


def draw_one(wanted: ToDraw) -> Files:
    """Draw a figure once and write it in all its formats."""
    start = time.perf_counter()
    try:
        drawn = wanted.spec.drawn(wanted.page)
    except InputError as error:  # the font lacks a character of a task's name, say
        return Files({}, (), str(error), time.perf_counter() - start)
    contents = {kind: drawn.bytes(kind, wanted.stamp) for kind in wanted.kinds}
    problems = drawn.problems
    return Files(contents, problems, "", time.perf_counter() - start)


def draw_all(wanted: Sequence[ToDraw], processes: int = 1) -> Iterator[Files]:
    """The files of each figure, in their order and the same however many processes draw them.

    Args:
        wanted: the figures.
        processes: that draw side by side, where there are more than a few figures. A script that
            asks for several keeps what it runs behind `if __name__ == "__main__":`.

    Raises:
        WorkError: a font's file is missing, or the system stopped a process.
    """
    if processes < 2 or len(wanted) < FEW:
        yield from map(draw_one, wanted)
        return
    # Not by fork: threads of libraries would stand still in the copies.
    can = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in can else "spawn")
    if "forkserver" in can:
        context.set_forkserver_preload([_PRELOADED])
    try:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            yield from pool.map(draw_one, wanted)
    except BrokenProcessPool as error:
        raise WorkError(
            "The system stopped a process that was drawing figures, perhaps for want of memory."
            " Nothing was written. Try again, or name fewer figures."
        ) from error

"""Timing arms against each other: interleaved, repeated, start-up apart from the steady state."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

Say = Callable[[str], None]


@dataclass(frozen=True)
class Arm:
    """One way of doing a job.

    Attributes:
        name: `trainer`, `plain` or `ours`.
        threads: CPU threads it is given.
        job: does a job of a given length.
        units: what one more of that length stands for, such as the adapters trained by a step:
            all seconds are divided by it.
    """

    name: str
    threads: int
    job: Callable[[int], object]
    units: int = 1


@dataclass
class Timing:
    """An arm's measurements: (seconds, CPU seconds) of the short and the long job, per repeat."""

    lengths: tuple[int, int]
    units: int
    short: list[tuple[float, float]] = field(default_factory=list)
    long: list[tuple[float, float]] = field(default_factory=list)

    def per_unit(self, which: int = 0) -> list[float]:
        """Steady state of each repeat: what one more unit costs. `which`: 0 wall, 1 CPU."""
        more = (self.lengths[1] - self.lengths[0]) * self.units
        return [(b[which] - a[which]) / more for a, b in zip(self.short, self.long, strict=True)]

    def start_up(self) -> list[float]:
        """What a job of length zero would take, per repeat, divided by `units` too."""
        slopes = self.per_unit()
        return [
            a[0] / self.units - slope * self.lengths[0]
            for a, slope in zip(self.short, slopes, strict=True)
        ]

    def summary(self) -> dict[str, float]:
        """Median and quartiles of the steady state, CPU time, start-up; all in seconds."""
        wall = self.per_unit()
        q1, median, q3 = quartiles(wall)
        return {
            "median": median,
            "q1": q1,
            "q3": q3,
            "cpu": statistics.median(self.per_unit(1)),
            "startup": max(0.0, statistics.median(self.start_up())),
        }


def interleave(
    arms: Sequence[Arm], lengths: tuple[int, int], repeats: int, say: Say
) -> dict[str, Timing]:
    """Measure every arm `repeats` times at both lengths, in the order ABC, CBA, ABC.

    What drifts while the bench runs (other load, heat) then meets all arms alike.
    """
    found = {arm.name: Timing(lengths, arm.units) for arm in arms}
    for repeat in range(repeats):
        for arm in arms if repeat % 2 == 0 else list(reversed(arms)):
            timing = found[arm.name]
            timing.short.append(clock(arm, lengths[0]))
            timing.long.append(clock(arm, lengths[1]))
        last = ", ".join(f"{name} {t.per_unit()[-1]:.3g}" for name, t in found.items())
        say(f"  repeat {repeat + 1} of {repeats}: seconds per unit: {last}")
    return found


def clock(arm: Arm, length: int) -> tuple[float, float]:
    """(seconds, CPU seconds of all threads) of one job."""
    torch.set_num_threads(arm.threads)
    settle()
    cpu, wall = time.process_time(), time.perf_counter()
    arm.job(length)
    settle()
    return time.perf_counter() - wall, time.process_time() - cpu


def settle() -> None:
    """Wait for the GPU: its work is done in the background."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, second, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, second, third


def best(
    label: str,
    grid: Sequence[dict[str, int]],
    make: Callable[[dict[str, int]], Arm],
    length: int,
    say: Say,
    shorter: int = 0,
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """The quickest cell of a grid, and the whole grid with its times.

    A time is the lesser of two, or of one where that is already twice the best so far. With
    `shorter`, it is what a job of `length` takes longer than one of that: start-up cancels out.
    """
    cells: list[dict[str, Any]] = []
    for cell in grid:
        arm = make(cell)
        lengths = [length, shorter] if shorter else [length]
        times = [clock(arm, n)[0] for n in lengths]
        fastest = min((float(known["seconds"]) for known in cells), default=None)
        if fastest is None or _beyond(times) < 2 * fastest:
            times = [min(t, clock(arm, n)[0]) for t, n in zip(times, lengths, strict=True)]
        seconds = _beyond(times)
        cells.append({**cell, "seconds": seconds})
        settings = ", ".join(f"{key} {value}" for key, value in cell.items())
        say(f"  {label}: {settings}: {seconds:.3g} s")
    chosen = min(range(len(cells)), key=lambda i: float(cells[i]["seconds"]))
    for i, found in enumerate(cells):
        found["chosen"] = i == chosen
    return dict(grid[chosen]), cells


def _beyond(times: Sequence[float]) -> float:
    """The first less the second if any; all of the first where noise made the second longer."""
    more = times[0] - sum(times[1:])
    return more if more > 0 else times[0]


def thread_counts(device: str, everything: int) -> list[int]:
    """Numbers of CPU threads worth trying, of at most `everything`."""
    return [everything] if device == "cuda" or everything == 1 else [1, everything]


def load_average() -> float | None:
    """Processes that wanted a core in the last minute, where the system says it."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None

"""The arithmetic of timings and the order of arms; no test looks at a clock."""

import numpy as np
import pytest

from sapo_analysis.bench import harness
from sapo_analysis.bench.harness import Arm, Timing, best, interleave, quartiles


def test_steady_state_is_the_slope_and_start_up_the_intercept():
    # Two adapters; a job of n steps takes 3 s and 2 · 0.5 s per step, in the second repeat 0.6 s.
    timing = Timing((10, 40), units=2)
    timing.short = [(3 + 2 * 0.5 * 10, 6.0), (3 + 2 * 0.6 * 10, 6.0)]
    timing.long = [(3 + 2 * 0.5 * 40, 66.0), (3 + 2 * 0.6 * 40, 66.0)]
    assert timing.per_unit() == pytest.approx([0.5, 0.6])
    assert timing.start_up() == pytest.approx([1.5, 1.5])  # per adapter
    summary = timing.summary()
    assert summary["median"] == pytest.approx(0.55)
    assert summary["cpu"] == pytest.approx(1.0)
    assert summary["startup"] == pytest.approx(1.5)


@pytest.mark.parametrize("values", [[3.0], [1.0, 2.0], [5.0, 1.0, 2.0, 8.0, 3.0]])
def test_quartiles_are_numpys(values):
    assert quartiles(values) == pytest.approx(tuple(np.quantile(values, [0.25, 0.5, 0.75])))


def test_arms_are_interleaved_back_and_forth():
    done = []
    arms = [Arm(name, 1, lambda n, name=name: done.append((name, n))) for name in "ABC"]
    interleave(arms, (1, 2), 3, lambda line: None)
    assert [name for name, n in done if n == 1] == list("ABCCBAABC")
    assert [n for _, n in done] == [1, 2] * 9


def test_the_best_cell_of_a_grid_is_taken_and_all_are_shown(monkeypatch):
    times = iter([5.0, 4.0, 1.0, 3.0, 9.0])  # a cell so slow is not tried twice
    monkeypatch.setattr(harness, "clock", lambda arm, length: (next(times), 0.0))
    said = []
    grid = [{"threads": 1}, {"threads": 2}, {"threads": 3}]
    chosen, cells = best("x", grid, lambda cell: Arm("x", 1, lambda n: None), 1, said.append)
    assert chosen == {"threads": 2}
    assert [(cell["seconds"], cell["chosen"]) for cell in cells] == [
        (4.0, False),
        (1.0, True),
        (9.0, False),
    ]
    assert len(said) == 3


def test_start_up_does_not_choose_the_cell(monkeypatch):
    # Seconds of start-up and per step; the short job alone would choose the first cell.
    cost = {1: (1.0, 0.5), 2: (9.0, 0.3)}
    monkeypatch.setattr(
        harness, "clock", lambda arm, n: (cost[arm.threads][0] + n * cost[arm.threads][1], 0.0)
    )
    grid = [{"threads": n} for n in cost]
    chosen, cells = best(
        "x", grid, lambda cell: Arm("x", cell["threads"], lambda n: None), 40, lambda line: None, 10
    )
    assert chosen == {"threads": 2}
    assert [cell["seconds"] for cell in cells] == pytest.approx([15.0, 9.0])


def test_a_short_job_that_noise_made_the_longer_one_wins_nothing(monkeypatch):
    times = {(1, 40): 2.0, (1, 10): 1.0, (2, 40): 3.0, (2, 10): 4.0}
    monkeypatch.setattr(harness, "clock", lambda arm, n: (times[arm.threads, n], 0.0))
    grid = [{"threads": 1}, {"threads": 2}]
    chosen, _ = best(
        "x", grid, lambda cell: Arm("x", cell["threads"], lambda n: None), 40, lambda line: None, 10
    )
    assert chosen == {"threads": 1}


def test_threads_are_tried_one_and_all():
    assert harness.thread_counts("cpu", 8) == [1, 8]
    assert harness.thread_counts("cpu", 1) == [1]
    assert harness.thread_counts("cuda", 8) == [8]

"""Two intervals in one row: which is thick, which lies below, and none that does not exist."""

import math

from sapo_analysis.figures.scope_bars import scope_bars

NONE = (math.nan, math.nan)


def test_new_tasks_are_thick_on_the_row_and_these_thin_below():
    thick, thin = scope_bars(3.0, (0.1, 0.9), (0.3, 0.7), whose="mean, ")
    assert (thick.lower, thick.upper, thick.label) == ((0.1,), (0.9,), "mean, new tasks, 95 %")
    assert (thin.lower, thin.upper, thin.label) == ((0.3,), (0.7,), "mean, these tasks, 95 %")
    assert thick.width > 2 * thin.width and thin.y[0] < 3.0 < thick.y[0]
    (_, lower) = scope_bars(3.0, (0.1, 0.9), (0.3, 0.7), below=0.4)
    assert lower.y == (2.6,)
    assert {bar.part for bar in (thick, thin)} == {"intervals"}


def test_an_interval_that_does_not_exist_is_not_drawn():
    assert [bar.label for bar in scope_bars(0.0, NONE, (0.3, 0.7))] == ["these tasks, 95 %"]
    assert [bar.label for bar in scope_bars(0.0, (0.1, 0.9))] == ["new tasks, 95 %"]
    assert scope_bars(0.0, NONE, NONE) == []

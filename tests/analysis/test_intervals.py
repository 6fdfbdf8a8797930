"""Means over tasks with their intervals, against scipy; where tasks say nothing of their spread."""

import math

import numpy as np
import pytest
from scipy import stats

from sapo_analysis.analysis.intervals import mean_interval, mean_intervals

VALUES = np.array([0.2, 0.5, -0.1, 0.4, 0.3])
ERRORS = np.array([0.1, 0.2, 0.3, 0.1, 0.2])


def test_new_tasks_are_a_student_t_over_tasks():
    mean, *bounds = mean_interval(VALUES, ERRORS, "new_tasks")
    assert mean == pytest.approx(0.26)
    assert bounds == pytest.approx(stats.t.interval(0.95, 4, VALUES.mean(), stats.sem(VALUES)))


def test_these_tasks_are_a_normal_with_their_own_errors():
    mean, *bounds = mean_interval(VALUES, ERRORS, "these_tasks")
    # 1.96 is rounded.
    wanted = stats.norm.interval(0.95, mean, math.sqrt(0.19) / 5)
    assert bounds == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("values", [[0.4], [0.4] * 5, [0.1 + 0.2, 0.3, 0.3], [0.0, 0.0]])
def test_tasks_that_do_not_differ_have_no_interval_for_new_tasks(values):
    mean, lower, upper = mean_interval(np.array(values), np.full(len(values), 0.1), "new_tasks")
    assert mean == pytest.approx(values[-1])
    assert math.isnan(lower) and math.isnan(upper)
    _, lower, upper = mean_interval(np.array(values), np.full(len(values), 0.1), "these_tasks")
    assert upper - lower > 0.05


def test_errors_of_zero_make_no_interval_for_these_tasks():
    for errors in (np.zeros(5), np.full(5, 1e-17)):
        mean, lower, upper = mean_interval(VALUES, errors, "these_tasks")
        assert mean == pytest.approx(0.26)
        assert math.isnan(lower) and math.isnan(upper)


@pytest.mark.parametrize("scope", ["new_tasks", "these_tasks"])
@pytest.mark.parametrize("values", [[], [0.2, math.nan]])
def test_no_task_and_a_value_that_is_none_have_no_mean(values, scope):
    found = mean_interval(np.array(values), np.ones(len(values)), scope)
    assert all(math.isnan(number) for number in found)


@pytest.mark.parametrize("scope", ["new_tasks", "these_tasks"])
def test_many_means_are_those_of_each_row_without_its_nan(scope):
    values = np.array([VALUES, [0.1, math.nan, 0.3, math.nan, 0.7], [math.nan] * 5])
    errors = np.tile(ERRORS, (3, 1))
    found = np.array(mean_intervals(values, errors, scope))
    for row, own in enumerate(values):
        known = ~np.isnan(own)
        wanted = mean_interval(own[known], ERRORS[known], scope)
        assert found[:, row] == pytest.approx(wanted, nan_ok=True)
    assert np.array(mean_intervals(values[np.newaxis], errors[np.newaxis], scope))[
        :, 0
    ] == pytest.approx(found, nan_ok=True)

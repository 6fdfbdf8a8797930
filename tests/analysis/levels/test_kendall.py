"""Kendall's tau-b of many orders at once, against scipy's of each."""

import numpy as np
import pytest
from scipy import stats

from sapo_analysis.analysis.levels.kendall import perfect_tau, tau_b


@pytest.mark.parametrize(("n", "levels"), [(5, 3), (12, 100), (24, 4), (60, 7)])
def test_ties_and_shuffles_are_scipys(n, levels):
    rng = np.random.default_rng(n)
    x, y = (stats.rankdata(rng.integers(0, levels, n)) for _ in "xy")
    orders = rng.permuted(np.tile(y, (50, 1)), axis=1)
    true = [stats.kendalltau(x, order, variant="b").statistic for order in orders]
    assert tau_b(x, orders) == pytest.approx(true, abs=1e-12)
    assert tau_b(x, orders - orders.mean()) == pytest.approx(true, abs=1e-12)


def test_more_orders_than_are_looked_at_together():
    x = np.arange(6.0)
    orders = np.random.default_rng(0).permuted(np.tile(x, (4500, 1)), axis=1)
    found = tau_b(x, orders)
    for i in (0, 2047, 2048, 4095, 4096, 4499):
        assert found[i] == pytest.approx(stats.kendalltau(x, orders[i]).statistic)


def test_a_hand_worked_value():
    # Of the six pairs one is tied in x and one is ordered unlike: 4 - 1 of √(5 · 6).
    found = tau_b(np.array([1.5, 1.5, 3, 4]), np.array([[1.0, 2, 4, 3]]))
    assert found == pytest.approx([3 / np.sqrt(30)])


def test_without_spread_there_is_none():
    same, other = np.full(4, 2.5), np.arange(4.0)
    assert np.isnan(tau_b(same, other[np.newaxis])).all()
    assert np.isnan(tau_b(other, np.stack([same, same]))).all()


def test_a_perfect_tau_is_held_halfway_to_the_next():
    nearly = stats.kendalltau([1, 2, 3, 4, 5], [2, 1, 3, 4, 5]).statistic
    assert perfect_tau(5) == pytest.approx((1 + nearly) / 2)

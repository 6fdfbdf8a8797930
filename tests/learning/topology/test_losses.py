"""Losses on clouds against their formulas, finite differences and clouds by hand."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch

from sapo_analysis.learning.topology import (
    CloudPenalty,
    diagram,
    distances,
    h0_loss,
    h1_loss,
    mean_distance,
    mean_square_norm,
    surrogate_h0,
    surrogate_h1,
    surrogate_loss,
    topology_loss,
)

ALPHA = 0.7
LOSSES = {
    "h0": partial(topology_loss, h0=0.3, h1=0.0),
    "h1": partial(topology_loss, h0=0.0, h1=0.4),
    "both": partial(topology_loss, h0=0.3, h1=0.4),
    "surrogate": partial(surrogate_loss, h0=0.3, h1=0.4, alpha=ALPHA),
    "l2": mean_square_norm,
    "distance": mean_distance,
}


def cloud(m, size, seed=0):
    return torch.randn(m, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    points, loss, step = cloud(14, 2), LOSSES[name], 1e-6
    found = CloudPenalty(14, loss).gradient(points.flatten())
    assert found.abs().max() > 1e-3
    for i in range(points.numel()):
        ends = []
        for sign in (1, -1):
            moved = points.clone()
            moved.view(-1)[i] += sign * step
            ends.append(float(loss(moved)))
        assert float(found[i]) == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def test_exact_terms_are_as_written():
    seen = diagram(cloud(14, 2))
    deaths, lasting = seen.deaths_0.numpy(), (seen.deaths_1 - seen.births_1).numpy()
    assert len(lasting) > 1
    assert float(h0_loss(seen)) == pytest.approx(np.var(deaths) / np.mean(deaths) ** 2)
    assert float(h1_loss(seen)) == pytest.approx(sum(lasting) / np.mean(deaths))
    both = topology_loss(cloud(14, 2), 2.0, 3.0)
    assert float(both) == pytest.approx(2 * float(h0_loss(seen)) + 3 * float(h1_loss(seen)))


def test_the_surrogate_and_the_controls_are_as_written():
    points = cloud(6, 3)
    length = [[float((a - b).norm()) for b in points] for a in points]
    soft = []
    for i in range(6):
        others = [length[i][j] for j in range(6) if j != i]
        weights = np.exp([-ALPHA * d for d in others])
        soft.append(np.dot(weights, others) / weights.sum())
    pairs = np.array([length[i][j] for i, j in itertools.combinations(range(6), 2)])
    low, high = (
        np.dot(np.exp(sign * ALPHA * pairs), pairs) / np.exp(sign * ALPHA * pairs).sum()
        for sign in (-1, 1)
    )
    outside = np.maximum(pairs - high, 0) + np.maximum(low - pairs, 0)
    assert outside.any() and not outside.all()
    found = distances(points)
    assert float(surrogate_h0(found, ALPHA)) == pytest.approx(np.var(soft))
    assert float(surrogate_h1(found, ALPHA)) == pytest.approx(outside.mean())
    assert float(mean_distance(points)) == pytest.approx(pairs.mean())
    assert float(mean_square_norm(points)) == pytest.approx(float((points**2).sum()) / 6)


@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_the_exact_loss_knows_no_scale_and_no_place(factor):
    points = cloud(10, 3)
    loss = LOSSES["both"]
    assert float(loss(factor * points + 5)) == pytest.approx(float(loss(points)), rel=1e-9)
    penalty = CloudPenalty(10, loss)
    gradient = penalty.gradient(points.flatten())
    again = penalty.gradient((factor * points).flatten())
    torch.testing.assert_close(again * factor, gradient)
    # So it neither shrinks the cloud nor moves it.
    assert float(gradient @ points.flatten()) == pytest.approx(0, abs=1e-12)
    assert gradient.view(10, 3).sum(dim=0).abs().max() < 1e-12


DEGENERATE = {
    "one point": torch.ones(1, 3),
    "two points": torch.tensor([[0.0, 1.0], [2.0, 0.0]]),
    "all the same": torch.full((5, 2), 0.5),
    "a line": torch.arange(6.0)[:, None],
    "twice the same": torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]),
    "all at one distance": torch.eye(6),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("loss", LOSSES)
def test_degenerate_clouds_have_a_finite_gradient_always_the_same(name, loss):
    points = DEGENERATE[name]
    penalty = CloudPenalty(len(points), LOSSES[loss])
    found = penalty.gradient(points.flatten())
    assert found.dtype == points.dtype and torch.isfinite(found).all()
    assert torch.equal(found, penalty.gradient(points.flatten()))
    assert np.isfinite(float(LOSSES[loss](points)))


def test_degenerate_clouds_ask_for_nothing_where_there_is_nothing():
    for name in ("one point", "all the same", "two points"):
        points = DEGENERATE[name]
        assert float(LOSSES["both"](points)) == 0
        assert not CloudPenalty(len(points), LOSSES["both"]).gradient(points.flatten()).any()
    line = diagram(DEGENERATE["a line"])
    assert float(h0_loss(line)) == float(h1_loss(line)) == 0


def test_a_weight_of_zero_is_exactly_no_gradient_and_an_overflow_is_nan():
    weights = cloud(5, 4).flatten().float()
    nothing = (
        partial(topology_loss, h0=0.0, h1=0.0),
        partial(surrogate_loss, h0=0.0, h1=0.0, alpha=1.0),
    )
    for loss in nothing:
        found = CloudPenalty(5, loss).gradient(weights)
        assert found.dtype == weights.dtype and not found.any()
    weights[3] = torch.inf
    assert CloudPenalty(5, LOSSES["both"]).gradient(weights).isnan().all()

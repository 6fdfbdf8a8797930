"""The summary of a cloud, by hand."""

import math

import pytest
import torch

from sapo_analysis.learning.topology import Bar, summary


def test_a_square_and_a_point_twice():
    found = summary(torch.tensor([[0.0, 0], [2, 0], [2, 2], [0, 2], [0, 2]]))
    loop = Bar(1, 2.0, pytest.approx(math.sqrt(8)))
    assert found.bars == (Bar(0, 0.0, 0.0), *[Bar(0, 0.0, 2.0)] * 3, loop)
    assert found.h0_persistence == 6
    assert found.h1_persistence == pytest.approx(math.sqrt(8) - 2)


def test_compactness_is_what_points_have_in_common():
    # Around (1, 0): apart 2 · 1², size 2 · (1 + 1).
    half = summary(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
    assert half.compactness == pytest.approx(1 - math.sqrt(0.5))
    assert summary(torch.tensor([[1.0], [-1.0]])).compactness == 0
    assert summary(torch.full((4, 3), 0.1)).compactness == pytest.approx(1, abs=1e-7)
    assert summary(torch.zeros(4, 3)).compactness == summary(torch.ones(1, 2)).compactness == 1
    assert summary(7 * torch.eye(10)).compactness == pytest.approx(1 - math.sqrt(0.9))


def test_nothing_is_left_on_a_tensor_that_is_trained():
    points = torch.eye(3, requires_grad=True)
    assert summary(points).h0_persistence == pytest.approx(2 * math.sqrt(2))
    assert points.grad is None

"""Persistence diagrams against scipy's spanning tree, gudhi's own intervals and clouds by hand."""

import math

import gudhi
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from sapo_analysis.errors import InputError
from sapo_analysis.learning.topology import diagram, distances

SIZES = [(2, 3), (3, 2), (7, 1), (12, 2), (20, 64), (40, 3)]


def cloud(m, size, seed=0):
    return torch.randn(m, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def circle(m):
    turns = torch.arange(m, dtype=torch.float64) * (2 * math.pi / m)
    return torch.stack([turns.cos(), turns.sin()], dim=1)


def intervals(points, dimension):
    """All finite intervals of positive length, from coordinates, without a cut of long edges."""
    tree = gudhi.RipsComplex(points=points.tolist()).create_simplex_tree(max_dimension=2)
    tree.compute_persistence(homology_coeff_field=2)
    found = tree.persistence_intervals_in_dimension(dimension).reshape(-1, 2)
    found = found[np.isfinite(found).all(axis=1)]
    return found[np.lexsort((found[:, 1], found[:, 0]))]


@pytest.mark.parametrize(("m", "size"), SIZES)
def test_deaths_of_components_are_the_edges_of_a_minimum_spanning_tree(m, size):
    points = cloud(m, size)
    tree = minimum_spanning_tree(squareform(pdist(points.numpy()))).data
    found = diagram(points).deaths_0
    assert len(found) == m - 1
    np.testing.assert_allclose(found, np.sort(tree), rtol=1e-12)


@pytest.mark.parametrize("points", [cloud(*size) for size in SIZES] + [circle(9), circle(30)])
def test_loops_are_those_of_gudhis_own_intervals(points):
    seen = diagram(points)
    found = np.stack([seen.births_1, seen.deaths_1], axis=1)
    expected = intervals(points, 1)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_square_by_hand():
    square = torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    seen = diagram(square)
    assert seen.deaths_0.tolist() == [2, 2, 2]
    assert seen.births_1.tolist() == [2]
    assert seen.deaths_1.tolist() == [pytest.approx(2 * math.sqrt(2))]


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 10**6), st.floats(0.01, 100))
def test_a_diagram_grows_with_its_cloud_and_knows_no_place_or_order(m, size, seed, factor):
    points = cloud(m, size, seed)
    seen = diagram(points)
    order = torch.randperm(m, generator=torch.Generator().manual_seed(seed))
    other = diagram(factor * points[order] + 3)
    pairs = zip(vars(seen).values(), vars(other).values(), strict=True)
    for one, again in pairs:
        torch.testing.assert_close(factor * one.sort()[0], again.sort()[0], rtol=1e-9, atol=1e-9)
    assert (seen.deaths_1 > seen.births_1).all()


def test_points_that_are_the_same_die_at_once_and_a_line_has_no_loops():
    points = torch.tensor([[0.0], [3.0], [0.0], [1.0], [3.0], [3.0]]).requires_grad_()
    seen = diagram(points)
    assert seen.deaths_0.tolist() == [0, 0, 0, 1, 2]
    assert len(seen.births_1) == 0
    (gradient,) = torch.autograd.grad(seen.deaths_0.sum(), points)
    assert torch.isfinite(gradient).all() and gradient.sum() == 0
    twice = [torch.autograd.grad(diagram(points).deaths_0.sum(), points)[0] for _ in range(2)]
    assert torch.equal(*twice)


@pytest.mark.parametrize("m", [1, 2, 5])
def test_points_that_are_all_the_same_have_no_size(m):
    points = torch.ones(m, 3, requires_grad=True)
    seen = diagram(points)
    assert seen.deaths_0.tolist() == [0] * (m - 1) and len(seen.deaths_1) == 0
    (gradient,) = torch.autograd.grad(seen.deaths_0.sum() + seen.deaths_1.sum(), points)
    assert not gradient.any()


def test_distances_of_near_points_keep_their_digits():
    points = torch.full((40, 2), 1000.0)
    points[1, 0] += 1e-3
    expected = float(points[1, 0]) - 1000
    assert distances(points)[0, 1].item() == pytest.approx(expected, rel=1e-12)
    assert distances(points)[2, 3].item() == 0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(wrong):
    points = cloud(4, 3)
    points[1, 2] = wrong
    with pytest.raises(InputError, match="1 of the 12 coordinates .* lower learning rate"):
        diagram(points)


def test_dimension_0_alone_is_the_same_without_loops():
    points = cloud(15, 2)
    both, one = diagram(points), diagram(points, loops=False)
    assert torch.equal(both.deaths_0, one.deaths_0)
    assert len(both.births_1) and not len(one.births_1)

"""Covariance of prompts told apart from that of seeds, against the sum over pairs of seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sapo_analysis.analysis.noise.across_seeds import across_seeds

SHAPES = st.tuples(st.integers(1, 3), st.integers(2, 6), st.integers(2, 4))
VALUES = arrays(float, SHAPES, elements=st.floats(-50, 50))


@given(VALUES)
def test_the_prompts_part_is_the_mean_covariance_over_different_seeds(values):
    n_seeds = values.shape[2]
    pairs = [(s, t) for s in range(n_seeds) for t in range(n_seeds) if s != t]
    found = across_seeds(values)
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            by_pair = [np.cov(one[:, s], other[:, t])[0, 1] for s, t in pairs]
            assert found.prompt[i, j] == pytest.approx(np.mean(by_pair), abs=1e-8)
            means = np.cov(one.mean(axis=1), other.mean(axis=1))[0, 1]
            assert found.observed[i, j] == pytest.approx(means, abs=1e-8)
    assert found.seed == pytest.approx(found.observed - found.prompt)


def test_noise_of_one_trial_that_moves_both_values_is_no_covariance_of_prompts():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(4000, 3))
    found = across_seeds(np.stack([shared, shared]))
    assert found.observed[0, 1] == pytest.approx(1 / 3, abs=0.03)
    assert found.prompt[0, 1] == pytest.approx(0, abs=0.03)
    assert found.seed[0, 1] == pytest.approx(1 / 3, abs=0.03)


def test_a_seed_that_moves_all_prompts_alike_changes_nothing():
    values = np.random.default_rng(1).normal(size=(2, 5, 3))
    moved = values + np.array([3.0, -7.0, 40.0])
    assert across_seeds(moved).prompt == pytest.approx(across_seeds(values).prompt)


@pytest.mark.parametrize("shape", [(2, 1, 3), (2, 5, 1), (1, 0, 0)])
def test_with_one_prompt_or_one_seed_the_two_cannot_be_told_apart(shape):
    assert across_seeds(np.zeros(shape)) is None

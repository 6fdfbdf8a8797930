"""The first component's share, against singular values and shuffled tables."""

import math

import numpy as np
import pytest

from sapo_analysis.analysis.between_tasks.first_component import SHUFFLES, first_component
from sapo_analysis.analysis.between_tasks.pair_means import OtherTasks


def tasks_of(*all_values):
    return [
        OtherTasks(f"task-{i}", np.array([f"o{j}" for j in range(len(y))], dtype=object), y)
        for i, y in enumerate(all_values)
    ]


@pytest.mark.parametrize("shape", [(3, 9, 2), (9, 5, 2)])
def test_it_is_the_largest_squared_singular_value_of_standardised_means(shape):
    values = np.random.default_rng(0).normal(size=shape)
    means = values.mean(axis=2)
    scaled = (means - means.mean(1, keepdims=True)) / means.std(1, keepdims=True)
    largest = np.linalg.svd(scaled, compute_uv=False)[0] ** 2
    found = first_component(tasks_of(values), 0, 0)
    assert found.share == pytest.approx(largest / np.sum(scaled**2))
    assert math.isnan(found.expected) and math.isnan(found.expected_upper)


def test_unrelated_tasks_have_the_expected_share_and_common_effects_a_larger_one():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(20, 6, 12, 2))
    unrelated = first_component(tasks_of(*noise), 999, 0)
    assert unrelated.n_permutations == SHUFFLES
    # Six unrelated tasks: a sixth each were prompts many, more with twelve.
    assert 1 / 6 < unrelated.expected < unrelated.expected_upper
    assert unrelated.share == pytest.approx(unrelated.expected, abs=0.05)
    common = first_component(tasks_of(*(noise + 2 * rng.normal(size=(20, 1, 12, 1)))), 99, 0)
    assert common.share > common.expected_upper
    assert common.expected == pytest.approx(unrelated.expected, abs=0.03)


def test_one_seed_is_enough_and_one_and_the_same_impact_is_one_component():
    row = np.random.default_rng(2).normal(size=(1, 8, 1))
    assert first_component(tasks_of(row.repeat(3, axis=0)), 9, 0).share == pytest.approx(1)


def test_no_tasks_have_no_share():
    found = first_component([], 99, 0)
    assert math.isnan(found.share) and found.n_permutations == 0

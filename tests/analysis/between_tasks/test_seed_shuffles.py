"""The null of the prompts' part: simulated tables without effects of prompts, and with them."""

import itertools
import math

import numpy as np
import pytest

from sapo_analysis.analysis.between_tasks.pair_means import OtherTasks
from sapo_analysis.analysis.between_tasks.seed_shuffles import equal_tailed_p, shuffled_within_seeds


def simulated(rng, n_tasks=2, v=4, p=8, s=2, common=0.0, own=0.0, shared=0.0, noise=1.0):
    """sd of effects of prompts, common and each task's own, and of noise, of the trial and own."""
    y = common * rng.normal(size=(n_tasks, 1, p, 1)) + own * rng.normal(size=(n_tasks, v, p, 1))
    y = (
        y
        + shared * rng.normal(size=(n_tasks, 1, p, s))
        + noise * rng.normal(size=(n_tasks, v, p, s))
    )
    names = np.array([f"other-{i}" for i in range(v)], dtype=object)
    return [OtherTasks(f"task-{i}", names, own) for i, own in enumerate(y)]


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_p_is_uniform_where_prompts_do_nothing(shared):
    rng = np.random.default_rng(0)
    p = [
        shuffled_within_seeds(simulated(rng, shared=shared, noise=0.5), 99, seed).p
        for seed in range(200)
    ]
    # 200 tables: 5 % ± 2.6 standard errors of 1.5 %.
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.09
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_effects_that_each_task_has_of_its_own_are_no_structure(shared):
    rng = np.random.default_rng(1)
    settings = {"n_tasks": 6, "p": 24, "own": 1, "shared": shared, "noise": 0.5}
    p = [shuffled_within_seeds(simulated(rng, **settings), 99, seed).p for seed in range(200)]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.09


def test_effects_common_to_the_tasks_are_found_above_the_shuffled_ones():
    tasks = simulated(np.random.default_rng(2), n_tasks=6, p=12, s=3, common=1)
    null = shuffled_within_seeds(tasks, 999, 0)
    assert null.p == pytest.approx(2 / 1000)
    assert null.lower < 0 < null.upper
    assert null.n_permutations == 999


def test_the_statistic_is_the_mean_covariance_at_different_seeds_over_its_error():
    tasks = simulated(np.random.default_rng(3), n_tasks=3, p=9, s=3, common=0.6)

    def t(all_values):
        sums = squares = 0.0
        for y in all_values:
            y = y - y.mean(axis=1, keepdims=True)
            y = y / np.sqrt((y**2).sum(axis=(1, 2), keepdims=True))
            each = sum(
                y[i, :, s] * y[j, :, u]
                for i, j in itertools.permutations(range(len(y)), 2)
                for s, u in itertools.permutations(range(3), 2)
            )
            sums, squares = sums + each.sum(), squares + len(each) * each.var(ddof=1)
        return sums / math.sqrt(squares)

    rng = np.random.default_rng(4)
    shuffles = []
    for _ in range(999):
        y = [task.values.copy() for task in tasks]
        for own, s in itertools.product(y, range(3)):
            own[:, :, s] = own[:, rng.permutation(9), s]
        shuffles.append(t(y))
    null = shuffled_within_seeds(tasks, 999, 0)
    observed = t([task.values for task in tasks])
    assert null.p == pytest.approx(equal_tailed_p(observed, np.array(shuffles)), abs=0.05)
    assert null.lower == pytest.approx(np.quantile(shuffles, 0.025), abs=0.3)
    assert null.upper == pytest.approx(np.quantile(shuffles, 0.975), abs=0.3)


def test_an_equal_seed_gives_equal_numbers():
    tasks = simulated(np.random.default_rng(5))
    assert shuffled_within_seeds(tasks, 99, 3) == shuffled_within_seeds(tasks, 99, 3)
    assert shuffled_within_seeds(tasks, 99, 3) != shuffled_within_seeds(tasks, 99, 4)


def test_fewer_shuffles_are_made_of_a_large_table():
    tasks = simulated(np.random.default_rng(6), n_tasks=1, v=2, p=100, s=25)
    assert shuffled_within_seeds(tasks, 1200, 0).n_permutations == 1000
    assert shuffled_within_seeds(tasks, 99, 0).n_permutations == 99


def test_impacts_that_add_alike_under_every_prompt_have_a_p():
    # Two tasks with the same two values, half and half: the error of the mean is zero.
    half = np.repeat([[1.0], [-1.0]], 2, axis=0)
    same = OtherTasks("mine", np.array(["a", "b"], dtype=object), np.tile(half, (2, 1, 2)))
    null = shuffled_within_seeds([same], 999, 0)
    # A third of all shuffles of four prompts give the same: two of six have ±1 throughout.
    assert 0.2 < null.p < 0.5
    assert math.isfinite(null.lower) and math.isfinite(null.upper)


@pytest.mark.parametrize(("n_tasks", "s", "m"), [(0, 2, 99), (2, 1, 99), (2, 2, 0)])
def test_without_tasks_shuffles_or_a_second_seed_there_is_no_null(n_tasks, s, m):
    null = shuffled_within_seeds(simulated(np.random.default_rng(7), n_tasks=n_tasks, s=s), m, 0)
    assert all(math.isnan(value) for value in (null.p, null.lower, null.upper))
    assert null.n_permutations == 0


def test_both_tails_count_alike():
    null = np.array([-3.0, -1, 0, 0, 0, 0, 0, 1, 2])
    assert equal_tailed_p(2.0, null) == pytest.approx(2 * (1 + 1) / 10)
    assert equal_tailed_p(-4.0, null) == pytest.approx(2 * (0 + 1) / 10)
    assert equal_tailed_p(0.0, null) == 1

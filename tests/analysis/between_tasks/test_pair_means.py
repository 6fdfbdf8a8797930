"""Mean correlations over pairs and their parts, against pairs taken one by one and by hand."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.analysis.between_tasks.pair_means import OtherTasks


def other_tasks(values):
    names = np.array([f"other-{i}" for i in range(len(values))], dtype=object)
    return OtherTasks("mine", names, np.asarray(values, dtype=float))


def by_hand():
    """Two other tasks, four prompts, two seeds: mean ± difference, and an effect of the seed."""
    means = np.array([[3.0, 1, -1, -3], [1.0, 3, -3, -1]])
    halves = np.array([[1.0, -1, 1, -1], [2.0, -2, 0, 0]])
    return other_tasks(np.stack([means + halves + 7, means - halves - 2], axis=2))


def random_tasks(v=4, p=7, s=3, seed=0):
    return other_tasks(np.random.default_rng(seed).normal(size=(v, p, s)))


def test_a_layout_worked_out_by_hand():
    tasks = by_hand()
    # Means: 3 + 3 + 3 + 3 = 12 over 20. Halves: 2 + 2 = 4 over 20, times (4 - 3) / (4 - 1).
    assert tasks.means.raw == pytest.approx(0.6)
    assert tasks.means.seed == pytest.approx(0.2 / 3)
    assert tasks.means.prompt == pytest.approx(0.6 - 0.2 / 3)
    # 4 / √(4 · 8), one pair.
    assert math.tanh(tasks.seed_alone) == pytest.approx(math.sqrt(0.5))
    assert np.diag(tasks.prompt) == pytest.approx([1 - 0.2 / 3, 1 - 0.4 / 3])


@given(st.integers(2, 4), st.integers(4, 8), st.integers(2, 4), st.integers(0, 99))
def test_parts_are_those_of_covariances_over_all_pairs_of_seeds(v, p, s, seed):
    tasks = random_tasks(v, p, s, seed)
    pairs = list(itertools.combinations(range(v), 2))
    raw, prompt = [], []
    for i, j in pairs:
        one, other = tasks.values[i], tasks.values[j]
        sds = np.std(one.mean(1), ddof=1) * np.std(other.mean(1), ddof=1)
        across = [
            np.cov(one[:, a], other[:, b])[0, 1] for a in range(s) for b in range(s) if a != b
        ]
        raw.append(np.corrcoef(one.mean(1), other.mean(1))[0, 1])
        prompt.append(raw[-1] - (raw[-1] - np.mean(across) / sds) * (p - 3) / (p - 1))
    assert tasks.means.raw == pytest.approx(np.mean(raw))
    assert tasks.means.prompt == pytest.approx(np.mean(prompt))
    assert tasks.means.prompt + tasks.means.seed == pytest.approx(tasks.means.raw, abs=1e-12)


def test_errors_are_those_of_prompts_really_left_out():
    tasks = random_tasks(5, 9, 3)
    n = tasks.n_prompts
    left_out = np.array(
        [replace(tasks, values=np.delete(tasks.values, i, axis=1)).means for i in range(n)]
    )
    wanted = np.sqrt((n - 1) * left_out.var(axis=0))
    assert tasks.errors == pytest.approx(wanted)


def test_errors_where_one_prompt_holds_nearly_all_of_a_spread():
    values = random_tasks(3, 6, 2).values
    values[1, 4] += 1e7
    tasks = other_tasks(values)
    left_out = [replace(tasks, values=np.delete(values, i, axis=1)).means for i in range(6)]
    assert tasks.errors == pytest.approx(np.sqrt(5 * np.var(left_out, axis=0)))


def test_noise_common_to_the_tasks_of_a_trial_is_the_seeds_part():
    rng = np.random.default_rng(1)
    found = np.array(
        [
            other_tasks(
                rng.normal(size=(1, 12, 3)).repeat(3, axis=0) + 0.3 * rng.normal(size=(3, 12, 3))
            ).means
            for _ in range(1500)
        ]
    ).mean(axis=0)
    assert found == pytest.approx([1 / 1.09, 0, 1 / 1.09], abs=0.04)


def test_the_seed_alone_is_the_mean_z_of_residuals_of_one_trial():
    tasks = random_tasks(3, 6, 4)
    y = tasks.values
    residual = (
        y - y.mean(1, keepdims=True) - y.mean(2, keepdims=True) + y.mean((1, 2), keepdims=True)
    )
    r = np.corrcoef(residual.reshape(3, -1))[np.triu_indices(3, k=1)]
    assert tasks.seed_alone == pytest.approx(np.mean(np.arctanh(r)))


def test_tasks_without_seed_noise_say_nothing_of_the_seed_alone():
    values = random_tasks(3, 6, 2).values
    noisy = other_tasks(values).seed_alone
    values[1] = values[1].mean(axis=1, keepdims=True)
    assert math.isfinite(other_tasks(values).seed_alone) and math.isfinite(noisy)
    values[2] = values[2].mean(axis=1, keepdims=True)
    assert math.isnan(other_tasks(values).seed_alone)


def test_one_seed_has_a_raw_correlation_alone():
    tasks = random_tasks(3, 8, 1)
    assert tasks.means.raw == pytest.approx(
        np.corrcoef(tasks.values[:, :, 0])[np.triu_indices(3, 1)].mean()
    )
    assert tasks.errors.raw > 0
    rest = [*tasks.means[1:], *tasks.errors[1:], tasks.seed_alone]
    assert all(math.isnan(value) for value in rest)


def test_four_prompts_leave_the_parts_without_an_error():
    # Of three prompts every seed's part is 0 times something: no error of 0 may come of it.
    four, five = random_tasks(p=4).errors, random_tasks(p=5).errors
    assert four.raw > 0 and math.isnan(four.prompt) and math.isnan(four.seed)
    assert min(five) > 0

"""The correlation of prompts without seed noise: by pairs of seeds, by simulation, poor tables."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sapo_analysis.analysis import within_task_correlation
from sapo_analysis.analysis.noise.corrected import corrected_correlation
from sapo_analysis.errors import InputError


def long(*tasks):
    """A table of tasks, each (x, y) of prompts x seeds."""
    rows = [
        {"current_task": f"t{t}", "prompt_id": f"p{p:02d}", "seed": s, "x": x[p, s], "y": y[p, s]}
        for t, (x, y) in enumerate(tasks)
        for p, s in np.ndindex(x.shape)
    ]
    return pd.DataFrame(rows)


def draw(rng, r, prompts=12, seeds=3, noise=(0.7, 1.0), shared=0.6):
    """x and y of prompts with correlation r, and noise of which a part is one trial's."""
    x = rng.standard_normal(prompts)
    y = r * x + math.sqrt(1 - r**2) * rng.standard_normal(prompts)
    trial, *own = rng.standard_normal((3, prompts, seeds))
    noises = [math.sqrt(shared) * trial + math.sqrt(1 - shared) * each for each in own]
    pairs = zip((x, y), noise, noises, strict=True)
    state = rng.normal(0, 3, seeds)
    return tuple(value[:, None] + sd * each + state for value, sd, each in pairs)


def corrected(table):
    return corrected_correlation(table, x="x", y="y")


def by_pairs(x, y):
    """Covariances over prompts of values at different seeds: xy, xx, yy; and of the means."""
    seeds = x.shape[1]
    pairs = [(s, t) for s in range(seeds) for t in range(seeds) if s != t]
    across = [
        np.mean([np.cov(one[:, s], two[:, t])[0, 1] for s, t in pairs])
        for one, two in ((x, y), (x, x), (y, y))
    ]
    means = np.cov(x.mean(axis=1), y.mean(axis=1))
    return np.array(across), means[[0, 0, 1], [1, 0, 1]]


def parts_of(x, y):
    """What a task adds to the sums, and the seed's part, per observed standard deviations."""
    across, means = by_pairs(x, y)
    scale = np.array([math.sqrt(means[1] * means[2]), means[1], means[2]])
    seed = (means - across) * (len(x) - 3) / (len(x) - 1)
    return (means - seed) / scale, seed / scale


@pytest.fixture
def tasks():
    rng = np.random.default_rng(0)
    return [draw(rng, r, prompts) for r, prompts in ((0.6, 10), (0.4, 12), (0.7, 14), (0.3, 16))]


def test_it_is_made_of_covariances_between_different_seeds(tasks):
    parts = np.array([parts_of(x, y) for x, y in tasks])
    xy, xx, yy = parts[:, 0].sum(axis=0)
    found = corrected(long(*tasks))
    assert found.value == pytest.approx(xy / math.sqrt(xx * yy))
    assert found.reliability_x == pytest.approx(xx / 4)
    assert found.reliability_y == pytest.approx(yy / 4)
    assert found.from_seed == pytest.approx(parts[:, 1, 0].mean())
    assert (found.n_tasks, found.n_prompts, found.n_seeds) == (4, 10, 3)


def test_its_interval_is_the_jackknife_over_tasks(tasks):
    z = [math.atanh(corrected(long(*tasks[:i], *tasks[i + 1 :])).value) for i in range(4)]
    found = corrected(long(*tasks))
    error = math.sqrt(3 / 4 * np.sum((np.array(z) - np.mean(z)) ** 2))
    half = stats.t.ppf(0.975, 3) * error
    bounds = [math.tanh(math.atanh(found.value) + side * half) for side in (-1, 1)]
    assert [found.lower, found.upper] == pytest.approx(bounds)
    assert "jackknife" in found.method


def test_the_raw_value_is_the_headline_and_stays_beside_it(tasks):
    table = long(*tasks)
    found = corrected(table)
    assert found.raw == within_task_correlation(table, "x", "y", n_permutations=0).value
    r = [np.corrcoef(x.mean(axis=1), y.mean(axis=1))[0, 1] for x, y in tasks]
    prompts = found.value * math.sqrt(found.reliability_x * found.reliability_y)
    assert prompts + found.from_seed == pytest.approx(np.mean(r))
    assert found.mean_r == pytest.approx(np.mean(r))


def test_an_indicator_that_is_the_same_at_every_seed_is_wholly_the_prompts(tasks):
    steady = [(np.repeat(x[:, :1], 3, axis=1), y) for x, y in tasks]
    found = corrected(long(*steady))
    assert found.reliability_x == 1 and found.from_seed == pytest.approx(0, abs=1e-12)
    r = np.mean([np.corrcoef(x[:, 0], y.mean(axis=1))[0, 1] for x, y in steady])
    assert found.value == pytest.approx(r / math.sqrt(found.reliability_y))


@pytest.mark.parametrize("r", [0.0, 0.5])
def test_it_is_the_prompts_correlation_where_seeds_move_both_and_the_classical_one_is_not(r):
    rng = np.random.default_rng(1)
    found = [
        corrected(long(*(draw(rng, r, prompts=20, seeds=2) for _ in range(6)))) for _ in range(100)
    ]
    values = np.array([one.value for one in found])
    error = values.std(ddof=1) / math.sqrt(len(values))
    # r of twenty normal points is itself small by r (1 - r²) / 40.
    assert values.mean() == pytest.approx(r * (1 - (1 - r**2) / 40), abs=3 * error)
    classical = [one.raw / math.sqrt(one.reliability_x * one.reliability_y) for one in found]
    assert np.mean(classical) > r + 10 * error
    # One trial's noise of variance 0.49 and 1, halved by two seeds.
    reliable = [np.mean([getattr(one, f"reliability_{v}") for one in found]) for v in "xy"]
    assert reliable == pytest.approx([1 / 1.245, 1 / 1.5], abs=0.02)


def test_noise_of_y_alone_is_undone():
    rng = np.random.default_rng(2)
    table = long(*(draw(rng, 0.8, 60, 2, noise=(0.0, 1.0), shared=0.0) for _ in range(6)))
    found = corrected(table)
    assert found.raw < 0.7
    assert found.value == pytest.approx(0.8, abs=0.06)
    assert found.lower < 0.8 < found.upper
    assert found.reliability_y == pytest.approx(2 / 3, abs=0.06)


def test_fewer_than_three_tasks_have_a_value_and_no_interval(tasks):
    for k in (1, 2):
        found = corrected(long(*tasks[:k]))
        assert math.isfinite(found.value) and math.isnan(found.lower) and math.isnan(found.upper)
        assert "no interval with fewer than 3 tasks" in found.method


def test_tasks_that_do_not_differ_have_no_interval(tasks):
    found = corrected(long(*[tasks[0]] * 4))
    assert found.value == pytest.approx(corrected(long(tasks[0])).value)
    assert math.isnan(found.lower) and math.isnan(found.upper)
    assert "all tasks have the same correlation" in found.method


def test_with_one_seed_there_is_the_raw_value_alone(tasks):
    table = long(*((x[:, :1], y[:, :1]) for x, y in tasks))
    found = corrected(table)
    for name in (
        "value",
        "lower",
        "upper",
        "mean_r",
        "from_seed",
        "reliability_x",
        "reliability_y",
    ):
        assert math.isnan(getattr(found, name))
    assert math.isfinite(found.raw)
    assert (found.n_tasks, found.n_seeds, found.n_prompts) == (0, 1, 10)
    assert "one seed: prompts and seeds cannot be told apart" in found.method
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["value"] is None and plain["raw"] == found.raw and plain["x"] == "x"


def test_a_task_with_one_seed_is_left_out_of_the_correction_alone(tasks):
    x, y = tasks[0]
    found = corrected(long(*tasks[1:], (x[:, :1], y[:, :1])))
    assert found.value == corrected(long(*tasks[1:])).value
    assert found.n_tasks == 3 and "left out of the correction: t3" in found.method
    assert found.raw != corrected(long(*tasks[1:])).raw


def test_where_prompts_do_no_more_than_seeds_there_is_no_value():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(8, 2))
    noise[:, 1] = -noise[:, 0] + 0.1 * rng.normal(size=8)
    found = corrected(long(*((rng.normal(size=(8, 2)) + np.arange(8)[:, None], noise),) * 3))
    assert math.isnan(found.value) and math.isnan(found.lower)
    assert "prompts differ in y no more than seeds would make them" in found.method
    assert found.reliability_y < 0 < found.reliability_x


def apart(prompts=8):
    """Prompts agree wholly in x and y, and each trial's noise moves the two apart."""
    own = np.arange(float(prompts))[:, None]
    noise = np.array([1.0, -1.0, -1.0, 1.0] * (prompts // 4))[:, None] * np.array([1.0, -1.0])
    return own + noise, own - noise


def test_a_value_beyond_one_is_held_there_without_an_interval():
    x, y = apart()
    found = corrected(long((x, y), (x, y), (x, y)))
    assert found.value == 1 and math.isnan(found.lower) and found.from_seed < 0
    assert "held at ±1" in found.method
    assert corrected(long((x, -y), (x, -y), (x, -y))).value == -1


def test_no_interval_where_one_task_holds_the_value_within_one(tasks):
    x, y = tasks[3]
    found = corrected(long(apart(), apart(), (x, -y)))
    assert abs(found.value) < 1 and math.isnan(found.lower)
    assert "with one task left out it lies beyond ±1" in found.method


def test_on_a_run_noise_trials_do_not_enter(df):
    found = corrected_correlation(df, role="past")
    main = df[df["purpose"] == "main"]
    assert found == corrected_correlation(main, role="past")
    assert found.raw == within_task_correlation(df, role="past", n_permutations=0).value
    assert (found.x, found.y, found.role) == ("pre_update_loss", "forgetting", "past")
    only = df["eval_task"][df["role"] == "unseen"].iloc[0]
    one = corrected_correlation(df, y="generalization", role="unseen", eval_task=only)
    assert one.value == pytest.approx(
        corrected_correlation(df[df["eval_task"] == only], y="generalization", role="unseen").value
    )


def test_poor_tables_are_refused_or_give_a_labelled_nan(tasks, df):
    table = long(*tasks)
    with pytest.raises(InputError, match="never pooled"):
        corrected_correlation(df)
    with pytest.raises(InputError, match="Unknown column 'z'"):
        corrected_correlation(table, x="z", y="y")
    with pytest.raises(InputError, match="Two rows hold 'y'"):
        corrected(pd.concat([table, table]))
    with pytest.raises(InputError, match="infinite"):
        corrected(table.assign(y=table["y"].where(table["seed"] > 0, np.inf)))
    for poor in (
        table.iloc[:0],
        table.assign(y=1.0),
        table.assign(x=np.nan),
        table[table["prompt_id"] == "p00"],
    ):
        found = corrected(poor)
        assert math.isnan(found.value) and math.isnan(found.raw) and found.n_tasks == 0
        assert "no task left" in found.method
    assert "y is the same for every prompt" in corrected(table.assign(y=1.0)).method


def test_a_missing_value_takes_its_seed_out_for_all_prompts(tasks):
    table = long(*tasks)
    hole = (table["current_task"] == "t0") & (table["prompt_id"] == "p03") & (table["seed"] == 2)
    cut = table[(table["current_task"] != "t0") | (table["seed"] < 2)]
    for column in ("x", "y"):
        found = corrected(table.assign(**{column: table[column].mask(hole)}))
        assert found == corrected(cut) and found.n_seeds == 2

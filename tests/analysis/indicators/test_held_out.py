"""The best indicator on tasks that it was not chosen on."""

import json

import numpy as np
import pytest
from scipy import stats

from sapo_analysis.analysis.indicators.held_out import held_out, oriented
from sapo_analysis.analysis.indicators.indicator_z import IndicatorZ


def found_of(z, n=13, shuffles=None):
    """z [tasks, indicators]; nan where an indicator does not enter."""
    z = np.asarray(z, dtype=float)
    columns = [z] if shuffles is None else [z, *shuffles]
    known = np.isfinite(z)
    return IndicatorZ(
        tuple(f"t{i}" for i in range(len(z))),
        tuple(f"i{j}" for j in range(z.shape[1])),
        np.stack([np.nan_to_num(one) for one in columns], axis=-1),
        np.where(known, n, 0),
        ("",) * z.shape[1],
        "past",
    )


def by_hand(z):
    """(chosen, sign, value) per task, by loops; all indicators in all tasks."""
    rows = []
    for t in range(len(z)):
        means = np.delete(z, t, axis=0).mean(axis=0)
        j = int(np.argmax(np.abs(means)))
        rows.append((j, int(np.sign(means[j])), np.sign(means[j]) * z[t, j]))
    return rows


def test_each_task_is_judged_by_what_the_others_choose():
    z = np.random.default_rng(0).normal(0.1, 0.4, (7, 5))
    winner = held_out(found_of(z), 0, 1)
    rows = by_hand(z)
    assert [(row.indicator, row.sign) for row in winner.tasks] == [(f"i{j}", s) for j, s, _ in rows]
    assert len({row.indicator for row in winner.tasks}) > 1
    assert [np.arctanh(row.r) for row in winner.tasks] == pytest.approx([v for *_, v in rows])
    assert [row.r_x for row in winner.tasks] == pytest.approx(np.tanh(z[:, 0]).tolist())
    assert np.arctanh(winner.r) == pytest.approx(np.mean([v for *_, v in rows]))
    assert winner.difference == pytest.approx(np.mean([v for *_, v in rows]) - z[:, 0].mean())
    assert sum(winner.chosen.values()) == winner.n_tasks == 7
    best = int(np.argmax(np.abs(z.mean(axis=0))))
    assert winner.overall == f"i{best}"
    assert winner.overall_r == pytest.approx(np.tanh(abs(z[:, best].mean())))


def test_the_interval_is_the_jackknife_of_the_whole_procedure():
    z = np.random.default_rng(0).normal(0.1, 0.4, (7, 5))
    winner = held_out(found_of(z), 0, 1)
    values = np.array([v for *_, v in by_hand(z)])
    fewer = [[v for *_, v in by_hand(np.delete(z, i, axis=0))] for i in range(7)]
    for got, value, less in (
        ((winner.lower, winner.r, winner.upper), values, [np.mean(own) for own in fewer]),
        (
            np.tanh([winner.difference_lower, winner.difference, winner.difference_upper]),
            values - z[:, 0],
            [np.mean(own - np.delete(z[:, 0], i)) for i, own in enumerate(fewer)],
        ),
    ):
        jackknife = np.sqrt(6 / 7 * np.sum((less - np.mean(less)) ** 2))
        error = max(jackknife, stats.sem(value))
        half = stats.t.ppf(0.975, 6) * error
        mean = value.mean()
        assert np.arctanh(got) == pytest.approx([mean - half, mean, mean + half])


def test_the_interval_is_never_narrower_than_its_values_say():
    z = np.random.default_rng(233).normal(0.1, 0.4, (4, 2))
    values = np.array([v for *_, v in by_hand(z)])
    fewer = [np.mean([v for *_, v in by_hand(np.delete(z, i, axis=0))]) for i in range(4)]
    assert np.sqrt(3 / 4 * np.sum((fewer - np.mean(fewer)) ** 2)) < stats.sem(values) / 2
    winner = held_out(found_of(z), 0, 1)
    plain = stats.ttest_1samp(values, 0).confidence_interval()
    assert np.arctanh([winner.lower, winner.upper]) == pytest.approx([plain.low, plain.high])


def test_where_every_choice_is_the_same_it_is_students():
    z = np.random.default_rng(1).normal(0, 0.2, (8, 4)) + [0.1, -1.2, 0, 0.1]
    winner = held_out(found_of(z), 0, 1)
    assert winner.chosen == {"i1": 8} and {row.sign for row in winner.tasks} == {-1}
    plain = stats.ttest_1samp(-z[:, 1], 0).confidence_interval()
    assert np.arctanh([winner.lower, winner.upper]) == pytest.approx([plain.low, plain.high])
    pair = stats.ttest_1samp(-z[:, 1] - z[:, 0], 0).confidence_interval()
    assert [winner.difference_lower, winner.difference_upper] == pytest.approx(list(pair))


def test_p_repeats_the_choice_in_every_shuffle():
    rng = np.random.default_rng(2)
    z, shuffles = rng.normal(0.15, 0.3, (6, 4)), rng.normal(0, 0.3, (2500, 6, 4))
    winner = held_out(found_of(z, shuffles=shuffles), 0, 1)
    null = [np.mean([v for *_, v in by_hand(one)]) for one in shuffles]
    expected = (np.sum(np.array(null) >= np.arctanh(winner.r) - 1e-9) + 1) / 2501
    assert winner.p == pytest.approx(expected) and 0.01 < expected < 0.99
    assert np.isnan(held_out(found_of(z), 0, 1).p)


def test_useless_indicators_are_worth_nothing_though_the_best_of_them_looks_good():
    rng = np.random.default_rng(3)
    winners = [held_out(found_of(rng.normal(0, 0.32, (8, 14))), 0, 1) for _ in range(400)]
    values = np.arctanh([w.r for w in winners])
    assert abs(values.mean()) < 3 * stats.sem(values) and stats.sem(values) < 0.02
    assert np.mean([w.overall_r for w in winners]) > 0.2
    # Student's interval of the values alone would lie above 0 in 12 of 100.
    assert np.mean([w.lower > 0 for w in winners]) < 0.05


def test_indicators_that_say_the_same_are_not_chosen_by_rounding():
    z = np.random.default_rng(4).normal(0.8, 0.2, (9, 1))
    winner = held_out(found_of(np.hstack([z, z * (1 + 1e-13), z - 1e-14])), 0, 1)
    assert winner.chosen == {"i0": 9}
    assert winner.difference == 0.0 and np.isnan(winner.difference_lower)


def test_an_indicator_is_neither_chosen_for_tasks_it_lacks_nor_from_few():
    z = np.full((6, 3), 0.1)
    z += np.random.default_rng(5).normal(0, 0.01, z.shape)
    z[:, 1], z[:, 2] = [2.0, 2.1, 2.2, np.nan, np.nan, 1.9], np.nan
    z[:2, 2] = 5.0
    winner = held_out(found_of(z), 0, 1)
    assert [row.indicator for row in winner.tasks] == ["i1", "i1", "i1", "i0", "i0", "i1"]
    # x lacks a task that the winner is judged on.
    z[0, 0] = np.nan
    winner = held_out(found_of(z), 0, 1)
    assert np.isnan(winner.tasks[0].r_x) and winner.n_tasks == 6
    gap = np.array([np.arctanh(row.r) - np.arctanh(row.r_x) for row in winner.tasks[1:]])
    assert winner.difference == pytest.approx(gap.mean())


@pytest.mark.parametrize("k", [0, 1, 2])
def test_two_tasks_choose_nothing(k):
    winner = held_out(found_of(np.full((k, 3), 0.5)), 0, 1)
    assert winner.note == "no indicator enters in 3 tasks" and winner.n_tasks == 0
    assert np.isnan([winner.r, winner.lower, winner.p, winner.difference]).all()
    assert winner.table.empty and list(winner.table) == ["task", "indicator", "sign", "r", "r_x"]
    said = json.loads(json.dumps(winner.to_dict(), allow_nan=False))
    assert said["r"] is None and said["chosen"] == {} and said["tasks"] == []


def test_a_sign_comes_from_the_other_tasks_unless_it_is_given():
    z = np.array([0.5, -0.2, 0.1, np.nan])
    assert oriented(z, -1)[:3].tolist() == [-0.5, 0.2, -0.1]
    # The others of the first sum to -0.1, of the second to 0.6, of the third to 0.3.
    assert oriented(z, 0)[:3].tolist() == [-0.5, -0.2, 0.1]
    assert np.isnan(oriented(z, 0)[3]) and np.isnan(oriented(np.array([0.5, np.nan]), 0)).all()

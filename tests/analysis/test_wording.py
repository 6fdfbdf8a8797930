from dataclasses import replace

import pytest

from sapo_analysis.analysis import sentence, task_correlations, within_task_correlation
from sapo_analysis.analysis.wording import in_short, noise_floor, p_value, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.314, "+0.31"), (-0.5, "−0.50"), (-0.001, "0.00"), (0.0, "0.00"), (float("nan"), "–")],
)
def test_signed(value, text):
    assert signed(value) == text


def test_headline(table_of):
    found = within_task_correlation(table_of([0.3, 0.5]), "x", "y", n_permutations=0)
    found = replace(found, value=0.31, lower=-0.02, upper=0.55)
    expected = "Within tasks, r = +0.31 (95 % for new tasks: −0.02 to +0.55)."
    assert sentence(found) == expected
    assert sentence(found, "unclear") == expected + " Unclear."
    these = replace(found, scope="these_tasks", statistic="spearman")
    assert sentence(these, "too few") == (
        "Within tasks, Spearman's ρ = +0.31 (95 % for these tasks: −0.02 to +0.55). Too few."
    )


@pytest.mark.parametrize(
    ("statistic", "symbol"),
    [
        ("kendall", "Kendall's τ"),
        ("theil_sen", "Theil-Sen slope"),
        ("repeated_measures", "repeated-measures r"),
    ],
)
def test_what_is_no_plain_r_is_called_by_its_name(table_of, statistic, symbol):
    found = within_task_correlation(table_of([0.3, 0.5]), "x", "y", n_permutations=0)
    assert f"Within tasks, {symbol} = " in sentence(replace(found, statistic=statistic))


def test_headline_without_interval_or_value(table_of):
    one = within_task_correlation(table_of([0.5]), "x", "y", n_permutations=0)
    assert sentence(one) == "Within tasks, r = +0.50 (no interval for new tasks from one task)."
    none = within_task_correlation(table_of([0.5], n=3), "x", "y", n_permutations=0)
    assert sentence(none).startswith("No correlation can be given")
    task = task_correlations(table_of([0.5]), "x", "y", n_permutations=0)[0]
    assert sentence(task) == "In task-00, r = +0.50 (95 %: −0.10 to +0.83)."


def test_an_estimate_in_short_says_what_it_lacks(table_of):
    found = within_task_correlation(table_of([0.3, 0.5]), "x", "y", n_permutations=0)
    found = replace(found, value=0.31, lower=-0.02, upper=0.55)
    assert in_short(found) == "r = +0.31 (95 % new tasks −0.02 to +0.55)"
    nan = float("nan")
    alone = replace(found, level="task", statistic="spearman")
    assert in_short(alone) == "Spearman's ρ = +0.31 (95 % −0.02 to +0.55)"
    assert in_short(replace(found, lower=nan, upper=nan)) == "r = +0.31 (no interval)"
    assert in_short(replace(found, value=nan)) == "r undefined"


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.0123, "p = 0.012"), (1e-4, "p = 0.0001"), (3e-9, "p < 0.0001"), (1.0, "p = 1")],
)
def test_a_p_value(p, said):
    assert p_value(p) == said
    assert p_value(float("nan")) == "no p"


def test_no_noise_seen_is_not_said_to_be_none():
    assert noise_floor(0.5, 1.25, "points", "") == "0.5, at most 1.2 points"
    said = noise_floor(0.0, float("nan"), "points", "")
    assert said == "0 points as noise trials do not differ, which few may not by chance"

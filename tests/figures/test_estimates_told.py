"""Statistics above panels: all that is known is said, what is not is no `nan`."""

from dataclasses import replace

import pytest

from sapo_analysis.analysis import task_correlations, within_task_correlation
from sapo_analysis.figures.estimates_told import (
    above_means,
    above_task,
    how_intervals,
    sentences_on_means,
    shaded,
    span_of,
)

NAN = float("nan")


@pytest.fixture(scope="module")
def means(df):
    found = [
        within_task_correlation(df, role="past", scope=scope, n_permutations=0)
        for scope in ("new_tasks", "these_tasks")
    ]
    given = {"value": 0.574, "p": 1e-4, "n_tasks": 11, "n_prompts": 13, "n_seeds": 3}
    new, these = (replace(e, **given) for e in found)
    return replace(new, lower=0.2, upper=0.8), replace(these, lower=0.44, upper=0.69)


def spoken(line):
    return line.replace("\N{NO-BREAK SPACE}", " ")


def test_r_interval_p_and_n_stand_in_one_line(means):
    assert spoken(above_means(means)) == (
        "within tasks r = +0.57 (95 % new tasks +0.20 to +0.80), p = 0.0001 (these tasks),"
        " 11 tasks × 13 prompts × 3 seeds"
    )
    assert above_means(()) == ""
    # A number and its name stay in one line.
    assert "p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.0001" in above_means(means)


def test_of_too_few_tasks_nothing_is_said_of_new_ones(means):
    few = [replace(e, n_tasks=3) for e in means]
    # The interval says whose it is, and p is of the same tasks.
    assert "(95 % these tasks +0.44 to +0.69), p = 0.0001, 11" in spoken(
        above_means(few).replace("3 tasks", "11 tasks")
    )
    assert sentences_on_means(few)[0].startswith("Within tasks, r = +0.57 (95 % for these tasks")
    alone = spoken(above_means(few[:1]))
    assert "new tasks" in alone  # nothing else was given


def test_what_is_missing_is_said(means):
    new, these = means
    bare = replace(new, lower=NAN, upper=NAN, p=NAN)
    assert spoken(above_means([bare])) == (
        "within tasks r = +0.57 (no interval), no p, 11 tasks × 13 prompts × 3 seeds"
    )
    assert above_means([replace(new, value=NAN, lower=NAN, upper=NAN)]) == (
        "within tasks r undefined"
    )
    assert how_intervals([bare]) == "" and "new tasks" in how_intervals([new])
    assert sentences_on_means(()) == ()
    said = sentences_on_means([replace(bare, p=0.5), these])
    assert said[1:] == (
        "95 % for these tasks: +0.44 to +0.69",
        "p = 0.5 (two-sided, prompts shuffled within task, so of these tasks)",
    )


def test_a_tasks_numbers_stand_in_two_lines(df):
    task = task_correlations(df, role="past", n_permutations=0)[0]
    task = replace(task, value=-0.3, lower=-0.71, upper=0.25, p=0.031)
    assert spoken(above_task(task)) == "r = −0.30 (−0.71 to +0.25)\np = 0.031, n = 8"
    ranks = replace(task, statistic="spearman", p=NAN)
    assert spoken(above_task(ranks)) == "Spearman's ρ = −0.30 (−0.71 to +0.25)\nno p, n = 8"
    assert above_task(None) == "no correlation"


def test_the_span_of_r_over_tasks(df):
    tasks = task_correlations(df, role="past", n_permutations=0)
    tasks = [replace(e, value=v) for e, v in zip(tasks, (0.5, -0.25, NAN), strict=True)]
    assert span_of(tasks) == "r of 2 tasks: −0.25 to +0.50"
    assert span_of(tasks[:1]) == "r of 1 task: +0.50"
    assert span_of(tasks[2:]) == ""
    ranks = [replace(e, statistic="spearman") for e in tasks]
    assert span_of(ranks) == "Spearman's ρ of 2 tasks: −0.25 to +0.50"
    assert shaded(-1).endswith("below 0") and shaded(1).endswith("above 0")

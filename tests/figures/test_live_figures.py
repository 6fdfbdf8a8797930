"""Pictures of runs under way: the same data on screen and paper, empty and wrong tables."""

import dataclasses

import pandas as pd
import pytest

from sapo_analysis.analysis.levels.correlation import task_correlations, within_task_correlation
from sapo_analysis.analysis.progress import candidates_table, curves_table, trials_table
from sapo_analysis.analysis.sequences import sequence_scores, stage_means
from sapo_analysis.analysis.sequences.live import Choice
from sapo_analysis.errors import InputError
from sapo_analysis.figures import (
    candidate_strip,
    live_choice,
    runs_forest,
    strategy_race,
    training_curves,
    trials_grid,
)
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.figures.spec import Intervals, Note, Points, Span
from sapo_analysis.figures.trials_grid import LOOKS
from sapo_analysis.paper.captions import draft
from sapo_analysis.plan import plan_of
from sapo_analysis.store import open_run
from tests.analysis.sequences.test_metrics import noisy
from tests.figures.same_data import check_same_data
from tests.figures.test_renderers import matplotlib_points, plotly_points, same, spec_points
from tests.synthetic_sequence import write_sequence_run
from tests.tiny import tiny_study
from tests.under_way import begun, put


@pytest.fixture(scope="module")
def under_way(tmp_path_factory):
    path = begun(tmp_path_factory.mktemp("runs"), tiny_study(), groups=6)
    put(path, "running")
    return open_run(path)


def layers(spec, kind):
    return [layer for panel in spec.panels for layer in panel.layers if isinstance(layer, kind)]


def named(spec):
    return {layer.label: layer for layer in layers(spec, Points)}


def drawn_alike(spec):
    same(spec_points(spec), plotly_points(spec))
    same(spec_points(spec), matplotlib_points(spec))
    check_same_data(spec)
    assert not grey_twins(spec)
    assert draft(spec.caption).endswith(".")


LOSSES = [
    Choice("b", 1.1, 250, False),
    Choice("a", 1.3, 120, False),
    Choice("c", 1.2, 48, True),
    Choice("o", 1.4, 64, True),
]


def test_the_choice_has_a_leader_an_original_and_bounds():
    spec = live_choice(
        LOSSES, task="job", n_texts=250, original="o", texts={"c": "<b>x"}, n_candidates=9
    )
    drawn_alike(spec)
    found = named(spec)
    assert found["leads"].y == (1.1,) and found["leads"].marker == "star"
    assert found["candidate"].hover == ("a: 1.300\nread 120 of 250 texts\n",)
    (bound,) = found["stopped early: at least this"].hover
    assert bound == "c: at least 1.200\nstopped at 48 of 250 texts\n<b>x"
    assert found["original, stopped early: at least this"].hollow
    assert "&lt;b&gt;" in spec.to_plotly().to_json() or "\\u0026lt;b" in spec.to_plotly().to_json()
    assert spec.panels[0].x_range == (0.4, 9.6) and "b leads with 1.100" in spec.alt


def test_a_bound_never_leads():
    spec = live_choice([Choice("a", 0.5, 8, True)], task="job", n_texts=250)
    assert "leads" not in named(spec) and "nobody leads yet" in spec.alt
    with pytest.raises(InputError, match="No loss of a candidate has arrived yet"):
        live_choice([], task="job", n_texts=250)


def test_candidates_are_shown_against_their_tasks_original(under_way):
    spec = candidate_strip(candidates_table(under_way))
    drawn_alike(spec)
    found = named(spec)
    assert set(found["original"].x) == {0.0}
    assert found["lowest: SAPO's pick"].x == pytest.approx((-0.2, -0.2))
    with pytest.raises(InputError, match="No candidate is scored yet"):
        candidate_strip(candidates_table(under_way).head(0))
    with pytest.raises(InputError, match=r"candidates_table\(run\)"):
        candidate_strip(pd.DataFrame({"task": ["a"]}))


def test_every_trial_is_one_mark_with_a_letter(under_way):
    table = trials_table(plan_of(under_way.study), under_way)
    spec = trials_grid(table)
    drawn_alike(spec)
    assert sum(len(layer.x) for layer in layers(spec, Points)) == len(table)
    counts = table["mark"].value_counts()
    assert set(named(spec)) == {f"{m[0].upper()} {m} ({n})" for m, n in counts.items()}
    letters = pd.Series([note.text for note in layers(spec, Note)]).value_counts().to_dict()
    assert letters == {mark[0].upper(): n for mark, n in counts.items()}
    rows = spec.panels[0].y_ticks.labels
    assert rows[:3] == ("place · seed 0", "place · seed 1", "place · noise")
    assert len({shape for _, shape, hollow in LOOKS.values() if not hollow}) == 3


def test_many_trials_keep_shapes_and_lose_letters(under_way):
    table = trials_table(plan_of(under_way.study), under_way)
    moved = [table.assign(place=table["place"] + 3 * i) for i in range(5)]
    assert not layers(trials_grid(pd.concat(moved, ignore_index=True)), Note)
    with pytest.raises(InputError, match="no trials"):
        trials_grid(table.head(0))


def test_a_curve_per_trial(under_way):
    table = curves_table(under_way)
    spec = training_curves(table)
    drawn_alike(spec)
    assert len(layers(spec, Points)) == table["trial_id"].nunique()
    with pytest.raises(InputError, match="No trial has ended yet"):
        training_curves(table.head(0))


def test_names_at_line_ends_do_not_cover_each_other(tmp_path):
    strategies = ["original", "random", "sapo", "sapo-once"]
    run = open_run(write_sequence_run(tmp_path, noisy, strategies=strategies, stages=2))
    table = stage_means(sequence_scores(run)).assign(learned=50.0)
    spec = strategy_race(table, named=True, n_stages=5)
    names = layers(spec, Note)
    assert {note.text for note in names} == set(strategies) and not spec.legend
    heights = sorted(note.y for note in names)
    assert min(b - a for a, b in zip(heights, heights[1:], strict=False)) > 0.05
    assert spec.panels[0].x_ticks.labels == ("1", "2", "3", "4", "5")


def pair(df):
    chosen = {"x": "pre_update_loss", "y": "forgetting", "role": "past"}
    scopes = ("new_tasks", "these_tasks")
    return tuple(within_task_correlation(df, **chosen, scope=scope) for scope in scopes)


def test_a_row_per_run_with_both_intervals(df):
    one = pair(df)
    alone = dataclasses.replace(one[0], lower=float("nan"), upper=float("nan")), one[1]
    spec = runs_forest({"a": one, "b": alone}, predicted=1, unfinished=frozenset({"b"}))
    drawn_alike(spec)
    assert [layer.hollow for layer in layers(spec, Points)] == [False, True]
    assert len(layers(spec, Intervals)) == 3 and len(layers(spec, Span)) == 1
    assert spec.panels[0].y_ticks.labels == ("a", "b") and len(spec.table) == 4
    assert not layers(runs_forest({"a": one}), Span)


def test_a_run_without_a_correlation_keeps_its_row_and_says_so(df):
    nothing = tuple(
        dataclasses.replace(e, value=float("nan"), lower=float("nan")) for e in pair(df)
    )
    spec = runs_forest({"a": nothing, "b": pair(df)})
    assert [note.text for note in layers(spec, Note)] == ["no correlation: too few prompts so far"]
    assert spec.panels[0].y_ticks.labels == ("a", "b") and "a –" in spec.alt


def test_only_means_over_one_runs_tasks_make_a_row(df):
    one = pair(df)
    per_task = task_correlations(df, x="pre_update_loss", y="forgetting", role="past")[0]
    for wrong in ({}, {"a": one[::-1]}, {"a": (per_task, per_task)}, {"a": (1, 2)}):
        with pytest.raises(InputError, match="No run was given|within_task_correlation"):
            runs_forest(wrong)

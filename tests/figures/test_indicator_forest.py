"""The leader board drawn: every row with both intervals, the named one apart, the best below."""

import dataclasses
import math

import numpy as np
import pytest

from sapo_analysis.analysis.indicators.board import indicator_board
from sapo_analysis.errors import InputError
from sapo_analysis.figures import indicator_forest
from sapo_analysis.figures.board import CHOSEN
from sapo_analysis.figures.outcomes import indicator_name
from sapo_analysis.figures.spec import Intervals, Note, Points, Span
from tests.figures.test_renderers import matplotlib_points, plotly_points, same, spec_points

NAN = float("nan")


@pytest.fixture(scope="module")
def board(df):
    known = df.assign(gradient_norm=(df["prompt_length"] * 7.3) % 5)
    return indicator_board(known, "forgetting", "past", n_permutations=99)


def layers(spec, kind):
    return [layer for layer in spec.panels[0].layers if isinstance(layer, kind)]


def rows_of(spec):
    """Drawn (r, ends of each interval) by the row's label."""
    ticks = spec.panels[0].y_ticks
    found = {}
    for place, label in zip(ticks.places, ticks.labels, strict=True):
        points = [layer.x[0] for layer in layers(spec, Points) if layer.y == (place,)]
        bars = [b for b in layers(spec, Intervals) if abs(b.y[0] - place) < 0.3]
        found[label] = points, {b.label: (b.lower[0], b.upper[0]) for b in bars}
    return found


def test_every_row_is_drawn_with_both_intervals_strongest_on_top(board):
    spec = indicator_forest(board)
    same(spec_points(spec), plotly_points(spec))
    same(spec_points(spec), matplotlib_points(spec))
    drawn = rows_of(spec)
    assert list(drawn) == [*(indicator_name(row.indicator) for row in board.rows), CHOSEN]
    assert list(spec.panels[0].y_ticks.places) == sorted(spec.panels[0].y_ticks.places)[::-1]
    for row in board.rows:
        points, bars = drawn[indicator_name(row.indicator)]
        assert points == [row.r]
        assert bars == {
            "new tasks, 95 %": (row.lower, row.upper),
            "these tasks, 95 %": (row.these_lower, row.these_upper),
        }
    winner = board.winner
    assert drawn[CHOSEN] == ([winner.r], {"new tasks, 95 %": (winner.lower, winner.upper)})
    last = spec.table.iloc[-1]
    assert len(spec.table) == len(board.rows) + 1
    assert (last["indicator"], last["r"], last["n_tasks"]) == (CHOSEN, winner.r, winner.n_tasks)


def test_the_indicator_named_beforehand_stands_out_and_its_side_is_shaded(board):
    spec = indicator_forest(board)
    named = [layer for layer in layers(spec, Points) if layer.marker == "diamond"]
    assert [layer.keys for layer in named] == [(("pre_update_loss",),)]
    assert [(span.lower, span.upper) for span in layers(spec, Span)] == [(0.0, 1.0)]
    turned = indicator_forest(dataclasses.replace(board, predicted=-1))
    assert [(span.lower, span.upper) for span in layers(turned, Span)] == [(-1.0, 0.0)]
    assert not layers(indicator_forest(dataclasses.replace(board, predicted=0)), Span)


def test_rows_without_numbers_say_so_and_no_winner_has_no_row(board):
    first = dataclasses.replace(board.rows[0], r=NAN, lower=NAN, these_lower=NAN)
    one = dataclasses.replace(board.rows[1], lower=NAN, upper=NAN)
    rows = (first, one, *board.rows[2:])
    winner = dataclasses.replace(board.winner, r=NAN)
    spec = indicator_forest(dataclasses.replace(board, rows=rows, winner=winner))
    assert [note.text for note in layers(spec, Note)] == [
        "no correlation: no task has enough prompts that differ"
    ]
    drawn = rows_of(spec)
    assert CHOSEN not in drawn and CHOSEN not in spec.alt
    assert list(drawn[indicator_name(one.indicator)][1]) == ["these tasks, 95 %"]
    assert len(spec.table) == len(rows) and "–" in spec.alt
    same(spec_points(spec), plotly_points(spec))
    assert not any(math.isnan(point[0]) for point in spec_points(spec))


def test_the_caption_says_of_which_tasks_and_which_sides_each_p_is(board):
    rows = [dataclasses.replace(row, p_adjusted=0.012) for row in board.rows]
    winner = dataclasses.replace(board.winner, p=0.034)
    tested = dataclasses.replace(board, rows=tuple(rows), winner=winner)
    said = indicator_forest(tested).caption.statistics
    assert said[0].endswith("p = 0.012 adjusted")
    assert any(line.endswith("p = 0.034 (one-sided, these tasks)") for line in said)
    (how,) = [line for line in said if "Westfall and Young" in line]
    assert f"for the {len(rows)} tried" in how and "two-sided" in how and "these tasks" in how
    rows = [dataclasses.replace(row, p_adjusted=NAN) for row in rows]
    bare = dataclasses.replace(tested, rows=tuple(rows), winner=dataclasses.replace(winner, p=NAN))
    said = indicator_forest(bare).caption.statistics
    assert said[0].endswith("no p") and not any("sided" in line for line in said)


def test_an_unfinished_study_has_hollow_points(board):
    spec = indicator_forest(board, hollow=True)
    assert all(p.hollow for p in layers(spec, Points))
    assert "hollow: the study is not finished" in spec.caption.explained
    assert not any(p.hollow for p in layers(indicator_forest(board), Points))


def test_two_tasks_make_a_figure_too(df):
    few = df[df["current_task"].isin(["current-0", "current-1"])]
    spec = indicator_forest(indicator_board(few, "generalization", "unseen", n_permutations=0))
    assert CHOSEN not in rows_of(spec) and np.isnan(spec.table["p"]).all()
    assert spec.to_bytes("svg").startswith(b"<?xml")


def test_a_table_is_no_board(board):
    with pytest.raises(InputError, match="indicator_board"):
        indicator_forest(board.table)


def test_many_indicators_take_the_full_width_of_a_page(board):
    """In a column of ACL fourteen names of two or three lines were higher than the page."""
    assert not indicator_forest(dataclasses.replace(board, rows=board.rows[:3])).wide
    assert indicator_forest(dataclasses.replace(board, rows=board.rows * 5)).wide

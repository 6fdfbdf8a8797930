"""Claim 1 drawn: both spreads of each task, their ratio, and what the seed alone would give."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sapo_analysis import analysis
from sapo_analysis.errors import InputError
from sapo_analysis.figures import claim_1_spread
from sapo_analysis.figures.claim_1_spread import ELSEWHERE, IN_TASK, MEAN
from sapo_analysis.figures.spec import Intervals, Line, Points
from tests.figures.test_builders import layers


@pytest.fixture(scope="module")
def spreads(df):
    return analysis.claim_1_spreads(df)


@pytest.fixture(scope="module")
def means(df):
    found = analysis.claims(df, n_permutations=0)
    return [v.estimate for v in found if (v.claim, v.form) == ("claim_1", "score")]


def by_row(spec, panel, label):
    ticks = spec.panels[panel].y_ticks
    rows = dict(zip(ticks.places, ticks.labels, strict=True))
    (points,) = [p for p in layers(spec, Points, panel) if p.label == label]
    return {rows[y]: x for x, y in zip(points.x, points.y, strict=True)}


def test_each_task_has_both_spreads_joined_and_rows_are_sorted_by_ratio(spreads, means):
    spec = claim_1_spread(spreads, means)
    table = spreads.table.set_index("current_task")
    own, other = by_row(spec, 0, IN_TASK), by_row(spec, 0, ELSEWHERE)
    for task in table.index:
        assert own[task] == table.loc[task, "in_task_spread"]
        assert other[task] == table.loc[task, "impact_spread"]
    # Geometric means, so that the lowest row shows the mean ratio too.
    assert own[MEAN] == pytest.approx(math.prod(table["in_task_spread"]) ** (1 / 3))
    assert other[MEAN] / own[MEAN] == pytest.approx(math.exp(means[0].value))
    joined = {line.x for line in layers(spec, Line) if line.y[0] == line.y[1]}
    assert joined == {(own[row], other[row]) for row in own}
    ticks = spec.panels[0].y_ticks
    assert list(ticks.labels) == [MEAN, *table.sort_values("ratio").index]
    assert spec.names_rows_once and spec.wide and all(panel.x_log for panel in spec.panels)
    assert "points" in spec.panels[0].x_label


def test_ratios_have_their_intervals_and_the_mean_both_of_its_own(spreads, means):
    spec = claim_1_spread(spreads, means, seed_alone=math.log(0.5))
    bars = layers(spec, Intervals, 1)
    table = spreads.table.sort_values("ratio")
    single = [(b.lower[0], b.upper[0]) for b in bars if b.label is None]
    assert single == list(zip(table["lower"], table["upper"], strict=True))
    drawn = {b.label: (b.lower[0], b.upper[0]) for b in bars if b.label is not None}
    new, these = means
    assert drawn == {
        "mean, new tasks, 95 %": pytest.approx((math.exp(new.lower), math.exp(new.upper))),
        "mean, these tasks, 95 %": pytest.approx((math.exp(these.lower), math.exp(these.upper))),
    }
    # The diamond covers a third of a row to either side, and often all of the thin bar's length.
    assert all(b.y[0] < -0.35 for b in bars if b.label and "these" in b.label)
    at = {line.x[0]: line.dash for line in layers(spec, Line, 1)}
    assert at[1.0] == () and at[0.5] != ()
    low, high = spec.panels[1].x_range
    assert low < min(0.5, *table["lower"]) and high > max(table["upper"])
    assert "0.5" in " ".join(spec.caption.explained)
    said = " ".join(spec.caption.statistics)
    assert f"ratio {math.exp(new.value):.2f}" in said and "of 3 tasks" in said
    assert spec.table["ratio"].tolist() == pytest.approx(
        [*table["ratio"], math.exp(new.value), math.exp(new.value)]
    )


def test_what_the_seed_alone_spreads_stands_under_each_task(spreads):
    spec = claim_1_spread(spreads)
    small = [p for p in layers(spec, Points) if p.part == "noise"]
    table = spreads.table.sort_values("ratio")
    assert [list(p.x) for p in small] == [
        table["in_task_seed"].tolist(),
        table["impact_seed"].tolist(),
    ]
    assert MEAN not in spec.panels[0].y_ticks.labels
    none = replace(spreads, table=spreads.table.assign(seed_ratio=np.nan))
    assert not [p for p in layers(claim_1_spread(none), Points) if p.part == "noise"]


def test_loss_form_has_its_unit_and_one_task_no_interval_of_new_ones(df):
    one = df[df["current_task"] == "current-0"]
    found = analysis.claims(one, n_permutations=0)
    means = [v.estimate for v in found if (v.claim, v.form) == ("claim_1", "loss")]
    spec = claim_1_spread(analysis.claim_1_spreads(one, "loss"), means, hollow=True)
    assert "nats per token" in spec.panels[0].x_label
    labels = [bar.label for bar in layers(spec, Intervals, 1)]
    assert "mean, these tasks, 95 %" in labels and "mean, new tasks, 95 %" not in labels
    assert all(p.hollow for k in (0, 1) for p in layers(spec, Points, k))
    assert "no interval" in " ".join(spec.caption.statistics)


def test_panels_are_told_apart_by_title_however_they_stand(spreads):
    spec = claim_1_spread(spreads)
    assert [panel.title for panel in spec.panels] == ["Spread", "Ratio"]
    shows = spec.caption.shows
    assert shows.startswith("spread: ") and "ratio: " in shows and "left" not in shows


def test_what_cannot_be_drawn_is_refused(df, spreads):
    with pytest.raises(InputError, match="claim_1_spreads"):
        claim_1_spread(df)
    r = analysis.within_task_correlation(df, role="past", n_permutations=0)
    with pytest.raises(InputError, match="log ratio"):
        claim_1_spread(spreads, [r])
    few = df[df["prompt_id"] < "para-02"]
    with pytest.raises(InputError, match=r"No task has a spread.*prompts, at least 4"):
        claim_1_spread(analysis.claim_1_spreads(few))


def test_on_the_screen_a_log_axis_has_ones_twos_and_fives(spreads):
    layout = claim_1_spread(spreads, seed_alone=math.log(0.15)).to_plotly().layout
    low, high = (10**end for end in layout.xaxis2.range)
    assert low < 0.15 and layout.xaxis2.type == "log"
    wanted = [v for v in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= v <= high]
    assert list(layout.xaxis2.tickvals) == wanted
    assert list(layout.xaxis2.ticktext) == [f"{v:g}" for v in wanted]

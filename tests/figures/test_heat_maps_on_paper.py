"""Heat maps on narrow pages: the colour scale, names of many tasks, what grey print shows."""

import math
from itertools import permutations

import pandas as pd
import pytest

from sapo_analysis.figures import impact_heatmap
from sapo_analysis.figures.impact_heatmap import COLUMNS
from sapo_analysis.figures.paper_layers import STROKES
from sapo_analysis.figures.spec import Cells
from sapo_analysis.paper.captions import draft
from tests.figures.same_data import check_same_data


def correlations(names, r=0.3, below=()):
    rows = [(i, j, r, r - 0.2, r + 0.2, 12, 3, (i, j) in below) for i, j in permutations(names, 2)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"below_noise": "boolean"})


def strokes(axes):
    found = [part for part in axes.collections if part.get_label() == STROKES]
    return [len(part.get_segments()) for part in found]


MANY = [f"task1343_amazon_us_reviews_{i:02d}" for i in range(21)]


@pytest.mark.parametrize("width", ["column", "full"])
@pytest.mark.parametrize("venue", ["icml", "acl"])
def test_names_of_many_tasks_can_be_read(venue, width):
    drawn = impact_heatmap(correlations(MANY)).drawn(venue, width)
    assert drawn.problems == ()


def test_the_scale_lies_below_the_cells_on_a_narrow_page_and_beside_them_on_a_wide_one():
    spec = impact_heatmap(correlations(["a", "b", "c"]))
    for width, below in (("column", True), ("full", False)):
        cells, scale = spec.to_matplotlib("icml", width).axes
        box, bar = cells.get_position(), scale.get_position()
        if below:
            assert bar.y1 < box.y0 and bar.width > 10 * bar.height * 0.5
            assert bar.x1 <= box.x1 + 1e-9
        else:
            assert bar.x0 > box.x1 and bar.height > bar.width


def test_upright_names_stand_under_the_cells(tmp_path):
    spec = impact_heatmap(correlations(MANY))
    figure = spec.to_matplotlib("icml", "column")
    axes = figure.axes[0]
    figure.draw_without_rendering()
    bottom = axes.get_window_extent().y0
    labels = axes.get_xticklabels()
    assert {label.get_rotation() for label in labels} == {90.0}
    assert all(label.get_window_extent().y1 <= bottom for label in labels)
    assert min(label.get_fontsize() for label in labels) >= 5


def test_long_names_of_low_rows_shrink_before_they_break():
    axes = impact_heatmap(correlations(MANY)).to_matplotlib("acl", "column").axes[0]
    rows = axes.get_yticklabels()
    assert all("\n" not in row.get_text() for row in rows)
    assert all(5 <= row.get_fontsize() < 8 for row in rows)  # the page's small size is 8 pt


def test_cells_below_zero_and_in_the_noise_are_told_apart_without_colour():
    few = impact_heatmap(correlations(["a", "b", "c"], r=-0.3, below=[("a", "b")]))
    check_same_data(few)
    (cells,) = (layer for layer in few.panels[0].layers if isinstance(layer, Cells))
    assert cells.texts[0][1] == "−0.30"  # the number has its sign, a stroke would repeat it
    assert strokes(few.to_matplotlib().axes[0]) == [2, 0]
    many = impact_heatmap(correlations(MANY, r=-0.3))
    assert strokes(many.to_matplotlib().axes[0]) == [0, 21 * 20]
    assert strokes(impact_heatmap(correlations(MANY)).to_matplotlib().axes[0]) == [0, 0]


def test_the_caption_says_what_hatching_and_strokes_are():
    few = impact_heatmap(correlations(["a", "b"], below=[("a", "b")])).caption
    assert few.explained[0] == "In the cells: r." and few.explained[1].startswith("Hatched")
    many = impact_heatmap(correlations(MANY)).caption
    assert many.explained == ("Minus: r is negative.",)
    assert many.n == {
        "tasks": 21,
        "current tasks (most of a pair)": 3,
        "prompts (fewest of a pair)": 12,
    }
    assert "21 tasks" in draft(many)


def test_a_pair_without_r_is_empty():
    spec = impact_heatmap(correlations(["a", "b"], r=math.nan))
    check_same_data(spec)
    assert strokes(spec.to_matplotlib().axes[0]) == [0, 0]

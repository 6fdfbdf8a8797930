"""Texts that cannot be read and colours that grey mixes up are found, and nothing else is."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.legibility import LEAST_STEP, grey, grey_twins, text_problems
from sapo_analysis.figures.spec import Bars, FigureSpec, Intervals, Line, Panel, Points
from sapo_analysis.figures.theme import BLUE, CATEGORICAL, GREEN, GREY, ORANGE, PINK, VERMILION


@pytest.fixture
def page():
    """A page of 4 by 3 inches, on which places are given in points."""
    figure = Figure(figsize=(4, 3), dpi=100)
    figure.put = lambda x, y, said, **style: figure.text(
        x / 288, y / 216, said, **{"fontsize": 10, **style}
    )
    return figure


def test_a_text_inside_is_no_problem(page):
    page.put(20, 100, "all of it can be read")
    assert text_problems(page) == []


@pytest.mark.parametrize(
    ("place", "style"),
    [
        ((-4, 100), {}),
        ((285, 100), {}),
        ((100, -4), {}),
        ((100, 213), {}),
        ((3, 100), {"rotation": 90, "ha": "right"}),
    ],
)
def test_a_text_over_an_edge_is_cut_off(page, place, style):
    page.put(*place, "gone", **style)
    assert text_problems(page) == ["“gone” is cut off at the edge of the page"]


def test_less_than_a_rule_over_the_edge_is_nothing(page):
    page.put(-0.3, 100, "here")
    assert text_problems(page) == []


def test_two_texts_in_one_place_cover_each_other(page):
    page.put(100, 100, "first")
    page.put(110, 103, "second")
    page.put(100, 130, "third")
    assert text_problems(page) == ["“first” and “second” cover each other"]


def test_a_text_is_told_on_one_line_and_once(page):
    for _ in range(2):
        page.put(-20, 100, "two\nlines\u00a0of \\$5")
    assert text_problems(page) == [
        "“two lines of $5” is cut off at the edge of the page",
        "“two lines of $5” and “two lines of $5” cover each other",
    ]


def test_neighbours_that_touch_by_less_than_their_boxes_margin_do_not(page):
    first = page.put(100, 100, "one")
    page.draw_without_rendering()
    end = first.get_window_extent().x1 * 72 / page.dpi
    page.put(end - 0.5, 100, "two")
    assert text_problems(page) == []
    page.put(end - 2.0, 100, "three")
    assert "“one” and “three” cover each other" in text_problems(page)


@pytest.mark.parametrize("angle", [35, 60, 90, -45])
def test_turned_neighbours_are_judged_as_turned(page, angle):
    """Their upright boxes overlap; the letters do not, until the lines are closer than a line."""
    style = {"rotation": angle, "rotation_mode": "anchor", "ha": "right" if angle > 0 else "left"}
    apart = 14 / abs(np.sin(np.deg2rad(angle)))
    for i in range(3):
        page.put(140 + i * apart, 150, f"a long name {i}", **style)
    assert text_problems(page) == []
    page.put(140 + 0.4 * apart, 150, "between them", **style)
    assert len(text_problems(page)) == 2


def test_what_is_not_drawn_covers_nothing(page):
    page.put(100, 100, "seen")
    page.put(100, 100, "unseen", visible=False)
    page.put(100, 100, "  ")
    hidden = page.add_axes((0.1, 0.1, 0.8, 0.8))
    hidden.set_visible(False)
    assert text_problems(page) == []


def test_ticks_beyond_the_axis_are_not_counted(page):
    axes = page.add_axes((0.3, 0.3, 0.5, 0.5))
    axes.set_xticks([0, 1, 9, 9.01], ["0", "1", "far outside", "farther outside"])
    axes.set_xlim(0, 1)
    assert text_problems(page) == []
    axes.set_xticks([0.5, 0.51], ["quite inside", "and beside"])
    assert text_problems(page) == ["“quite inside” and “and beside” cover each other"]


def test_ticks_beyond_a_logarithmic_axis_are_not_counted(page):
    axes = page.add_axes((0.3, 0.3, 0.5, 0.5))
    axes.set_xscale("log")
    axes.set_xticks([1e-12, 1e-9, 1e9], ["far outside", "0", "1"], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlim(1e-9, 1e9)
    axes.xaxis.get_major_ticks()[0].label1.set_fontsize(60)  # would reach the page's edge
    assert text_problems(page) == []


def test_ticks_that_an_earlier_view_has_left_behind_are_not_counted(page):
    axes = page.add_axes((0.3, 0.3, 0.5, 0.5))
    axes.plot([0, 1000], [0, 1])
    page.draw_without_rendering()
    axes.set_xlim(0, 1)
    assert text_problems(page) == []


def test_one_of_many_texts_is_still_found(page):
    for i in range(8):
        for j in range(8):
            page.put(10 + 32 * i, 10 + 24 * j, f"{i}{j}")
    assert text_problems(page) == []
    page.put(10 + 32 * 5 + 3, 10 + 24 * 6, "x")
    assert text_problems(page) == ["“56” and “x” cover each other"]


@pytest.mark.parametrize(
    ("color", "luminance"),
    [
        ("#000000", 0.0),
        ("#FFFFFF", 1.0),
        ("#FF0000", 0.2126),
        ("#00FF00", 0.7152),
        ("#0000FF", 0.0722),
        # 0x80 / 255 = 0.50196; ((0.50196 + 0.055) / 1.055) ** 2.4 = 0.21586
        ("#808080", 0.21586),
        # 0x0A / 255 = 0.03922, on the straight part: / 12.92 = 0.0030353
        ("#0A0A0A", 0.0030353),
        # 0.2126 * 0.78354 + 0.7152 * 0.34191 + 0: orange of Okabe and Ito, E6 9F 00
        ("#E69F00", 0.2126 * 0.791298 + 0.7152 * 0.346704),
    ],
)
def test_grey_is_the_root_of_the_relative_luminance(color, luminance):
    assert grey(color) == pytest.approx(luminance ** (1 / 2.2), abs=1e-4)


def looks(*layers):
    panel = Panel(layers, "x", "y")
    return grey_twins(FigureSpec("f", (panel,), pd.DataFrame(), Caption("x"), "alt"))


def points(color, marker="circle", **more):
    return Points((1.0,), (1.0,), color, marker, **more)


def line(color, dash=(), label="line"):
    return Line((0.0, 1.0), (0.0, 1.0), color, dash=dash, label=label)


def bar(color, width, label="interval"):
    return Intervals((0.0,), (0.0,), (1.0,), color, width, label)


# Blue and grey of the theme are as light as each other; blue and orange are not.
assert abs(grey(BLUE) - grey(GREY)) < LEAST_STEP < abs(grey(BLUE) - grey(ORANGE))


def test_groups_that_only_hue_tells_apart_are_twins():
    assert looks(points(BLUE), points(GREY)) == [
        f"points circle in {BLUE} and {GREY} look alike in grey"
    ]
    assert looks(line(BLUE), line(GREY)) and looks(bar(BLUE, 2.0), bar(GREY, 2.0))
    assert looks(Bars((0.0,), (1.0,), BLUE, "one"), Bars((1.0,), (1.0,), GREY, "other"))


def test_groups_of_another_lightness_shape_filling_dash_or_width_are_not():
    assert not looks(points(BLUE), points(ORANGE))
    assert not looks(points(BLUE), points(GREY, "square"))
    assert not looks(points(BLUE), points(GREY, hollow=True))
    assert not looks(line(BLUE), line(GREY, dash=(6, 2)))
    assert not looks(bar(BLUE, 5.0), bar(GREY, 1.8))
    assert not looks(points(BLUE), points(BLUE), line(GREY))


def test_what_is_not_seen_or_has_no_name_is_no_group():
    unseen = points(GREY, opacity=0.0)
    empty = Points((float("nan"),), (float("nan"),), GREY)
    assert not looks(points(BLUE), unseen, empty, line(BLUE), line(GREY, label=None))
    assert not looks(Bars((0.0,), (1.0,), BLUE, "one"), Bars((1.0,), (1.0,), GREY))


def test_each_pair_is_named_once_over_all_panels():
    panel = Panel((points(BLUE), points(GREY)), "x", "y")
    spec = FigureSpec("f", (panel, panel), pd.DataFrame(), Caption("x"), "alt")
    assert len(grey_twins(spec)) == 1


def test_the_rule_finds_all_pairs_of_the_theme_that_are_alike():
    alike = looks(*(points(color) for color in CATEGORICAL))
    wanted = {
        frozenset((a, b))
        for a in CATEGORICAL
        for b in CATEGORICAL
        if a != b and abs(grey(a) - grey(b)) < LEAST_STEP
    }
    assert len(alike) == len(wanted) > 0
    assert {frozenset((GREEN, VERMILION)), frozenset((BLUE, GREY))} <= wanted
    assert frozenset((PINK, BLUE)) not in wanted

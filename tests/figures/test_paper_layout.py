"""How a figure fills its page: panels per row, heights, legend, turned names."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import RendererAgg

from sapo_analysis.figures import paper_layout as layout
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.fonts import text_width
from sapo_analysis.figures.paper_style import drawing
from sapo_analysis.figures.spec import Cells, FigureSpec, Intervals, Note, Panel, Points, Ticks
from sapo_analysis.figures.theme import BLUE, CATEGORICAL, TASK_MARKERS
from sapo_analysis.figures.venues import page

ICML, FULL = page("icml"), page("icml", "full")


def figure_of(*panels, **more):
    return FigureSpec("f", panels, pd.DataFrame(), Caption("x"), "alt", **more)


def dots(**more):
    layer = Points((0.0, 1.0), (0.0, 1.0), BLUE, label="dots")
    return Panel((layer,), "time (s)", "score (points)", **more)


def forest(names, **more):
    places = tuple(float(i) for i in range(len(names)))
    layer = Intervals(places, tuple(0.0 for _ in names), tuple(1.0 for _ in names), BLUE)
    rows = {"y_ticks": Ticks(places, tuple(names)), "y_range": (-0.5, len(names) - 0.5)}
    return Panel((layer,), "r", "", **rows, **more)


def matrix(n, names=None):
    cells = Cells(
        tuple(tuple(float(i - j) for j in range(n)) for i in range(n)),
        float(n),
        "points",
        tuple((False,) * n for _ in range(n)),
        tuple(tuple("55" for _ in range(n)) for _ in range(n)),
    )
    ticks = Ticks(tuple(map(float, range(n))), tuple(names or (f"task {i}" for i in range(n))))
    ends = {"x_range": (-0.5, n - 0.5), "y_range": (n - 0.5, -0.5)}
    return Panel((cells,), "", "", title="matrix", x_ticks=ticks, y_ticks=ticks, **ends)


def inside(figure, axes):
    """Width and height of a panel (points)."""
    width, height = np.array(figure.get_size_inches()) * 72
    box = axes.get_position()
    return box.width * width, box.height * height


def test_a_row_has_as_many_panels_as_keep_a_readable_width():
    spec = figure_of(*[dots()] * 6, columns=3)
    assert layout.columns(spec, FULL) == 3  # 3 × 11.5 × 8 pt = 276 of 486
    assert layout.columns(spec, ICML) == 2  # 184 of 234
    assert layout.columns(spec, page("icml", 2.0)) == 1
    assert layout.columns(figure_of(dots(), columns=3), FULL) == 1


def test_names_that_all_panels_share_take_their_room_once():
    rows = forest(["a name of some length", "another name of some length"])
    shared = figure_of(rows, rows, columns=2)
    other = replace(rows, y_ticks=Ticks((0.0, 1.0), ("a name of some length", "yet another one")))
    assert shared.names_rows_once and not figure_of(rows, other, columns=2).names_rows_once
    middle = page("icml", 4.6)
    assert layout.columns(shared, middle) == 2
    assert layout.columns(figure_of(rows, other, columns=2), middle) == 1


@pytest.mark.parametrize("font", ["serif", "sans"])
@pytest.mark.parametrize("width", ["column", "full"])
def test_every_panel_has_its_height_and_all_the_same_width(width, font):
    on = page("icml", width, font)
    panels = [
        dots(title="one", subtitle="r = +0.5 (+0.1 to +0.8)\np = 0.01, n = 12"),
        forest(["short", "a much longer name that may need two lines of text"]),
        dots(title="a title that goes on and on and on, over more than one line of the panel"),
    ]
    spec = figure_of(*panels, columns=2)
    fits = replace(spec, columns=layout.columns(spec, on))
    wanted = [h for h in layout.rows(fits, on) for _ in range(fits.columns)]
    drawn = spec.drawn(on)
    sizes = [inside(drawn.figure, axes) for axes in drawn.figure.axes]
    assert len(sizes) == 3
    for (_, height), want in zip(sizes, wanted, strict=False):
        assert height == pytest.approx(want, abs=1.0)
    assert max(w for w, _ in sizes) - min(w for w, _ in sizes) < 1.0
    assert drawn.size[0] == on.width
    assert not drawn.problems


def test_rows_are_lower_where_a_page_would_not_hold_them():
    few, many = (figure_of(*[dots(title="t")] * n) for n in (3, 4))
    assert few.drawn().size[1] < layout.TALLEST
    drawn = many.drawn()
    assert drawn.size[1] == pytest.approx(layout.TALLEST, abs=0.01) and not drawn.problems
    heights = [inside(drawn.figure, axes)[1] for axes in drawn.figure.axes]
    assert max(heights) - min(heights) < 0.01
    assert min(heights) > 0.7 * layout.rows(many, ICML)[0]
    too_many = figure_of(*[dots(title="t")] * 20).drawn()
    assert inside(too_many.figure, too_many.figure.axes[0])[1] == pytest.approx(
        0.7 * layout.rows(too_many.spec, ICML)[0], abs=1.0
    )
    assert too_many.problems == (
        f"it is {too_many.size[1]:.1f} inches high, more than a page holds",
    )


def test_a_row_of_a_forest_is_as_high_as_its_lines():
    size = ICML.size
    assert layout.rows(figure_of(forest(list("abc"))), ICML) == [pytest.approx(3 * 1.7 * size)]
    long = forest(["a", "a name that does not fit the room beside a narrow panel"])
    (height,) = layout.rows(figure_of(long), ICML)
    assert height >= 2 * (1.7 + 0.9) * size


def test_a_matrix_has_cells_as_high_as_wide_within_limits():
    few, many = (layout.rows(figure_of(matrix(n)), FULL)[0] for n in (2, 30))
    assert few == pytest.approx(2 * 3.0 * FULL.size)
    assert many >= 30 * 1.5 * FULL.tiny


def test_a_height_is_the_aspect_of_the_width():
    wide, high = (layout.rows(figure_of(dots(), aspect=a), ICML)[0] for a in (0.4, 0.8))
    assert high == pytest.approx(2 * wide)


def ticks(*names):
    return Ticks(tuple(map(float, range(len(names)))), names)


def test_names_are_turned_only_where_they_would_meet():
    shown = (-0.5, 2.5)
    assert layout.turn(ticks("a", "b", "c"), shown, ICML, 150.0) == 0
    long = ticks("material", "hometown", "category")
    assert layout.turn(long, shown, ICML, 150.0) == 0
    assert layout.turn(long, shown, ICML, 75.0) == 35
    assert layout.turn(long, shown, ICML, 30.0) == 90
    assert layout.turn(ticks("a single very long name"), (0.0, 1.0), ICML, 5.0) == 0


@pytest.mark.parametrize("font", ["serif", "sans"])
@pytest.mark.parametrize(
    "names",
    [
        ["one"],
        [f"strategy {i}" for i in range(9)],
        ["a", "a rather long entry of a legend", "b", "c", "d", "another rather long entry"],
        ["w" * 60, "x"],
    ],
)
@pytest.mark.parametrize("on", ["icml", "acl"])
def test_a_legend_is_as_wide_as_it_can_be_and_never_wider_than_the_page(names, font, on):
    """Against the width that matplotlib gives it."""
    layers = [
        Points((0.0,), (0.0,), CATEGORICAL[i % 8], TASK_MARKERS[i % 8], label=name)
        for i, name in enumerate(names)
    ]
    drawn = figure_of(Panel(tuple(layers), "x", "y")).drawn(page(on, font=font))
    with drawing(drawn.page):
        legend = drawn.figure.legends[0]
        renderer = RendererAgg(1, 1, drawn.figure.dpi)
        per_pixel = 72 / drawn.figure.dpi
        assert legend.get_window_extent(renderer).width * per_pixel <= drawn.page.points
        said = [text.get_text() for text in legend.get_texts()]
        if legend._ncols < len(said):
            wider = drawn.figure.legend(
                legend.legend_handles,
                said,
                ncols=legend._ncols + 1,
                handlelength=layout.HANDLE,
                handletextpad=layout.HANDLE_PAD,
                columnspacing=layout.COLUMN_GAP,
            )
            assert wider.get_window_extent(renderer).width * per_pixel > drawn.page.points - 9
    assert ["".join(name.split()) for name in said] == ["".join(name.split()) for name in names]


def test_a_column_of_a_legend_is_measured_with_the_pages_font():
    names = ["wide words" * 2, "more words" * 2]
    width = sum(text_width(name, "serif", ICML.small) for name in names)
    room = width + ICML.small * (2 * 2.5 + 1.2 + 1)
    assert layout.legend_columns(names, page("icml", room / 72 + 0.01)) == 2
    assert layout.legend_columns(names, page("icml", room / 72 - 0.01)) == 1


def names_in(drawn):
    return [(t.get_text(), t.get_visible()) for axes in drawn.figure.axes for t in axes.texts]


def test_names_beside_points_step_aside_in_their_order():
    notes = [Note(0.5, 0.5, name, part="names") for name in ("first", "second", "third")]
    panel = Panel((Points((0.0, 1.0), (0.0, 1.0), BLUE), *notes), "x", "y")
    drawn = figure_of(panel).drawn()
    assert not drawn.problems
    assert names_in(drawn) == [("first", True), ("second", True), ("third", True)]
    places = [t.xyann for t in drawn.figure.axes[0].texts]
    assert places[0] == (0.0, 0.0) and len(set(places)) == 3
    assert drawn.bytes("svg") == figure_of(panel).drawn().bytes("svg")


def test_a_name_without_a_free_place_is_left_out_and_other_notes_never_are():
    crowd = [Note(0.5, 0.5, f"name {i}", part="names") for i in range(20)]
    panel = Panel((Points((0.0, 1.0), (0.0, 1.0), BLUE), *crowd), "x", "y")
    drawn = figure_of(panel).drawn()
    shown = [name for name, visible in names_in(drawn) if visible]
    assert shown == [f"name {i}" for i in range(len(shown))] and 5 <= len(shown) < 20
    assert not drawn.problems
    said = replace(panel, layers=(*panel.layers, Note(0.5, 0.5, "no data")))
    found = dict(names_in(figure_of(said).drawn()))
    assert found["no data"] is True and found["name 0"] is True


@pytest.mark.parametrize("marker", ["arrow-up", "circle"])
def test_a_name_keeps_clear_of_markers(marker):
    """The marker stands where the name would; the name goes to its other side."""
    arrow = Points((0.5,), (0.5,), BLUE, marker, 20.0)
    name = Note(0.48, 0.5, "task 1", part="names")
    panel = Panel((arrow, name), "x", "y", x_range=(0.0, 1.0), y_range=(0.0, 1.0))
    drawn = figure_of(panel).drawn()
    (text,) = drawn.figure.axes[0].texts
    box = text.get_window_extent(RendererAgg(1, 1, drawn.figure.dpi))
    x, y = drawn.figure.axes[0].transData.transform((0.5, 0.5))
    half = 20 * 0.55 * 0.75 / 2 * drawn.figure.dpi / 72  # three quarters in a narrow column
    assert box.x1 < x - half or box.y0 > y + half or box.y1 < y - half


def test_a_name_that_would_hide_dots_wherever_it_stands_is_left_out():
    grid = [(i / 30, j / 30) for i in range(31) for j in range(31)]
    dots = Points(*map(tuple, zip(*grid, strict=True)), BLUE, "circle", 9.0)
    name = Note(0.5, 0.5, "task 1", part="names")
    drawn = figure_of(Panel((dots, name), "x", "y")).drawn()
    assert names_in(drawn) == [("task 1", False)]
    unseen = Panel((replace(dots, opacity=0.0), name), "x", "y")
    assert names_in(figure_of(unseen).drawn()) == [("task 1", True)]


@pytest.mark.parametrize(("inches", "share"), [(2.5, 0.75), (4.5, 0.9), (5.0, 1.0), (6.75, 1.0)])
def test_markers_are_smaller_on_narrow_pages(inches, share):
    layer = Points((0.0, 1.0), (0.0, 1.0), BLUE, "circle", 20.0)
    figure = figure_of(Panel((layer,), "x", "y")).to_matplotlib("icml", inches)
    (size,) = figure.axes[0].collections[0].get_sizes()
    assert size**0.5 == pytest.approx(20 * 0.55 * share)


def test_a_note_is_broken_at_the_panels_end():
    said = "no correlation: no task has enough prompts that differ from each other at all"
    panel = replace(forest(["a", "b"]), layers=(Note(0.02, 0.0, said),), x_range=(-1.0, 1.0))
    drawn = figure_of(panel).drawn()
    (text,) = drawn.figure.axes[0].texts
    assert text.get_text().count("\n") >= 1
    assert inside(drawn.figure, drawn.figure.axes[0])[0] > 0.6 * 234
    assert not drawn.problems


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_what_an_axis_is_multiplied_by_stands_in_its_label(scale):
    layer = Points((0.0, scale), (0.0, 3 * scale), BLUE)
    drawn = figure_of(Panel((layer,), "time (s)", "score", title="a title")).drawn()
    power = f"1e{'−' if scale < 1 else ''}9"
    axes = drawn.figure.axes[0]
    assert axes.get_xlabel() == f"time (s), × {power}"
    assert axes.get_ylabel() == f"score, × {power}"
    assert not drawn.problems


def test_a_low_panel_names_every_power_of_ten():
    layer = Points((0.0, 1.0), (0.0007, 3.0), BLUE)
    panel = Panel((layer,), "x", "y", y_log=True)
    spec = FigureSpec("f", (panel, panel), pd.DataFrame(), Caption("x"), "x", columns=2, aspect=0.4)
    figure = spec.to_matplotlib("icml", "column")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    places = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    said = [label.get_text() for at, label in places if low <= at <= high]
    assert said == ["0.001", "0.01", "0.1", "1"]


@pytest.mark.parametrize("ends", [(1.0, 5.0), (0.3, 40.0), (1e-9, 1e9)])
def test_numbers_along_a_logarithmic_axis_are_short_and_apart(ends):
    layer = Points(ends, ends, BLUE)
    panel = Panel((layer,), "x", "y", x_log=True, x_range=ends)
    drawn = figure_of(panel).drawn()
    assert not drawn.problems
    axes = drawn.figure.axes[0]
    low, high = ends
    shown = [
        label.get_text()
        for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if low <= place <= high
    ]
    assert len(shown) >= 2
    for said in shown:
        digits = float(said.replace("−", "-"))
        assert math.log10(digits) % 1 == pytest.approx(0, abs=1e-9) or said[0] in "235"

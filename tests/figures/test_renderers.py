"""Both renderers draw the same data, and neither obeys markup in a text."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex

from sapo_analysis import analysis
from sapo_analysis.errors import InputError
from sapo_analysis.figures import impact_heatmap, impact_scatter, task_bars, task_forest
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import Cells, FigureSpec, Note, Panel, Points

VIEWS = ["centred", "panels", "raw"]


def spec_points(spec):
    found = []
    for panel in spec.panels:
        for layer in panel.layers:
            if isinstance(layer, Points):
                found += [
                    (x, y, layer.color.lower()) for x, y in zip(layer.x, layer.y, strict=True)
                ]
    return sorted(point for point in found if not math.isnan(point[0]))


def plotly_points(spec):
    found = []
    for trace in spec.to_plotly().data:
        if trace.type == "scatter" and trace.mode == "markers" and trace.x[0] is not None:
            color = trace.marker.color
            found += [(x, y, color.lower()) for x, y in zip(trace.x, trace.y, strict=True)]
    return sorted(point for point in found if not math.isnan(point[0]))


def matplotlib_points(spec):
    found = []
    for axes in spec.to_matplotlib().axes:
        for drawn in axes.collections:
            if not hasattr(drawn, "get_sizes") or not len(drawn.get_sizes()):
                continue
            faces, edges = drawn.get_facecolors(), drawn.get_edgecolors()
            color = to_hex(faces[0] if len(faces) else edges[0])
            found += [(float(x), float(y), color) for x, y in drawn.get_offsets().filled(math.nan)]
    return sorted(point for point in found if not math.isnan(point[0]))


def same(a, b):
    assert len(a) == len(b) > 0
    assert [p[2] for p in a] == [p[2] for p in b]
    np.testing.assert_allclose([p[:2] for p in a], [p[:2] for p in b], rtol=0, atol=1e-12)


@pytest.mark.parametrize("view", VIEWS)
def test_the_scatter_has_the_same_points_on_screen_and_on_paper(df, prompts, view):
    noise = analysis.noise_band(df, "forgetting", "past")
    spec = impact_scatter(
        df, view=view, prompts=prompts, noise=noise, selected=[("current-0", "para-01")]
    )
    same(plotly_points(spec), spec_points(spec))
    same(matplotlib_points(spec), spec_points(spec))


def test_the_forest_has_the_same_points_on_screen_and_on_paper(df):
    tasks = analysis.task_correlations(df, role="past", n_permutations=0)
    means = [
        analysis.within_task_correlation(df, role="past", scope=scope, n_permutations=0)
        for scope in ("new_tasks", "these_tasks")
    ]
    spec = task_forest(tasks, means, predicted=1)
    same(plotly_points(spec), spec_points(spec))
    same(matplotlib_points(spec), spec_points(spec))


def test_the_heat_map_has_the_same_cells_on_screen_and_on_paper(df):
    table = analysis.impact_correlation(df)
    spec = impact_heatmap(table)
    cells = next(layer for layer in spec.panels[0].layers if isinstance(layer, Cells))
    wanted = np.array(cells.values, dtype=float)
    screen = next(trace for trace in spec.to_plotly().data if trace.type == "heatmap")
    np.testing.assert_allclose(np.array(screen.z, dtype=float), wanted)
    mesh = spec.to_matplotlib().axes[0].collections[0]
    np.testing.assert_allclose(mesh.get_array().filled(np.nan).reshape(wanted.shape), wanted)
    row = table.iloc[0]
    names = spec.panels[0].x_ticks.labels
    assert wanted[names.index(row["task_i"]), names.index(row["task_j"])] == row["r"]


def test_the_bars_have_the_same_lengths_on_screen_and_on_paper(df):
    table = analysis.task_changes(df, "current-0", "para-01")
    spec = task_bars(table)
    screen = sorted(x for trace in spec.to_plotly().data for x in trace.x)
    paper = sorted(bar.get_width() for bar in spec.to_matplotlib().axes[0].patches)
    np.testing.assert_allclose(screen, sorted(table["score_change"]))
    np.testing.assert_allclose(paper, sorted(table["score_change"]))


def test_text_is_escaped_for_each_renderer(df):
    text = "<b>bold</b> $x_1$ & more"
    nothing = Panel((Points((1.0,), (1.0,), "#000000", hover=(text,)), Note(1, 1, text)), text, "y")
    spec = FigureSpec("f", (nothing,), df.head(1), Caption("a"), "alt")
    figure = spec.to_plotly()
    escaped = "&lt;b&gt;bold&lt;/b&gt; $x_1$ &amp; more"
    assert figure.data[0].hovertext == (escaped,)
    assert figure.layout.annotations[-1].text == escaped
    assert figure.layout.xaxis.title.text == escaped
    axes = spec.to_matplotlib().axes[0]
    assert axes.get_xlabel() == r"<b>bold</b> \$x_1\$ & more"
    assert spec.to_bytes("svg").count(b"&lt;b&gt;bold") >= 1


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_the_same_data_gives_the_same_file(df, kind):
    assert impact_scatter(df).to_bytes(kind) == impact_scatter(df).to_bytes(kind)


def test_paper_has_the_width_asked_for_and_no_type_3_fonts(df):
    spec = impact_scatter(df)
    assert spec.to_matplotlib(width=3.5).get_figwidth() == 3.5
    assert b"/Type3" not in spec.to_bytes("pdf")
    with pytest.raises(InputError, match="pdf, png, svg"):
        spec.to_bytes("gif")


def test_a_cell_of_the_csv_is_no_formula(df):
    table = df.head(2).assign(prompt_id=["=1+1", "plain"])
    spec = FigureSpec("f", (), table, Caption("a"), "alt")
    assert ",'=1+1," in spec.to_csv()
    assert ",plain," in spec.to_csv()

"""What the builders draw, and which tables they refuse."""

import importlib

import numpy as np
import pandas as pd
import pytest

from sapo_analysis import analysis
from sapo_analysis.errors import InputError
from sapo_analysis.figures import (
    impact_heatmap,
    impact_pair,
    impact_scatter,
    task_bars,
    task_forest,
)
from sapo_analysis.figures.scatter_layers import ringed
from sapo_analysis.figures.spec import Band, Line, Note, Points, Span


def layers(spec, kind, panel=0):
    return [layer for layer in spec.panels[panel].layers if isinstance(layer, kind)]


def test_a_table_of_another_kind_is_refused_with_the_name_of_its_maker(df):
    with pytest.raises(InputError, match="run.impacts"):
        impact_scatter(df[["prompt_id"]])
    with pytest.raises(InputError, match="task_correlations"):
        task_forest([analysis.within_task_correlation(df, role="past", n_permutations=0)])
    with pytest.raises(InputError, match="impact_correlation"):
        impact_heatmap(df)
    with pytest.raises(InputError, match="task_changes"):
        task_bars(df[["eval_task"]])
    with pytest.raises(InputError, match="forgetting_past"):
        impact_scatter(df, outcome="forgetting_pasta")


def test_the_centred_view_has_mean_zero_per_task(df, prompts):
    table = analysis.prompts_table(df, "forgetting", "past")
    spec = impact_scatter(table, prompts=prompts)
    drawn = {}
    for layer in layers(spec, Points):
        if not layer.marker.startswith("arrow"):  # an arrow stands at the edge, not at its value
            drawn |= dict(zip(layer.keys, layer.x, strict=False))
    assert len(drawn) >= 20
    for task, part in table.groupby("current_task"):
        middle = part["pre_update_loss"].mean()
        for row in part.itertuples():
            x = drawn.get((task, row.prompt_id), row.pre_update_loss - middle)
            assert x == pytest.approx(row.pre_update_loss - middle)


def test_a_far_point_becomes_an_arrow_that_names_its_prompt(df):
    table = analysis.prompts_table(df, "forgetting", "past")
    far = table["prompt_id"] == "para-03"
    table.loc[far & (table["current_task"] == "current-1"), "forgetting"] += 1000
    spec = impact_scatter(table)
    arrows = [layer for layer in layers(spec, Points) if layer.marker.startswith("arrow")]
    up = [layer for layer in arrows if layer.marker == "arrow-up"]
    assert up[0].keys == (("current-1", "para-03"),)
    assert up[0].y[0] < 1000
    assert "para-03" in [note.text.strip() for note in layers(spec, Note)]


def test_marks_stand_on_the_original_on_sapos_pick_and_on_the_hindsight_best(df, prompts):
    table = analysis.prompts_table(df, "generalization", "unseen")
    spec = impact_scatter(table, outcome="generalization", prompts=prompts)
    marked = {
        (layer.marker, *key)
        for layer in layers(spec, Points)
        if layer.marker in ("star", "diamond", "triangle-up")
        for key in layer.keys
    }
    for task, part in table.groupby("current_task"):
        part = part.set_index("prompt_id")
        assert ("diamond", task, "original") in marked
        assert ("star", task, part["pre_update_loss"].idxmin()) in marked
        # Generalization is good when high.
        assert ("triangle-up", task, part["generalization"].idxmax()) in marked
    assert len(marked) == 9


def test_the_noise_band_is_dashed_below_eight_seeds(df):
    band = analysis.noise_band(df, "forgetting", "past")
    span = layers(impact_scatter(df, noise=band), Span)[0]
    assert span.dashed
    assert span.upper == pytest.approx(band.pooled.half_width)
    panels = impact_scatter(df, view="panels", noise=band)
    middle = layers(panels, Span)[0]
    assert (middle.lower + middle.upper) / 2 == pytest.approx(band.facets[0].centre)


def test_axis_titles_carry_unit_and_direction(df):
    score = impact_scatter(df).panels[0]
    assert "points lost, lower is better" in score.y_label
    assert "mean of 2 past tasks" in score.y_label
    assert "nats per token" in score.x_label
    loss = impact_scatter(df, outcome="generalization", form="loss").panels[0]
    assert "nats per target token, higher is better" in loss.y_label


def test_an_unfinished_run_has_hollow_points(df):
    assert all(layer.hollow for layer in layers(impact_scatter(df, hollow=True), Points))


def test_the_forest_is_sorted_and_shades_the_predicted_side(df):
    tasks = analysis.task_correlations(df, role="past", n_permutations=0)
    spec = task_forest(tasks, predicted=-1)
    assert layers(spec, Span)[0].lower == -1
    assert layers(spec, Span)[0].upper == 0
    labels = spec.panels[0].y_ticks.labels
    values = {e.task: e.value for e in tasks}
    assert [values[label] for label in labels] == sorted(values.values())


def test_an_arrow_stands_on_the_frame_and_points_to_where_its_value_lies():
    scene_points = impact_scatter(open_shipped()).panels[0]
    (x0, x1), (y0, y1) = scene_points.x_range, scene_points.y_range
    points = [layer for layer in scene_points.layers if isinstance(layer, Points)]
    arrows = [layer for layer in points if layer.marker.startswith("arrow")]
    assert arrows, "the shipped run has far points"
    for layer in points:
        for x, y in zip(layer.x, layer.y, strict=True):
            assert x0 < x < x1 and y0 < y < y1
    for layer in arrows:
        side = {
            "arrow-up": (y1 - layer.y[0]) / (y1 - y0),
            "arrow-down": (layer.y[0] - y0) / (y1 - y0),
            "arrow-right": (x1 - layer.x[0]) / (x1 - x0),
            "arrow-left": (layer.x[0] - x0) / (x1 - x0),
        }
        assert side[layer.marker] < 0.03


def open_shipped():
    from sapo_analysis.analysis import impacts
    from sapo_analysis.store import CACHED_RUNS, open_run
    from sapo_analysis.store.folder import default_run_id

    return impacts(open_run(CACHED_RUNS / default_run_id()))


def dots(spec, panel=0):
    """(x, y) of every drawn prompt by its key; marks and arrows are left out."""
    found = {}
    for layer in layers(spec, Points, panel):
        if layer.keys and layer.marker not in ("star", "diamond", "triangle-up"):
            for key, x, y in zip(layer.keys, layer.x, layer.y, strict=True):
                found.setdefault(key, []).append((x, y))
    return found


def test_each_seed_is_a_dot_and_slope_and_marks_stay_with_the_means(df, prompts):
    table = analysis.prompts_table(df, "forgetting", "past")
    seeds = analysis.seeds_table(df, "forgetting", "past")
    band = analysis.noise_band(df, "forgetting", "past")
    mean = impact_scatter(table, prompts=prompts, view="raw", noise=band)
    each = impact_scatter(table, prompts=prompts, view="raw", noise=band, seeds=seeds)
    assert {key: len(at) for key, at in dots(each).items()} == dict.fromkeys(dots(mean), 2)
    for key, at in dots(each).items():
        assert sum(y for _, y in at) / 2 == pytest.approx(dots(mean)[key][0][1])
    for shown in (Line, Band):
        assert layers(each, shown) == layers(mean, shown)
    stars = [
        [(p.x, p.y) for p in layers(spec, Points) if p.marker == "star" and p.keys]
        for spec in (mean, each)
    ]
    assert stars[0] == stars[1] != []
    assert each.table is seeds
    one_trial = layers(impact_scatter(table, noise=band, seeds=seeds), Span)[0]
    assert one_trial.upper == pytest.approx(band.pooled.half_width * 2**0.5)
    assert "of one trial" in one_trial.label


def test_a_filter_hides_points_and_moves_nothing(df, prompts):
    whole = impact_scatter(df, prompts=prompts)
    kept = [("current-0", "original"), ("current-2", "para-05")]
    some = impact_scatter(df, prompts=prompts, only=kept)
    assert dots(some) == {key: dots(whole)[key] for key in kept}
    assert some.panels[0].x_range == whole.panels[0].x_range
    assert layers(some, Line) == layers(whole, Line)


def test_a_log_scale_shows_the_ratio_to_the_tasks_geometric_mean(df):
    spec = impact_scatter(df, x_scale="log")
    assert spec.panels[0].x_log and "geometric mean (log)" in spec.panels[0].x_label
    table = analysis.prompts_table(df, "forgetting", "past").set_index("prompt_id")
    own = table[table["current_task"] == "current-1"]["pre_update_loss"]
    ratio = own["para-02"] / np.exp(np.log(own).mean())
    assert dots(spec)["current-1", "para-02"][0][0] == pytest.approx(ratio)
    assert impact_scatter(df, view="raw", x_scale="log").panels[0].x_log
    assert all(panel.x_log for panel in impact_scatter(df, view="panels", x_scale="log").panels)
    assert not any(p.x_log for p in impact_scatter(df, view="panels", x_scale="linear").panels)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"x_scale": "cubic"}, "Unknown scale 'cubic'"),
        ({"seeds": pd.DataFrame()}, "seeds_table"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(df, settings, says):
    with pytest.raises(InputError, match=says):
        impact_scatter(df, **settings)


def test_x_at_or_below_zero_has_no_log_scale(df):
    table = analysis.prompts_table(df, "forgetting", "past")
    table["pre_update_loss"] -= table["pre_update_loss"].max()
    with pytest.raises(InputError, match="no log scale"):
        impact_scatter(table, x_scale="log")


def test_chosen_points_get_a_ring_where_they_stand(df):
    plain = impact_scatter(df)
    chosen = ("current-0", "para-03")
    spec = impact_scatter(df, selected=[chosen])
    assert spec.panels == ringed(plain, [chosen]).panels
    (ring,) = [p for p in layers(spec, Points) if p.size == 26.0]
    assert (ring.x[0], ring.y[0]) in dots(plain)[chosen]
    assert ringed(plain, [("no such", "prompt")]).panels == plain.panels


def test_every_cell_of_the_heat_map_can_be_chosen(df):
    table = analysis.impact_correlation(df)
    spec = impact_heatmap(table, chosen=("past-0", "unseen-1"))
    targets, frame = layers(spec, Points)
    pairs = set(zip(table["task_i"], table["task_j"], strict=True))
    assert set(targets.keys) == pairs
    assert targets.opacity == 0.0
    names = spec.panels[0].x_ticks.labels
    assert (names[int(frame.y[0])], names[int(frame.x[0])]) == ("past-0", "unseen-1")
    at = dict(zip(targets.keys, zip(targets.x, targets.y, strict=True), strict=True))
    assert at["past-0", "unseen-1"] == (frame.x[0], frame.y[0])


def test_a_pair_of_tasks_is_a_point_per_prompt(df):
    table = analysis.impact_pairs(df, "past-0", "unseen-1")
    spec = impact_pair(table, "past-0", "unseen-1", selected=[("current-1", "original")])
    assert len(table) == len(dots(spec))
    assert "impact on past-0 minus the task's mean" in spec.panels[0].x_label
    one = analysis.impact_pairs(df, "past-0", "unseen-1", "current-1")
    alone = impact_pair(one, "past-0", "unseen-1")
    own = one.set_index("prompt_id")
    assert dots(alone)["current-1", "para-02"] == [
        (own.loc["para-02", "impact_i"], own.loc["para-02", "impact_j"])
    ]
    with pytest.raises(InputError, match="impact_pairs"):
        impact_pair(df, "past-0", "unseen-1")
    with pytest.raises(InputError, match="No prompt was measured"):
        impact_pair(table.iloc[:0], "past-0", "unseen-1")


def test_many_points_are_drawn_by_webgl_without_texts_and_more_are_thinned(df, monkeypatch):
    table = analysis.prompts_table(df, "forgetting", "past")
    few = {type(trace).__name__ for trace in impact_scatter(table).to_plotly().data}
    assert "Scattergl" not in few
    from sapo_analysis.figures import render_plotly

    module = importlib.import_module("sapo_analysis.figures.impact_scatter")
    monkeypatch.setattr(module, "BRIEF_FROM", 3)
    monkeypatch.setattr("sapo_analysis.figures.scatter_views.MOST_DOTS", 12)
    monkeypatch.setattr(render_plotly, "GL_FROM", 3)
    prompts = pd.DataFrame(
        {
            **{
                "task": table["current_task"],
                "prompt_id": table["prompt_id"],
                "text": "some words",
            },
            **{"source": "novel", "n_tokens": 2, "frequency": 1.0},
        }
    )
    spec = impact_scatter(table, prompts=prompts, view="raw")
    assert 6 <= len(dots(spec)) <= 12 < len(table)
    assert f"of {len(table)} dots drawn" in spec.alt
    assert not any("some words" in text for p in layers(spec, Points) for text in p.hover)
    assert "Scattergl" in {type(trace).__name__ for trace in spec.to_plotly().data}


def test_names_of_far_points_do_not_cover_each_other():
    panel = impact_scatter(open_shipped()).panels[0]
    width, height = (high - low for low, high in (panel.x_range, panel.y_range))
    notes = [layer for layer in panel.layers if isinstance(layer, Note)]
    arrows = [p for p in panel.layers if isinstance(p, Points) and p.marker.startswith("arrow")]
    said = [note.text.split("+") for note in notes]
    n_arrows = sum(len(layer.x) for layer in arrows)
    assert sum(1 + int(words[1]) if words[1:] else 1 for words in said) == n_arrows
    for i, one in enumerate(notes):
        for other in notes[:i]:
            if one.anchor == other.anchor:
                far = abs(one.x - other.x) > 0.15 * width, abs(one.y - other.y) > 0.04 * height
                assert any(far), (one.text, other.text)


def test_panels_share_their_titles(df):
    spec = impact_scatter(df, view="panels")
    assert "points lost, lower is better" in spec.y_title
    assert "nats per token" in spec.x_title
    assert {panel.y_label for panel in spec.panels} == {""}
    shown = [a.text for a in spec.to_plotly().layout.annotations]
    assert spec.x_title in shown
    assert spec.to_matplotlib().get_supylabel().startswith("forgetting")

"""What the builders draw, and which tables they refuse."""

import pytest

from sapo_analysis import analysis
from sapo_analysis.errors import InputError
from sapo_analysis.figures import impact_heatmap, impact_scatter, task_bars, task_forest
from sapo_analysis.figures.spec import Note, Points, Span


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

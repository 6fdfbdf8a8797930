"""The numbers above a scatter, what is left out of it, and how it looks in grey print."""

import re

import numpy as np
import pandas as pd
import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.figures import claim_1_spread, impact_scatter, task_forest, theme
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.figures.scatter_layers import MARK_COLORS
from sapo_analysis.figures.spec import Points
from sapo_analysis.figures.task_forest import POOLED
from sapo_analysis.paper.captions import draft

OF = {"role": "past", "n_permutations": 99}


def told(spec, panel=0):
    return spec.panels[panel].subtitle.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture(scope="module")
def tasks(df):
    return analysis.task_correlations(df, **OF)


def test_the_centred_view_says_what_was_estimated(df):
    new, these = (
        analysis.within_task_correlation(df, scope=scope, **OF)
        for scope in ("new_tasks", "these_tasks")
    )
    spec = impact_scatter(df, means=(new, these))
    found = re.findall(r"[+−]?\d+\.\d+", told(spec))
    numbers = [float(text.replace("−", "-")) for text in found]
    # Three tasks are too few for new ones.
    assert numbers == pytest.approx([these.value, these.lower, these.upper, these.p], abs=0.005)
    assert told(spec).endswith("3 tasks × 8 prompts × 2 seeds")
    assert impact_scatter(df).panels[0].subtitle == ""
    assert impact_scatter(df, view="raw", means=(new, these)).panels[0].subtitle == ""
    assert spec.without("statistics").panels[0].subtitle == ""
    # r is of the losses, not of their logarithms that this axis and its slope are of.
    on_log = impact_scatter(df, means=(new, these), x_scale="log")
    assert on_log.panels[0].subtitle == "" and on_log.caption.statistics == ()


def test_each_panel_has_its_tasks_numbers_below_its_name(df, tasks):
    spec = impact_scatter(df, view="panels", estimates=tasks[1:])
    assert [panel.title for panel in spec.panels] == ["current-0", "current-1", "current-2"]
    assert told(spec) == "no correlation"
    for i, e in enumerate(tasks[1:], 1):
        assert told(spec, i).startswith(f"r = {e.value:+.2f}".replace("-", "−"))
        assert told(spec, i).endswith("n = 8")
    assert {panel.subtitle for panel in impact_scatter(df, view="panels").panels} == {""}
    assert spec.wide and spec.columns == 3


def test_statistics_stand_between_title_and_panel_on_the_screen(df, tasks):
    spec = impact_scatter(df, view="panels", estimates=tasks)
    layout = spec.to_plotly().layout
    by_text = {note.text: note for note in layout.annotations}
    title = by_text["current-0"]
    below = next(note for text, note in by_text.items() if text.startswith("r\N{NO-BREAK SPACE}="))
    assert (title.x, title.y) == (below.x, below.y)
    lines = below.text.count("<br>") + 1
    assert lines == 2 and title.yshift >= lines * below.font.size
    assert layout.margin.t >= title.yshift + title.font.size
    longest = max(map(len, below.text.split("<br>")))
    assert longest <= 30  # three panels share the width
    # The legend stands above all of it.
    bare = impact_scatter(df, view="panels").to_plotly().layout
    assert layout.legend.y > bare.legend.y and layout.margin.t > bare.margin.t


def study(n_tasks):
    """Points, prompts and impacts of so many tasks, six prompts each."""
    rng = np.random.default_rng(n_tasks)
    names = [f"task-{i:02d}" for i in range(n_tasks)]
    rows = [
        {
            **{"current_task": task, "prompt_id": f"p{j}", "pre_update_loss": x, "forgetting": y},
            **{"n_seeds": 2, "n_eval_tasks": 3, "unit": "points (0 to 100)"},
        }
        for task in names
        for j, (x, y) in enumerate(rng.normal(2.0, 0.3, (6, 2)))
    ]
    points = pd.DataFrame(rows)
    prompts = points.rename(columns={"current_task": "task"})[["task", "prompt_id"]]
    prompts = prompts.assign(
        text="words", source=np.where(prompts["prompt_id"] == "p0", "original", "paraphrase")
    )
    return points, prompts.assign(n_tokens=5, frequency=1.0)


@pytest.mark.parametrize("n_tasks", [2, 5, 8, 9, 12])
def test_tasks_and_marks_stand_apart_in_grey_print(n_tasks):
    points, prompts = study(n_tasks)
    whole = impact_scatter(points, prompts=prompts)
    for settings in ({}, {"view": "panels"}, {"highlight": "task-01"}, {"hollow": True}):
        spec = impact_scatter(points, prompts=prompts, **settings)
        assert grey_twins(spec) == [], settings
    shown = [a for a in whole.panels[0].layers if a.part == ""]
    looks = {(a.color, a.marker) for a in shown if isinstance(a, Points)}
    assert len(looks) >= min(n_tasks, 8)
    worn = {a.color for a in whole.panels[0].layers if a.part == "marks"}
    assert worn == ({theme.NEUTRAL} if n_tasks <= 8 else set(MARK_COLORS.values()))
    said = " ".join(whole.caption.explained)
    assert ("tasks are grey" in said) == (n_tasks > 8)
    assert ("some share a shape" in said) == (n_tasks > 8)


def test_a_mark_lies_over_its_dot_except_the_filled_star(df, prompts):
    layers = impact_scatter(df, prompts=prompts).panels[0].layers
    shapes = [a.marker for a in layers if isinstance(a, Points) and a.keys]
    dots = [i for i, shape in enumerate(shapes) if shape in ("circle", "square", "plus")]
    assert shapes.index("star") < min(dots)
    assert min(shapes.index("diamond"), shapes.index("triangle-up")) > max(dots)


def test_pooled_r_has_a_row_of_its_own_that_says_what_it_mixes(df, tasks):
    means = [analysis.within_task_correlation(df, scope="these_tasks", **OF)]
    pooled = analysis.pooled_correlation(df, **OF)
    plain, spec = task_forest(tasks, means), task_forest(tasks, means, pooled=pooled)
    ticks = spec.panels[0].y_ticks
    row = ticks.places[ticks.labels.index(POOLED)]
    layers = spec.panels[0].layers
    (mark,) = [a for a in layers if isinstance(a, Points) and a.y == (row,)]
    assert (mark.x, mark.hollow) == ((pooled.value,), True)
    ends = [(a.lower[0], a.upper[0]) for a in layers if getattr(a, "y", None) == (row,) and a.part]
    assert ends == [(pooled.lower, pooled.upper)]
    assert [a for a in layers if getattr(a, "y", None) != (row,)] == list(plain.panels[0].layers)
    assert spec.table.iloc[-1]["level"] == "pooled"
    assert "mixes" in " ".join(spec.caption.explained) and "mixes" in mark.hover[0]
    with pytest.raises(Exception, match="pooled_correlation"):
        task_forest(tasks, means, pooled=means[0])


def test_a_forest_says_what_it_correlates_and_on_which_task(df):
    of = {**OF, "statistic": "spearman", "eval_task": "past-1"}
    tasks = analysis.task_correlations(df, **of)
    spec = task_forest(tasks, eval_task="past-1")
    assert "forgetting of past-1" in spec.caption.shows and "past tasks" not in spec.caption.shows
    shown = [spec.panels[0].x_label, spec.alt, *spec.caption.statistics]
    shown += [a.hover[0] for a in spec.panels[0].layers if isinstance(a, Points)]
    for text in shown:
        assert "Spearman's ρ" in text
        assert not re.search(r"\br\b", text), text
    assert "forgetting on past tasks" in task_forest(tasks).caption.shows


def test_the_caption_has_the_unit_of_the_axis_and_tells_which_axes_are_logarithmic():
    points, _ = study(2)
    said = impact_scatter(points.assign(unit=SD_UNIT)).caption
    assert "(sd over prompts, as metrics differ)" in said.shows
    assert "Forgetting (sd over prompts, as metrics differ, lower is better)" in draft(said)
    assert "points" not in draft(said).partition("Forgetting (")[2]
    assert "sd over" not in draft(impact_scatter(points).caption)
    assert not any("logarithmic" in mark for mark in impact_scatter(points).caption.explained)
    for view, words in (
        ("centred", "the axis of pre-update loss is logarithmic"),
        ("panels", "the axis of pre-update loss is logarithmic where it says so; the slope is"),
        ("raw", "the axis of pre-update loss is logarithmic; the slope is"),
    ):
        marks = impact_scatter(points, view=view, x_scale="log").caption.explained
        assert any(mark.startswith(words) for mark in marks), view


def test_in_a_study_of_many_tasks_claim_1_stands_apart_in_grey(df):
    assert grey_twins(claim_1_spread(analysis.claim_1_spreads(df))) == []


def test_the_caption_speaks_of_no_part_that_is_left_out(df, prompts):
    noise = analysis.noise_band(df, "forgetting", "past")
    table = analysis.prompts_table(df, "forgetting", "past")
    table.loc[table["prompt_id"] == "para-03", "forgetting"] += 1000
    spec = impact_scatter(table, prompts=prompts, noise=noise)
    words = {
        "slope": "Line and band",
        "noise": "what the seed alone moves",
        "marks": "Star: ",
        "names": "where there is room",
    }
    for part, said in words.items():
        assert part in spec.parts and said in draft(spec.caption), part
        less = draft(spec.without(part).caption)
        assert said not in less, part
        assert all(other in less for other in words.values() if other != said), part
    assert "Arrows at the frame" in draft(spec.without(*words, "legend").caption)


def test_a_name_that_stands_for_several_arrows_is_explained():
    points, _ = study(8)
    far = points["prompt_id"].isin(["p1", "p2"]) & (points["current_task"] == "task-01")
    points.loc[far, ["pre_update_loss", "forgetting"]] = (2.0, 1000.0)
    named = impact_scatter(points)
    assert any(a.part == "names" and a.text.endswith(" +1") for a in named.panels[0].layers)
    assert "+n behind a name: n further points beside it" in draft(named.caption)
    points.loc[far & (points["prompt_id"] == "p2"), "forgetting"] = 2.0
    assert "+n" not in draft(impact_scatter(points).caption)


def test_grey_tasks_of_one_shape_each_are_told_by_it(monkeypatch):
    points, _ = study(9)
    assert "shape: task" not in draft(impact_scatter(points).caption)
    monkeypatch.setattr(theme, "TASK_MARKERS", (*theme.TASK_MARKERS, "star"))
    assert "; shape: task" in draft(impact_scatter(points).caption)


def test_a_logarithmic_panel_says_so_in_its_title():
    points, _ = study(2)
    points.loc[points.index[0], "pre_update_loss"] = 500.0
    panels = impact_scatter(points, view="panels").panels
    assert [p.title for p in panels] == ["task-00 (log scale)", "task-01"]
    assert {p.x_label for p in panels} == {""}


def test_the_raw_view_says_the_pooled_r_and_what_it_mixes(df):
    pooled = analysis.pooled_correlation(df, **OF)
    spec = impact_scatter(df, view="raw", pooled=pooled)
    found = re.findall(r"[+−]?\d+\.\d+", told(spec))
    numbers = [float(text.replace("−", "-")) for text in found]
    assert numbers == pytest.approx([pooled.value, pooled.lower, pooled.upper, pooled.p], abs=0.005)
    assert told(spec).startswith("all points pooled r = ")
    assert told(spec).endswith("n = 24; mixes differences between tasks")
    said = draft(spec.caption)
    assert "Over all points, r = " in said and "Fisher's z of all points" in said
    assert impact_scatter(df, view="raw").panels[0].subtitle == ""
    assert impact_scatter(df, pooled=pooled).panels[0].subtitle == ""
    # r is of the values, not of their logarithms.
    on_log = impact_scatter(df, view="raw", pooled=pooled, x_scale="log")
    assert on_log.panels[0].subtitle == "" and on_log.caption.statistics == ()

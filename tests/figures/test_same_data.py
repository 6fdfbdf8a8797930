"""Every figure of paraphrase studies shows the same on the screen and on paper."""

import dataclasses

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.indicators.board import indicator_board
from sapo_analysis.figures import (
    claim_1_spread,
    impact_pair,
    impact_scatter,
    indicator_forest,
    pool_curve,
    regret_curve,
    runs_forest,
    selection_bars,
    task_bars,
    task_forest,
)
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.figures.spec import Band, Points
from sapo_analysis.paper.captions import draft
from tests.figures.same_data import check_same_data

OF = {"y": "forgetting", "role": "past"}


@pytest.fixture(scope="module")
def tasks(df):
    return analysis.task_correlations(df, **OF, n_permutations=99)


@pytest.fixture(scope="module")
def means(df):
    return tuple(
        analysis.within_task_correlation(df, scope=scope, **OF, n_permutations=99)
        for scope in ("new_tasks", "these_tasks")
    )


@pytest.fixture(scope="module")
def specs(df, prompts, run, tasks, means):
    band = analysis.noise_band(df, "forgetting", "past")
    worth = analysis.selection_value(df, role="past", original=analysis.original_prompts(run))
    given = {"prompts": prompts, "noise": band, "means": means, "estimates": tasks}
    claim = [v.estimate for v in analysis.claims(df, n_permutations=0)]
    own = [e for e in claim if e.statistic == "log_sd_ratio" and e.y == "impact"]
    pooled = analysis.pooled_correlation(df, **OF, n_permutations=99)
    return {
        **{view: impact_scatter(df, view=view, **given) for view in ("centred", "panels", "raw")},
        "log": impact_scatter(df, x_scale="log", **given),
        "task_forest": task_forest(tasks, means, pooled=pooled, predicted=1),
        "indicator_forest": indicator_forest(indicator_board(df, **OF, n_permutations=99)),
        "selection_bars": selection_bars(worth),
        "pool_curve": pool_curve(worth),
        "regret_curve": regret_curve(worth),
        "impact_pair": impact_pair(
            analysis.impact_pairs(df, "past-0", "unseen-1"), "past-0", "unseen-1"
        ),
        "task_bars": task_bars(analysis.task_changes(df, "current-0", "para-01")),
        "runs_forest": runs_forest({"one": means, "other": means}, predicted=1),
        "claim_1_spread": claim_1_spread(analysis.claim_1_spreads(df), own, seed_alone=-0.3),
    }


NAMES = (
    *("centred", "panels", "raw", "log", "task_forest", "indicator_forest", "selection_bars"),
    *("pool_curve", "regret_curve", "impact_pair", "task_bars", "runs_forest", "claim_1_spread"),
)


@pytest.mark.parametrize("name", NAMES)
def test_screen_and_paper_show_what_the_spec_holds(specs, name):
    check_same_data(specs[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_caption_can_be_drafted_and_no_number_in_it_is_missing(specs, name):
    caption = specs[name].caption
    assert isinstance(caption, Caption)
    said = draft(caption)
    assert caption.n and all(isinstance(n, int) and n > 0 for n in caption.n.values())
    assert "nan" not in said and "None" not in said


@pytest.mark.parametrize("name", NAMES)
def test_groups_stand_apart_in_grey_print(specs, name):
    assert grey_twins(specs[name]) == []


def test_a_difference_between_the_renderers_is_found(specs, monkeypatch):
    spec = specs["centred"]
    from sapo_analysis.figures import render_plotly

    whole = render_plotly._points
    monkeypatch.setattr(
        render_plotly,
        "_points",
        lambda layer, *rest: whole(dataclasses.replace(layer, x=layer.x[::-1]), *rest),
    )
    with pytest.raises(AssertionError, match="points.*screen"):
        check_same_data(spec)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("centred", {"statistics", "slope", "noise", "marks", "names", "legend"}),
        ("panels", {"statistics", "slope", "noise", "marks", "legend"}),
        ("task_forest", {"predicted", "intervals", "legend"}),
        ("indicator_forest", {"predicted", "intervals", "legend"}),
        ("runs_forest", {"predicted", "intervals", "legend"}),
        ("selection_bars", {"intervals", "legend"}),
        ("pool_curve", {"intervals", "legend"}),
        ("regret_curve", {"intervals", "legend"}),
        ("impact_pair", {"slope", "legend"}),
        ("claim_1_spread", {"noise", "intervals", "legend"}),
        ("task_bars", set()),
    ],
)
def test_what_a_reader_may_leave_out(specs, name, parts):
    spec = specs[name]
    # Names stand beside points outside the shown range, which this study may not have.
    assert set(spec.parts) | {"names"} == parts | {"names"}
    bare = spec.without(*parts)
    assert bare.parts == ()
    kept = [layer for panel in bare.panels for layer in panel.layers]
    assert kept == [a for panel in spec.panels for a in panel.layers if not a.part]
    assert any(not isinstance(layer, Band) for layer in kept)
    check_same_data(bare)


def test_without_its_marks_a_scatter_keeps_every_prompt(specs):
    bare = specs["centred"].without("marks", "slope", "noise", "names")
    keys = {k for a in bare.panels[0].layers if isinstance(a, Points) for k in a.keys}
    assert len(keys) == 24

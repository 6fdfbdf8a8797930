"""A race over the scatter: the same data for screen and paper, moved as the study's points are."""

import math

import pandas as pd
import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.figures import FigureSpec, Race, impact_scatter, race_reach, theme, with_race
from sapo_analysis.figures.race_overlay import FRAME
from sapo_analysis.figures.spec import Line, Points

TASKS = ("a", "b")
VIEWS = ("centred", "panels", "raw")


def study():
    rows = [
        {
            "current_task": task,
            "prompt_id": f"p{i}",
            "pre_update_loss": 1.0 + level + 0.1 * i,
            "forgetting": 5.0 * level + i,
            "n_seeds": 2,
            "n_eval_tasks": 1,
            "unit": "points",
        }
        for level, task in enumerate(TASKS)
        for i in range(6)
    ]
    return pd.DataFrame(rows)


def raced(**changes):
    rows = []
    for policy, prompt, task in (("original", 0, "a"), ("sapo", 1, "a"), ("sapo", 2, "b")):
        level = TASKS.index(task)
        rows.append(
            {
                "strategy": f"{policy}+lora-inc",
                "policy": policy,
                "stage": 2,
                "current_task": task,
                "prompt_id": f"p{prompt}",
                "pre_update_loss": 1.05 + level + 0.1 * prompt,
                "forgetting": 5.0 * level + prompt + 0.5,
                "n_seeds": 1,
                "study_x": 1.0 + level + 0.1 * prompt,
                "study_y": 5.0 * level + prompt,
                "parent": "same parent state",
            }
        )
    return pd.DataFrame(rows).assign(**changes)


def drawn(race=None, view="centred", **settings) -> FigureSpec:
    spec = impact_scatter(study(), view=view, **settings)
    race = race or Race("race-1", raced(), "forgetting")
    return with_race(spec, race, study(), view=view)


def marks(spec, policy):
    return [
        layer
        for panel in spec.panels
        for layer in panel.layers
        if isinstance(layer, Points) and layer.label == f"race: {policy}"
    ]


@pytest.mark.parametrize(
    ("view", "x", "y"),
    [
        # Means of task a: loss 1.25, forgetting 2.5; of task b: 2.25 and 7.5.
        ("centred", (1.15 - 1.25, 2.25 - 2.25), (1.5 - 2.5, 7.5 - 7.5)),
        ("raw", (1.15, 2.25), (1.5, 7.5)),
    ],
)
def test_points_are_moved_as_the_studys_are(view, x, y):
    (sapo,) = marks(drawn(view=view), "sapo")
    assert sapo.x == pytest.approx(x)
    assert sapo.y == pytest.approx(y)
    assert (sapo.color, sapo.marker) == theme.POLICIES["sapo"]
    assert sapo.keys == (("a", "p1"), ("b", "p2"))


def test_on_a_centred_log_axis_they_are_ratios_to_the_studys_geometric_mean():
    (original,) = marks(drawn(x_scale="log"), "original")
    losses = [1.0 + 0.1 * i for i in range(6)]
    middle = math.prod(losses) ** (1 / 6)
    assert original.x == pytest.approx((1.05 / middle,))


def test_each_panel_has_its_own_task():
    spec = drawn(view="panels")
    assert [layer.keys for layer in marks(spec, "sapo")] == [(("a", "p1"),), (("b", "p2"),)]
    assert len(marks(spec, "original")) == 1


def test_a_dashed_line_leads_from_the_studys_point_of_the_same_prompt():
    spec = drawn(view="raw")
    dashes = {policy: theme.DASHES[policy] for policy in ("original", "sapo")}
    found = {
        layer.dash: layer
        for layer in spec.panels[0].layers
        if isinstance(layer, Line) and layer.label is None
    }
    assert set(found) == set(dashes.values())
    sapo = found[dashes["sapo"]]
    assert sapo.x[:2] == pytest.approx((1.1, 1.15))
    assert sapo.y[:2] == pytest.approx((1.0, 1.5))
    assert math.isnan(sapo.x[2])


def test_points_stand_in_frames_hollow_while_the_race_is_at_work():
    for at_work in (False, True):
        spec = drawn(Race("race-1", raced(), "forgetting", hollow=at_work))
        assert {layer.hollow for layer in marks(spec, "sapo")} == {at_work}
        assert ("not finished" in spec.alt) == at_work
        frames = [q for q in spec.panels[0].layers if isinstance(q, Points) and q.size == FRAME]
        assert [frame.marker for frame in frames] == ["square"] * 2
        assert all(frame.hollow for frame in frames)


def test_nothing_of_the_study_hangs_on_the_race():
    spec = impact_scatter(study())
    far = Race("race-1", raced(forgetting=900.0, pre_update_loss=-9.0), "forgetting")
    over = drawn(far)
    assert over.panels[0].layers[: len(spec.panels[0].layers)] == spec.panels[0].layers
    assert (over.panels[0].x_range, over.panels[0].y_range) == (
        spec.panels[0].x_range,
        spec.panels[0].y_range,
    )
    (sapo,) = marks(over, "sapo")
    low, high = over.panels[0].y_range
    assert all(low < y < high for y in sapo.y)
    assert all("outside the shown range" in hover for hover in sapo.hover)
    assert "900" in sapo.hover[0]


@pytest.mark.parametrize("x_scale", ["linear", "log"])
def test_ranges_made_for_the_race_hold_its_points_where_they_are(x_scale):
    far = Race("race-1", raced(forgetting=60.0, pre_update_loss=4.0), "forgetting")
    log = x_scale == "log"
    reach = race_reach(far, study(), log=log)
    plain = impact_scatter(study(), x_scale=x_scale).panels[0]
    spec = impact_scatter(study(), x_scale=x_scale, reach=reach)
    spec = with_race(spec, far, study())
    panel = spec.panels[0]
    (sapo,) = marks(spec, "sapo")
    means = (1.25, 2.25)
    if log:
        means = tuple(math.prod(m + 0.1 * i for i in range(6)) ** (1 / 6) for m in (1.0, 2.0))
    assert sapo.x == pytest.approx([4.0 / m if log else 4.0 - m for m in means])
    assert sapo.y == pytest.approx((60.0 - 2.5, 60.0 - 7.5))
    assert panel.x_range[0] < min(sapo.x) and max(sapo.x) < panel.x_range[1]
    assert max(sapo.y) < panel.y_range[1]
    # The sides that need not grow stay.
    assert (panel.x_range[0], panel.y_range[0]) == (plain.x_range[0], plain.y_range[0])
    assert not any("outside" in hover for hover in sapo.hover)
    axes = spec.to_matplotlib().axes[0]
    assert axes.get_xlim() == pytest.approx(panel.x_range)
    shown = spec.to_plotly().layout.xaxis.range
    assert shown == pytest.approx([math.log10(v) for v in panel.x_range] if log else panel.x_range)


def test_a_race_inside_or_filtered_away_moves_no_range():
    race = Race("race-1", raced(), "forgetting")
    reach = race_reach(race, study())
    assert impact_scatter(study(), reach=reach).panels[0] == impact_scatter(study()).panels[0]
    assert race_reach(race, study(), only=set()) == ((), ())
    assert race_reach(race, study(), view="raw") == ((), ())


def test_text_says_what_a_point_is_and_the_alternative_text_counts_them():
    prompts = pd.DataFrame([{"task": "a", "prompt_id": "p1", "text": "Say <b>it</b>."}])
    race = Race("race-1", raced(), "forgetting")
    spec = with_race(impact_scatter(study()), race, study(), prompts=prompts)
    (sapo,) = marks(spec, "sapo")
    assert "race race-1: sapo+lora-inc\np1 · a\nSay <b>it</b>." in sapo.hover[0]
    assert "(study 1.1)" in sapo.hover[0]
    assert "same parent state" in sapo.hover[0]
    assert "3 points of the race race-1 (2 of sapo, 1 of original)" in spec.alt
    assert "<b>" not in spec.to_plotly().to_json()


def test_the_numbers_of_the_figure_hold_both():
    table = drawn().table
    assert len(table) == 12 + 3
    assert table["race"].value_counts().to_dict() == {"": 12, "race-1": 3}


def test_the_filter_of_the_scatter_holds_for_the_race():
    race = Race("race-1", raced(), "forgetting")
    spec = with_race(impact_scatter(study()), race, study(), only={("a", "p1")})
    assert [layer.keys for layer in marks(spec, "sapo")] == [(("a", "p1"),)]
    assert not marks(spec, "original")
    plain = impact_scatter(study())
    assert with_race(plain, race, study(), only=set()) is plain


def test_a_table_of_another_kind_is_refused():
    with pytest.raises(InputError, match="race_points"):
        drawn(Race("race-1", study(), "forgetting"))


@pytest.mark.parametrize("view", VIEWS)
def test_screen_and_paper_draw_every_point(view):
    spec = drawn(view=view)
    figure = spec.to_plotly()
    on_screen = sorted(
        (x, y)
        for trace in figure.data
        if (trace.name or "").startswith("race: ")
        for x, y in zip(trace.x, trace.y, strict=True)
    )
    paper = spec.to_matplotlib()
    on_paper = sorted(
        (float(x), float(y))
        for axes in paper.axes
        for collection in axes.collections
        if str(collection.get_label()).startswith("race: ")
        for x, y in collection.get_offsets()
    )
    assert len(on_screen) == 3
    for seen, printed in zip(on_screen, on_paper, strict=True):
        assert seen == pytest.approx(printed)

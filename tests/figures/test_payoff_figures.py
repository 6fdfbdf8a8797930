"""What the figures of a pick's worth draw, on the screen and on paper."""

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis.worth.payoff import original_prompts, selection_value
from sapo_analysis.errors import InputError
from sapo_analysis.figures import pool_curve, regret_curve, selection_bars, theme
from sapo_analysis.figures.spec import Band, Intervals, Line, Note, Points
from tests.figures.test_builders import layers
from tests.figures.test_renderers import matplotlib_points, plotly_points, same, spec_points


@pytest.fixture(scope="module")
def value(df, run):
    return selection_value(df, role="past", original=original_prompts(run))


@pytest.fixture
def one_seed(df):
    return selection_value(df[df["seed"] == 0], "generalization")


def places(spec, panel=0):
    """Rows of a panel from top to bottom."""
    ticks = spec.panels[panel].y_ticks
    return dict(zip(ticks.places, ticks.labels, strict=True))


def drawn(spec, panel):
    """x of each row's point."""
    rows = places(spec, panel)
    return {rows[layer.y[0]]: layer.x[0] for layer in layers(spec, Points, panel)}


def test_each_rule_is_a_dot_at_its_value_with_its_interval(value):
    spec = selection_bars(value)
    found, rules = drawn(spec, 0), value.rules
    assert list(found.values()) == rules["value"].tolist()
    assert list(found) == [
        *("lowest pre-update loss", "random prompt", "original prompt"),
        *("best in hindsight", "highest pre-update loss"),
    ]
    ends = [(bar.lower[0], bar.upper[0]) for bar in layers(spec, Intervals)]
    assert ends == list(zip(rules["lower"], rules["upper"], strict=True))
    looks = [(p.color, p.marker) for p in layers(spec, Points)][:4]
    assert looks == [
        *((theme.BLUE, theme.MARK_SAPO), (theme.ORANGE, "circle")),
        *((theme.GREY, theme.MARK_ORIGINAL), (theme.GREEN, theme.MARK_BEST)),
    ]
    assert "points lost, lower is better" in spec.panels[0].x_label
    assert "mean of 2 past tasks" in spec.panels[0].x_label
    assert spec.table["value"].tolist() == [*rules["value"], *value.contrasts["gain"]]


def test_gains_stand_beside_them_with_both_intervals(value):
    spec = selection_bars(value)
    gains = value.contrasts
    found = drawn(spec, 1)
    assert found.pop("lowest pre-update loss") == 0
    assert list(found.values()) == gains["gain"].tolist()
    thick = [(b.lower[0], b.upper[0]) for b in layers(spec, Intervals, 1) if b.width == 5.0]
    thin = [(b.lower[0], b.upper[0]) for b in layers(spec, Intervals, 1) if b.width == 1.8]
    # The lowest loss always is the best in hindsight here: gains of zero give no interval.
    bounded = gains[gains["against"] != "hindsight_best"]
    assert gains["lower"].isna().tolist() == [False, False, True, False]
    assert thick == list(zip(bounded["lower"], bounded["upper"], strict=True))
    assert thin == list(zip(bounded["these_lower"], bounded["these_upper"], strict=True))
    assert "higher is better" in spec.panels[1].x_label
    assert spec.names_rows_once and spec.panels[1].x_zero
    said = layers(spec, Points, 1)[0].hover[0]
    assert f"better in {gains['tasks_better'][0]} of 3 tasks × 8 prompts × 2 seeds" in said


def test_the_curve_follows_the_pool_with_bands_of_the_difference(value):
    spec = pool_curve(value)
    lines = {line.color: line for line in layers(spec, Line)}
    assert list(lines) == [theme.BLUE, theme.ORANGE, theme.GREEN]
    for color, rule in zip(lines, ("lowest_loss", "random", "hindsight_best"), strict=True):
        own = value.curve[value.curve["rule"] == rule]
        assert lines[color].x == tuple(range(1, 9))
        assert lines[color].y == tuple(own["value"])
    low = value.curve[value.curve["rule"] == "lowest_loss"].iloc[1:]
    random = lines[theme.ORANGE].y[0]
    band = layers(spec, Band)[0]
    assert band.x == tuple(range(1, 9))
    assert (band.lower[0], band.upper[0]) == pytest.approx((random, random))
    # Forgetting is good when low: a gain lies below the random pick.
    assert band.lower[1:] == pytest.approx(random - low["gain_upper"])
    assert band.upper[1:] == pytest.approx(random - low["gain_lower"])
    assert len(layers(spec, Band)) == 2 and "lower is better" in spec.panels[0].y_label
    assert spec.table is value.curve


def test_where_high_is_good_a_gain_lies_above_the_random_pick(df):
    value = selection_value(df, "generalization")
    spec = pool_curve(value)
    low = value.curve[value.curve["rule"] == "lowest_loss"].iloc[1:]
    random = value.curve["value"].iloc[0]
    band = layers(spec, Band)[0]
    assert band.upper[1:] == pytest.approx(random + low["gain_upper"])
    assert band.lower[1:] == pytest.approx(random + low["gain_lower"])
    assert "higher is better" in spec.panels[0].y_label


def test_regret_follows_the_pool_with_the_interval_of_new_tasks(df):
    value = selection_value(df, "generalization")
    spec = regret_curve(value)
    lines = {line.color: line for line in layers(spec, Line)}
    for color, rule in ((theme.BLUE, "lowest_loss"), (theme.ORANGE, "random")):
        own = value.curve[value.curve["rule"] == rule]
        assert lines[color].y == tuple(own["regret"]) and lines[color].x == tuple(range(1, 9))
    assert lines[theme.BLUE].y[-1] == pytest.approx(value.regret.value)
    assert lines[theme.ORANGE].y[-1] == pytest.approx(value.regret.at_random)
    low = value.curve[value.curve["rule"] == "lowest_loss"].iloc[1:]
    low = low[low["regret_lower"].notna()]
    (band,) = layers(spec, Band)
    assert band.x == (1.0, *low["pool_size"])
    assert band.lower == (0.0, *low["regret_lower"]) and band.upper == (0.0, *low["regret_upper"])
    # Whatever is good for the outcome, little regret is.
    assert "lower is better" in spec.panels[0].y_label and spec.panels[0].y_zero
    said = f"{value.regret.value:+.2f}".replace("-", "−")
    assert any(said in line for line in spec.caption.statistics)
    assert "gain" not in spec.table and "regret" in spec.table


def test_with_one_seed_there_is_no_hindsight_to_regret(one_seed):
    with pytest.raises(InputError, match="two seeds"):
        regret_curve(one_seed)


def test_what_is_not_known_is_said_where_it_would_stand(one_seed):
    spec = selection_bars(one_seed)
    for panel in (0, 1):
        rows = places(spec, panel)
        notes = {rows[note.y]: note.text for note in layers(spec, Note, panel)}
        assert notes == {"original prompt": "not known", "best in hindsight": "needs two seeds"}
        assert not notes.keys() & drawn(spec, panel).keys()
    assert [bar.width for bar in layers(spec, Intervals, 1)] == [5.0, 5.0]
    colors = {line.color for line in layers(pool_curve(one_seed), Line)}
    assert theme.GREEN not in colors and len(colors) == 2
    assert "nan" not in spec.alt + pool_curve(one_seed).alt


def test_one_task_has_no_bands(df):
    alone = selection_value(df[df["current_task"] == "current-0"], role="past")
    assert not layers(pool_curve(alone), Band)
    assert not layers(selection_bars(alone), Intervals)


@pytest.mark.parametrize("builder", [selection_bars, pool_curve])
def test_both_renderers_draw_the_same_points(value, one_seed, builder):
    for own in (value, one_seed):
        spec = builder(own)
        same(plotly_points(spec), spec_points(spec))
        same(matplotlib_points(spec), spec_points(spec))
    assert builder(value).to_bytes("svg") == builder(value).to_bytes("svg")


def test_a_long_curve_has_few_marks(df):
    rng = np.random.default_rng(0)
    rows = [
        {"current_task": task, "prompt_id": f"p{p:03d}", "pre_update_loss": x, "forgetting": y}
        for task in ("a", "b")
        for p, (x, y) in enumerate(rng.normal(size=(120, 2)))
    ]
    spec = pool_curve(selection_value(pd.DataFrame(rows)))
    marks = layers(spec, Points)[0].x
    assert len(marks) == 25 and (marks[0], marks[-1]) == (1, 120)
    assert len(layers(spec, Line)[0].x) == 120


@pytest.mark.parametrize("builder", [selection_bars, pool_curve, regret_curve])
def test_an_unfinished_run_has_hollow_points(df, builder):
    value = selection_value(df, "generalization")
    spec = builder(value, hollow=True)
    for k in range(len(spec.panels)):
        assert all(p.hollow for p in layers(spec, Points, k))
    assert "hollow: the study is not finished" in spec.caption.explained
    assert not any("finished" in mark for mark in builder(value).caption.explained)


def test_the_caption_names_panels_by_their_titles_and_gives_each_gain(df, run):
    value = selection_value(df, "generalization", original=original_prompts(run))
    caption = selection_bars(value).caption
    assert caption.shows.startswith("outcome: ") and "; gain: " in caption.shows
    assert not any(side in f"{caption}" for side in ("left:", "right:"))
    (said,) = caption.statistics
    assert said.startswith("gain in points over random prompt ")
    for row in value.contrasts.to_dict("records"):
        assert f"{row['gain']:+.2f}".replace("-", "−") in said
        assert f"better in {row['tasks_better']} of 3 tasks" in said
    assert "Nadeau and Bengio" in caption.interval


def test_gains_in_loss_have_one_digit_more(df):
    value = selection_value(df, "generalization_loss")
    row = value.contrasts.iloc[0]
    said = selection_bars(value).caption.statistics[0]
    assert said.startswith("gain in nats per token over random prompt ")
    assert f"{row['gain']:+.3f}".replace("-", "−") in said


@pytest.mark.parametrize("builder", [selection_bars, pool_curve, regret_curve])
def test_what_cannot_be_drawn_is_refused(df, builder):
    with pytest.raises(InputError, match=r"Not a DataFrame: make it with selection_value"):
        builder(df)
    with pytest.raises(InputError, match="No task has two prompts"):
        builder(selection_value(df[df["prompt_id"] == "original"], role="past"))


def test_every_mark_of_the_bars_is_explained(value):
    said = " ".join(selection_bars(value).caption.explained)
    assert "star: lowest pre-update loss, in the panel of gains at 0, where a diamond is" in said
    assert "hollow star: highest pre-update loss, the rule turned round" in said
    # Where every mark is hollow that tells nothing.
    assert "hollow star" not in " ".join(selection_bars(value, hollow=True).caption.explained)

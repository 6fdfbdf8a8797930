"""Figures of sequence runs: the same data on screen and paper, empty and wrong tables."""

from dataclasses import replace

import pandas as pd
import pytest

from sapo_analysis.analysis.sequences import (
    Cell,
    candidates_along,
    chain_metrics,
    sequence_scores,
    stage_means,
    summary,
)
from sapo_analysis.errors import InputError
from sapo_analysis.figures import choices_along, stage_matrix, strategy_intervals, strategy_race
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.figures.paper_layers import STROKES
from sapo_analysis.figures.spec import Cells, Intervals, Line, Note, Points
from sapo_analysis.figures.theme import DASHES, POLICIES
from sapo_analysis.paper.captions import draft
from sapo_analysis.spec import POLICIES as POLICY_NAMES
from sapo_analysis.store import open_run
from tests.analysis.sequences.test_metrics import ORDERS, noisy, worked
from tests.figures.same_data import check_same_data
from tests.figures.test_renderers import matplotlib_points, plotly_points, same, spec_points
from tests.synthetic_sequence import write_sequence_run
from tests.watched import rewrite


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return open_run(
        write_sequence_run(
            tmp_path_factory.mktemp("runs"),
            noisy,
            orders=ORDERS,
            strategies=["original", "random", "sapo", "sapo+ewc"],
            losses={"00": 1.5, "01": 1.0, "02": 4.0},
        )
    )


@pytest.fixture(scope="module")
def scores(made):
    return sequence_scores(made)


def layers(spec, kind):
    return [layer for panel in spec.panels for layer in panel.layers if isinstance(layer, kind)]


def test_more_matrices_than_four_take_the_full_width_of_a_page(scores):
    own = ["original+lora", "random+lora", "sapo+lora", "sapo+ewc"]
    assert not stage_matrix(scores, own).wide
    more = scores.assign(strategy=scores["strategy"].replace("sapo+ewc", "paft+lora"))
    five = pd.concat([scores, more[more["strategy"] == "paft+lora"]], ignore_index=True)
    assert stage_matrix(five, [*own, "paft+lora"]).wide


def test_every_policy_has_a_colour_and_a_marker_of_its_own():
    assert set(POLICIES) == set(POLICY_NAMES)
    assert len(set(POLICIES.values())) == len({m for _, m in POLICIES.values()}) == len(POLICIES)
    assert len(set(DASHES.values())) == len(DASHES) and set(DASHES) == set(POLICIES)


def test_lines_are_dashed_alike_on_screen_and_on_paper(scores):
    spec = strategy_race(stage_means(scores), method="lora")
    dashes = [layer.dash for layer in layers(spec, Line)]
    assert dashes == [DASHES[policy] for policy in ("original", "random", "sapo")]
    drawn = [t.line.dash for t in spec.to_plotly().data if t.mode == "lines"]
    assert drawn == ["7.8px,2.6px", "1.95px,1.95px", "solid"]
    on_paper = [line.get_linestyle() for line in spec.to_matplotlib().axes[0].get_lines()]
    assert on_paper.count("--") == 2 and on_paper.count("-") >= 1


def test_intervals_are_drawn_where_they_exist(scores, made):
    table = summary(chain_metrics(scores))
    spec = strategy_intervals(table)
    same(spec_points(spec), plotly_points(spec))
    same(spec_points(spec), matplotlib_points(spec))
    own = table[(table["test_prompts"] == "original") & (table["metric"] == "ap")]
    assert [layer.x[0] for layer in layers(spec, Points)][:4] == own["value"].tolist()
    assert len(layers(spec, Intervals)) == 4 * 3
    one = open_run(write_sequence_run(made.path.parent, worked, name="one"))
    spec = strategy_intervals(summary(chain_metrics(sequence_scores(one))))
    assert len(layers(spec, Points)) == 9 and not layers(spec, Intervals)


def test_rows_that_panels_share_are_named_once(scores):
    shared = strategy_intervals(summary(chain_metrics(scores)))
    layout = shared.to_plotly().layout
    assert layout.yaxis.showticklabels is None and "sapo+lora" in layout.yaxis.ticktext
    assert layout.yaxis2.showticklabels is False and layout.yaxis3.showticklabels is False
    figure = shared.to_matplotlib(width="full")
    figure.draw_without_rendering()
    named = [any(t.get_visible() for t in axes.get_yticklabels()) for axes in figure.axes]
    assert named == [True, False, False]
    # A matrix of chains that went less far has other rows, which name themselves.
    short = scores[(scores["strategy"] == "original+lora") | (scores["stage"] < 2)]
    one, two = (stage_matrix(short, [s]) for s in ("original+lora", "sapo+lora"))
    apart = replace(one, panels=(*one.panels, *two.panels), columns=2)
    assert not apart.names_rows_once
    assert apart.to_plotly().layout.yaxis2.showticklabels is None


def test_the_race_has_a_line_per_policy_of_one_method(scores):
    spec = strategy_race(stage_means(scores), method="lora")
    same(spec_points(spec), plotly_points(spec))
    same(spec_points(spec), matplotlib_points(spec))
    assert [layer.label for layer in layers(spec, Points)] == ["original", "random", "sapo"]
    assert [
        layer.label for layer in layers(strategy_race(stage_means(scores), method="ewc"), Points)
    ] == ["sapo"]


def test_the_matrix_shows_scores_and_colours_gains(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, strategies=["original"]))
    spec = stage_matrix(sequence_scores(run), ["original+lora"], order="a > b > c")
    (cells,) = layers(spec, Cells)
    assert cells.texts[0] == ("50", "20", "10") and cells.texts[3] == ("60", "75", "90")
    assert cells.values[0] == (0, 0, 0) and cells.values[3] == (10, 55, 80)
    assert cells.limit == 80
    assert spec.panels[0].x_ticks.labels == ("a", "b", "c")
    (heat,) = [t for t in spec.to_plotly().data if t.type == "heatmap"]
    assert [list(row) for row in heat.z] == [list(row) for row in cells.values]
    assert spec.to_bytes("pdf").startswith(b"%PDF")


def test_every_measured_cell_of_the_matrix_can_be_clicked_and_the_chosen_one_has_a_frame(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, stages=2, state="running"))
    strategies = ["original+lora", "sapo+lora"]
    spec = stage_matrix(sequence_scores(run), strategies, chosen=Cell("sapo+lora", 2, 1))
    panels = [[layer for layer in p.layers if isinstance(layer, Points)] for p in spec.panels]
    (unseen,), (_, frame) = panels
    assert unseen.keys == tuple(("original+lora", i, j) for i in "012" for j in "123")
    assert (unseen.x[3:6], unseen.y[3:6], unseen.opacity) == ((0, 1, 2), (1, 1, 1), 0)
    assert unseen.hover[0].startswith("task 1, base model")
    assert (frame.x, frame.y, frame.hollow) == ((0,), (2,), True)
    elsewhere = stage_matrix(sequence_scores(run), strategies, chosen=Cell("random+lora", 2, 1))
    assert all(len([a for a in p.layers if isinstance(a, Points)]) == 1 for p in elsewhere.panels)


def test_stages_that_are_not_there_yet_are_empty_rows(tmp_path):
    half = open_run(write_sequence_run(tmp_path, worked, stages=1, state="running"))
    (cells,) = layers(stage_matrix(sequence_scores(half), ["sapo+lora"]), Cells)
    assert len(cells.values) == 2


def test_the_matrix_of_chains_of_unequal_length_shows_no_change_that_never_was(tmp_path):
    def constant(strategy, order, seed, stage, position, prompt):
        return {"a": 0.0, "b": 50.0, "c": 90.0}[order[position - 1]]

    orders = [["a", "b", "c"], ["c", "a", "b"]]
    run = open_run(write_sequence_run(tmp_path, constant, orders=orders, strategies=["original"]))
    scores = sequence_scores(run)
    short = scores[(scores["order"] == "a > b > c") | (scores["stage"] <= 1)]
    (cells,) = layers(stage_matrix(short, ["original+lora"]), Cells)
    assert all(gain == 0 for row in cells.values for gain in row)
    assert cells.texts[0] == cells.texts[3] == ("0", "50", "90")


def test_the_losses_that_sapo_once_chose_by_are_those_at_the_base_model(tmp_path):
    path = write_sequence_run(
        tmp_path, worked, strategies=["sapo", "sapo-once"], losses={"00": 1.5, "01": 1.0}
    )
    at_base = "state_id == 'theta-0' and task == 'b'"
    rewrite(path, "indicators", lambda t: t.assign(value=t["value"] + 7 * t.eval(at_base)))
    table = candidates_along(open_run(path), "a > b > c", "sapo-once+lora", 0)
    assert table.groupby("stage")["loss"].min().to_dict() == {1: 1.0, 2: 8.0, 3: 1.0}
    spec = choices_along(table, strategy="sapo-once+lora")
    assert spec.panels[0].y_label == "pre-update loss at the base model\n(nats per token)"


def test_choices_mark_the_chosen_one_and_the_original(made):
    table = candidates_along(made, "a > b > c", "sapo+lora", 0)
    spec = choices_along(table, strategy="sapo+lora")
    same(spec_points(spec), plotly_points(spec))
    marks = {layer.label: layer for layer in layers(spec, Points)}
    assert marks["chosen"].x == (1.16, 2.16, 3.16) and set(marks["chosen"].y) <= {1.0, 1.5, 4.0}
    assert set(marks["original"].y) == {1.5}


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda s: strategy_intervals(s), "Make it with summary"),
        (lambda s: strategy_intervals(summary(chain_metrics(s.head(0)))), "No chain has learned"),
        (lambda s: strategy_race(stage_means(s), method="full"), "No stage of full"),
        (lambda s: strategy_race(s), "Make it with stage_means"),
        (lambda s: stage_matrix(s, ["sapp+lora"]), "Unknown strategy 'sapp.lora'"),
        (lambda s: stage_matrix(s, ["sapo+lora"], order="x"), "Unknown order 'x'"),
        (lambda s: stage_matrix(s, []), "No strategy was given"),
        (lambda s: choices_along(s, strategy="sapo+lora"), "Make it with candidates_along"),
    ],
)
def test_wrong_tables_are_refused_in_words(scores, draw, said):
    with pytest.raises(InputError, match=said):
        draw(scores)


def test_a_chain_without_known_losses_says_so(made):
    table = candidates_along(made, "a > b > c", "random+lora", 0).query("stage > 9")
    with pytest.raises(InputError, match="does not look at losses"):
        choices_along(table, strategy="random+lora")


def test_a_hair_between_strategies_is_not_drawn_as_a_lead(scores):
    table = stage_means(scores).assign(learned=50.0)
    table.loc[table.index[0], "learned"] = 50.1
    low, high = strategy_race(table, method="lora").panels[0].y_range
    assert high - low == pytest.approx(5) and low < 50 < 50.1 < high
    apart = stage_means(scores)
    assert apart["learned"].max() - apart["learned"].min() > 5
    assert strategy_race(apart, method="lora").panels[0].y_range is None


def test_every_figure_shows_the_same_on_screen_and_on_paper(made, scores):
    table = summary(chain_metrics(scores))
    along = candidates_along(made, "a > b > c", "sapo+lora", 0)
    specs = [
        strategy_intervals(table),
        strategy_race(stage_means(scores), method="lora"),
        strategy_race(stage_means(scores), method="lora", named=True),
        stage_matrix(scores, ["original+lora", "sapo+lora"]),
        stage_matrix(scores, ["sapo+lora"], order="a > b > c"),
        choices_along(along, strategy="sapo+lora", order="a > b > c", seed=0),
    ]
    for spec in specs:
        check_same_data(spec, width="full")
        assert not grey_twins(spec)
        assert draft(spec.caption).endswith(".")


def test_the_steps_in_a_matrix_part_learned_tasks_from_those_to_come(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, strategies=["sapo"]))
    spec = stage_matrix(sequence_scores(run), ["sapo+lora"])
    (steps,) = layers(spec, Line)
    # After stage 1 (row 1) task 1 stands left of the line, after stage 2 tasks 1 and 2.
    assert list(zip(steps.x, steps.y, strict=True)) == [
        *((-0.5, 0.5), (0.5, 0.5), (0.5, 1.5), (1.5, 1.5), (1.5, 2.5), (2.5, 2.5))
    ]
    assert spec.panels[0].y_ticks.labels == ("base", "1", "2", "3")
    assert spec.parts == ("marks", "numbers")
    assert not layers(spec.without("marks"), Line)
    (blank,) = layers(spec.without("numbers"), Cells)
    assert not blank.numbered


def test_matrices_share_one_colour_scale_and_have_names_by_method(scores):
    spec = stage_matrix(scores, ["original+lora", "random+lora", "sapo+lora"], columns=3)
    assert len({(c.limit, c.unit) for c in layers(spec, Cells)}) == 1 and spec.columns == 3
    maps = [trace for trace in spec.to_plotly().data if trace.type == "heatmap"]
    assert [trace.showscale for trace in maps] == [True, False, False]
    figure = spec.to_matplotlib(width="full")
    assert sum(axes.get_label().startswith("scale") for axes in figure.axes) == 1
    assert stage_matrix(scores, ["sapo+ewc"]).name != stage_matrix(scores, ["sapo+lora"]).name


def test_a_cell_under_the_first_row_has_a_rule_for_grey_print(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, strategies=["sapo"]))
    scores = sequence_scores(run)
    scores.loc[(scores["stage"] == 3) & (scores["position"] == 1), "value"] = 12.0
    axes = stage_matrix(scores, ["sapo+lora"]).to_matplotlib().axes[0]
    segments = [
        [tuple(point) for point in line]
        for part in axes.collections
        if part.get_label() == STROKES
        for line in part.get_segments()
    ]
    ((left, right),) = segments  # the last row of the first task alone went under the base model
    assert left[0] == pytest.approx(-0.22) and right[0] == pytest.approx(0.22)
    assert 3 < left[1] == right[1] < 3.5


def test_an_original_that_was_chosen_is_seen_beside_the_choice(tmp_path):
    losses = {"00": 1.0, "01": 1.5, "02": 4.0}
    path = write_sequence_run(
        tmp_path, worked, strategies=["sapo"], losses=losses, chosen={"sapo": "00"}
    )
    table = candidates_along(open_run(path), "a > b > c", "sapo+lora", 0)
    spec = choices_along(table, strategy="sapo+lora", order="a > b > c", seed=0)
    marks = {layer.label: layer for layer in layers(spec, Points)}
    assert marks["original"].x == (0.84, 1.84, 2.84) and marks["chosen"].x == (1.16, 2.16, 3.16)
    assert marks["original"].y == marks["chosen"].y == (1.0, 1.0, 1.0)
    assert len(marks["candidate"].x) == 6
    assert spec.caption.statistics == (
        "The chosen prompt is the task's original one at 3 of 3 stages.",
    )
    assert "order a > b > c, seed 0" in spec.caption.shows


def test_captions_say_over_what_intervals_are(scores, made):
    caption = strategy_intervals(summary(chain_metrics(scores)), hollow=True).caption
    assert caption.interval == "95 % Student t over 3 orders"
    assert caption.n == {"orders": 3, "seeds": 1} and len(caption.explained) == 2
    one = open_run(write_sequence_run(made.path.parent, worked, name="single", seeds=[0]))
    alone = strategy_intervals(summary(chain_metrics(sequence_scores(one))))
    assert alone.caption.interval == "" and alone.caption.explained == ()
    assert strategy_intervals(summary(chain_metrics(scores))).parts == ("intervals",)


def test_names_at_line_ends_can_be_left_out(scores):
    spec = strategy_race(stage_means(scores), method="lora", named=True)
    assert spec.parts == ("names",)
    assert not layers(spec.without("names"), Note)

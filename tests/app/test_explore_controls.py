"""What stands under More, pairs of tasks, highlights: each changes the picture; a link keeps it."""

import json

import pytest

from sapo_analysis import analysis
from sapo_analysis.app.components import charts as drawing
from sapo_analysis.store import open_run
from tests.app.test_explore import charts, explored, frame_with, opened, text_of
from tests.app.test_explore_runs import points
from tests.synthetic import Truth, write_run
from tests.watched import rewrite

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeded")
    return write_run(folder, n_tasks=3, n_prompts=6, seeds=(0, 1), noise_seeds=(7, 8), name="two")


def looked_at(monkeypatch, path, **query):
    return opened(monkeypatch, path.parent, run=path.name, **query)


def label(app, axis):
    return json.dumps(charts(app)[0]["layout"][axis]["title"], ensure_ascii=False)


def test_a_filter_hides_points_and_changes_no_number(monkeypatch, seeded):
    whole = looked_at(monkeypatch, seeded, view="Raw, pooled")
    some = looked_at(monkeypatch, seeded, view="Raw, pooled", words="PARA-03 current-1")
    drawn = points(charts(whole)[0])
    key = ("current-1", "para-03")
    assert points(charts(some)[0]) == {key: drawn[key]}
    assert "1 of 18 points shown (“PARA-03 current-1”)" in text_of(some)
    r = [line for line in (m.value for m in whole.markdown) if "Within tasks" in line]
    assert r and r[0] in [m.value for m in some.markdown]


def test_a_filter_by_source_narrows_the_table_of_prompts(monkeypatch, seeded):
    app = looked_at(monkeypatch, seeded, source=["novel"], tab="Prompts")
    assert set(frame_with(app, "text")["source"]) == {"novel"}
    app = looked_at(monkeypatch, seeded, words="no such words", tab="Prompts")
    assert "No prompt passes the filter" in text_of(app)
    assert "0 of 18 points shown" in text_of(app)


def test_each_seed_is_a_dot(monkeypatch, seeded):
    mean = points(charts(looked_at(monkeypatch, seeded, view="Raw, pooled"))[0])
    app = looked_at(monkeypatch, seeded, view="Raw, pooled", seeds="Each")
    each = points(charts(app)[0])
    assert "a dot per seed" in text_of(app)
    for key, at in each.items():
        if key in mean and len(at) == 2:
            assert sum(y for _, y in at) / 2 == pytest.approx(mean[key][0][1])
    assert sum(len(at) == 2 for at in each.values()) >= 9


def test_one_seed_offers_no_choice_of_seeds(monkeypatch, runs):
    app = explored(monkeypatch, runs, "few")
    assert "seeds" not in {group.key for group in app.get("button_group")}


def test_the_scale_of_x(monkeypatch, seeded):
    app = looked_at(monkeypatch, seeded, x_scale="Log", view="Raw, pooled")
    assert charts(app)[0]["layout"]["xaxis"]["type"] == "log"
    centred = looked_at(monkeypatch, seeded, x_scale="Log")
    assert "geometric mean (log)" in label(centred, "xaxis")
    assert "log scale of x" in text_of(centred)


def test_a_scale_that_the_values_do_not_have_is_said(monkeypatch, tmp_path):
    path = write_run(tmp_path, n_prompts=6, truth=Truth(r=0.5))
    from sapo_analysis.app import estimates

    below = estimates.points.__wrapped__
    monkeypatch.setattr(
        estimates,
        "points",
        lambda keys, asked: below(keys, asked).assign(
            pre_update_loss=lambda t: t["pre_update_loss"] - 5
        ),
    )
    app = looked_at(monkeypatch, path, x_scale="Log")
    assert "it has no log scale" in text_of(app)


def test_the_test_prompt_of_the_current_task(monkeypatch, seeded):
    asked = {"view": "Raw, pooled", "test_prompt": "its original prompt"}
    app = looked_at(monkeypatch, seeded, outcome="In-task", **asked)
    assert "tested with the original prompt" in text_of(app)
    table = analysis.impacts(open_run(seeded), current_test="original")
    mine = analysis.prompts_table(table, "score_after", "current").set_index(
        ["current_task", "prompt_id"]
    )
    drawn = points(charts(app)[0])
    assert len(drawn) >= 9
    for key, at in drawn.items():
        assert at[0][1] == pytest.approx(mine.loc[key, "score_after"])
    elsewhere = looked_at(monkeypatch, seeded)
    assert "test_prompt" not in {box.key for box in elsewhere.selectbox}


def test_a_highlighted_task_leads_to_its_prompts(monkeypatch, seeded):
    app = looked_at(monkeypatch, seeded, task="current-2")
    assert "Lowest- and highest-loss prompt of current-2" in text_of(app)


def test_a_pair_of_tasks_opens_its_scatter(monkeypatch, seeded):
    app = looked_at(monkeypatch, seeded, tab="Between tasks")
    assert "Click a cell" in text_of(app)
    n = len(charts(app))
    app.selectbox(key="on_i").select("past-0")
    app.selectbox(key="on_j").select("unseen-1").run()
    assert not app.exception
    assert len(charts(app)) == n + 1
    table = analysis.impact_correlation(analysis.impacts(open_run(seeded)))
    row = table.query("task_i == 'past-0' and task_j == 'unseen-1'").iloc[0]
    assert f"r = {analysis.wording.signed(row['r'])}" in text_of(app)
    drawn = points(charts(app)[-1])
    assert len(drawn) == 18


@pytest.mark.parametrize(
    ("asked", "noted"),
    [
        ({"on_i": "past-0", "on_j": "past-0"}, False),
        ({"on_i": "past-0"}, False),
        ({"on_i": "past-0", "on_j": "Atlantis"}, True),
        ({"between": "Atlantis", "on_i": "past-0", "on_j": "unseen-0"}, True),
    ],
)
def test_links_to_pairs_that_are_none(monkeypatch, seeded, asked, noted):
    app = looked_at(monkeypatch, seeded, tab="Between tasks", **asked)
    assert not app.exception
    assert any("link asks" in w.value for w in app.warning) == noted


def test_a_link_restores_the_whole_view(monkeypatch, seeded):
    query = {
        "outcome": "Generalization",
        "form": "Loss",
        "view": "Raw, pooled",
        "x": "prompt length (tokens)",
        "x_scale": "Log",
        "eval_task": "unseen-1",
        "color": "source",
        "statistic": "Spearman",
        "seeds": "Each",
        "words": "text of",
        "source": "seen",
        "tab": "Between tasks",
        "between": "current-1",
        "on_i": "past-0",
        "on_j": "unseen-0",
        "point": "current-2|para-01",
    }
    app = looked_at(monkeypatch, seeded, **query)
    assert not [w for w in app.warning if "link asks" in w.value]
    assert "of unseen-1" in label(app, "yaxis") and "tokens" in label(app, "xaxis")
    assert "nats per target token" in label(app, "yaxis")
    assert charts(app)[0]["layout"]["xaxis"]["type"] == "log"
    text = text_of(app)
    assert "Spearman's ρ" in text and "generalize better" in text
    assert "**para-01** · current-2" in text
    said = next(c.value for c in app.caption if c.value.startswith("Chosen under More"))
    for words in ("prompt length", "log scale", "unseen-1", "dot per seed", "Spearman", "seen"):
        assert words in said.replace("\\", "")
    assert "impact on past-0" in json.dumps(charts(app)[-1]["layout"])


@pytest.mark.parametrize(
    ("picked", "state"),
    [
        ([["past-0", "unseen-1"]], {"on_i": "past-0", "on_j": "unseen-1"}),
        ([], {}),
        ([["one"]], {}),
    ],
)
def test_a_click_on_a_cell_names_its_tasks(monkeypatch, picked, state):
    session = {"cells": {"selection": {"points": [{"customdata": key} for key in picked]}}}
    monkeypatch.setattr(drawing.st, "session_state", session)
    drawing._choose_cell("cells")
    assert {key: session[key] for key in session if key != "cells"} == state


def test_unequal_learning_leads_to_one_panel_per_task(monkeypatch, tmp_path):
    path = write_run(tmp_path, n_prompts=6, n_tasks=3)

    def unequal(scores):  # what learns more forgets more
        trained = (
            scores["trial_id"].fillna("").str.extract(r"para-(\d+)")[0].astype(float).fillna(0)
        )
        sign = scores["role"].map({"current": -1.0, "past": 1.0}).fillna(0.0)
        return scores.assign(loss=scores["loss"] + sign * trained)

    rewrite(path, "scores", unequal)
    app = looked_at(monkeypatch, path)
    assert "'forgot less' may mean 'learned less'" in text_of(app)
    app.button(key="panels").click().run()
    assert not app.exception
    assert "xaxis3" in charts(app)[0]["layout"]
    assert "panels" not in [b.key for b in app.button]


def test_no_runs_offer_three_ways_to_get_one(monkeypatch, tmp_path):
    app = opened(monkeypatch, tmp_path)
    labels = {b.key: b for b in app.button}
    assert {"open-shipped", "quick-look"} <= labels.keys()
    assert [b.label for b in app.get("download_button")] == ["Template"]
    assert "Import a CSV" in [e.label for e in app.expander]


def test_prompts_marked_as_not_equivalent_are_counted_with_r_with_and_without_them(
    monkeypatch, seeded
):
    run = open_run(seeded)
    texts = run.table("prompts").set_index(["task", "prompt_id"])["text"]
    text = texts["current-1", "para-02"]
    monkeypatch.setattr("sapo_analysis.app.own_prompts.marks", lambda: {"current-1": {text}})
    said = text_of(looked_at(monkeypatch, seeded))
    df = analysis.impacts(run)
    gone = df["current_task"].eq("current-1") & df["prompt_id"].eq("para-02")
    settings = {"y": "forgetting", "role": "past", "scope": "these_tasks", "n_permutations": 0}
    every = analysis.within_task_correlation(df, **settings)
    without = analysis.within_task_correlation(df[~gone], **settings)
    assert "1 prompt of 1 task marked as not equivalent after the results were seen" in said
    assert analysis.sentence(without) != analysis.sentence(every)
    assert f"With them: {analysis.sentence(every)} Without: {analysis.sentence(without)}" in said
    monkeypatch.setattr("sapo_analysis.app.own_prompts.marks", lambda: {"current-1": {"other"}})
    assert "not equivalent" not in text_of(looked_at(monkeypatch, seeded))

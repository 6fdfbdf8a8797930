"""The Sequences page: its states, what its controls change, and one look in a real browser."""

import json
import shutil

import numpy as np
import pytest

from sapo_analysis.spec import SequenceStudy
from sapo_analysis.store import create_run
from tests.app.test_explore import charts, frame_with, opened, text_of
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run

ORDERS = [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
STRATEGIES = ["original", "random", "sapo", "sapo-once", "original+o-lora", "sapo+o-lora"]
PAGE = "views/sequences.py"
pytestmark = pytest.mark.filterwarnings("default")


def score(strategy, order, seed, stage, position, prompt):
    """sapo keeps ten points more; a little noise by order and seed."""
    draw = [len(strategy), ord(order[0]) if order else 0, seed, stage, position]
    noise = 0.3 * np.random.default_rng(draw).normal()
    kept = 10.0 if strategy.startswith("sapo+") else 0.0
    learned = position <= stage
    return float(40 + noise + learned * (30 + kept - 4 * (stage - position)))


LOSSES = {"00": 1.5, "01": 1.0, "02": 4.0}


@pytest.fixture(scope="module")
def sequence_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    shared = {"strategies": STRATEGIES, "seeds": [0, 1], "losses": LOSSES, "kept": 4}
    chosen = {"sapo": "01", "random": "02", "sapo-once": "00"}
    for i, order in enumerate(ORDERS, start=1):
        write_sequence_run(
            folder, score, name=f"order-{i}", orders=[order], chosen=chosen, **shared
        )
    write_sequence_run(folder, score, name="half", stages=2, state="interrupted", seeds=[5])
    write_sequence_run(folder, score, name="none", stages=0, state="running", seeds=[6])
    write_sequence_run(folder, score, name="lone", strategies=["sapo"], test_only=False)
    broke = [("random+lora", 2, "b > c > a")]
    write_sequence_run(folder, score, name="broke", orders=ORDERS[:2], diverged=broke)
    begun = create_run(folder, SequenceStudy(orders=["job", "add"], name="begun"))
    begun.rename(folder / "begun-00000000")
    return folder


def sequences(monkeypatch, folder, *names, **query):
    if names:
        query["runs"] = [f"{name}-00000000" for name in names]
    return opened(monkeypatch, folder, PAGE, **query)


def titles(chart):
    return [a["text"] for a in chart["layout"].get("annotations", [])]


def test_no_sequence_run_says_what_to_do_first(monkeypatch, tmp_path):
    write_run(tmp_path)
    app = sequences(monkeypatch, tmp_path)
    assert "No sequence runs yet." in text_of(app)
    assert app.code[0].value == "sapo run sequence-smoke"


def test_runs_of_one_study_in_other_orders_are_opened_together(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs)
    assert app.multiselect(key="runs").value == [f"order-{i}-00000000" for i in (1, 2, 3)]


def test_the_verdict_stands_on_top_with_its_interval(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "order-1", "order-2", "order-3")
    text = text_of(app)
    assert "sapo+lora − random+lora = +" in text and "Better." in text
    assert "95 % over 3 orders" in text and "3 orders · 2 seeds" in text
    assert "State-adaptive? sapo+lora − sapo-once+lora = +" in text


def test_random_weights_get_the_badge_and_no_verdict(monkeypatch, tmp_path):
    path = write_sequence_run(tmp_path, score, orders=ORDERS, strategies=STRATEGIES[:3])
    provenance = path / "provenance.json"
    made = json.loads(provenance.read_text())
    made["model"]["weights"] = "random"
    provenance.write_text(json.dumps(made))
    app = sequences(monkeypatch, tmp_path)
    assert "random weights: no scientific meaning" in text_of(app).replace("\\", "")
    assert "No verdict: " in text_of(app)
    assert not any(word in text_of(app) for word in ("supported]", "contradicted]", "unclear]"))


def test_metrics_race_matrices_and_choices_are_drawn(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "order-1", "order-2", "order-3")
    metrics, race, matrices, choices = charts(app)
    assert titles(metrics) == ["Average performance", "Backward transfer", "Forward transfer"]
    names = {trace["name"] for trace in race["data"] if trace.get("showlegend")}
    assert names == {"original", "random", "sapo", "sapo-once"}
    assert titles(matrices)[:2] == ["original+lora", "sapo+lora"]
    chosen = next(t for t in choices["data"] if t.get("name") == "chosen")
    assert chosen["y"] == [1.0, 1.0, 1.0]


def test_the_method_decides_whose_race_and_matrices_are_shown(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "order-1", "order-2", method="o-lora")
    _, race, matrices, _ = charts(app)
    assert {t["name"] for t in race["data"] if t.get("showlegend")} == {"original", "sapo"}
    assert titles(matrices)[:2] == ["original+o-lora", "sapo+o-lora"]


def test_one_order_names_its_tasks(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "order-1", "order-2", "order-3")
    by_place = charts(app)[2]
    assert by_place["layout"]["xaxis"]["ticktext"] == ["1", "2", "3"]
    app.selectbox(key="matrix-order").set_value("b > c > a").run()
    assert charts(app)[2]["layout"]["xaxis"]["ticktext"] == ["b", "c", "a"]


def frame(app):
    """(strategy, row, column from 0) of the cell with a frame."""
    matrices = charts(app)[2]["data"]
    mark = [t for t in matrices if t.get("name") is None and t["type"] == "scatter"]
    marks = [t for t in mark if "marker" in t and len(t["x"]) == 1]
    (own,) = [t for t in marks if t["marker"].get("opacity", 1)]
    panel = next(t for t in matrices if t.get("customdata") and t["xaxis"] == own["xaxis"])
    return panel["customdata"][0][0], own["y"][0], own["x"][0]


def test_a_cell_leads_to_its_prompts_losses_and_examples(monkeypatch, sequence_runs):
    names = ("order-1", "order-2", "order-3")
    app = sequences(monkeypatch, sequence_runs, *names, cell="sapo+lora|3|1")
    text = text_of(app)
    assert "sapo+lora, after stage 3, task 1: score" in text and "over 6 chains" in text
    assert frame(app) == ("sapo+lora", 3, 0)
    for task in "abc":
        assert f"**{task}-01** · {task} · 2 of 6 chains" in text
    assert any("<del" in h.proto.body and "<ins" in h.proto.body for h in app.get("html"))
    chains = frame_with(app, "since_learned")
    assert len(chains) == 6 and set(chains["pre_update_loss"]) == {1.0}
    assert np.allclose(chains["score_now"] - chains["score_learned"], chains["since_learned"])
    examples = frame_with(app, "right_then")
    assert set(examples["input"]) == {f"{task}? {i}" for task in "abc" for i in range(4)}
    assert app.button(key="clear-cell")


def test_until_a_cell_is_chosen_the_task_learned_first_is_shown(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "order-1", method="o-lora")
    assert "sapo+o-lora, after stage 3, task 1: score" in text_of(app)
    assert "cell" not in app.query_params


def test_a_cell_is_chosen_without_a_pointer_and_let_go(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "order-1", **{"matrix-order": "a > b > c"})
    app.selectbox(key="cell-position").set_value(2).run()
    assert app.query_params["cell"] == "sapo+lora|3|2"
    app.selectbox(key="cell-strategy").set_value("random+lora").run()
    app.selectbox(key="cell-stage").set_value(1).run()
    assert app.query_params["cell"] == "random+lora|1|2"
    text = text_of(app)
    assert "random+lora, after stage 1, b: score" in text
    assert "had not been learned by then; it is at stage 2" in text
    app.button(key="clear-cell").click().run()
    assert "cell" not in app.query_params
    assert app.selectbox(key="cell-strategy").value == "sapo+lora" and not app.exception


def test_a_strategy_that_went_less_far_shows_the_last_stage_that_it_has(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "broke", **{"matrix-order": "b > c > a"})
    app.selectbox(key="cell-strategy").set_value("random+lora").run()
    assert app.query_params["cell"] == "random+lora|1|1" and not app.exception
    assert "The link asks for" not in text_of(app)


@pytest.mark.parametrize(
    "cell",
    ["", "sapo+lora", "sapo+lora|9|1", "sapo+lora|1|0", "no such|1|1", "<b>|²|1", "a|-1|1|1"],
)
def test_a_cell_that_is_not_there_is_said_and_another_shown(monkeypatch, sequence_runs, cell):
    app = sequences(monkeypatch, sequence_runs, "order-1", cell=cell)
    text = text_of(app)
    assert f"cell={cell}" in text.partition("The link asks for")[2]
    assert "sapo+lora, after stage 3, task 1: score" in text


def test_runs_that_kept_no_outputs_say_how_to_keep_some(monkeypatch, sequence_runs):
    text = text_of(sequences(monkeypatch, sequence_runs, "lone"))
    assert "evaluation.n_predictions_kept is 0" in text


def test_a_chain_without_losses_of_its_own_still_lists_what_it_took(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "order-1")
    app.selectbox(key="chain-strategy").set_value("random+lora").run()
    table = frame_with(app, "regret")
    assert list(table["prompt_id"]) == ["a-02", "b-02", "c-02"]
    assert table["regret"].iloc[1:].isna().all()


@pytest.mark.parametrize(
    ("tab", "column"),
    [("Contrasts", "reference"), ("Tasks", "just_learned"), ("Cost of choosing", "share")],
)
def test_every_tab_has_its_table(monkeypatch, sequence_runs, tab, column):
    names = ("order-1", "order-2", "order-3")
    app = sequences(monkeypatch, sequence_runs, *names, tab=tab)
    assert len(frame_with(app, column)) > 0


@pytest.mark.parametrize("name", ["half", "none", "begun"])
def test_a_run_under_way_has_no_verdict_and_no_crash(monkeypatch, sequence_runs, name):
    for tab in ("Along a sequence", "Contrasts", "Tasks", "Cost of choosing"):
        app = sequences(monkeypatch, sequence_runs, name, tab=tab)
        text = text_of(app)
        assert "is not done" in text and "Better." not in text


def test_means_over_fewer_chains_than_planned_say_so(monkeypatch, sequence_runs):
    assert "went furthest" not in text_of(sequences(monkeypatch, sequence_runs, "order-1"))
    text = text_of(sequences(monkeypatch, sequence_runs, "broke"))
    assert "over the chains that went furthest, of 2 each: random+lora 1." in text


def test_a_single_strategy_says_what_the_contrast_needs(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "lone")
    assert "random+lora did not run." in text_of(app)


def test_runs_that_cannot_be_joined_say_why_instead_of_numbers(monkeypatch, sequence_runs):
    app = sequences(monkeypatch, sequence_runs, "order-1", "lone")
    assert "cannot be joined" in text_of(app) and not charts(app)


def test_explore_points_to_this_page_for_a_sequence_run(monkeypatch, sequence_runs, tmp_path):
    shutil.copytree(sequence_runs / "order-1-00000000", tmp_path / "order-1-00000000")
    write_run(tmp_path)
    app = opened(monkeypatch, tmp_path, run="order-1-00000000")
    assert "is a sequence run: see Sequences" in text_of(app)
    assert "order-1-00000000" not in app.multiselect(key="run").options


def test_a_damaged_sequence_run_is_shown_here_and_not_on_explore(
    monkeypatch, sequence_runs, tmp_path
):
    for name in ("order-1-00000000", "lone-00000000", "none-00000000"):
        shutil.copytree(sequence_runs / name, tmp_path / name)
    write_run(tmp_path)
    (tmp_path / "lone-00000000" / "status.json").write_text("{")
    (tmp_path / "none-00000000" / "spec.json").write_text("{")
    app = sequences(monkeypatch, tmp_path, "lone", "order-1")
    said = text_of(app)
    assert "Run lone-00000000: status.json is unreadable" in said and len(charts(app)) == 4
    here = app.multiselect(key="runs").options
    explore = opened(monkeypatch, tmp_path).multiselect(key="run").options
    assert "lone-00000000" in here and "lone-00000000" not in explore
    # Of a spec that cannot be read nobody knows the kind.
    assert "none-00000000" in here and "none-00000000" in explore


def test_damaged_runs_alone_say_what_is_wrong(monkeypatch, sequence_runs, tmp_path):
    shutil.copytree(sequence_runs / "lone-00000000", tmp_path / "lone-00000000")
    (tmp_path / "lone-00000000" / "status.json").write_text("[]")
    said = text_of(sequences(monkeypatch, tmp_path))
    assert "No sequence runs yet." in said and "status.json is unreadable" in said


def test_a_link_restores_the_view(monkeypatch, sequence_runs):
    chosen = {"method": "o-lora", "matrix-order": "b > c > a", "matrices-o-lora": "sapo+o-lora"}
    along = {"chain-strategy": "random+lora", "chain-order": "b > c > a", "chain-seed": "1"}
    app = sequences(monkeypatch, sequence_runs, "order-1", "order-2", **chosen, **along)
    assert app.multiselect(key="matrices-o-lora").value == ["sapo+o-lora"]
    assert app.selectbox(key="matrix-order").value == "b > c > a"
    assert [app.selectbox(key=key).value for key in along] == ["random+lora", "b > c > a", 1]
    assert frame_with(app, "regret")["prompt_id"].str.endswith("02").all()
    assert "The link asks for" not in text_of(app)


def test_what_a_link_asks_for_in_vain_is_said(monkeypatch, sequence_runs):
    asked = {"kind": "no such", "method": "<b>", "tab": "Nowhere", "chain-seed": "77"}
    said = text_of(sequences(monkeypatch, sequence_runs, "order-1", **asked))
    left_out = said.partition("The link asks for")[2]
    assert all(f"{name}={value}" in left_out for name, value in asked.items())


def test_a_link_to_a_run_of_another_kind_leads_to_its_page(monkeypatch, sequence_runs, tmp_path):
    shutil.copytree(sequence_runs / "order-1-00000000", tmp_path / "order-1-00000000")
    other = write_run(tmp_path)
    app = opened(monkeypatch, tmp_path, runs=other.name)
    app.switch_page(PAGE).run()
    app.query_params["runs"] = other.name
    app.run()
    assert "is no sequence run: see Explore" in text_of(app) and not app.exception


def test_new_stages_wait_behind_a_button(monkeypatch, tmp_path):
    shared = {"name": "growing", "losses": LOSSES}
    half = write_sequence_run(tmp_path / "now", score, stages=1, state="interrupted", **shared)
    whole = write_sequence_run(tmp_path / "later", score, **shared)
    app = sequences(monkeypatch, half.parent, "growing")
    assert "new-points" not in {b.key for b in app.button}
    shutil.rmtree(half)
    shutil.copytree(whole, half)
    app.selectbox(key="chain-strategy").set_value("original+lora").run()
    assert set(frame_with(app, "regret")["stage"]) == {1}
    app.button(key="new-points").click().run()
    assert not app.exception and set(frame_with(app, "regret")["stage"]) == {1, 2, 3}

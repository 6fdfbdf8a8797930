"""The Methods compared page and the Diagnostics tab: every state, on made-up runs."""

import html
import json
import re
import shutil

import pandas as pd
import pytest

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.analysis.methods_compared import (
    MARK,
    comparison,
    format_rise,
    method_table,
    paired_difference,
    said_of_methods,
    trade_off,
)
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import compared
from sapo_analysis.app.components.compared_methods import _size
from sapo_analysis.app.components.html_table import Head, html_table
from sapo_analysis.app.data import version
from sapo_analysis.app.launching.methods import GROUPS
from sapo_analysis.methods import find_method, known_methods
from sapo_analysis.methods.facts import EFFICIENT
from sapo_analysis.spec import METHODS
from sapo_analysis.store import open_run
from tests.app.opening import opened
from tests.app.test_explore import charts, frame_with, html_of, text_of
from tests.app.test_hostile_text import EVIL, check
from tests.methods_runs import write_lora, write_promot, write_sequence
from tests.synthetic import study_of, write_run
from tests.watched import rewrite

pytestmark = pytest.mark.filterwarnings("default")
PAGE, AGAINST = "views/methods_compared.py", "Against plain LoRA"
SMALL = {"n_tasks": 4, "n_prompts": 2, "seeds": (0,)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("methods")


@pytest.fixture(scope="module")
def pair(folder):
    return [write_lora(folder, **SMALL), write_promot(folder, **SMALL)]


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    few = {"orders": [["a", "b"]], "strategies": ["original", "sapo+promot"], "seeds": [0]}
    return write_sequence(tmp_path_factory.mktemp("chains"), **few)


def shown(monkeypatch, *paths, answer="Methods", **query):
    """The page with these runs, copied into one folder where they are not in one."""
    ids = [path.name for path in paths]
    return opened(monkeypatch, paths[0].parent, PAGE, compared=ids, answer=answer, **query)


def test_what_is_written_about_several_runs_is_shown_once(monkeypatch, pair, tmp_path):
    paths = [shutil.copytree(path, tmp_path / path.name) for path in pair]
    for path in paths:
        (path / "about.md").write_text("Open them together", encoding="utf-8")
    app = shown(monkeypatch, *paths, answer="As published")
    assert [note.value for note in app.info].count("Open them together") == 1


def test_without_a_run_the_methods_and_what_was_published_are_there(monkeypatch, tmp_path):
    app = opened(monkeypatch, tmp_path, PAGE)
    for method in METHODS:
        assert f"<strong>{METHOD_WORDS[method]}</strong>" in html_of(app)
    assert html_of(app).count("not studied here") == len(METHODS) - 1  # LoRA is the reference
    assert "In order;" not in text_of(app)  # a bare text in a view would be shown
    app.session_state["answer"] = "As published"
    app.run()
    for average in ("17.52", "15.43", "20.10", "22.26"):
        assert average in html_of(app)
    assert MARK.capitalize() in text_of(app) and "Wang et al., ICLR 2024" in text_of(app)
    app.session_state["answer"] = "Scores"
    app.run()
    assert "No runs yet." in text_of(app) and not app.exception


def test_a_study_of_several_methods_is_opened_first(monkeypatch, folder, pair):
    app = opened(monkeypatch, folder, PAGE)
    assert app.multiselect(key="compared").value == [path.name for path in pair]
    assert "pocket: LoRA · ProMoT" in text_of(app)


def test_what_shipped_studies_said_is_a_chip_with_its_sentence(monkeypatch, folder, pair):
    monkeypatch.setattr("sapo_analysis.store.is_shipped", lambda path: True)
    page = html_of(shown(monkeypatch, *pair))
    said = said_of_methods([open_run(path) for path in pair]).set_index("outcome")
    better = said.loc["tuned_score"]
    assert better["verdict"] in page and better["sentence"].replace("'", "&#x27;") in page
    assert page.count("not studied here") == len(METHODS) - 2


def test_methods_are_filtered_by_the_link_and_families_without_a_run_are_folded(monkeypatch, pair):
    app = shown(monkeypatch, *pair)
    costs = html_of(app)
    # A made-up trial's last loss is that of step 50: one step more, and 1 s whatever its method.
    assert "51 steps" in costs and "1.0 × LoRA&#x27;s time" in costs
    folded = {family for family, own in GROUPS.items() if not {"lora", "promot"} & set(own)}
    assert {one.label.partition(":")[0] for one in app.expander} == folded
    assert f"{len(METHODS)} methods, 2 of them in the runs that are here." in text_of(app)
    assert '<a href="https://doi.org/10.18653/v1/2023.findings-emnlp.715"' in costs
    caveats = [m.facts.caveat for m in known_methods().values() if m.facts.caveat]
    assert caveats and all(html.escape(one[1:]) in costs for one in caveats)  # or on hovering
    assert ">reconstruction</span>" in costs and ">experimental</span>" in costs
    app = shown(monkeypatch, *pair, family=EFFICIENT, changes="Prompt")
    names = re.findall("<strong>(.*?)</strong>", html_of(app))
    assert names == ["P-tuning", "prefix tuning", "prompt tuning"] and not app.expander


def test_trained_values_stand_with_their_model_where_a_run_counted_them():
    facts = find_method("prompt-tuning").facts
    costs = pd.DataFrame({"trained_values": [float("nan"), 2560.0], "model": ["a", "pocket-1"]})
    assert _size(facts, costs) == "m · d: 2,560 on pocket-1"
    assert _size(facts, costs.iloc[:1]) == _size(facts, pd.DataFrame()) == "m · d"


def test_everything_stands_against_plain_lora(monkeypatch, pair, chains):
    app = shown(monkeypatch, *pair, answer=AGAINST, measured="tuned score ↑")
    found = comparison([open_run(path) for path in pair]).query("outcome == 'tuned_score'")
    rows = frame_with(app, "strategy").set_index("strategy")
    assert list(rows.index)[0] == "original, LoRA" and len(rows) == len(found)
    assert rows.loc["original, LoRA", "verdict"] == "the reference"
    for row in found.to_dict("records"):
        mine = rows.loc[row["words"]]
        assert mine["to_plain"] == pytest.approx(row["difference"], nan_ok=True)
        assert row["is_reference"] or mine["verdict"].endswith(row["verdict"])
    assert "seed_sd" not in rows  # of one seed
    assert list(rows["to_plain"].dropna()) == sorted(rows["to_plain"].dropna(), reverse=True)
    said = text_of(app).replace("\\", "")
    assert "1 study on pocket, never pooled" in said and "by chance alone" in said
    app.session_state["verdicts"] = "holm"
    app.session_state["policies"] = ["sapo"]
    app.run()
    rows = frame_with(app, "strategy").set_index("strategy")
    assert list(rows.index) == ["original, LoRA", *rows.index[1:]] and len(rows) == 3
    holm = found.set_index("words").loc["sapo, ProMoT"]
    assert rows.loc["sapo, ProMoT", "p_corrected"] == pytest.approx(holm["p_holm"], nan_ok=True)
    assert rows.loc["sapo, ProMoT", "verdict"].endswith(holm["verdict_holm"])


def test_studies_beside_each_other_are_told_apart(monkeypatch, tmp_path, pair):
    paths = [shutil.copytree(path, tmp_path / path.name) for path in pair]
    control = write_lora(tmp_path, **{**SMALL, "n_tasks": 1}, weights="random")
    app = shown(monkeypatch, *paths, control, answer=AGAINST, studies="the chosen runs")
    frame = frame_with(app, "strategy")
    assert set(frame["study"]) == {f"{pair[0].name} +1", control.name}
    assert frame.loc[frame["study"] == control.name, "verdict"].isin(["the reference", None]).all()
    assert "random weights: it is a control and gets no verdict" in text_of(app)
    app = shown(monkeypatch, control, answer=AGAINST, changes="Prompt", policies="<b>")
    assert "No row is left" in text_of(app) and "policies=<b>" in text_of(app)


def test_scores_are_those_of_the_analysis(monkeypatch, pair):
    app = shown(monkeypatch, *pair, answer="Scores")
    table = method_table([open_run(path) for path in pair])
    own = table.query("name == 'promot' and tuned_task == '' and n_shots == 0").iloc[0]
    assert f"{own['normalized_average_others']:.1f}" in html_of(app)
    assert signed(own["normalized_average_others_to_base"], 1) in html_of(app)
    assert "n = 4 tuned tasks × 2 prompts × 1 seed" in text_of(app)
    assert list(frame_with(app, "past-0")["name"]) == ["base model", "LoRA", "ProMoT"]
    app.session_state["by-task"] = "to_base"
    app.session_state["tuned"] = "current-1"
    app.run()
    assert not app.exception and "when current-1 was tuned" in text_of(app)
    assert list(frame_with(app, "past-0")["name"]) == ["LoRA", "ProMoT"]


def test_differences_have_interval_and_verdict(monkeypatch, pair):
    app = shown(monkeypatch, *pair, answer="Differences")
    row = paired_difference([open_run(path) for path in pair], "lora").iloc[0]
    page = html_of(app)
    assert "ProMoT took 100 optimizer steps" in text_of(app)
    assert "No ±: the same in every tuned task." in text_of(app)
    assert row["outcome"] == "tuned_score" and signed(row["value"], 1) in page
    assert f"{signed(row['lower'], 1)} to {signed(row['upper'], 1)}" in page
    assert f" {row['verdict']}</span>" in page
    app.selectbox(key="against").set_value("promot").run()
    assert signed(-row["value"], 1) in html_of(app) and "Method − ProMoT" in text_of(app)


def test_the_trade_off_and_the_curves_are_drawn(monkeypatch, pair):
    app = shown(monkeypatch, *pair, answer="Trade-off")
    drawn = json.dumps(charts(app)[0]["data"])
    points = trade_off([open_run(path) for path in pair])
    for value in points.query("kind == 'end'")["tuned"]:
        assert str(round(value, 6))[:6] in drawn
    assert "ProMoT took 100 optimizer steps" in text_of(app)
    app = shown(monkeypatch, *pair, answer="Along the fine-tune")
    assert len(charts(app)) == 2 and "dashed grey floor" in text_of(app)
    rises = format_rise([open_run(path) for path in pair])
    assert list(rises["verdict"]) == ["unclear"] * 2  # all fine-tunes rise alike: no interval
    for row in rises.to_dict("records"):
        assert f"{row['before']:.2f} → {row['after']:.2f}" in html_of(app)
    assert html_of(app).count(" unclear</span>") == 2


def test_outputs_stand_beside_each_other(monkeypatch, pair):
    app = shown(monkeypatch, *pair, answer="Outputs")
    outputs = compared.outputs(_keys(pair), "current-0")
    task = app.selectbox(key="outputs-on").value
    example = int(app.selectbox(key="outputs-at").value)
    own = outputs[(outputs["eval_task"] == task) & (outputs["example"] == example)]
    assert [code.value for code in app.code][1:] == [  # the first is the link to this view
        *(own["input"].iloc[0], own["gold"].iloc[0]),
        *own["output"],
    ]
    names = [m.value for m in app.markdown if m.value.startswith("**")]
    assert names[-3:] == ["**base model**", "**LoRA**", "**ProMoT**"]


def test_without_kept_outputs_there_is_nothing_to_pick(monkeypatch, tmp_path):
    study = study_of(n_tasks=2, n_prompts=1, evaluation={"n_predictions_kept": 0})
    bare = write_run(tmp_path, study=study)
    app = shown(monkeypatch, bare, answer="Outputs")
    assert "kept no outputs" in text_of(app) and not app.selectbox


def _keys(paths):
    return tuple((str(path), version(open_run(path))) for path in paths)


def test_runs_that_differ_otherwise_are_told_apart_in_words(monkeypatch, tmp_path, pair):
    paths = [shutil.copytree(path, tmp_path / path.name) for path in pair]
    other = write_lora(tmp_path, **{**SMALL, "n_tasks": 1}, lora={"r": 4})
    app = shown(monkeypatch, paths[1], other, answer="Scores")
    assert "they differ in lora.r: 8 and 4" in text_of(app)
    assert "Nothing is pooled." in text_of(app) and not html_of(app)


def test_random_weights_and_unfinished_runs_get_no_verdict(monkeypatch, tmp_path, pair):
    promot = shutil.copytree(pair[1], tmp_path / pair[1].name)
    control = write_lora(tmp_path, **{**SMALL, "n_tasks": 1}, weights="random")
    app = shown(monkeypatch, control, promot, answer="Differences")
    assert "random weights: no scientific meaning" in text_of(app).replace("\\", "")
    assert "No verdict: Run" in text_of(app) and "999px" not in html_of(app)
    few = {**SMALL, "n_tasks": 2, "diagnostics": {"every": 25}}
    partial = write_run(tmp_path, **few, name="partial", finish=False)
    app = shown(monkeypatch, partial, answer="Along the fine-tune")
    assert "no verdict until done" in text_of(app) and len(charts(app)) == 2


def test_one_method_alone_and_a_damaged_run(monkeypatch, tmp_path, pair):
    path = shutil.copytree(pair[0], tmp_path / pair[0].name)
    app = shown(monkeypatch, path, answer="Differences")
    assert "One method alone" in text_of(app)
    (path / "tables" / "scores" / "all.parquet").write_bytes(b"PAR1")
    broken = path.rename(tmp_path / "broken")
    app = shown(monkeypatch, broken, answer="Scores")
    assert "table scores" in text_of(app) and "Other runs are unaffected" in text_of(app)


def test_what_a_link_asks_for_in_vain_is_said(monkeypatch, pair):
    app = shown(monkeypatch, *pair, answer="Scores", shots="7-shot", tuned="<b>")
    said = text_of(app).partition("The link asks for")[2]
    assert "shots=7-shot" in said and "tuned=<b>" in said


def test_strategies_of_sequences_and_their_diagnostics(monkeypatch, chains):
    app = shown(monkeypatch, chains, answer="Scores")
    assert not app.exception and "the same in every" not in text_of(app)  # one order, one seed
    app = shown(monkeypatch, chains, answer="Differences")
    assert app.selectbox(key="against").value == "original+lora"
    assert "sapo, ProMoT" in html_of(app) and "AP ↑" in html_of(app)
    app = opened(
        monkeypatch, chains.parent, "views/sequences.py", runs=chains.name, tab="Diagnostics"
    )
    assert "Format specialization" in text_of(app) and "took no gradients" in text_of(app)
    assert set(frame_with(app, "n_shots")["n_shots"]) == {0, 1}


def test_explore_has_a_tab_where_a_run_has_diagnostics(monkeypatch, folder, pair):
    app = opened(monkeypatch, folder, run=pair[1].name, tab="Diagnostics")
    assert "Gradient alignment" in text_of(app) and "Not measured" not in text_of(app)
    assert set(frame_with(app, "n_shots")["name"]) == {"base model", "ProMoT"}
    n = len(charts(app))
    app.session_state["lines"] = "task"
    app.run()
    assert not app.exception and len(charts(app)) == n
    assert "current-3" in json.dumps(charts(app)[-1])


def test_demonstrations_alone_say_which_setting_looks_along_fine_tunes(monkeypatch, tmp_path):
    without = {"n_tasks": 1, "n_prompts": 2, "diagnostics": {"every": 0}}
    path, bare = write_lora(tmp_path, **without), write_lora(tmp_path, **without, n_shots=(0,))
    app = opened(monkeypatch, tmp_path, run=bare.name, tab="Diagnostics")
    assert "tab=Diagnostics" in text_of(app)  # the link asks for what this run does not have
    app = opened(monkeypatch, tmp_path, run=path.name, tab="Diagnostics")
    assert "`diagnostics.every` above 0" in text_of(app)
    assert set(frame_with(app, "n_shots")["n_shots"]) == {0, 1}
    app = shown(monkeypatch, path, answer="Along the fine-tune")
    assert any("`diagnostics.every` above 0" in one.value for one in app.info)


@pytest.mark.parametrize("answer", ["Scores", "Differences", "Outputs", "Along the fine-tune"])
def test_hostile_texts_are_shown_and_not_obeyed(monkeypatch, hostile, answer):
    app = shown(monkeypatch, *hostile, answer=answer)
    assert "LoRA · ProMoT" in text_of(app) and not app.info
    check(app)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    made = {"n_tasks": 2, "n_prompts": 1, "seeds": (0,)}
    for path in (write_lora(folder, **made), write_promot(folder, **made)):
        rewrite(path, "examples", lambda t: t.assign(input=EVIL, target=EVIL))
        rewrite(path, "predictions", lambda t: t.assign(output=EVIL))
        path.rename(folder / f"{path.name} {EVIL.replace('/', '')}")
    return sorted(folder.iterdir())


def test_cells_of_html_tables_are_escaped_by_their_makers(monkeypatch):
    drawn = []
    monkeypatch.setattr("sapo_analysis.app.components.html_table.st.html", drawn.append)
    html_table([Head("<i>a", 'x" onclick="y', "5%")], ["<b>group", ["cell"]], "<u>label")
    assert not any(tag in drawn[0] for tag in ("<i>a", "<b>", "<u>", 'onclick="y"'))

"""The states of the page and what its controls change, without a browser."""

import json
import os
import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest

from sapo_analysis import analysis
from sapo_analysis.analysis import glossary
from sapo_analysis.store import open_run
from tests.app.conftest import MAIN
from tests.app.opening import opened
from tests.synthetic import STEPS, write_run
from tests.watched import Look, write_watched_run

CHIP = "border-radius:999px"
pytestmark = pytest.mark.filterwarnings("default")


def explored(monkeypatch, runs, name, **query):
    return opened(monkeypatch, runs[name].parent, run=runs[name].name, **query)


def text_of(app):
    parts = [*app.markdown, *app.caption, *app.warning, *app.error, *app.info, *app.subheader]
    plain = " ".join(part.value for part in parts).replace("\\", "")
    return plain + html_of(app)


def html_of(app):
    return " ".join(e.proto.body for e in app.get("html"))


def charts(app):
    return [json.loads(e.proto.spec) for e in app.get("plotly_chart")]


def frame_with(app, column):
    (found,) = [d.value for d in app.dataframe if column in d.value]
    return found


def test_no_runs_says_what_to_do_first(monkeypatch, tmp_path):
    app = opened(monkeypatch, tmp_path)
    assert "No runs yet." in text_of(app)
    assert app.code[0].value == "sapo run smoke"


def test_a_few_tasks_lead_with_these_tasks_and_a_hollow_chip(monkeypatch, runs):
    app = explored(monkeypatch, runs, "few")
    assert "95 % for these tasks" in text_of(app)
    chips = html_of(app)
    assert CHIP in chips
    assert chips.index("these tasks: supported") < chips.index("new tasks: too few")
    assert "1px dashed" in chips
    assert "3 tasks · 10 prompts · 1 seed" in text_of(app)


def test_enough_tasks_lead_with_new_tasks(monkeypatch, runs):
    app = explored(monkeypatch, runs, "many")
    assert "95 % for new tasks" in text_of(app)
    assert "too few" not in html_of(app)


def test_an_unfinished_run_has_numbers_but_no_verdict(monkeypatch, runs):
    app = explored(monkeypatch, runs, "partial")
    assert "Numbers will move; no verdict until done." in text_of(app)
    assert CHIP not in html_of(app)
    assert "Supported." not in text_of(app)
    symbols = [t["marker"]["symbol"] for t in charts(app)[0]["data"] if t.get("customdata")]
    assert symbols
    assert all(symbol.endswith("-open") for symbol in symbols)


def test_what_was_written_about_a_run_stands_above_its_numbers(monkeypatch, tmp_path):
    path = write_run(tmp_path, n_tasks=3, n_prompts=6, name="aside")
    assert not opened(monkeypatch, tmp_path).info
    (path / "about.md").write_text("Put *aside*.\n", encoding="utf-8")
    assert [info.value for info in opened(monkeypatch, tmp_path).info] == [r"Put \*aside\*\."]


def test_random_weights_get_a_badge_and_no_verdict(monkeypatch, runs):
    app = explored(monkeypatch, runs, "random")
    assert "random weights: no scientific meaning" in text_of(app).replace("\\", "")
    assert CHIP not in html_of(app)


@pytest.mark.parametrize(("name", "says"), [("damaged", "table scores"), ("no-spec", "spec.json")])
def test_a_damaged_run_says_what_is_wrong_and_spares_the_others(monkeypatch, runs, name, says):
    app = explored(monkeypatch, runs, name)
    assert says in text_of(app)
    assert "Other runs are unaffected" in text_of(app)
    app.multiselect(key="run").set_value([runs["many"].name]).run()
    assert "95 % for new tasks" in text_of(app)


def test_the_evidence_is_never_empty_and_follows_the_link(monkeypatch, runs):
    app = explored(monkeypatch, runs, "few")
    assert "Lowest- and highest-loss prompt of current-0" in text_of(app)
    chosen = explored(monkeypatch, runs, "few", point="current-1|para-04")
    assert "**para-04** · current-1" in text_of(chosen)
    assert "Lowest- and highest-loss" not in text_of(chosen)


def test_the_raw_view_warns(monkeypatch, runs):
    app = explored(monkeypatch, runs, "many")
    assert "Mixes differences" not in text_of(app)
    app.session_state["view"] = "raw"
    app.run()
    assert "Mixes differences between tasks with differences between prompts." in text_of(app)


def test_the_outcome_changes_axis_and_sentence(monkeypatch, runs):
    app = explored(monkeypatch, runs, "many")
    assert "points lost, lower is better" in json.dumps(charts(app)[0]["layout"])
    app.session_state["outcome"] = "generalization"
    app.session_state["form"] = "loss"
    app.run()
    assert "nats per target token, higher is better" in json.dumps(charts(app)[0]["layout"])
    assert "generalize better" in text_of(app)


def test_every_widget_has_a_key_and_a_help(monkeypatch, runs):
    app = explored(monkeypatch, runs, "few")
    widgets = [
        *app.selectbox,
        *app.multiselect,
        *app.text_input,
        *app.button,
        *app.get("button_group"),
    ]
    assert len(widgets) >= 10
    for widget in widgets:
        assert widget.key, widget
        assert widget.help, widget.key


@pytest.mark.parametrize("tab", ["Findings", "Prompts"])
def test_a_number_that_does_not_exist_is_a_dash_in_every_table(monkeypatch, runs, tab):
    tables = explored(monkeypatch, runs, "many", tab=tab).dataframe
    assert len(tables) >= 1
    assert {table.proto.placeholder for table in tables} == {"–"}


def test_rounding_stands_beside_the_noise_floor(monkeypatch, runs):
    run = open_run(runs["few"])
    df, differences = analysis.impacts(run), analysis.repeat_differences(run)
    rounding = analysis.numerical_noise(df, differences, "forgetting", "past")
    assert rounding.n == 6
    app = explored(monkeypatch, runs, "few", tab="Can I trust it?")
    sigma = analysis.noise_band(df, "forgetting", "past").pooled.sigma
    words = f"rounding alone: {rounding.in_words()}"
    assert f"One trial: noise floor σ {sigma:.2g} · {words}" in text_of(app)
    assert f"R{words[1:]}." in text_of(app)
    assert "3 tasks · 10 prompts · 1 seed" in text_of(app)


def test_findings_show_every_claim_and_each_task(monkeypatch, runs):
    app = explored(monkeypatch, runs, "many", form="loss", tab="Findings")
    claims, tasks = frame_with(app, "claim"), frame_with(app, "holds")
    df = analysis.impacts(open_run(runs["many"]))
    verdicts = analysis.claims(df, n_permutations=0)
    assert len(claims) == len(verdicts) / 2
    new = [v for v in verdicts if v.scope == "new_tasks"]
    by_key = {(v.claim[6], v.form): v for v in new if v.claim in ("claim_1", "claim_2")}
    for row in claims.to_dict("records"):
        if (row["claim"][0], row["form"]) in by_key:
            mine = by_key[row["claim"][0], row["form"]]
            assert row["new_verdict"].endswith(mine.verdict)
            assert row["estimate"] == analysis.wording.signed(mine.estimate.value)
    assert (claims["noise_floor"] == "–").all()  # this run has no noise trials and one seed
    found = analysis.task_correlations(df, y="forgetting_loss", role="past", n_permutations=0)
    assert list(tasks["current_task"]) == [e.task for e in found]
    assert tasks["r_interval"][0].startswith(analysis.wording.signed(found[0].value))
    fails = [e.task for e in found if e.value < 0]
    assert f"the predicted sign on {5 - len(fails)} of 5 tasks" in text_of(app)
    rivals = frame_with(app, "given")
    mine = analysis.rivals(df, "forgetting_loss", "past")
    assert list(rivals["r"]) == [analysis.wording.signed(r) for r in mine["r"]]
    assert rivals["indicator"][0] == "pre-update loss" and rivals["given"][0] == ""
    hints = frame_with(app, "where_holds")
    table = analysis.tasks_table(df, "forgetting_loss", "past", predicted=1)
    expected = analysis.distinguishing(table, predicted=1)
    assert list(hints["where_fails"]) == pytest.approx(list(expected["where_fails"]), nan_ok=True)


def test_findings_of_a_run_with_checkpoints_compare_prompts_that_learned_equally_much(
    monkeypatch, tmp_path
):
    def look(i, seed, step):
        done = step / STEPS
        return Look(2 - done - 0.1 * i * done, (1 + i) * done, done)

    path = write_watched_run(tmp_path, look, n_prompts=4, n_tasks=3)
    app = opened(monkeypatch, tmp_path, run=path.name, tab="Findings")
    table = frame_with(app, "compared_at")
    mine = analysis.matched_comparison(open_run(path), "forgetting", "past", n_permutations=0)
    found = [*mine.equal_steps.values(), mine.equal_loss]
    assert list(table["r"]) == [analysis.wording.signed(e.value) for e in found]
    assert list(table["compared_at"]) == [
        "step 10",
        "step 20",
        "step 50, the end",
        "equal dev loss",
    ]
    taken = mine.table["steps_taken_at_equal_loss"]
    assert table["steps"].iloc[-1] == f"{taken.mean():.3g} ({taken.min():.3g} to 50)"
    assert mine.note in text_of(app)


def test_findings_of_a_run_without_verdicts_say_why(monkeypatch, runs):
    app = explored(monkeypatch, runs, "random", tab="Findings")
    assert "random weights: no scientific meaning" in text_of(app).replace("\\", "")
    assert "new_verdict" not in frame_with(app, "claim")
    app = explored(monkeypatch, runs, "few", tab="Findings")
    floors = frame_with(app, "claim")["noise_floor"]
    band = analysis.noise_band(analysis.impacts(open_run(runs["few"])), "forgetting", "past")
    assert f"{band.pooled.sigma:.2g}, at most" in " ".join(floors)


def test_the_card_of_claim_2_says_in_short_why_it_is_unclear(monkeypatch, tmp_path):
    path = write_run(tmp_path, n_tasks=5, n_prompts=10)
    app = opened(monkeypatch, tmp_path, run=path.name)
    said = [caption.value for caption in app.caption]
    assert sum("Noise that the tasks of one trial share" in text for text in said) == 1
    assert not any("cannot be told" in text for text in said)
    # A chip says the whole of it where it is pointed at.
    assert "cannot be told without two seeds" in text_of(app)


def test_claim_2_stands_beside_what_the_seed_alone_would_make_of_it(monkeypatch, tmp_path):
    path = write_run(tmp_path, n_tasks=2, n_prompts=5, seeds=[0, 1])
    app = opened(monkeypatch, tmp_path, run=path.name, tab="Findings")
    claims = frame_with(app, "claim")
    floors = claims[claims["claim"].str.startswith("2")].set_index("form")["noise_floor"]
    df = analysis.impacts(open_run(path))
    for form in ("score", "loss"):
        alone = analysis.cross_task_structure(df, form, n_permutations=0).seed_alone
        assert floors[form] == f"{analysis.wording.signed(alone)} from the seed alone"


def test_findings_of_a_run_that_is_not_done_say_so_and_show_what_there_is(monkeypatch, runs):
    app = explored(monkeypatch, runs, "partial", tab="Findings")
    assert "until it is done" in text_of(app)
    assert not frame_with(app, "holds")["current_task"].duplicated().any()
    assert frame_with(app, "given")["indicator"][0] == "pre-update loss"
    assert not [d for d in app.dataframe if "compared_at" in d.value]  # it has no checkpoints


def test_findings_of_the_in_task_outcome_name_the_others(monkeypatch, runs):
    app = explored(monkeypatch, runs, "many", outcome="In-task", tab="Findings")
    assert "Choose forgetting or generalization" in text_of(app)
    assert not [d for d in app.dataframe if "holds" in d.value]


def test_without_repeats_rounding_is_not_measured(monkeypatch, runs):
    app = explored(monkeypatch, runs, "many", tab="Can I trust it?")
    assert "Rounding alone: not measured." in text_of(app)


def test_trust_has_at_most_eight_rows(monkeypatch, runs):
    app = explored(monkeypatch, runs, "few", tab="Can I trust it?")
    rows = [m.value for m in app.markdown if "badge[" in m.value and "OK" in m.value]
    looks = [m.value for m in app.markdown if "badge[" in m.value and "look" in m.value]
    assert looks
    assert 1 < len(rows) + len(looks) <= 8
    assert "new tasks need at least 4" in text_of(app)


def test_prompt_text_is_shown_not_obeyed():
    from sapo_analysis.app.components.text import md

    app = AppTest.from_function(_hostile)
    app.run()
    body = app.get("html")[0].proto.body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert "<script>" not in body
    assert md("**a** [b](c) <i> :red[x] $y$") == (r"\*\*a\*\* \[b\]\(c\) \<i\> \:red\[x\] \$y\$")


def _hostile():
    from sapo_analysis.analysis import word_diff
    from sapo_analysis.app.components.text import diff

    diff(word_diff("Say yes", "Say <script>alert(1)</script>"))


def test_the_method_page_defines_every_quantity(monkeypatch, runs):
    app = opened(monkeypatch, runs["few"].parent)
    app.switch_page("views/method.py").run()
    assert not app.exception
    shown = app.table[0].value["quantity"].tolist()
    assert shown == ["forgetting", "generalization", "learning", "impact"]
    assert "**Rounding alone**" in text_of(app)
    assert app.dataframe[0].value["column"].tolist() == list(glossary.TERMS)


def test_the_glossary_is_searched_by_every_word(monkeypatch, runs):
    app = opened(monkeypatch, runs["few"].parent)
    app.switch_page("views/method.py").run()
    app.text_input(key="find").input("Loss GRADIENT past").run()
    assert app.dataframe[0].value["column"].tolist() == ["gradient_alignment_past"]
    assert f"1 of {len(glossary.TERMS)} terms" in text_of(app)
    app.text_input(key="find").input("no such words").run()
    assert "No term holds" in text_of(app) and not app.dataframe


def test_the_app_never_imports_torch(runs):
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(MAIN)!r}, default_timeout=120).run()\n"
        "assert not app.exception and app.get('plotly_chart')\n"
        "engine = {'torch', 'transformers', 'peft', 'accelerate', 'datasets'}\n"
        "print(sorted(engine & set(sys.modules)))"
    )
    env = {**os.environ, "SAPO_RUNS": str(_only(runs["few"]))}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"


def _only(run):
    """A runs folder that holds this run alone."""
    folder = run.parent.parent / "only"
    folder.mkdir(exist_ok=True)
    link = folder / run.name
    if not link.exists():
        link.symlink_to(run)
    return folder


@pytest.mark.parametrize("sent", [["task", "p-1"], {"0": "task", "1": "p-1"}])
def test_a_selected_point_is_named_however_the_browser_sends_it(sent):
    from sapo_analysis.app.components.charts import names

    assert names(sent) == ["task", "p-1"]


def test_a_copied_link_names_the_run_that_is_shown(monkeypatch, tmp_path):
    path = write_run(tmp_path, n_tasks=3, n_prompts=6, name="alone")
    app = opened(monkeypatch, tmp_path)  # no link led here: the address names no run
    assert [code.value for code in app.code if f"run={path.name}" in code.value]

"""What stands on the page is what the report of the same runs says."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.importing import import_results
from sapo_analysis.analysis.wording import RANDOM_WEIGHTS
from sapo_analysis.figures.theme import VERDICT_ICONS
from sapo_analysis.paper.figures import every_figure
from sapo_analysis.paper.html import LARGEST_BYTES, paraphrase, report, sequence, static_report
from sapo_analysis.paper.html.chips import with_minus
from sapo_analysis.paper.html.tables import of_spec
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.tables import every_table
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import create_run, open_run
from tests.paper.html.reading import Page
from tests.synthetic import study_of, write_run
from tests.synthetic_sequence import write_sequence_run
from tests.watched import rewrite

ROOT = Path(__file__).resolve().parents[3]
EVIL = """</script><script>alert(1)</script><img src=q onerror=alert(1)> "&amp;' <!-- {{ 7 * 7 }}"""


@pytest.fixture
def without_figures(monkeypatch):
    """Figures take most of the time, and say nothing of what the test is about."""
    monkeypatch.setattr(report, "every_figure", lambda numbers: [])


def test_headline_and_its_verdict_are_the_reports(study_page, study_report):
    (verdict,) = [
        v
        for v in study_report["verdicts"]
        if (v["claim"], v["form"], v["scope"]) == ("claim_3_forgetting_past", "score", "new_tasks")
    ]
    (headline,) = study_page.all("p", "headline")
    r = verdict["estimate"]["value"]
    word = verdict["verdict"]
    assert f"r = {r:+.2f}" in headline.text
    assert f"{verdict['estimate']['lower']:+.2f}".replace("-", "\N{MINUS SIGN}") in headline.text
    assert headline.text.startswith(f"{VERDICT_ICONS[word]} new tasks: {word}")
    assert headline.text.endswith(f"{word.capitalize()}.")


def test_every_verdict_stands_in_the_table_with_its_number_and_reason(study_page, study_numbers):
    verdicts = analysis.claims(study_numbers.df, n_permutations=0)
    head, *rows = study_page.rows("claims")
    assert head == ["claim", "form", "scope", "estimate", "95 %", "n", "verdict", "reason"]
    assert len(rows) == len(verdicts) == 5 * 2 * 2
    for row, v in zip(rows, verdicts, strict=True):
        e = v.estimate
        assert row[1:3] == [v.form, v.scope.replace("_", " ")]
        assert float(row[3].replace("\N{MINUS SIGN}", "-")) == pytest.approx(e.value, abs=0.005)
        ends = [float(end) for end in row[4].replace("\N{MINUS SIGN}", "-").split(" to ")]
        assert ends == pytest.approx([e.lower, e.upper], abs=0.005)
        assert row[5] == f"{e.n_tasks} × {e.n_prompts} × {e.n_seeds}"
        assert row[6] == f"{VERDICT_ICONS[v.verdict]} {v.verdict}"
        assert row[7] == v.reason.replace(" -", " \N{MINUS SIGN}")
    assert any(" -" in v.reason for v in verdicts) and not any(" -" in row[7] for row in rows)


def test_numbers_in_sentences_have_a_true_minus_and_names_keep_their_hyphens():
    said = with_minus("sst-2 of run-1: from -0.86 to -0.48 (-1.5), 2-3, pre-update, e-5.")
    minus = "\N{MINUS SIGN}"
    wanted = f"sst-2 of run-1: from {minus}0.86 to {minus}0.48 ({minus}1.5), 2-3, pre-update, e-5."
    assert said == wanted


def test_each_claim_has_its_sentence_warnings_and_chips(study_page, study_report):
    cards = study_page.all("article", "card")
    assert len(cards) == len(study_report["sentences"]) == 5
    for card, said in zip(cards, study_report["sentences"], strict=True):
        assert with_minus(said["sentence"]) in card.text
        for warning in said["warnings"]:
            assert with_minus(warning) in card.text
        for v in study_report["verdicts"]:
            if v["claim"] == said["claim"] and v["form"] == "score":
                assert f"{v['scope'].replace('_', ' ')}: {v['verdict']}" in card.text
    # What the runs as a whole are to be read with stands on top, as in the report.
    told = [one.text.removeprefix("⚠ ") for one in study_page.all("p", "warning")]
    assert set(study_report["warnings"]) <= set(told)


def test_warnings_of_the_report_are_told(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=2, n_prompts=4, diverged=("t-current-0-para-01-0",)))
    warnings = analysis.report(run, n_permutations=0)["warnings"]
    assert any("diverged" in warning for warning in warnings)
    numbers = numbers_of([run])
    assert numbers.warnings == warnings
    assert paraphrase.head(numbers).cautions == tuple(warnings)


def test_sequences_say_what_their_report_says(sequence_page, sequence_numbers):
    found = sequence_numbers.report
    (headline,) = sequence_page.all("p", "headline")
    assert found["primary"]["sentence"] in headline.text
    verdict = found["primary"]["verdict"]
    assert sequence_page.chips()[0].endswith(verdict)
    for warning in found["warnings"]:
        assert f"⚠ {warning}" in [one.text for one in sequence_page.all("p", "warning")]
    _, *rows = sequence_page.rows("prompts")
    times = {(row[0], row[1]): int(row[4]) for row in rows}
    for chosen in found["chosen"]:
        for prompt in chosen["prompts"]:
            assert times[chosen["task"], prompt] == sum(
                own["prompts"].get(prompt, 0)
                for own in found["chosen"]
                if own["task"] == chosen["task"]
            )


def test_a_prompt_that_several_strategies_chose_names_them_all(tmp_path):
    path = write_sequence_run(tmp_path, lambda *_: 1.0, chosen={"random": "01", "sapo": "01"})
    (row,) = [
        row for row in sequence.prompts(numbers_of([open_run(path)])).rows[:3] if row[4].order
    ]
    assert [cell.text for cell in row[1:]] == [
        *("a-01", "a 01", "novel", "2", "random+lora 1, sapo+lora 1"),
    ]


def test_app_and_page_ask_the_same_questions():
    asked = {
        node.value
        for name in ("explore", "sequences")
        for node in ast.walk(ast.parse((ROOT / "app/views" / f"{name}.py").read_text("utf-8")))
        if isinstance(node, ast.Constant)
    }
    own = (*paraphrase.QUESTIONS.values(), paraphrase.FORGETTING_QUESTION, sequence.QUESTION)
    assert set(own) <= asked


@pytest.mark.parametrize("kind", ["study", "sequence"])
def test_all_figures_and_tables_are_there(kind, request):
    page, numbers = (request.getfixturevalue(f"{kind}_{name}") for name in ("page", "numbers"))
    made = [one for one in every_figure(numbers) if one.spec is not None]
    drawn = page.figures()
    assert list(drawn) == [one.name for one in made]
    plots = page.all("div", "plot")
    assert [one.attributes["aria-label"] for one in plots] == [one.spec.alt for one in made]
    captions = [one.text for one in page.all("figcaption")]
    for one, caption in zip(made, captions, strict=True):
        assert one.spec.caption.shows[1:].strip(".") in caption and "Model pocket" in caption
    known = {one.attributes.get("id") for one in page.all("section", "table")}
    for one in every_table(numbers):
        assert f"table-{one.name}" in known


def test_tables_print_the_cells_of_the_paper(study_page, study_numbers):
    made = {one.name: one.spec for one in every_table(study_numbers)}
    table = made["correlations"]
    head, *rows = study_page.rows("correlations")
    assert len(rows) == len(table.rows) and len(head) == len(table.columns) + bool(table.blocks)
    markdown = table.to_markdown().splitlines()
    assert len(markdown) > len(rows)
    numbers = [cell for row in rows for cell in row if cell[:1] in "+\N{MINUS SIGN}" and cell]
    assert numbers
    for cell in numbers:
        assert cell.split(" ")[0] in table.to_markdown()
    # They are sorted by what is behind them, not by what is printed.
    estimates = [column.key for column in table.columns if column.kind == "estimate"]
    orders = of_spec(table, "made", "Made").rows
    for i, column in enumerate(table.columns, start=bool(table.blocks)):
        if column.key in estimates:
            assert [row[i].order for row in orders] == pytest.approx(list(table.rows[column.key]))
    assert estimates


@pytest.mark.parametrize("kind", ["study", "sequence"])
def test_the_page_is_whole_and_loads_nothing(kind, request):
    html = request.getfixturevalue(f"{kind}_html")
    page = request.getfixturevalue(f"{kind}_page")
    assert page.open_at_the_end == page.stray == []
    assert html.startswith("<!doctype html>") and page.all("html")[0].attributes["lang"] == "en"
    assert page.all("title")[0].text
    for one in page.elements:
        for name in ("src", "srcset", "action", "data", "poster"):
            assert name not in one.attributes, one
        href = one.attributes.get("href", "#")
        assert href.startswith("#") or href == "data:,", href
    style = "".join(page.all("style")[0].parts)
    assert "@import" not in style and "url(" not in style
    (policy,) = [
        one.attributes["content"]
        for one in page.all("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy and "http" not in policy
    assert html.count("plotly.js v") == 1
    assert len(html.encode()) < LARGEST_BYTES < 10_000_000


@pytest.mark.parametrize("kind", ["study", "sequence"])
def test_headings_ids_and_links_are_in_order(kind, request):
    page = request.getfixturevalue(f"{kind}_page")
    levels = [int(one.tag[1]) for one in page.elements if one.tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in page.all("a"):
        assert one.attributes["href"].removeprefix("#") in ids


def test_terms_provenance_commands_and_sources_are_told(study_page, study_numbers):
    (run,) = study_numbers.runs
    terms = [one.text for one in study_page.all("dt")]
    assert "pre-update loss" in terms and len(terms) == len(set(terms))
    texts = [one.text for one in study_page.all("pre")]
    assert texts[0] == f"sapo reproduce {run.run_id}"
    assert '"tables_sha256"' in texts[1] and str(run.path.parent) not in texts[1]
    assert "@" in texts[2] and "shi2026sapo" in texts[2]


def test_the_same_run_gives_the_same_bytes_in_another_process(study_run, study_html, tmp_path):
    code = (
        "import sys; from sapo_analysis.store import open_run;"
        "from sapo_analysis.paper.numbers import numbers_of;"
        "from sapo_analysis.paper.html import static_report;"
        "html = static_report(numbers_of([open_run(sys.argv[1])]));"
        "open(sys.argv[2], 'w', encoding='utf-8', newline='').write(html)"
    )
    out = tmp_path / "again.html"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland"}
    command = [sys.executable, "-c", code, str(study_run.path), str(out)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    assert out.read_bytes() == study_html.encode()


def test_texts_of_runs_are_shown_and_never_obeyed(tmp_path):
    path = write_run(tmp_path, n_tasks=2, n_prompts=5)
    rewrite(path, "prompts", lambda t: t.assign(text=t["text"] + EVIL))
    (path / "ABOUT.md").write_text(EVIL, encoding="utf-8")
    page = Page(static_report(numbers_of([open_run(path)])))
    assert page.open_at_the_end == page.stray == [] and not page.all("img")
    scripts = [one for one in page.all("script") if "type" not in one.attributes]
    assert len(scripts) == 2
    _, *rows = page.rows("prompts")
    assert len(rows) == 10
    assert all(" ".join(EVIL.split()) in " ".join(row) for row in rows)
    hovers = str(page.figures())
    assert "<img" not in hovers and "&lt;img src=q" in hovers


def test_names_of_tasks_are_shown_and_never_obeyed(study_numbers, tmp_path, without_figures):
    names = {task: f"{task} {EVIL}" for task in study_numbers.df["eval_task"].unique()}
    table = study_numbers.df.assign(
        current_task=study_numbers.df["current_task"].map(names),
        eval_task=study_numbers.df["eval_task"].map(names),
    )
    run = import_results(table, tmp_path, note=EVIL, model=EVIL)
    page = Page(static_report(numbers_of([open_run(run.path)])))
    assert page.open_at_the_end == page.stray == [] and not page.all("img")
    assert [one for one in page.all("li", "badge") if one.text == "no provenance"]
    assert any(" ".join(EVIL.split()) in one.text for one in page.all("p", "about"))
    assert not [one for one in page.all("pre") if "sapo reproduce" in one.text]


def test_nothing_measured_yet_is_said_in_words(tmp_path):
    study = study_of(n_tasks=2)
    assert isinstance(study, ParaphraseStudy)
    page = Page(static_report(numbers_of([open_run(create_run(tmp_path, study))])))
    (headline,) = page.all("p", "headline")
    assert headline.text.startswith("No trial of these runs has ended yet")
    assert not page.chips() and not page.figures() and page.stray == []
    assert "unfinished: 0 of" in " ".join(one.text for one in page.all("li", "badge"))


def test_a_sequence_without_a_stage_says_so(tmp_path):
    path = write_sequence_run(tmp_path, lambda *_: 1.0, stages=0, state="running")
    page = Page(static_report(numbers_of([open_run(path)])))
    assert page.all("p", "headline")[0].text == sequence.NOTHING_YET
    assert not page.chips() and not page.figures()


def test_unfinished_runs_and_controls_have_numbers_but_no_verdict(tmp_path, without_figures):
    part = open_run(write_run(tmp_path, n_tasks=3, n_prompts=5, finish=False))
    control = open_run(write_run(tmp_path, n_tasks=3, n_prompts=5, weights="random", name="c"))
    done = f"unfinished: {part.status.done} of {part.status.total} trials, no verdict"
    for run, badge in ((part, done), (control, RANDOM_WEIGHTS)):
        numbers = numbers_of([run])
        page = Page(static_report(numbers))
        assert not page.chips()
        assert "verdict" not in page.rows("claims")[0] and len(page.rows("claims")) > 10
        assert f"⚠ {numbers.silent}" in [one.text for one in page.all("p", "warning")]
        assert badge in [one.text for one in page.all("li", "badge")]


def test_two_tasks_and_two_prompts_make_a_modest_page(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=2))
    page = Page(static_report(numbers_of([run])))
    assert page.stray == [] and "Not enough prompts that differ." in page.by_id("claims").text
    assert [one for one in page.all("p", "note") if one.text.startswith("Not shown:")]


def test_runs_that_cannot_be_joined_stand_beside_each_other(tmp_path):
    runs = [
        open_run(write_run(tmp_path, n_tasks=2, n_prompts=5, name=name, fingerprint=name * 16))
        for name in ("a", "b")
    ]
    page = Page(static_report(numbers_of(runs)))
    assert page.all("p", "headline")[0].text == "2 runs beside each other, never pooled."
    assert page.figures() and not page.chips()

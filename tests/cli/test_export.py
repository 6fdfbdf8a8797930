"""`sapo export`: what it writes, lists, says and refuses."""

import json

import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from sapo_analysis.cli import app
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run

FOREST = ("--figure", "task_forest", "--outcome", "generalization")


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments):
    done = sapo(*arguments)
    assert done.exit_code == 2 and done.stdout == "", done.output
    assert done.stderr.startswith("Error: ") and "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs"), n_tasks=2, n_prompts=6, seeds=(0, 1))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_figures_go_into_a_folder_named_after_the_run(run, here):
    done = sapo("export", run.name, *FOREST, "--runs", run.parent)
    assert done.exit_code == 0, done.output
    names = ["captions.md", "captions.tex", "references.bib", "task_forest-generalization.pdf"]
    assert content(here) == [f"export/{run.name}/{name}" for name in names]
    assert all(name in done.stdout for name in names) and "new" in done.stdout
    assert done.stderr.startswith("task_forest-generalization (")
    again = sapo("export", run.name, *FOREST, "--runs", run.parent)
    assert again.stdout.count("unchanged") == 4 and "new" not in again.stdout


def test_json_is_one_document(run, here):
    done = sapo("export", run, *FOREST, "--out", "out", "--table", "claims", "--json")
    found = json.loads(done.stdout)
    assert (found["runs"], found["out"]) == ([run.name], "out")
    assert set(found) == {"runs", "out", "files", "skipped", "problems", "seconds"}
    assert {one["path"] for one in found["files"]} == {f"out/{n}" for n in content(here / "out")}
    assert all(one["bytes"] > 0 and one["state"] == "new" for one in found["files"])


def test_tex_points_are_those_that_latex_prints(run, here):
    done = sapo("export", run, *FOREST, "--width", "234.8775pt", "--out", "out")  # ICML's column
    assert done.exit_code == 0, done.output
    (page,) = PdfReader(here / "out" / "task_forest-generalization.pdf").pages
    assert float(page.mediabox.width) == pytest.approx(3.25 * 72, abs=0.01)


def test_the_list_says_what_there_is_and_which_options_it_obeys(run, here):
    done = sapo("export", run, "--list", "--json")
    assert done.exit_code == 0 and content(here) == []
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert found["impact_heatmap"]["files"] == ["impact_heatmap"]
    assert "form" in found["impact_heatmap"]["options"]
    assert {"view", "eval_task"} <= set(found["impact_scatter"]["options"])
    assert {one["what"] for one in found.values()} == {"figure", "table"}


def test_the_list_of_a_run_without_trials_has_reasons(here):
    from sapo_analysis.store import create_run
    from tests.synthetic import study_of

    path = create_run(here / "runs", study_of())
    found = {
        one["name"]: one for one in json.loads(sapo("export", path, "--list", "--json").stdout)
    }
    assert found["task_forest"]["files"] == []
    assert found["task_forest"]["why_not"].startswith("No trial of these runs has ended yet")
    lines = sapo("export", path).stdout.splitlines()
    (at,) = [i for i, line in enumerate(lines) if "No trial of these runs has" in line]
    assert lines[at].strip() == found["task_forest"]["why_not"]  # one reason is told once
    names = [line for line in lines[at + 1 :] if line.startswith("    ")]
    assert max(map(len, names)) <= 96
    assert {"task_forest", "claims"} <= {name.strip(",") for line in names for name in line.split()}


def test_a_sequence_run_has_figures_of_its_own(here):
    def score(strategy, order, seed, stage, position, prompt):
        return 40.0 + stage + len(strategy)

    path = write_sequence_run(here / "runs", score)
    done = sapo("export", path, "--list")
    (line,) = [line for line in done.stdout.splitlines() if " stage_matrix " in line]
    assert "--test-prompts" in line and "--form" not in line
    assert "impact_scatter" not in done.stdout
    message = refused("export", path, "--figure", "impact_scatter")
    assert "impact_scatter is a figure of paraphrase studies" in message
    assert "these runs are a sequence study. They have: " in message and "stage_matrix" in message


def test_runs_that_cannot_be_joined_are_told_why(run, here):
    other = write_run(here / "runs", n_tasks=2, n_prompts=6, fingerprint="e" * 16, name="other")
    done = sapo("export", run, other, "--list")
    assert "runs_forest" in done.stdout and "cannot be joined" in done.stdout
    assert "cannot be joined" in refused("export", run, other, "--figure", "task_forest")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--figure", "task_forrest"), "Did you mean 'task_forest'?"),
        (("--table", "claim"), "Did you mean 'claims'?"),
        (("--format", "eps"), "Unknown format 'eps'. Known: bundle, csv"),
        (("--venue", "nips"), "Unknown venue 'nips'. Did you mean 'neurips'?"),
        (("--width", "3.3"), "(in, cm, mm, pt). Write it as 3.3in"),
        (("--width", ""), "Write it as 3.3in"),
        (("--width", "0in"), "2 to 20 inches wide, not 0"),
        (("--out", ""), "The folder to write into has no name"),
        (("--font", "arial"), "Unknown font 'arial'. Known: sans, serif"),
        (("--without", "title"), "Unknown part of a figure 'title'"),
        (("--outcome", "forgetting"), "Did you mean"),
        (("--view", "panels", "--figure", "task_forest"), "view 'panels': nothing that was chosen"),
        (("--order", "a > b"), "order 'a > b': nothing that was chosen"),
        (("--format", "csv", "--venue", "acl"), "venue acl: no figure is drawn"),
    ],
)
def test_wrong_input_is_named_and_nothing_is_written(run, here, options, message):
    assert message in refused("export", run, *options)
    assert content(here) == []


def test_an_unknown_run_and_no_run_are_refused(here):
    assert "Unknown run 'nowhere'" in refused("export", "nowhere")
    assert sapo("export").exit_code == 2


def test_a_file_in_place_of_the_folder_is_refused(run, here):
    (here / "out").write_text("mine")
    assert "'out' is a file" in refused("export", run, *FOREST, "--out", "out")
    assert (here / "out").read_text() == "mine"


def test_captions_of_an_earlier_export_that_are_replaced_are_told(run, here):
    first = sapo("export", run, "--table", "claims", "--out", "out")
    again = sapo("export", run, "--table", "claims", "--out", "out")
    other = sapo("export", run, "--table", "settings", "--out", "out", "--json")
    assert "replaced" not in first.stderr + again.stderr
    assert "captions.md and captions.tex of an earlier export had other content" in other.stderr
    assert json.loads(other.stdout)["out"] == "out"


def test_a_damaged_run_is_refused(run, here):
    import shutil

    shutil.copytree(run, here / run.name)
    (here / run.name / "tables" / "scores" / "all.parquet").write_bytes(b"PAR1")
    assert run.name in refused("export", here / run.name, "--out", "out")
    assert not (here / "out").exists()

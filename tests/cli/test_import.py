"""`sapo import`: a file becomes a run, and the other commands know what it is."""

import json

import pytest
from typer.testing import CliRunner

from sapo_analysis import analysis
from sapo_analysis.cli import app
from sapo_analysis.cli.findings import show_details, show_findings
from sapo_analysis.store import open_run
from tests.released import write_base, write_outputs
from tests.synthetic import write_run


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    run = open_run(write_run(folder, n_tasks=2, n_prompts=5))
    path = folder / "from-afar.csv"
    analysis.impacts(run).to_csv(path)
    return path


@pytest.fixture(scope="module")
def imported(file, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    done = sapo("import", file, "--runs", runs, "--name", "Ours", "--model", "our [b]7B[/b]")
    assert done.exit_code == 0, done.output
    return open_run(done.stdout.strip())


def test_it_says_what_it_read_and_where_it_is(file, tmp_path):
    done = sapo("import", file, "--runs", tmp_path)
    assert "10 trials, 2 current tasks, 10 prompts" in done.stderr
    assert "Indicators beside pre-update loss:" in done.stderr and "prompt_length" in done.stderr
    assert done.stdout.strip().startswith(str(tmp_path / "from-afar-"))


def test_the_template_is_a_file_that_can_be_imported(tmp_path):
    printed = sapo("import", "--template")
    (tmp_path / "filled.csv").write_text(printed.stdout)
    assert sapo("import", tmp_path / "filled.csv", "--runs", tmp_path).exit_code == 0


def test_runs_and_report_know_it(imported, capsys):
    runs = imported.path.parent
    (row,) = [
        row
        for row in json.loads(sapo("runs", "--runs", runs, "--json").stdout)
        if row["run_id"] == imported.run_id
    ]
    assert (row["kind"], row["state"], row["model"]) == ("imported", "done", "our [b]7B[/b]")
    assert row["tasks"] == ["current-0", "current-1"]
    assert row["note"] == "no provenance: imported from from-afar.csv"
    assert "no provenance" in sapo("runs", "--runs", runs).stdout
    found = json.loads(sapo("report", imported.path, "--json").stdout)
    assert found["model"] == {"name": "our [b]7B[/b]"} and found["verdicts"]
    assert "is not checked" in sapo("report", imported.path, "--markdown").stdout
    show_findings(found)
    show_details(found)
    assert "is not checked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["resume", "{}"], "cannot be resumed: its results were imported from from-afar.csv"),
        (["resume", "{}", "--detach"], "cannot be resumed"),
        (["reproduce", "{}"], "cannot be reproduced"),
        (["run", "smoke", "--reuse", "{}", "--dry-run"], "cannot lend trials"),
        (["report", "{}", "{}"], "cannot be joined with others"),
        (["cancel", "{}"], "is done"),
        (["import"], "No file was given"),
        (["import", "nowhere.csv"], "Cannot read 'nowhere.csv': No such file"),
        (["import", "."], "holds no released outputs"),
    ],
)
def test_what_it_cannot_do_is_said(imported, monkeypatch, tmp_path, arguments, says):
    monkeypatch.chdir(tmp_path)
    done = sapo(*(argument.format(imported.path) for argument in arguments))
    assert done.exit_code == 2 and says in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_bad_row_is_named_and_nothing_is_written(file, tmp_path):
    lines = file.read_text().splitlines()
    lines[3] = lines[3].replace("main", "man")
    (tmp_path / "bad.csv").write_text("\n".join(lines))
    done = sapo("import", tmp_path / "bad.csv", "--runs", tmp_path / "runs")
    assert done.exit_code == 2 and "holds 'man', not main or noise: row 4" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_from_python(file, tmp_path):
    import sapo_analysis as sapo_package

    run = sapo_package.import_results(file, runs_dir=tmp_path, name="mine")
    df = run.impacts()
    found = sapo_package.within_task_correlation(
        df, y="forgetting", role="past", scope="these_tasks"
    )
    assert found.n_prompts == 5 and run.run_id.startswith("mine-")
    assert sapo_package.figures.impact_scatter(df).to_plotly().data


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    folders = [write_outputs(folder / "saves", method) for method in ("LoraInc", "LoraInc_SAPO")]
    base = write_base(folder / "base.json")
    done = sapo("import", *folders, "--base", base, "--runs", folder / "runs")
    assert done.exit_code == 0, done.output
    assert "6 stages: original+lora-inc, sapo+lora-inc on 1 order of 3 tasks." in done.stderr
    assert "Note: Pre-update losses from the third stage on" in done.stderr
    return open_run(done.stdout.strip())


def test_folders_of_the_released_code_are_reported_as_sequences(released):
    found = json.loads(sapo("report", released.path, "--json").stdout)
    summary = {(row["strategy"], row["metric"]): row["value"] for row in found["summary"]}
    values = [summary["original+lora-inc", name] for name in ("ap", "bwt", "fwt")]
    assert values == [75.0, -12.5, 12.5]
    text = sapo("report", released.path, "--markdown").stdout
    assert "| original+lora-inc | 75.0 | −12.5 | −15.0 | 12.5 | – |" in text
    assert "**Metrics with training test prompts**" in text and "No verdict" in text
    assert "Nothing is tested without original test prompts" in text
    rows = json.loads(sapo("runs", "--runs", released.path.parent, "--json").stdout)
    (row,) = [row for row in rows if row["run_id"] == released.run_id]
    assert row["kind"] == "imported-sequence" and "ni_seq_c1/outputs" in row["note"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["resume", "{}"], "cannot be resumed: its results were imported from LoraInc/qwen3-8b"),
        (["reproduce", "{}"], "cannot be reproduced"),
        (["run", "smoke", "--reuse", "{}", "--dry-run"], "cannot lend trials"),
        (["report", "{}", "{}"], "cannot be joined with others"),
        (["import", "{0}/spec.json", "{0}"], "2 paths were given, and"),
        (["import", "{}/spec.json", "--base", "x"], "--base goes with folders"),
        (["import", "{}"], "holds no released outputs"),
    ],
)
def test_what_cannot_be_done_with_them_is_said(released, tmp_path, arguments, says):
    done = sapo(*(argument.format(released.path) for argument in arguments))
    assert done.exit_code == 2 and says in done.stderr


def test_released_folders_from_python(released, tmp_path):
    import sapo_analysis as sapo_package

    again = sapo_package.import_released(write_outputs(tmp_path / "saves"), tmp_path / "runs")
    assert sapo_package.sequence_report(again)["model"] == "qwen3-8b"

"""`sapo reproduce`: a run made again is equal, a changed one is not; the exit status says so."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from sapo_analysis import jobs
from sapo_analysis.cli import app
from sapo_analysis.store import layout, open_run
from tests import in_process
from tests.synthetic import write_run
from tests.tiny import tiny_study

pytestmark = pytest.mark.slow


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def made(runs):
    tiny = tiny_study()
    small = {"past": tiny.past[:1], "seeds": (0,), "noise_seeds": ()}
    with in_process.working():
        return jobs.run_study(tiny.model_copy(update=small), runs, threads=1)


@pytest.fixture
def changed(made, tmp_path):
    """A copy of the run, to be changed."""
    return shutil.copytree(made, tmp_path / "runs" / "tiny-00000000")


def change(path, table, column, by):
    """Add to the last row's number, or replace its text."""
    frame = open_run(path).table(table)
    last = len(frame) - 1
    frame.loc[last, column] = by if isinstance(by, str) else frame.loc[last, column] + by
    frame.to_parquet(path / "tables" / table / "all.parquet", index=False)


def say_made(path, **provenance):
    layout.write_json(path / "provenance.json", {**open_run(path).provenance, **provenance})


@pytest.mark.usefixtures("in_this_process")
def test_a_run_made_again_here_has_the_same_tables(made, runs):
    known = set(runs.iterdir())
    result = sapo("reproduce", made.name, "--runs", runs, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["holds"] is True and document["terms"] == "equal"
    assert document["because"] == document["failures"] == []
    assert {d["n_differing"] for d in document["differences"]} == {0}
    assert sum(d["n"] for d in document["differences"] if d["column"] == "loss") > 50
    (path,) = set(runs.iterdir()) - known
    again = open_run(path)
    assert again.run_id == document["again_id"] and again.is_complete
    assert again.provenance["threads"] == open_run(made).provenance["threads"] == 1
    assert f"Reproduced: {path} agrees with {made.name}" in result.stderr


def test_a_changed_score_is_status_one_and_named(made, changed):
    change(changed, "scores", "value", 1e-6)
    result = sapo("reproduce", made, "--against", changed)
    assert result.exit_code == 1
    assert "Differs: scores.value: 1 of " in result.stderr and "Not reproduced" in result.stderr
    (line,) = [line for line in result.stdout.splitlines() if " NO " in line]
    assert "scores" in line and "value" in line and "1e-06" in line and "eval_task" in line
    assert "equality of every table but costs" in result.stdout


def test_less_is_asked_of_a_run_from_another_machine(made, changed):
    change(changed, "scores", "value", 1e-6)
    processor = open_run(made).provenance["processor"]
    say_made(changed, processor="Another", sessions=[])
    result = sapo("reproduce", made, "--against", changed, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["terms"] == "elsewhere"
    assert document["because"] == [f"processor: {processor} and Another"]
    text = sapo("reproduce", made, "--against", changed).stdout
    assert "the base model's losses within rounding" in text and "and Another" in text


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("algorithm_version", 0, "algorithm_version: was 0"),
        (
            "model",
            {"name": "pocket", "fingerprint": "0" * 64},
            "model: was 'pocket' (000000000000)",
        ),
        ("data", None, "data of "),
    ],
)
def test_a_run_that_this_version_would_make_otherwise_is_refused(changed, key, value, said):
    marks = dict.fromkeys(open_run(changed).provenance["data"], "0" * 64)
    say_made(changed, **{key: marks if value is None else value, "commit": "abcdef"})
    result = sapo("reproduce", changed, "--runs", changed.parent)
    assert result.exit_code == 2 and result.stdout == ""
    assert said in result.stderr and "the commit it was made with, abcdef" in result.stderr
    assert list(changed.parent.iterdir()) == [changed]


def test_a_run_with_trials_that_are_planned_no_more_is_refused(changed):
    change(changed, "trials", "trial_id", "0123456789ab")
    result = sapo("reproduce", changed, "--runs", changed.parent)
    assert result.exit_code == 2 and "1 of its trials, such as 0123456789ab" in result.stderr
    assert list(changed.parent.iterdir()) == [changed]


def test_a_run_with_a_missing_table_is_refused_before_anything_is_made(changed, tmp_path):
    shutil.rmtree(changed / "tables" / "predictions")
    result = sapo("reproduce", changed, "--runs", tmp_path / "new")
    assert result.exit_code == 2 and "table predictions is unreadable" in result.stderr
    assert "Making" not in result.stderr and not (tmp_path / "new").exists()


def test_wrong_input(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    half = write_run(tmp_path / "a", n_tasks=1, n_prompts=3, finish=False)
    other = write_run(tmp_path / "b", n_tasks=1, n_prompts=3)
    for arguments, said in (
        (["nope"], "Unknown run 'nope'"),
        ([made, "--against", "nope"], "Unknown run 'nope'"),
        ([half], "sapo resume"),
        ([made, "--against", other], "different specs"),
    ):
        result = sapo("reproduce", *arguments)
        assert result.exit_code == 2 and said in result.stderr, result.output
        assert result.stdout == "" and not (tmp_path / "runs").exists()


def test_ctrl_c_says_how_to_compare_later(made, tmp_path, monkeypatch):
    def stop(*_):
        raise jobs.StudyInterrupted(tmp_path / "tiny-0123abcd")

    monkeypatch.setattr(jobs, "run_study", stop)
    result = sapo("reproduce", made)
    assert result.exit_code == 130
    assert f"sapo reproduce {made} --against {tmp_path / 'tiny-0123abcd'}" in result.stderr
    assert f"sapo resume {tmp_path / 'tiny-0123abcd'}" in result.stderr

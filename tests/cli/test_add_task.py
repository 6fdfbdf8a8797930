"""`sapo add-task` and the commands that know what it added: what they print, write and refuse."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sapo_analysis import jobs
from sapo_analysis.cli import app
from sapo_analysis.store.access import READ_ONLY

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"the released data are not at {DATA}")
MAPPED = ("--input", "q", "--target", "a", "--prompt", "Is it?")


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def ok(*arguments):
    result = sapo(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments):
    result = sapo(*arguments)
    assert result.exit_code == 2, result.output
    return result.stderr


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "My rows.csv"
    path.write_text("q;a\n" + "".join(f"input {i};{'no' if i % 3 else 'yes'}\n" for i in range(40)))
    return path


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def test_rows_become_a_task_that_every_command_knows(rows, runs):
    labels = ("--label", "yes", "--label", "no", "--suffix", "One word.")
    result = ok("add-task", rows, *MAPPED, *labels, "--runs", runs)
    assert result.stdout.strip() == str(runs / ".tasks" / "My-rows")
    assert "metric label_accuracy, 1 prompt. 40 rows read, 0 repeated, 0 left out." in result.stderr
    listed = json.loads(ok("tasks", "--runs", runs, "--json").stdout)
    added = listed[-1]
    assert (added["name"], added["suite"], added["labels"]) == ("My-rows", "added", ["yes", "no"])
    assert added["n_train"] + added["n_dev"] + added["n_test"] == 40
    assert "My-rows" in ok("tasks", "--runs", runs).stdout
    prompts = json.loads(ok("prompts", "My-rows", "--runs", runs, "--json").stdout)
    assert [(p["prompt_id"], p["text"]) for p in prompts] == [("My-rows-00", "Is it?")]
    assert "'My-rows' was added before" in refused("add-task", rows, *MAPPED, "--runs", runs)


def test_a_metric_that_does_not_suit_is_warned_about(rows, runs):
    result = ok("add-task", rows, *MAPPED, "--metric", "rouge_l", "--runs", runs)
    assert "metric rouge_l" in result.stderr
    assert "Warning on My-rows: rouge_l on single words" in result.stderr


def test_score_and_rank_ask_about_added_tasks(rows, runs, monkeypatch):
    asked = []
    monkeypatch.setattr(
        jobs, "probe", lambda kind, payload: asked.append(payload) or {"prompts": []}
    )
    ok("add-task", rows, *MAPPED, "--label", "yes", "--label", "no", "--runs", runs, "--name", "x")
    task = ("--model", "pocket", "--task", "x", "--runs", runs, "--json")
    ok("score", *task)
    ok("rank", *task)
    sources = (str(runs / ".tasks" / "x"),)
    assert [payload["tasks_from"] for payload in asked] == [sources, sources]
    # As many as there are, where a study's default is more.
    assert [payload["examples"] for payload in asked] == [31, 6]
    assert "Unknown task 'x'" in refused("score", "--model", "pocket", "--task", "x")


def test_what_is_missing_is_named_with_the_columns_there_are(rows, runs):
    said = refused("add-task", rows, "--input", "q", "--runs", runs)
    assert "--target, --prompt missing" in said and "Columns of 'My rows.csv': 'q', 'a'." in said
    said = refused("add-task", rows, *MAPPED[:2], "--target", "b", "--prompt", "x", "--runs", runs)
    assert "Each of the 40 rows has no column 'b'; there are 'q', 'a'." in said
    assert not runs.exists()


def test_a_card_and_rows_beside_a_card(rows, runs, tmp_path):
    card = tmp_path / "card.yaml"
    said = {"name": "x", "title": "X", "metric": "exact_match", "prompts": {"original": "Is it?"}}
    said |= {"columns": {"input": "q", "target": "a"}}
    card.write_text(json.dumps(said))
    ok("add-task", rows, "--card", card, "--name", "y", "--keep", 10, "--runs", runs)
    card.write_text(json.dumps({**said, "data": {"files": {"train": rows.name}}}))
    ok("add-task", card, "--runs", runs)
    listed = {row["name"]: row for row in json.loads(ok("tasks", "--runs", runs, "--json").stdout)}
    assert [listed["y"][f"n_{split}"] for split in ("train", "dev", "test")] == [10, 1, 2]
    assert "--input cannot be set for a card" in refused("add-task", card, "--input", "q")


def test_a_card_of_a_hub_dataset_is_fetched_by_the_engine(runs, monkeypatch):
    asked = []

    def probe(kind, payload, timeout):
        asked.append((kind, payload))
        sizes = {"train": 5, "dev": 1, "test": 2}
        return {"task": "sst2", "folder": "F", "sizes": sizes, "revision": "abc", "notes": ["so"]}

    monkeypatch.setattr(jobs, "probe", probe)
    result = ok("add-task", "sst2", "--keep", 5, "--runs", runs)
    assert asked == [("fetch_task", {"card": "sst2", "runs": str(runs), "keep": 5})]
    assert result.stdout.strip() == "F"
    assert "Added sst2: 5 train, 1 dev, 2 test rows, revision abc." in result.stderr
    assert "Note on sst2: so." in result.stderr
    assert "--metric cannot be set" in refused("add-task", "sst2", "--metric", "chrf")


def test_a_card_beside_what_has_one_is_refused(rows, runs, tmp_path):
    (tmp_path / "x.yaml").write_text(
        "{name: x, title: X, metric: exact_match, prompts: {original: Do it.}}"
    )
    for given in (tmp_path / "x.yaml", tmp_path, "gsm8k"):
        said = refused("add-task", given, "--card", tmp_path / "x.yaml", "--runs", runs)
        assert "--card cannot be set" in said


def test_an_empty_prompt_is_a_message(rows, runs):
    said = refused("add-task", rows, *MAPPED[:-1], "", "--runs", runs)
    assert "prompts.original" in said


def test_a_damaged_task_does_not_hide_the_pocket_suite(runs):
    folder = runs / ".tasks" / "bad"
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text("name: bad\n")
    listed = ok("tasks", "--runs", runs)
    assert "sentiment" in listed.stdout and "Warning: No task of" in listed.stderr
    assert "title: is missing" in refused("tasks", "--from", runs / ".tasks")


def test_what_is_nothing(runs, tmp_path):
    assert "No such file" in refused("add-task", tmp_path / "x.csv", *MAPPED, "--runs", runs)
    assert "no such file or folder" in refused("tasks", "--from", tmp_path / "x")
    assert "has no instructions.json" in refused("add-task", tmp_path, "--runs", runs)


def test_a_read_only_server_adds_nothing(rows, runs, monkeypatch):
    monkeypatch.setenv(READ_ONLY, "1")
    assert "read-only" in refused("add-task", rows, *MAPPED, "--runs", runs)
    assert not runs.exists()


def test_control_characters_are_shown_and_not_obeyed(rows, runs):
    rows.write_text(rows.read_text() + "input;\x1b[31mred\n")
    result = sapo("add-task", rows, *MAPPED, "--label", "yes", "--label", "no", "--runs", runs)
    assert result.exit_code == 2 and "\x1b" not in result.stderr and "x1b[31mred" in result.stderr


@real
def test_the_released_tasks_alone():
    result = ok("tasks", "--from", DATA / "SUPERNI", "--json")
    listed = json.loads(result.stdout)
    assert len(listed) == 11 and all("pocket" != row["suite"] for row in listed)
    for row in listed:
        assert [row["n_train"], row["n_dev"]] == [600, 100] and row["metric"]
        assert row["notes"][0].startswith("instructions.json declares")
    shown = ok("tasks", "--from", DATA / "TRACE")
    assert "NumGLUE-cm" in shown.stdout and "Note on FOMC: instructions.json" in shown.stderr
    text = ok("prompts", "FOMC", "--from", DATA / "TRACE").stdout
    assert "monetary policy stance" in text


@real
def test_a_whole_released_folder(runs):
    result = ok("add-task", DATA / "TRACE", "--runs", runs)
    assert [Path(line).name for line in result.stdout.split()] == ["FOMC", "NumGLUE-cm"]


def test_a_name_that_is_nothing_is_answered_with_the_shipped_cards(runs):
    said = refused("add-task", "boolk", "--runs", runs)
    assert "'boolk'. Did you mean 'boolq'? Known: " in said and "sst2" in said


def test_a_name_that_no_task_can_have_is_answered_with_the_characters_it_may_have(rows, runs):
    said = refused("add-task", rows, *MAPPED, "--name", "My Reviews!", "--runs", runs)
    assert "'My Reviews!' cannot be a task's name. It may have letters" in said
    assert "pattern" not in said


def test_the_table_counts_prompts_and_a_note_of_several_tasks_is_said_once(rows, runs):
    for name in ("one", "two"):
        ok("add-task", rows, *MAPPED, "--name", name, "--runs", runs)
    result = ok("tasks", "--runs", runs)
    assert "n_prompts" in result.stdout
    notes = [line for line in result.stderr.splitlines() if line.startswith("Note on ")]
    assert notes and all(line.startswith("Note on one, two: ") for line in notes)

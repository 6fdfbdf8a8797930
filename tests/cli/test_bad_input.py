"""Wrong input: one clear message on standard error, exit status 2, nothing written."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from typer.testing import CliRunner

from sapo_analysis.cli import app
from sapo_analysis.jobs import engine_process
from sapo_analysis.spec import SCHEMA_VERSION
from tests.synthetic import write_run

SPEC = {
    "past": ["translate"],
    "current": ["sentiment"],
    "unseen": ["product"],
    "prompts": 1,
    "training": {"examples": 8, "batch_size": 4, "steps": 2},
    "scoring": {"examples": 8},
    "evaluation": {"examples": 4, "n_predictions_kept": 2},
    "device": "cpu",
}


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def content(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Run a spec with some changes; check that it is refused and that nothing is written."""
    monkeypatch.chdir(tmp_path)

    def run(*options, **changes):
        spec = tmp_path / "my-study.yaml"
        spec.write_text(yaml.safe_dump({**SPEC, **changes}))
        before = content(tmp_path)
        result = sapo("run", spec, *options)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ") and "Traceback" not in result.stderr
        assert content(tmp_path) == before
        return result.stderr

    return run


@pytest.fixture
def no_worker(monkeypatch):
    def start(*_, **__):
        raise AssertionError("no worker is started for input that is wrong")

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(subprocess, "run", start)


@pytest.mark.usefixtures("no_worker")
class TestRefusedBeforeAnyWork:
    def test_unknown_engine(self, refused):
        message = refused("--engine", "stackd")
        assert "'stackd'" in message and "Did you mean 'stacked'" in message

    def test_unknown_engine_of_a_dry_run(self, refused):
        assert "'fast'" in refused("--engine", "fast", "--dry-run")

    def test_unknown_task(self, refused):
        message = refused(current=["sentimint"])
        assert "Unknown task 'sentimint'. Did you mean 'sentiment'?" in message
        assert "translate" in message and "sapo tasks" in message

    def test_unknown_model(self, refused):
        message = refused(model="poket")
        assert "Unknown model 'poket'. Did you mean 'pocket'?" in message
        assert "pocket-random" in message

    def test_misspelt_setting(self, refused):
        assert "Did you mean 'unseen'?" in refused(unsen=["add"])

    def test_misspelt_setting_on_the_command_line(self, refused):
        assert "Did you mean 'steps'?" in refused("--set", "training.step=3")

    def test_a_task_both_current_and_past(self, refused):
        assert "both past and current" in refused(past=["sentiment"])

    @pytest.mark.parametrize("text", ["", "  \n"])
    def test_an_empty_prompt(self, refused, text):
        assert "empty" in refused(own_prompts={"sentiment": [text]})

    def test_a_duplicate_prompt(self, refused):
        assert "repeats" in refused(own_prompts={"sentiment": ["Say it.", "Say  it."]})

    @pytest.mark.parametrize("seeds", [["one"], [1.5], "0", [True], [-1], []])
    def test_seeds_that_are_not_integers(self, refused, seeds):
        assert "seeds" in refused(seeds=seeds)

    def test_a_newer_schema(self, refused):
        assert "newer sapo-analysis" in refused(schema_version=SCHEMA_VERSION + 1)

    def test_an_unwritable_runs_folder(self, refused, tmp_path):
        (tmp_path / "file").touch()
        message = refused("--runs", tmp_path / "file" / "runs")
        assert "Cannot write a run into" in message and "--runs" in message

    def test_an_unknown_device(self, refused):
        assert "auto, cpu, cuda" in refused("--device", "tpu")

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ("training.steps", "KEY=VALUE"),
            ("=3", "KEY=VALUE"),
            ("training..steps=3", "KEY=VALUE"),
            ("training.steps=[", "not a YAML value"),
            ("name.inner=3", "Set name as a whole"),
            ("training=3", "training"),
        ],
    )
    def test_a_setting_that_cannot_be_read(self, refused, setting, said):
        assert said in refused("--set", setting)

    def test_control_characters_do_not_reach_the_terminal(self, refused):
        message = refused(current=["\x1b]0;title\x07\x1b[31mred\u202e"])
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", message)

    @pytest.mark.parametrize("spec", ["nope", "nope.yaml", "."])
    def test_no_such_spec(self, spec, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        result = sapo("run", spec)
        assert result.exit_code == 2 and result.stderr.startswith("Error: ")
        assert content(tmp_path) == []

    def test_a_spec_that_is_not_a_mapping(self, tmp_path):
        (tmp_path / "spec.yaml").write_text("[1, 2]")
        result = sapo("run", tmp_path / "spec.yaml", "--set", "seeds=[1]", "--device", "cpu")
        assert result.exit_code == 2 and "must be a mapping" in result.stderr

    def test_a_dry_run_refuses_in_the_same_words(self, refused):
        assert "Unknown task 'nope'" in refused("--dry-run", current=["nope"])

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["prompts", "nope"], "Unknown task 'nope'"),
            (["prompts", "sentiment", "--model", "nope"], "Unknown model 'nope'"),
            (["score", "--model", "pocket", "--task", "nope"], "Unknown task 'nope'"),
            (["score", "--model", "nope", "--task", "sentiment"], "Unknown model 'nope'"),
            (["report", "nope"], "Unknown run 'nope'"),
            (["resume", "nope"], "Unknown run 'nope'"),
            (["cancel", "nope"], "Unknown run 'nope'"),
            (["cancel", "tuning-3a76f698"], "is done: nobody works on it"),
        ],
    )
    def test_unknown_names_elsewhere(self, arguments, said, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        result = sapo(*arguments)
        assert result.exit_code == 2 and said in result.stderr
        assert content(tmp_path) == []

    @pytest.mark.parametrize(
        ("text", "said"), [("one\n\ntwo\n", "empty"), ("a\na\n", "repeats"), ("", "No prompts")]
    )
    def test_a_prompts_file_that_cannot_be_used(self, tmp_path, text, said):
        file = tmp_path / "prompts.txt"
        file.write_text(text)
        result = sapo("score", "--model", "pocket", "--task", "sentiment", "--prompts", file)
        assert result.exit_code == 2 and said in result.stderr

    def test_a_model_folder_that_is_a_file(self, tmp_path):
        (tmp_path / "file").touch()
        result = sapo("pretrain", "--out", tmp_path / "file")
        assert result.exit_code == 2 and "is a file" in result.stderr

    @pytest.mark.parametrize("model", ["pocket-random", "nothing"])
    def test_a_model_without_a_card(self, model):
        result = sapo("card", model)
        assert result.exit_code == 2
        assert "no model card" in result.stderr or "Unknown model" in result.stderr

    def test_training_without_torch(self, monkeypatch, refused):
        monkeypatch.setattr(engine_process, "ENGINE_PACKAGES", ("no_such_package",))
        assert "pip install" in refused()

    @pytest.mark.parametrize(
        "arguments", [["fly"], ["run"], ["app", "--port", "0"], ["runs", "--jsom"], ["tasks", "x"]]
    )
    def test_a_command_line_that_does_not_exist(self, arguments):
        result = sapo(*arguments)
        assert result.exit_code == 2 and "Usage: sapo" in result.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs"), n_tasks=2, n_prompts=3)


class TestDamagedRuns:
    @pytest.fixture
    def damaged(self, finished, tmp_path):
        return shutil.copytree(finished, tmp_path / finished.name)

    def test_a_missing_table(self, damaged):
        shutil.rmtree(damaged / "tables" / "scores")
        result = sapo("report", damaged)
        assert result.exit_code == 2
        assert "table scores is unreadable" in result.stderr and damaged.name in result.stderr

    def test_a_damaged_table(self, damaged):
        (damaged / "tables" / "trials" / "all.parquet").write_bytes(b"PAR1")
        result = sapo("report", damaged, "--json")
        assert result.exit_code == 2 and result.stdout == ""
        assert "table trials is unreadable" in result.stderr

    def test_a_damaged_run_is_listed_with_its_reason(self, damaged):
        (damaged / "status.json").write_text("{")
        result = sapo("runs", "--runs", damaged.parent)
        assert result.exit_code == 0
        assert "damaged" in result.stdout and "status.json is unreadable" in result.stdout
        assert f"\n{damaged.name} (damaged): " in result.stdout

    def test_a_run_of_a_newer_schema(self, damaged):
        spec = json.loads((damaged / "spec.json").read_text())
        spec["schema_version"] = SCHEMA_VERSION + 1
        (damaged / "spec.json").write_text(json.dumps(spec))
        result = sapo("report", damaged)
        assert result.exit_code == 2 and "newer sapo-analysis" in result.stderr

    def test_a_missing_score_is_never_a_zero(self, tmp_path):
        path = write_run(tmp_path, n_tasks=2, n_prompts=3, drop_scores=True)
        result = sapo("report", path)
        assert result.exit_code == 2 and path.name in result.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_ten_thousand_words_are_refused_whole(refused):
    message = refused(own_prompts={"sentiment": ["word " * 10_000]})
    assert "own-01" in message and "tokens" in message


def test_the_installed_command_exits_with_two_and_no_traceback(tmp_path):
    command = os.path.join(os.path.dirname(sys.executable), "sapo")
    done = subprocess.run(
        [command, "run", "nope"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Error: Unknown preset or spec file 'nope'.")
    assert content(tmp_path) == []

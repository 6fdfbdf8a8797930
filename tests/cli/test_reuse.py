"""`sapo run --reuse`: what is said of trials taken over, and what is refused before any work."""

import subprocess

import pytest
import yaml
from typer.testing import CliRunner

from sapo_analysis.cli import app
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.runner import run_to_end
from tests.synthetic import write_run
from tests.tiny import tiny_study


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def study():
    """One task from the base model, two prompts, one seed."""
    tiny = tiny_study()
    plain = {"past": (), "current": tiny.current[:1], "seeds": (0,), "noise_seeds": ()}
    return tiny.model_copy(update={**plain, "prompts": 1})


@pytest.fixture(scope="module")
def source(study, tmp_path_factory):
    path = create_run(tmp_path_factory.mktemp("runs"), study)
    run_to_end(path)
    return path


@pytest.fixture
def spec(study, tmp_path, monkeypatch):
    """The study's spec file in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(study.model_dump(mode="json")))
    return path


@pytest.mark.usefixtures("in_this_process")
def test_a_dry_run_says_what_is_taken_over_and_counts_the_rest(spec, source, tmp_path):
    result = sapo("run", spec, "--set", "seeds=[0, 1]", "--dry-run", "--reuse", source)
    assert result.exit_code == 0, result.output
    said = f"2 of 4 trials are taken over: 2 from {source.name}."
    assert said in result.stderr
    assert "2 of 4 trials; the counts are of the rest" in result.stdout
    assert "2 main, 0 noise" in result.stdout
    assert list(tmp_path.iterdir()) == [spec]


@pytest.mark.usefixtures("in_this_process")
def test_a_run_by_id_among_the_runs_lends(spec, source):
    options = ["--set", "seeds=[0, 1]", "--set", "state_seeds=null", "--runs", source.parent]
    result = sapo("run", spec, *options, "--reuse", source.name)
    assert result.exit_code == 0, result.output
    run = open_run(result.stdout.strip())
    assert run.is_complete and run.status.total == 4
    assert run.provenance["reused"] == [{"run": source.name, "trials": 2}]
    assert f"2 from {source.name}" in result.stderr


class TestRefusedBeforeAnyWork:
    @pytest.fixture(autouse=True)
    def no_worker(self, monkeypatch):
        def start(*_, **__):
            raise AssertionError("no worker is started for input that is wrong")

        monkeypatch.setattr(subprocess, "Popen", start)
        monkeypatch.setattr(subprocess, "run", start)

    @pytest.fixture
    def refused(self, spec, tmp_path):
        def run(*options):
            before = sorted(tmp_path.rglob("*"))
            result = sapo("run", spec, *options)
            assert result.exit_code == 2 and result.stdout == "", result.output
            assert result.stderr.startswith("Error: ")
            assert sorted(tmp_path.rglob("*")) == before
            return result.stderr

        return run

    def test_an_unknown_run(self, refused):
        assert "Unknown run 'nope'" in refused("--reuse", "nope")

    def test_one_of_several_that_is_unknown(self, refused, source):
        assert "Unknown run 'nope'" in refused("--reuse", source, "--reuse", "nope", "--dry-run")

    @pytest.mark.parametrize("mixed", [[], ["--allow-mixed"]])
    def test_a_run_of_another_model(self, refused, tmp_path_factory, mixed):
        other = write_run(tmp_path_factory.mktemp("other"), n_tasks=1, n_prompts=3)
        message = refused("--reuse", other, *mixed)
        assert f"Run {other.name} cannot lend trials" in message
        assert "model: was 'pocket' (ffffffffffff), is 'pocket' (" in message

    def test_another_engine(self, refused, source):
        message = refused("--reuse", source, "--engine", "plain")
        assert "engine: plain and stacked" in message and "--allow-mixed" in message

"""The commands that need no engine: their tables, their JSON, their help."""

import functools
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
from rich.text import Text
from typer.testing import CliRunner

from sapo_analysis import analysis, jobs
from sapo_analysis.cli import app
from sapo_analysis.cli.options import read_study
from sapo_analysis.cli.output import clean, duration, number, show_table, size
from sapo_analysis.errors import WorkError
from sapo_analysis.jobs import engine_process
from sapo_analysis.model_files import POCKET
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import list_tasks
from tests.synthetic import Truth, write_run

COMMANDS = [
    "demo",
    "app",
    "run",
    "resume",
    "cancel",
    "queue",
    "runs",
    "report",
    "export",
    "reproduce",
    "import",
    "tasks",
    "add-task",
    "prompts",
    "paraphrase",
    "equivalence",
    "models",
    "fetch",
    "score",
    "rank",
    "pretrain",
    "card",
    "bench",
    "doctor",
]


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def ok(*arguments):
    result = sapo(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    quick = functools.partial(analysis.report, n_permutations=99)
    monkeypatch.setattr(analysis, "report", quick)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    truth = Truth(rounding=0.2)
    write_run(folder, n_tasks=2, n_prompts=4, noise_seeds=(7, 8), truth=truth)
    return folder


@pytest.fixture(scope="module")
def run(runs):
    return next(runs.iterdir())


def test_every_command_of_the_design_is_there_with_help():
    assert [command.name for command in app.registered_commands] == COMMANDS
    for command in COMMANDS:
        text = ok(command, "--help")
        assert f"Usage: sapo {command}" in text
        for line in text.splitlines():  # an option without help is a bare name
            assert not line.strip().startswith("--") or len(line.split()) > 1, line


def test_no_arguments_show_the_help():
    assert "Usage: sapo" in sapo().output


def test_tasks():
    listed = json.loads(ok("tasks", "--json"))
    assert [row["name"] for row in listed] == [task.name for task in list_tasks()]
    assert "sentiment" in ok("tasks")


def test_prompts():
    listed = json.loads(ok("prompts", "sentiment", "--json"))
    assert [row["text"] for row in listed] == [p.text for p in get_prompts("sentiment")]
    assert get_prompts("sentiment")[0].text in ok("prompts", "sentiment")


def test_prompts_of_a_model_carry_its_frequencies(tmp_path):
    for name in ("mine", "bare"):
        shutil.copytree(POCKET, tmp_path / name)
        (tmp_path / name / "prompt_frequencies.json").unlink()
    counts = {"sentiment": {get_prompts("sentiment")[0].text: 7}}
    (tmp_path / "mine" / "prompt_frequencies.json").write_text(json.dumps(counts))
    listed = json.loads(ok("prompts", "sentiment", "--model", tmp_path / "mine", "--json"))
    assert [row["frequency"] for row in listed] == [7] + 24 * [0]
    for without in (tmp_path / "bare", "pocket-random"):
        listed = json.loads(ok("prompts", "sentiment", "--model", without, "--json"))
        assert {row["frequency"] for row in listed} == {None}


@pytest.mark.parametrize(
    ("left", "how"),
    [("checkpoint", "continues from its last checkpoint"), ("other", "begins anew")],
)
def test_a_pretraining_that_is_stopped_says_how_it_goes_on(tmp_path, monkeypatch, left, how):
    def stopped(*_, **__):
        (tmp_path / "mine" / left).mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "probe", stopped)
    result = sapo("pretrain", "--out", tmp_path / "mine")
    assert result.exit_code == 130
    assert f"Stopped. The same command {how}" in result.stderr


def test_a_card_of_another_suite_is_refused_before_it_is_measured(tmp_path, monkeypatch):
    shutil.copytree(POCKET, tmp_path / "mine")
    record = json.loads((POCKET / "pretraining.json").read_text())
    record["card"][0]["task"] = "gone"
    (tmp_path / "mine" / "pretraining.json").write_text(json.dumps(record))
    monkeypatch.setattr(jobs, "probe", lambda *_, **__: pytest.fail("it was measured"))
    result = sapo("card", tmp_path / "mine")
    assert result.exit_code == 2 and "no longer has: gone" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "the file"), ("{}", "card"), ('{"card": []}', "card"), ('{"card": [3]}', "card.0")],
)
def test_a_damaged_card_is_refused_before_it_is_measured(tmp_path, monkeypatch, text, said):
    shutil.copytree(POCKET, tmp_path / "mine")
    (tmp_path / "mine" / "pretraining.json").write_text(text)
    monkeypatch.setattr(jobs, "probe", lambda *_, **__: pytest.fail("it was measured"))
    result = sapo("card", tmp_path / "mine")
    assert result.exit_code == 2 and result.exception.code == 2
    said = f"pretraining.json, {said})"
    assert "is damaged" in result.stderr and said in "".join(result.stderr.splitlines())


def test_models():
    assert {"pocket", "pocket-random"} <= {
        row["name"] for row in json.loads(ok("models", "--json"))
    }
    assert "pocket-random" in ok("models")


def test_a_folder_that_is_no_model_is_a_row_beside_the_others(tmp_path):
    (tmp_path / "bad").mkdir()
    bad, good = json.loads(ok("models", tmp_path / "bad", "pocket", "--json"))
    assert good["complete"] and not bad["complete"] and "config.json" in bad["problem"]
    assert "not usable" in ok("models", tmp_path / "bad", "pocket")


def test_a_shipped_model_is_not_fetched():
    result = CliRunner().invoke(app, ["fetch", "pocket"])
    assert result.exit_code == 2 and "comes with this package: there is nothing" in result.stderr


def test_runs(runs, run):
    listed = json.loads(ok("runs", "--runs", runs, "--json"))
    (row,) = [row for row in listed if not row["shipped"]]
    assert row["run_id"] == run.name and row["state"] == "done" and row["done"] == row["total"]
    assert run.name in ok("runs", "--runs", runs)


def test_ids_of_runs_are_whole_on_a_narrow_terminal(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    rows = [(f"{run.name}-{'x' * 30}", "a task with a long name, " * 9)]
    show_table("Runs", ["run", "tasks learned"], rows, whole=("run",))
    said = Text.from_ansi(capsys.readouterr().out).plain
    assert rows[0][0] in said and max(map(len, said.splitlines())) <= 100


def test_report(run):
    found = json.loads(ok("report", run, "--json"))
    assert found["run_id"] == run.name and found["estimates"] and found["definitions"]
    text = ok("report", run)
    assert "too few tasks" in text  # two current tasks say nothing about new ones
    for said in ("claim_1", "these tasks", "Noise floor", "good when", "2 × 4 × 1"):
        assert said in text
    for row in found["training"]:
        said = " │ ".join(f"{row[x]:.3f}" for x in ("score_before", "score_after", "least_gain"))
        assert f"│ {row['current_task']}" in text and said in " ".join(text.split())
    (past,) = found["past_gains"]
    assert f"{past['gain']:.3f}" in text
    for row in found["tasks"]:
        assert f"{row['r']:+.2f} ({row['lower']:+.2f} to {row['upper']:+.2f})" in text
    for floor in found["noise_floor"]:
        assert f"{floor['band']['pooled']['sigma']:.3f}" in text
        noise = floor["numerical_noise"]
        assert f"{noise['sd']:.2g} (n = 4, {noise['ratio']:.2g} σ)" in text
        assert noise["n"] == 4 and 0 < noise["sd"] < floor["sd"]


def test_report_says_what_the_seed_alone_makes_of_claim_1(run, tmp_path):
    assert "from the seed alone" not in ok("report", run)  # one seed cannot tell
    two = write_run(tmp_path, n_tasks=2, n_prompts=5, seeds=[0, 1])
    alone = json.loads(ok("report", two, "--json"))["claim_1_from_the_seed_alone"]
    said = ", ".join(f"{alone[form]:+.2f} in {form}" for form in ("score", "loss"))
    assert f"claim_1 from the seed alone: {said}." in " ".join(ok("report", two).split())


def test_report_says_what_was_written_about_a_run(tmp_path):
    one, two = (write_run(tmp_path, n_tasks=1, n_prompts=4, name=name) for name in ("a", "b"))
    assert json.loads(ok("report", one, "--json"))["about"] == {}
    (one / "about.md").write_text("Put *aside*.\n", encoding="utf-8")
    for form in ((), ("--markdown",)):
        assert f"{one.name}: Put *aside*." in ok("report", one, *form)
    assert json.loads(ok("report", one, two, "--json"))["about"] == {one.name: "Put *aside*."}


def test_report_without_noise_trials_or_repeats_measures_neither(tmp_path):
    write_run(tmp_path, n_tasks=1, n_prompts=4, noise_seeds=(7, 8), name="plain")
    write_run(tmp_path, n_tasks=1, n_prompts=4, name="bare")
    plain, bare = (ok("report", next(tmp_path.glob(f"{name}-*"))) for name in ("plain", "bare"))
    assert "Noise floor: the same prompt" in plain and "not measured" in plain
    assert "Noise floor: not measured; rounding alone: not measured." in bare


def test_report_of_an_unfinished_run_has_numbers_and_no_verdict(tmp_path):
    path = write_run(tmp_path, n_tasks=2, n_prompts=4, finish=False)
    text = ok("report", path)
    assert "no verdict until it is done" in text and "too few tasks" not in text


def test_doctor_names_device_and_reason(monkeypatch, tmp_path):
    answer = {
        "device": "cpu",
        "why": "no GPU",
        "torch": "2.13.0+cpu",
        "cuda_build": False,
        "gpus": [],
        "threads": 2,
        "unused_gpus": ["GPU 0: Fast One"],
        "mend": "Mend it with: pip install --force-reinstall torch==2.13.0",
    }
    monkeypatch.setattr(jobs, "probe", lambda *_: answer)
    text = ok("doctor", "--runs", tmp_path / "new")
    assert "cpu: no GPU" in text and "can be written" in text
    assert "Fast One: torch is a CPU build" in text
    assert "pip install --force-reinstall torch==2.13.0" in text
    assert not (tmp_path / "new").exists()


def test_doctor_without_torch_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(engine_process, "ENGINE_PACKAGES", ("no_such_package",))
    (tmp_path / "file").touch()
    text = ok("doctor", "--runs", tmp_path / "file" / "runs")
    assert "no_such_package" in text and "sapo-analysis[train]" in text
    assert "cannot be written" in text


def test_a_failure_of_the_work_is_status_one(monkeypatch):
    def fail(*_):
        raise WorkError("The engine failed. The log: x")

    monkeypatch.setattr(jobs, "probe", fail)
    result = sapo("score", "--model", "pocket", "--task", "sentiment", "--json")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr == "Failed: The engine failed. The log: x\n"


def test_ctrl_c_says_how_to_resume(monkeypatch, tmp_path):
    def stop(*_):
        raise jobs.StudyInterrupted(tmp_path / "demo-0123abcd")

    monkeypatch.setattr(jobs, "run_study", stop)
    spec = tmp_path / "spec.yaml"
    spec.write_text("{current: [sentiment], unseen: [product]}")
    result = sapo("run", spec)
    assert result.exit_code == 130
    assert f"sapo resume {tmp_path / 'demo-0123abcd'}" in result.stderr


def test_a_termination_signal_stops_as_ctrl_c_does(tmp_path):
    # The study is replaced; what is tested is the way of the signal through the real entry point.
    script = """
import os, pathlib, signal, sys, time
from sapo_analysis import cli, jobs
def study(*_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    except KeyboardInterrupt:
        raise jobs.StudyInterrupted(pathlib.Path("runs/demo-0123abcd")) from None
jobs.run_study = study
pathlib.Path("spec.yaml").write_text("{current: [sentiment], unseen: [product]}")
sys.argv = ["sapo", "run", "spec.yaml"]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 130
    assert "sapo resume runs/demo-0123abcd" in done.stderr and "Traceback" not in done.stderr


def test_settings_are_dotted_keys_with_yaml_values(tmp_path):
    spec = tmp_path / "mine.yaml"
    spec.write_text("{current: [sentiment], unseen: [product], device: cuda}")
    settings = ["training.steps=7", "seeds=[1, 2]", "prompts={seen: 2}", "noise_prompts=null"]
    study = read_study(str(spec), [*settings, "lora.target_modules=[q_proj]"], "cpu")
    assert (study.name, study.device, study.training.steps) == ("mine", "cpu", 7)
    assert study.seeds == (1, 2) and study.prompts == {"seen": 2}
    assert study.lora.target_modules == ("q_proj",)


class TestApp:
    @pytest.fixture
    def started(self, monkeypatch):
        """What the command would become."""
        found = {}

        def become(program, command):
            found.update(command=command, environment=dict(os.environ))
            raise SystemExit(0)

        for name in ("SAPO_RUNS", "SAPO_READ_ONLY", "SAPO_MODELS_DIR", "SSH_CONNECTION"):
            monkeypatch.setenv(name, "")  # so that what the command sets is undone
            monkeypatch.delenv(name)
        monkeypatch.setattr(os, "execv", become)
        return found

    def test_it_is_bound_to_this_machine(self, started, tmp_path):
        result = sapo("app", "--runs", tmp_path, "--runs", "two", "--read-only", "--port", 18765)
        assert result.exit_code == 0 and "http://localhost:18765" in result.stderr
        assert "--server.address=127.0.0.1" in started["command"]
        assert "--browser.gatherUsageStats=false" in started["command"]
        folders = started["environment"]["SAPO_RUNS"].split(os.pathsep)
        assert folders == [str(tmp_path), os.path.abspath("two")]
        assert started["environment"]["SAPO_READ_ONLY"] == "1"
        assert "--server.maxUploadSize=200" in started["command"]

    def test_further_models_come_from_one_folder(self, started, tmp_path):
        assert sapo("app", "--models-dir", tmp_path, "--port", 18765).exit_code == 0
        assert started["environment"]["SAPO_MODELS_DIR"] == str(tmp_path)
        result = sapo("app", "--models-dir", tmp_path / "none", "--port", 18765)
        assert result.exit_code == 2 and "is no folder" in result.stderr

    def test_over_ssh_it_prints_the_line_that_forwards_the_port(self, started, monkeypatch):
        monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 50000 10.0.0.2 22")
        assert "ssh -L 18765:localhost:18765" in sapo("app", "--port", 18765).stderr

    @pytest.mark.usefixtures("started")
    def test_a_port_that_is_taken(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            result = sapo("app", "--port", other.getsockname()[1])
        assert result.exit_code == 2 and "--port" in result.stderr


def test_text_for_people():
    assert [duration(s) for s in (0.2, 8, 200, 7500)] == [
        "under 1 s",
        "8 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert [size(n) for n in (12, 12_400, 3e9)] == ["12 B", "12 kB", "3.0 GB"]
    assert number(float("nan")) == number(None) == "–" and number(0.5, sign=True) == "+0.50"
    assert number(-0.004) == number(0.004, sign=True) == "0.00" and number(-0.005) == "-0.01"
    assert clean("a\x1b[0m\u202e\nθ") == "a\\x1b[0m\\u202e\nθ"

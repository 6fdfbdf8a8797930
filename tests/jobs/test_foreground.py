"""The worker as a process: runs, refusals that leave nothing behind, failures that lose nothing."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

from sapo_analysis import jobs
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.plan import make_plan
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies import probes
from sapo_analysis.studies.runner import run_to_end
from tests import forked_jobs, scripts
from tests.forked_jobs import asked
from tests.tiny import tiny_study as make_tiny_study
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small():
    return make_tiny_study().model_copy(
        update={"past": (), "current": ("sentiment",), "seeds": (0,), "noise_seeds": ()}
    )


@pytest.fixture(scope="module")
def worked_on(small, tmp_path_factory):
    """A run made by a worker, and what was told of its progress."""
    seen = []
    folder = tmp_path_factory.mktemp("worked-on") / "runs"
    path = jobs.run_study(small, folder, lambda path, status: seen.append(status))
    assert path.parent == folder
    return open_run(path), seen


def test_a_study_runs_in_a_worker_and_reports_progress(small, worked_on):
    run, seen = worked_on
    assert run.status.state == "done"
    assert run.run_id.startswith("tiny-") and len(run.run_id) == len("tiny-") + 8
    assert [s.total for s in seen][0] == len(make_plan(small).trials) == 3
    assert seen[-1].state == "done" and seen[-1].done == 3


def test_the_worker_refuses_a_prompt_that_does_not_fit_and_nothing_is_left(small, tmp_path):
    long = small.model_copy(update={"own_prompts": {"sentiment": ("word " * 10_000,)}})
    with pytest.raises(InputError, match=r"own-01.*tokens.*at most"):
        asked(jobs.run_study, long, tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_a_prompt_with_braces_is_trained_with_as_it_is_written(small, tmp_path):
    text = "Sort {this} into positive or negative: {0} {{x}} %s"
    braces = small.model_copy(update={"own_prompts": {"sentiment": (text,)}})
    path = create_run(tmp_path, braces)
    run_to_end(path)
    run = open_run(path)
    prompts = run.table("prompts").set_index("prompt_id")
    assert prompts.loc["own-01", "text"] == text
    assert "own-01" in set(run.table("trials")["prompt_id"])


def test_a_folder_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"file.*--runs"):
        jobs.run_study(small, tmp_path / "file" / "runs")


def test_a_diverging_trial_is_recorded_and_the_study_goes_on(small, tmp_path):
    wild = small.model_copy(
        update={"training": small.training.model_copy(update={"learning_rate": 1e30})}
    )
    path = create_run(tmp_path, wild)
    run_to_end(path)
    run = open_run(path)
    assert run.status.state == "done"
    assert set(run.table("trials")["status"]) == {"diverged"}
    scores = run.table("scores")
    assert scores["trial_id"].isna().all()


def test_a_worker_that_fails_names_its_log_and_the_next_step(tiny_study, tmp_path):
    wild = tiny_study.model_copy(
        update={"training": tiny_study.training.model_copy(update={"learning_rate": 1e30})}
    )
    with pytest.raises(WorkError, match=r"past task 'translate' diverged.*worker.log.*sapo resume"):
        asked(jobs.run_study, wild, tmp_path)
    (path,) = tmp_path.iterdir()
    status = open_run(path).status
    assert status.state == "failed"
    assert "learning_rate" in status.error
    assert "FloatingPointError" in (path / "worker.log").read_text()


def test_a_worker_killed_from_outside_leaves_a_run_that_resumes(tiny_study, tmp_path):
    path = create_run(tmp_path, tiny_study)
    worker = scripts.start_worker("study", str(path), "stacked")
    wait_until(lambda: open_run(path).status.done >= 1 or not worker.is_alive())
    assert worker.is_alive(), "the worker ended before it could be killed"
    worker.kill()
    worker.join()
    assert open_run(path).status.state == "interrupted"
    asked(jobs.continue_run, path)
    assert open_run(path).status.state == "done"


def test_ctrl_c_stops_the_worker_and_keeps_what_is_finished(tiny_study, tmp_path):
    script = f"""
        import json, pathlib, signal, sys
        from sapo_analysis import jobs
        from sapo_analysis.spec import parse_study
        # Where tests run behind a shell's `&` it is ignored, which processes inherit.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            study = parse_study(json.load(sys.stdin), "spec")
            jobs.run_study(study, pathlib.Path({str(tmp_path)!r}))
        except KeyboardInterrupt:
            sys.exit(130)
    """
    slow = tiny_study.model_copy(
        update={"training": tiny_study.training.model_copy(update={"steps": 3000})}
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE, text=True
    )
    caller.stdin.write(slow.model_dump_json())
    caller.stdin.close()
    wait_until(lambda: list(tmp_path.glob("*/tables/costs/part-*")) or caller.poll() is not None)
    assert caller.poll() is None, "the study ended before it could be stopped"
    os.kill(caller.pid, signal.SIGINT)
    assert caller.wait(timeout=60) == 130
    (path,) = tmp_path.iterdir()
    assert open_run(path).status.state == "interrupted"


@pytest.fixture
def followed(tiny_study, tmp_path):
    """A long study that another process follows, as `sapo run` does, when it has saved a group."""
    slow = tiny_study.model_copy(
        update={"training": tiny_study.training.model_copy(update={"steps": 3000})}
    )
    spec = tmp_path / "slow.json"
    spec.write_text(slow.model_dump_json())
    said = tmp_path / "said.txt"
    runs = tmp_path / "runs"
    caller = forked_jobs.start_command(said, "run", str(spec), "--runs", str(runs))
    wait_until(lambda: list(runs.glob("*/tables/costs/part-*")) or not caller.is_alive())
    assert caller.is_alive(), "the study ended before it could be stopped"
    (path,) = runs.iterdir()

    def end():
        """The exit status and what was said by then."""
        caller.join(60)
        return caller.exitcode, said.read_text()

    yield end, path
    caller.kill()


def test_a_run_is_cancelled_from_elsewhere_and_taken_up_again(followed):
    end, path = followed
    status = jobs.cancel_run(path)
    assert status.state == "cancelled" and f"sapo resume {path}" in status.next_step
    code, said = end()
    assert code == 130 and f"sapo resume {path}" in said
    events = [
        json.loads(line)["event"] for line in (path / "events.jsonl").read_text().splitlines()
    ]
    assert events[-1] == "cancelled" and "group_finished" in events
    with pytest.raises(InputError, match="is cancelled: nobody works on it.*sapo resume"):
        jobs.cancel_run(path)
    # Whoever takes it up again finds nothing that tells it to end.
    worker = scripts.start_worker("study", str(path), "stacked")
    wait_until(lambda: open_run(path).status.state == "running" or not worker.is_alive())
    assert worker.is_alive() and not (path / ".cancel").exists()
    assert jobs.cancel_run(path).state == "cancelled"
    worker.join()


def test_a_worker_that_does_not_answer_is_killed(followed):
    end, path = followed
    os.kill(open_run(path).status.pid, signal.SIGSTOP)
    assert jobs.cancel_run(path, patience=1).state == "cancelled"
    assert end()[0] == 130


def test_a_worker_that_is_killed_ends_as_failed_with_the_reason(followed):
    end, path = followed
    os.kill(open_run(path).status.pid, signal.SIGKILL)
    code, said = end()
    assert code == 1
    status = open_run(path).status
    assert status.state == "failed" and "run out of memory" in status.error
    assert status.error in said and f"sapo resume {path}" in status.next_step
    assert list(path.glob("tables/costs/part-*"))


@pytest.mark.parametrize("left", [50_000, 80_000])
def test_a_full_disk_ends_as_failed_with_the_reason(small_disk, small, left):
    path = create_run(small_disk / "runs", small)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - left))
    with pytest.raises(WorkError, match=r"the disk is full, free some space \(.*sapo resume"):
        asked(jobs.continue_run, path)
    run = open_run(path)
    assert run.status.state == "failed" and "disk is full" in run.status.error
    filler.unlink()
    run_to_end(path)
    assert open_run(path).status.state == "done"
    assert len(open_run(path).table("trials")) == 3 and not (path / ".spare").exists()


def test_what_nobody_works_on_is_not_cancelled(small, tmp_path):
    path = create_run(tmp_path, small)
    with pytest.raises(InputError, match="is queued: nobody works on it"):
        jobs.cancel_run(path)
    assert not (path / ".cancel").exists()


def test_calibration_counts_what_the_run_then_does(small, worked_on):
    payload = {"study": json.loads(small.model_dump_json()), "engine": "stacked"}
    answer = asked(jobs.probe, "calibrate", payload)
    run, _ = worked_on
    costs = run.table("costs").groupby("phase")[["examples", "tokens"]].sum()
    assert answer["n_trials_main"] == 3 and answer["n_trials_noise"] == 0
    assert answer["n_candidates_scored"] == 3
    assert answer["scored_examples"] == costs.loc["score", "examples"]
    assert answer["scored_tokens"] == costs.loc["score", "tokens"]
    assert answer["train_examples"] == costs.loc["train", "examples"]
    assert answer["evaluated_examples"] == costs.loc["evaluate", "examples"]
    assert answer["train_tokens"] == pytest.approx(costs.loc["train", "tokens"], rel=0.1)
    assert answer["evaluated_tokens"] == pytest.approx(costs.loc["evaluate", "tokens"], rel=0.25)
    assert answer["seconds_low"] < answer["seconds"] < answer["seconds_high"]
    assert answer["memory_bytes"] > 50e6 and answer["disk_bytes"] > 0


def test_scores_of_the_probe_equal_those_of_a_run(worked_on):
    run, _ = worked_on
    answer = probes.score("pocket", "sentiment", None, 9)
    by_id = {row["prompt_id"]: row for row in answer["prompts"]}
    indicators = run.table("indicators").query("name == 'pre_update_loss'")
    assert len(indicators) == 3
    for row in indicators.itertuples():
        assert by_id[row.prompt_id]["pre_update_loss"] == pytest.approx(row.value, rel=1e-5)


def test_a_refused_question_is_an_input_error():
    with pytest.raises(InputError, match="Unknown task 'sentimnt'.*'sentiment'"):
        asked(
            jobs.probe,
            "score",
            {"model": "pocket", "task": "sentimnt", "prompts": None, "examples": 9},
        )


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """Asked for where a folder of the package's name lies."""
    here = tmp_path_factory.mktemp("here")
    (here / "sapo_analysis").mkdir()
    (here / "sapo_analysis" / "__init__.py").write_text("raise SystemExit('another copy')")
    with contextlib.chdir(here):
        return jobs.probe("devices", {})


def test_devices_names_the_device_and_the_reason(devices):
    assert devices["why"]
    assert devices["cuda_build"] or devices["gpus"] == []


def test_a_folder_of_the_packages_name_where_a_command_is_given_is_not_taken_for_it(devices):
    assert devices["device"] in ("cpu", "cuda")

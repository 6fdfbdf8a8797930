"""Detached work with real workers: in turn, one per device, and what kills leave behind."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from sapo_analysis import jobs
from sapo_analysis.errors import InputError
from sapo_analysis.jobs import background, queue
from sapo_analysis.jobs.dispatcher import LOOK_SECONDS
from sapo_analysis.store import open_run
from sapo_analysis.store.device_lock import hold_device, is_free
from tests import forked_jobs
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
TRUTH_SECONDS = 10
"""Within this a status says what happened."""


@pytest.fixture
def small(tiny_study):
    """Three trials in three groups beside the base and the scores: seconds."""
    return tiny_study.model_copy(
        update={"past": (), "current": ("sentiment",), "seeds": (0,), "noise_seeds": ()}
    )


@pytest.fixture
def long(tiny_study):
    """A study of minutes that has saved its first group after seconds."""
    training = tiny_study.training.model_copy(update={"steps": 800})
    return tiny_study.model_copy(update={"training": training})


@pytest.fixture
def runs_of_commands(tmp_path, monkeypatch):
    """A runs folder with device locks of its own, which leaves no process behind."""
    monkeypatch.setenv("SAPO_LOCKS", str(tmp_path / "locks"))
    folder = tmp_path / "runs"
    folder.mkdir()
    yield folder
    for job in queue.jobs_in(folder):
        with suppress(InputError):  # it ended just then
            jobs.cancel_run(job.path)
    wait_until(lambda: dispatcher_of(folder) is None)


@pytest.fixture
def runs(runs_of_commands, monkeypatch):
    """The same, with processes that do not import their libraries anew."""
    monkeypatch.setattr(background, "start_dispatcher", forked_jobs.start_dispatcher)
    return runs_of_commands


def state(path):
    return open_run(path).status.state


def groups(path):
    return open_run(path).finished_groups


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def dispatcher_of(folder):
    """The process that works a folder's queue off; None where there is none."""
    if (pid := forked_jobs.dispatcher_of(folder)) is not None:
        return pid
    found = subprocess.run(
        ["pgrep", "-f", f"sapo_analysis.jobs.dispatcher {folder}"], capture_output=True, text=True
    )
    pids = [int(pid) for pid in found.stdout.split()]
    return pids[0] if pids else None


def at_work_on(path):
    """Wait until a worker has saved a group of the run; its process."""
    wait_until(lambda: groups(path) or state(path) == "failed")
    assert state(path) == "running", open_run(path).status
    return open_run(path).status.pid


def test_runs_are_done_in_turn_each_alone_on_the_device(small, runs):
    first, second = jobs.launch(small, runs), jobs.launch(small, runs)
    both = set()
    wait_until(lambda: both.add((state(first), state(second))) or state(second) == "done")
    assert ("running", "running") not in both and ("done", "running") in both
    assert state(first) == "done"
    wait_until(lambda: is_free("cpu"), TRUTH_SECONDS)
    # The queue is empty, and nobody works on an empty one.
    wait_until(lambda: dispatcher_of(runs) is None, TRUTH_SECONDS)
    assert queue.jobs_in(runs) == [] and (runs / queue.LOCK).exists()


def test_a_killed_worker_ends_as_failed_and_the_next_run_has_its_turn(long, small, runs):
    first, second = jobs.launch(long, runs), jobs.launch(small, runs)
    worker = at_work_on(first)
    assert state(second) == "queued" and jobs.ahead_of(second) == 1
    saved = groups(first)
    kill(worker)
    wait_until(lambda: state(first) == "failed", TRUTH_SECONDS)
    status = open_run(first).status
    assert "run out of memory" in status.error and "sapo resume" in status.next_step
    assert groups(first) >= saved
    wait_until(lambda: state(second) == "done")


def test_a_worker_outlives_whoever_watches_the_queue(long, small, runs):
    first, second = jobs.launch(long, runs), jobs.launch(small, runs)
    worker = at_work_on(first)
    kill(wait_until(lambda: dispatcher_of(runs)))
    time.sleep(1)
    assert state(first) == "running" and open_run(first).status.pid == worker
    # What the start of a server does. The device is taken: the second run goes on waiting.
    jobs.set_going([runs])
    wait_until(lambda: dispatcher_of(runs), TRUTH_SECONDS)
    assert state(second) == "queued" and state(first) == "running"
    jobs.cancel_run(first)
    assert state(first) == "cancelled"
    wait_until(lambda: state(second) == "done")


def test_killed_together_a_run_is_interrupted_and_goes_on_where_it_was(long, runs):
    # A group of it is waited for: of seconds.
    training = long.training.model_copy(update={"steps": 300})
    path = jobs.launch(long.model_copy(update={"training": training}), runs)
    worker = at_work_on(path)
    saved = groups(path)
    kill(wait_until(lambda: dispatcher_of(runs)))
    kill(worker)
    wait_until(lambda: state(path) == "interrupted", TRUTH_SECONDS)
    assert '"running"' in (path / "status.json").read_text()
    jobs.set_going([runs])
    assert '"interrupted"' in (path / "status.json").read_text()
    wait_until(lambda: queue.jobs_in(runs) == [], TRUTH_SECONDS)
    jobs.resume(path)
    assert state(path) == "queued" and groups(path) >= saved
    wait_until(lambda: open_run(path).status.phase.startswith("learning past task"))
    jobs.finish_group(path)
    wait_until(lambda: state(path) == "cancelled")
    assert groups(path) > saved, "the group in flight was to be saved"
    assert not list(path.glob("tables/*/.*"))


def test_a_run_waits_for_a_device_that_somebody_else_holds(small, runs):
    with hold_device("cpu", runs / "other"):
        path = jobs.launch(small, runs)
        wait_until(lambda: dispatcher_of(runs))
        time.sleep(3 * LOOK_SECONDS)
        assert state(path) == "queued" and jobs.ahead_of(path) == 0
    wait_until(lambda: state(path) == "done")


def test_a_queue_held_by_another_process_goes_on_when_it_is_free(small, runs, monkeypatch):
    monkeypatch.setattr(queue, "_BUSY_SECONDS", 1.0)
    path = jobs.launch(small, runs)
    other = sqlite3.connect(runs / queue.FILE, isolation_level=None)
    other.execute("begin exclusive")
    time.sleep(3)  # longer than the dispatcher waits for the file
    assert state(path) != "failed" and dispatcher_of(runs)
    other.execute("rollback")
    wait_until(lambda: state(path) == "done")
    wait_until(lambda: queue.jobs_in(runs) == [])
    wait_until(lambda: dispatcher_of(runs) is None)


def test_on_a_full_disk_a_queued_run_fails_with_the_reason_and_is_not_lost(small, small_disk, runs):
    folder = small_disk / "runs"
    folder.mkdir()
    with hold_device("cpu", runs / "other"):
        path = jobs.launch(small, folder)
        filler = small_disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 50_000))
    wait_until(lambda: state(path) == "failed")
    assert "disk is full" in open_run(path).status.error
    filler.unlink()
    wait_until(lambda: queue.jobs_in(folder) == [], TRUTH_SECONDS)
    jobs.resume(path)
    wait_until(lambda: state(path) == "done")
    wait_until(lambda: dispatcher_of(folder) is None)


def test_a_refusal_of_the_worker_is_the_runs_reason(small, runs):
    wide = small.model_copy(update={"own_prompts": {"sentiment": ("word " * 10_000,)}})
    path = jobs.launch(wide, runs)
    wait_until(lambda: state(path) == "failed")
    status = open_run(path).status
    assert "own-01" in status.error and "at most" in status.error
    wait_until(lambda: queue.jobs_in(runs) == [])


def test_a_worker_that_cannot_begin_leaves_its_last_words(small, runs_of_commands, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(runs_of_commands.parent / "broken"))
    broken = runs_of_commands.parent / "broken" / "transformers"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('this installation is broken')")
    path = jobs.launch(small, runs_of_commands)
    wait_until(lambda: state(path) == "failed")
    error = open_run(path).status.error
    assert error == "its worker ended before it began: RuntimeError: this installation is broken"


def test_a_study_goes_on_when_the_terminal_that_launched_it_is_gone(small, runs_of_commands):
    code = "from sapo_analysis.cli import main; main()"
    runs = runs_of_commands
    spec = runs.parent / "small.json"
    spec.write_text(small.model_dump_json())
    command = [sys.executable, "-c", code, "run", spec, "--runs", runs, "--detach"]
    # A session of its own, whose end would take everything in it along.
    done = subprocess.run(
        command, capture_output=True, text=True, start_new_session=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (path,) = (p for p in runs.iterdir() if not p.name.startswith("."))
    assert str(path) in done.stdout and "goes on by itself" in done.stderr
    wait_until(lambda: state(path) == "done")

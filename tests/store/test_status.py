"""What a status says of a run whose worker lives, is silent, is dead, or is another process."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from sapo_analysis.store import layout
from sapo_analysis.store.status import STALLED_AFTER_SECONDS, Status, running_here

FOLDER = Path("runs/demo-0123abcd")


def test_a_living_worker_is_running():
    assert running_here(total=3).alive_now(FOLDER).state == "running"


def test_a_silent_worker_is_stalled():
    long_ago = datetime.now(UTC) - timedelta(seconds=STALLED_AFTER_SECONDS + 60)
    status = running_here(heartbeat=long_ago.isoformat()).alive_now(FOLDER)
    assert status.state == "stalled"
    for words in ("No sign of life", f"sapo cancel {FOLDER}", f"{FOLDER}/worker.log"):
        assert words in status.next_step


def test_a_dead_worker_is_interrupted():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(child.pid).create_time()
    status = running_here().model_copy(update={"pid": child.pid, "pid_started": started})
    assert status.alive_now(FOLDER).state == "running"
    child.communicate(b"\n")
    found = status.alive_now(FOLDER)
    assert found.state == "interrupted"
    for words in ("process is gone", f"sapo resume {FOLDER}", f"{FOLDER}/worker.log"):
        assert words in found.next_step


def test_a_dead_worker_not_yet_collected_is_interrupted():
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(child.pid)
    started = process.create_time()
    for _ in range(1200):
        if process.status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    status = running_here().model_copy(update={"pid": child.pid, "pid_started": started})
    assert status.alive_now(FOLDER).state == "interrupted"
    child.wait()


def test_a_dead_worker_that_was_to_be_cancelled_is_cancelled(tmp_path):
    status = running_here().model_copy(update={"pid_started": 0.0})
    assert status.alive_now(tmp_path).state == "interrupted"
    (tmp_path / layout.CANCEL).touch()
    found = status.alive_now(tmp_path)
    assert found.state == "cancelled" and f"sapo resume {tmp_path}" in found.next_step
    # While it lives it is running, whatever was asked.
    assert running_here().alive_now(tmp_path).state == "running"


def test_another_process_under_the_same_pid_is_not_the_worker():
    earlier = psutil.Process(os.getpid()).create_time() - 3600
    status = running_here().model_copy(update={"pid_started": earlier})
    assert status.alive_now(FOLDER).state == "interrupted"


@pytest.mark.parametrize("state", ["queued", "failed", "cancelled", "done", "interrupted"])
def test_only_running_needs_a_process(state):
    status = Status(state=state, pid=1, pid_started=0.0)
    assert status.alive_now(FOLDER) == status


def test_an_unknown_field_is_refused():
    with pytest.raises(ValidationError, match="surplus"):
        Status.model_validate({"surplus": 1})


@pytest.mark.parametrize("heartbeat", ["just now", "2026-01-01T00:00:00"])
def test_a_heartbeat_that_is_no_time_is_refused(heartbeat):
    """A naive time cannot be compared with the clock: it would fail wherever runs are listed."""
    with pytest.raises(ValidationError, match="heartbeat"):
        Status(state="running", heartbeat=heartbeat)


def test_a_process_of_another_machine_is_judged_by_its_silence_alone():
    there = running_here(host="another", pid=1, pid_started=0.0)
    assert there.alive_now(FOLDER).state == "running"
    silent = there.model_copy(update={"heartbeat": "2026-01-01T00:00:00+00:00"}).alive_now(FOLDER)
    assert silent.state == "stalled" and "begun on another: stop it there" in silent.next_step
    assert f"copied, `sapo cancel {FOLDER}`" in silent.next_step


def test_the_rest_is_estimated_by_what_is_finished_and_never_grows_under_way():
    begun = Status(state="running", done=0, total=10, seconds=30)
    assert begun.seconds_left is None
    finished = Status(state="running", done=2, total=10, seconds=20, done_at=20)
    assert finished.seconds_left == 80
    later = finished.model_copy(update={"seconds": 50.0})
    assert later.seconds_left == 50
    assert finished.model_copy(update={"seconds": 200.0}).seconds_left is None
    # A status of an earlier version knows no such moment.
    assert Status(state="running", done=2, total=10, seconds=20).seconds_left == 80
    assert finished.model_copy(update={"done": 10}).seconds_left is None

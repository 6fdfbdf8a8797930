"""What a dispatcher makes of a queue, look by look. Workers are stand-ins, none is started."""

import signal

import pytest

from sapo_analysis.jobs import dispatcher, queue
from sapo_analysis.jobs.dispatcher import MOST_STARTS, Dispatcher
from sapo_analysis.jobs.foreground import KILLED
from sapo_analysis.model_files import MODELS_DIR
from sapo_analysis.store import create_run, layout, mark_failed, open_run
from sapo_analysis.store.device_lock import BUSY_STATUS
from sapo_analysis.store.status import running_here

GONE = 2**22 + 1
"""No process has this number."""


class Workers:
    """Stands in for `Popen`: workers are kept by run, and end when a test says so."""

    def __init__(self):
        self.by_run = {}

    def __call__(self, command, env=None, **_):
        worker = Worker(command, env)
        self.by_run[command[command.index("study") + 1]] = worker
        return worker


class Worker:
    pid = GONE

    def __init__(self, command, environment):
        self.command, self.environment = command, environment
        self.code, self.killed = None, False

    def poll(self):
        return self.code

    def kill(self):
        self.killed = True

    def wait(self):
        return -9


@pytest.fixture
def workers(monkeypatch):
    found = Workers()
    monkeypatch.setattr(dispatcher.subprocess, "Popen", found)
    return found


@pytest.fixture
def free(monkeypatch):
    """The devices that no run holds."""
    found = {"cpu", "cuda"}
    monkeypatch.setattr(dispatcher, "is_free", found.__contains__)
    return found


@pytest.fixture
def queued(tiny_study, tmp_path):
    """Makes a run for a device and queues it."""

    def make(device="cpu"):
        path = create_run(tmp_path, tiny_study.model_copy(update={"device": device}))
        queue.put_in(path)
        return path

    return make


@pytest.fixture
def look(workers, free, tmp_path):
    """Lets one dispatcher look at the queue as it is."""
    one = Dispatcher(tmp_path)
    return lambda: one._look(queue.jobs_in(tmp_path))


def status(path):
    return open_run(path).status


def at_work(folder):
    return [job.path for job in queue.jobs_in(folder) if job.pid is not None]


def test_each_device_has_one_run_and_those_behind_it_wait(look, workers, free, queued):
    first, second, third = queued("cpu"), queued("cpu"), queued("cuda")
    look()
    free.discard("cpu")
    look()
    assert list(workers.by_run) == [str(first), str(third)]
    assert "--queued" in workers.by_run[str(first)].command
    free.discard("cuda")
    look()
    assert len(workers.by_run) == 2 and status(second).state == "queued"


def test_of_two_that_wait_for_a_device_beside_a_busy_one_a_look_starts_one(
    look, workers, free, queued
):
    gpu = queued("cuda")
    look()
    free.discard("cuda")
    first, _ = queued("cpu"), queued("cpu")
    look()
    assert list(workers.by_run) == [str(gpu), str(first)]


def test_auto_waits_for_the_device_that_it_comes_to(look, workers, free, queued, monkeypatch):
    monkeypatch.setattr(dispatcher, "probe", lambda *_: {"device": "cuda"})
    free.discard("cuda")
    auto, cpu = queued("auto"), queued("cpu")
    look()
    assert list(workers.by_run) == [str(cpu)] and status(auto).state == "queued"


def test_a_run_whose_device_was_taken_waits_again(look, workers, queued, tmp_path):
    path = queued()
    look()
    workers.by_run[str(path)].code = BUSY_STATUS
    look()
    assert status(path).state == "queued" and at_work(tmp_path) == []
    look()
    assert at_work(tmp_path) == [path]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (-signal.SIGKILL, KILLED),
        (1, "its worker ended before it began: ImportError: no such thing"),
    ],
)
def test_a_worker_that_ends_without_a_word_is_written_down(look, workers, queued, code, error):
    path = queued()
    look()
    (path / layout.LOG).write_text("Traceback\nImportError: no such thing\n\n")
    workers.by_run[str(path)].code = code
    look()
    assert (status(path).state, status(path).error) == ("failed", error)
    assert queue.ahead_of(path) is None


def test_what_a_worker_said_itself_stays(look, workers, queued):
    path = queued()
    look()
    mark_failed(path, "the disk is full")
    workers.by_run[str(path)].code = 1
    look()
    assert status(path).error == "the disk is full" and queue.ahead_of(path) is None


def test_a_run_that_lost_its_worker_is_started_again_but_not_for_ever(look, queued, tmp_path):
    """An earlier dispatcher started it, and both were killed before it began."""
    path = queued()
    for _ in range(MOST_STARTS - 1):
        assert queue.mark_started(path, GONE)
    look()
    assert status(path).state == "queued" and at_work(tmp_path) == []
    (path / layout.LOG).write_text("")
    queue.mark_started(path, GONE)
    look()
    assert status(path).state == "failed" and queue.jobs_in(tmp_path) == []


def test_a_run_that_an_unknown_worker_has_is_not_started(look, workers, queued, tmp_path):
    """A dispatcher was killed between starting a worker and writing that down."""
    path = queued()
    layout.write_model(path / layout.STATUS, running_here(total=3))
    look()
    assert workers.by_run == {} and queue.jobs_in(tmp_path) == []
    assert status(path).state == "running"


def test_a_run_cancelled_while_its_worker_starts_loses_that_worker(
    look, workers, queued, tmp_path, monkeypatch
):
    path = queued()

    def cancelled_meanwhile(command, **_):
        queue.take_out(path)
        return workers(command)

    monkeypatch.setattr(dispatcher.subprocess, "Popen", cancelled_meanwhile)
    look()
    assert workers.by_run[str(path)].killed and queue.jobs_in(tmp_path) == []


def test_names_of_models_mean_what_they_meant_to_whoever_queued_the_run(
    look, workers, queued, monkeypatch
):
    """The dispatcher may have been started by a server with other models, or by a terminal."""
    monkeypatch.setenv(MODELS_DIR, "/models/mine")
    path = queued("cuda")
    monkeypatch.setenv(MODELS_DIR, "/models/others")
    look()
    assert workers.by_run[str(path)].environment[MODELS_DIR] == "/models/mine"
    monkeypatch.delenv(MODELS_DIR)
    other = queued("cpu")
    monkeypatch.setenv(MODELS_DIR, "/models/others")
    look()
    assert MODELS_DIR not in workers.by_run[str(other)].environment


@pytest.mark.parametrize("name", [layout.PROVENANCE, layout.CONDITIONS])
def test_a_damaged_run_fails_and_the_next_one_has_its_turn(look, workers, queued, name):
    path, other = queued(), queued()
    (path / name).write_text("{")
    look()
    look()
    assert status(path).state == "failed" and name in status(path).error
    assert list(workers.by_run) == [str(other)]


def test_a_folder_that_is_gone_is_left_out(look, workers, queued, tmp_path):
    path, other = queued(), queued()
    path.rename(tmp_path / ".elsewhere")
    look()
    look()
    assert list(workers.by_run) == [str(other)] and not path.exists()

"""A status written from outside: never over a worker's, nor over the end of a run."""

import threading

import pytest
from filelock import FileLock

from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import (
    RunWriter,
    create_run,
    layout,
    mark_cancelled,
    mark_failed,
    mark_queued,
    open_run,
    settle,
    writer,
)
from sapo_analysis.store.status import running_here


@pytest.fixture
def path(tiny_study, tmp_path):
    return create_run(tmp_path, tiny_study)


def finished(path):
    with RunWriter(path, total=1) as writing:
        (path / layout.STATES).mkdir()
        writing.finish({})


@pytest.mark.parametrize("mark", [lambda path: mark_failed(path, "no room"), mark_cancelled])
def test_a_run_that_a_worker_has_or_that_is_done_stays_as_it_is(path, mark):
    with RunWriter(path, total=1) as writing:
        mark(path)
        assert open_run(path).status.state == "running"
        writing.finish({})
    mark(path)
    assert open_run(path).status.state == "done"


def test_a_run_that_a_worker_is_about_to_begin_is_not_queued(path):
    with FileLock(path / layout.LOCK), pytest.raises(InputError, match="is running: it cannot be"):
        mark_queued(path)


def test_a_folder_that_is_gone_is_not_brought_back(path):
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    with pytest.raises(RunError):
        mark_failed(path, "no room")
    assert not path.exists()


def test_an_orphan_is_written_down_once(path):
    layout.write_model(path / layout.STATUS, running_here(pid_started=0.0))
    assert settle(path) == "interrupted"
    assert '"interrupted"' in (path / layout.STATUS).read_text()
    before = (path / layout.STATUS).stat().st_mtime_ns
    assert settle(path) == "interrupted" and (path / layout.STATUS).stat().st_mtime_ns == before


def test_what_a_kill_left_of_a_done_run_is_removed(path, monkeypatch):
    monkeypatch.setattr(writer, "tidy", lambda path: None)
    finished(path)
    assert (path / layout.STATES).is_dir()
    assert settle(path) == "done" and not (path / layout.STATES).exists()


@pytest.mark.parametrize("error", [SystemExit(143), KeyboardInterrupt(), OSError("stale handle")])
def test_a_run_that_is_stopped_after_its_end_is_done(path, monkeypatch, error):
    def stopped(path):
        raise error

    monkeypatch.setattr(writer, "tidy", stopped)
    try:
        finished(path)
    except BaseException as raised:
        assert raised is error
    assert open_run(path).status.state == "done"
    assert '"done"' in (path / layout.EVENTS).read_text().splitlines()[-1]


def test_a_run_that_ended_while_a_worker_got_ready_is_not_begun_again(path):
    late = RunWriter(path, total=1)
    finished(path)
    with pytest.raises(InputError, match="is done"):
        late.__enter__()
    assert open_run(path).status.state == "done"
    FileLock(path / layout.LOCK).acquire(timeout=0).lock.release()


@pytest.mark.parametrize("mark", [layout.CANCEL, layout.FINISH])
def test_a_worker_ends_before_its_next_group_when_it_is_asked_to(path, mark):
    with pytest.raises(SystemExit), RunWriter(path, total=1) as writing:
        writing.begin_group()
        (path / mark).touch()
        writing.begin_group()
    assert open_run(path).status.state == "cancelled"


@pytest.mark.parametrize("write_down", [settle, mark_queued])
def test_a_killed_worker_that_still_lets_go_of_its_files_is_waited_for(path, write_down):
    layout.write_model(path / layout.STATUS, running_here(pid_started=0.0))
    lock = FileLock(path / layout.LOCK, thread_local=False)
    lock.acquire()
    letting_go = threading.Timer(0.3, lock.release)
    letting_go.start()
    write_down(path)
    letting_go.join()
    state = "interrupted" if write_down is settle else "queued"
    assert f'"{state}"' in (path / layout.STATUS).read_text()

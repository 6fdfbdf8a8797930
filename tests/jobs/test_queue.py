"""The queue file: order, who waits, what damaged and locked files answer. No worker is started."""

import os
import signal
import sqlite3
from threading import Timer

import pytest
from filelock import FileLock

from sapo_analysis import jobs
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.jobs import queue, stop
from sapo_analysis.store import create_run, open_run
from sapo_analysis.store.layout import STATUS, write_model
from sapo_analysis.store.requests import is_asked_to_end
from sapo_analysis.store.settling import mark_failed
from sapo_analysis.store.status import running_here


@pytest.fixture
def made(tiny_study, tmp_path):
    """Three runs in the queue of a folder."""
    paths = [create_run(tmp_path, tiny_study) for _ in range(3)]
    for path in paths:
        queue.put_in(path)
    return paths


def order(folder):
    return [(one.path, one.ahead) for one in jobs.waiting(folder)]


def test_runs_wait_in_the_order_they_came(made, tmp_path):
    assert order(tmp_path) == [(made[0], 0), (made[1], 1), (made[2], 2)]
    assert [jobs.ahead_of(path) for path in made] == [0, 1, 2]


def test_a_run_can_be_let_to_the_front(made, tmp_path):
    jobs.move_first(made[2])
    assert [path for path, _ in order(tmp_path)] == [made[2], made[0], made[1]]
    jobs.move_first(made[1])
    assert [path for path, _ in order(tmp_path)] == [made[1], made[2], made[0]]


def test_what_does_not_wait_is_not_moved(made, tmp_path, tiny_study):
    with pytest.raises(InputError, match=f"Known: .*{made[0].name}"):
        jobs.move_first(create_run(tmp_path, tiny_study))
    queue.mark_started(made[2], 1)
    with pytest.raises(InputError, match="Unknown run in the queue"):
        jobs.move_first(made[2])


def test_a_run_is_queued_once(made):
    with pytest.raises(InputError, match="in the queue already"):
        queue.put_in(made[0])
    assert queue.take_out(made[0]) and not queue.take_out(made[0])
    assert jobs.ahead_of(made[0]) is None


def test_one_at_work_counts_for_those_behind_it(made, tmp_path):
    assert queue.mark_started(made[0], 1)
    # Its worker is getting ready: it has not said so in the run's status yet.
    assert [one.is_starting for one in jobs.waiting(tmp_path)] == [True, False, False]
    assert [one.is_next for one in jobs.waiting(tmp_path)] == [True, False, False]
    write_model(made[0] / STATUS, running_here(total=3))
    assert order(tmp_path) == [(made[1], 1), (made[2], 2)]
    assert [one.is_next for one in jobs.waiting(tmp_path)] == [True, False]
    queue.mark_waiting(made[0])
    assert jobs.waiting(tmp_path)[0].is_starting is False


def test_a_run_taken_out_is_not_marked_as_started(made):
    queue.take_out(made[0])
    assert not queue.mark_started(made[0], 1)


def test_a_folder_without_a_queue_has_nothing_waiting_and_gets_no_file(tmp_path):
    assert jobs.waiting(tmp_path) == [] and not queue.take_out(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_another_process_holds_is_named(made, tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "_BUSY_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / queue.FILE, isolation_level=None)
    other.execute("begin exclusive")
    # Reading goes on meanwhile, as the write-ahead log has it.
    assert len(jobs.waiting(tmp_path)) == 3
    with pytest.raises(WorkError, match=r"held by another process \(file .*queue.*Try again"):
        queue.take_out(made[0])
    other.execute("rollback")
    assert queue.take_out(made[0])


def test_a_study_is_not_launched_into_a_queue_that_is_held(made, tmp_path, monkeypatch, tiny_study):
    monkeypatch.setattr(queue, "_BUSY_SECONDS", 0.1)
    before = sorted(tmp_path.iterdir())
    other = sqlite3.connect(tmp_path / queue.FILE, isolation_level=None)
    other.execute("begin exclusive")
    with pytest.raises(WorkError, match="held by another process"):
        jobs.launch(tiny_study, tmp_path)
    other.execute("rollback")
    left = {path.name for path in tmp_path.iterdir()} - {path.name for path in before}
    assert {name for name in left if not name.startswith(queue.FILE)} == set()


def test_a_damaged_file_says_that_no_run_is_affected(made, tmp_path):
    for path in tmp_path.glob(f"{queue.FILE}*"):
        path.write_bytes(b"not a database, and longer than a header has to be" * 40)
    with pytest.raises(WorkError, match="damaged.*Runs are unaffected: move the file away"):
        jobs.waiting(tmp_path)
    assert open_run(made[0]).status.state == "queued"


def test_a_waiting_run_is_cancelled_by_taking_it_out(made, tmp_path):
    status = jobs.cancel_run(made[1])
    assert status.state == "cancelled" and "sapo resume" in status.next_step
    assert [path for path, _ in order(tmp_path)] == [made[0], made[2]]
    with pytest.raises(InputError, match="is cancelled: nobody works on it"):
        jobs.cancel_run(made[1])


def test_what_nobody_works_on_is_not_stopped_and_the_next_step_is_named(made, tmp_path):
    with pytest.raises(InputError, match=f"If it waits: sapo cancel {made[0]}"):
        jobs.finish_group(made[0])
    for path in made:
        queue.take_out(path)
    with pytest.raises(InputError, match=f"not in the queue.*sapo resume {made[0]} --detach"):
        jobs.cancel_run(made[0])
    with pytest.raises(InputError, match="Known: none, nothing waits"):
        jobs.move_first(made[0])


def test_what_is_done_or_at_work_is_not_resumed(made, tmp_path, monkeypatch):
    monkeypatch.setattr("sapo_analysis.jobs.background.start_dispatcher", pytest.fail)
    queue.take_out(made[0])
    write_model(made[0] / STATUS, running_here(total=3))
    with pytest.raises(InputError, match="is running: it cannot be queued"):
        jobs.resume(made[0])
    assert made[0] not in [one.path for one in jobs.waiting(tmp_path)]


def test_a_resumed_run_waits_with_what_it_has(made, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("sapo_analysis.jobs.background.start_dispatcher", started.append)
    queue.take_out(made[0])
    mark_failed(made[0], "no room")
    (made[0] / ".cancel").touch()
    jobs.resume(made[0])
    status = open_run(made[0]).status
    assert (status.state, status.error, status.next_step) == ("queued", None, None)
    assert not (made[0] / ".cancel").exists() and started == [tmp_path]
    assert jobs.ahead_of(made[0]) == 2


@pytest.mark.parametrize("ask", [jobs.cancel_run, jobs.resume, jobs.finish_group, jobs.move_first])
def test_a_read_only_server_changes_nothing(made, tmp_path, monkeypatch, ask):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    write_model(made[1] / STATUS, running_here(pid_started=0.0))  # its worker is gone
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="read-only"):
        ask(made[0])
    jobs.set_going([tmp_path])
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_read_only_server_launches_nothing(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    with pytest.raises(InputError, match="read-only"):
        jobs.launch(tiny_study, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_nobody_watches_any_more_is_resumed(made, monkeypatch):
    """Worker and dispatcher were killed together: the queue still says that the run is at work."""
    monkeypatch.setattr("sapo_analysis.jobs.background.WORKER_ENDS_WITHIN_SECONDS", 0.2)
    monkeypatch.setattr("sapo_analysis.jobs.background.start_dispatcher", lambda folder: None)
    queue.mark_started(made[0], 2**22 + 1)
    mark_failed(made[0], "killed")
    jobs.resume(made[0])
    assert open_run(made[0]).status.state == "queued" and jobs.ahead_of(made[0]) == 2


def test_a_new_file_is_made_though_another_process_is_at_it(tmp_path):
    file = tmp_path / queue.FILE
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("begin")
    other.execute("select * from sqlite_master").fetchall()
    Timer(0.3, other.execute, ["rollback"]).start()
    queue.put_in(tmp_path / "a-0123abcd")
    assert [job.path.name for job in queue.jobs_in(tmp_path)] == ["a-0123abcd"]


def test_the_queue_of_a_folder_that_cannot_be_written_is_read(made, tmp_path, monkeypatch):
    monkeypatch.setattr(queue.os, "access", lambda *_: False)
    before = sorted(tmp_path.iterdir())
    assert order(tmp_path) == [(made[0], 0), (made[1], 1), (made[2], 2)]
    assert sorted(tmp_path.iterdir()) == before
    # Somebody else is at it: what is not in the file itself yet counts too.
    other = sqlite3.connect(tmp_path / queue.FILE)
    other.execute("delete from jobs where run = ?", (made[0].name,))
    other.commit()
    assert order(tmp_path) == [(made[1], 0), (made[2], 1)]
    other.close()


def test_what_waits_goes_on_though_a_dispatcher_was_killed(made, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("sapo_analysis.jobs.background.start_dispatcher", started.append)
    jobs.keep_going([tmp_path / "nowhere", tmp_path])
    assert started == [tmp_path]
    with FileLock(tmp_path / queue.LOCK):
        jobs.keep_going([tmp_path])
    for path in made:
        queue.take_out(path)
    jobs.keep_going([tmp_path])
    assert started == [tmp_path]


def silent_elsewhere(path):
    """A run that was copied from another machine while it was at work there."""
    there = running_here(host="another", heartbeat="2026-01-01T00:00:00+00:00")
    write_model(path / STATUS, there)


def test_a_run_copied_while_it_was_at_work_is_cancelled_and_resumed_here(made, monkeypatch):
    monkeypatch.setattr("sapo_analysis.jobs.background.start_dispatcher", lambda folder: None)
    # Its process has a number here too, whoever's.
    monkeypatch.setattr("sapo_analysis.jobs.stop._signal", pytest.fail)
    queue.take_out(made[0])
    silent_elsewhere(made[0])
    with pytest.raises(InputError, match="is stalled"):
        jobs.resume(made[0])
    assert jobs.cancel_run(made[0]).state == "cancelled"
    jobs.resume(made[0])
    assert open_run(made[0]).status.state == "queued"


def test_a_run_at_work_on_another_machine_is_asked_to_end_and_not_signalled(made, monkeypatch):
    monkeypatch.setattr("sapo_analysis.jobs.stop._signal", pytest.fail)
    write_model(made[0] / STATUS, running_here(host="another"))
    with pytest.raises(InputError, match="by the machine another. Cancel it there.*--after-group"):
        jobs.cancel_run(made[0])
    assert open_run(made[0]).status.state == "running" and not is_asked_to_end(made[0])
    jobs.finish_group(made[0])
    assert is_asked_to_end(made[0])


def test_a_folder_of_another_users_is_said_in_words(made, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sapo_analysis.jobs.stop.ask_to_end", denied)
    monkeypatch.setattr("sapo_analysis.jobs.background.mark_queued", denied)
    monkeypatch.setattr("sapo_analysis.jobs.stop.os.killpg", denied)
    monkeypatch.setattr("sapo_analysis.jobs.stop.os.kill", denied)
    with pytest.raises(InputError, match="Process .* is another user's"):
        stop._signal(os.getpid(), signal.SIGTERM)
    queue.take_out(made[0])
    with pytest.raises(InputError, match="Cannot write into .*Permission denied"):
        jobs.resume(made[0])
    assert jobs.ahead_of(made[0]) is None, "it is not queued by halves"
    write_model(made[0] / STATUS, running_here())
    with pytest.raises(InputError, match="Cannot write into .*Permission denied"):
        jobs.cancel_run(made[0])

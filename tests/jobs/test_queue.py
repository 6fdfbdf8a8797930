"""The queue file: order, who waits, what damaged and locked files answer. No worker is started."""

import sqlite3

import pytest

from sapo_analysis import jobs
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.jobs import queue
from sapo_analysis.store import create_run, open_run
from sapo_analysis.store.layout import STATUS, write_model
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


def test_a_run_is_queued_once(made):
    with pytest.raises(InputError, match="in the queue already"):
        queue.put_in(made[0])
    assert queue.take_out(made[0]) and not queue.take_out(made[0])
    assert jobs.ahead_of(made[0]) is None


def test_one_at_work_counts_for_those_behind_it(made, tmp_path):
    assert queue.mark_started(made[0], 1)
    # Its worker is getting ready: it has not said so in the run's status yet.
    assert [one.is_starting for one in jobs.waiting(tmp_path)] == [True, False, False]
    write_model(made[0] / STATUS, running_here(total=3))
    assert order(tmp_path) == [(made[1], 1), (made[2], 2)]
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

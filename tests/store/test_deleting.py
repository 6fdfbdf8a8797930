"""Deleting: only a run of one's own, that nobody works on; and a run as one file."""

import io
import os
import zipfile

import pytest
from filelock import FileLock

from sapo_analysis.errors import InputError
from sapo_analysis.jobs.queue import put_in
from sapo_analysis.jobs.removal import remove_run
from sapo_analysis.store import CACHED_RUNS, create_run, layout, list_runs, open_run
from sapo_analysis.store.archive import pack, packed_bytes
from sapo_analysis.store.deleting import delete_run
from sapo_analysis.store.labels import set_tags, tags_in
from sapo_analysis.store.status import running_here
from tests.tiny import tiny_study


@pytest.fixture
def path(tmp_path):
    return create_run(tmp_path, tiny_study())


def test_a_run_goes_with_its_tags_and_leaves_nothing(path):
    set_tags(path, ["old"])
    delete_run(path)
    left = {p.name for p in path.parent.iterdir()}
    assert left <= {".labels.json", ".labels.lock"} and tags_in(path.parent) == {}


def test_what_a_kill_left_half_deleted_goes_with_the_next_one(path):
    half = path.parent / f".deleted-{path.name}"
    (half / layout.TABLES).mkdir(parents=True)
    delete_run(path)
    assert not half.exists() and not path.exists()


def test_a_damaged_run_can_be_deleted(path):
    (path / layout.SPEC).write_text("{")
    delete_run(path)
    assert list_runs([path.parent]) == []


def test_what_is_worked_on_stays(path):
    layout.write_model(path / layout.STATUS, running_here())
    with pytest.raises(InputError, match="is being worked on. Cancel it first"):
        delete_run(path)
    assert open_run(path).status.state == "running"


def test_what_a_worker_is_about_to_write_stays(path):
    with FileLock(path / layout.LOCK), pytest.raises(InputError, match="is being worked on"):
        delete_run(path)
    assert path.is_dir()


def test_what_waits_in_the_queue_stays(path):
    put_in(path)
    with pytest.raises(InputError, match="waits in the queue"):
        remove_run(path)
    assert path.is_dir()


def test_shipped_runs_stay():
    shipped = next(p for p in CACHED_RUNS.iterdir() if (p / layout.SPEC).is_file())
    with pytest.raises(InputError, match="is a shipped one and stays"):
        remove_run(shipped)
    assert (shipped / layout.SPEC).is_file()


def test_a_folder_that_is_no_run_stays(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="is not a run folder"):
        delete_run(tmp_path / "photos")
    with pytest.raises(InputError, match="is not a run folder"):
        delete_run(tmp_path / "none")
    assert (tmp_path / "photos").is_dir()


def test_of_a_link_only_the_link_goes(path, tmp_path):
    link = tmp_path / "linked"
    link.symlink_to(path, target_is_directory=True)
    delete_run(link)
    assert not os.path.lexists(link) and open_run(path).status.state == "queued"


def test_a_read_only_server_deletes_nothing(path, monkeypatch):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    for delete in (delete_run, remove_run):
        with pytest.raises(InputError, match="read-only"):
            delete(path)
    assert path.is_dir()


def test_an_archive_holds_the_run_without_states_links_and_dot_files(path, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (path / "states" / "s").mkdir(parents=True)
    (path / "states" / "s" / "weights.safetensors").write_bytes(b"w" * 1000)
    (path / ".cancel").touch()
    (path / "linked").symlink_to(secret, target_is_directory=True)
    (path / "key").symlink_to(secret / "key")
    file = io.BytesIO()
    pack(path, file)
    with zipfile.ZipFile(file) as archive:
        assert set(archive.namelist()) == {f"{path.name}/spec.json", f"{path.name}/status.json"}
        archive.extractall(tmp_path / "elsewhere")
    assert open_run(tmp_path / "elsewhere" / path.name).study == open_run(path).study
    assert packed_bytes(path) == sum(
        (path / name).stat().st_size for name in ("spec.json", "status.json")
    )

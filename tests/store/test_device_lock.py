"""One run per device: who holds it, and that a killed holder leaves nothing that counts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sapo_analysis.errors import WorkError
from sapo_analysis.store import device_lock
from sapo_analysis.store.device_lock import DeviceBusy, hold_device, holder_of, is_free


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPO_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(device_lock, "_LOOKING_SECONDS", 0.1)
    return tmp_path / "locks"


def test_a_device_is_held_by_one_run_at_a_time_and_says_which():
    assert is_free("cpu") and holder_of("cpu") is None
    with hold_device("cpu", Path("runs/one")):
        assert not is_free("cpu") and holder_of("cpu") == Path("runs/one").absolute()
        with pytest.raises(DeviceBusy, match="by cpu: .*runs/one.*sapo run --detach"):
            hold_device("cpu", Path("runs/two"))
        with hold_device("cuda", Path("runs/two")):
            assert not is_free("cuda")
    assert is_free("cpu") and is_free("cuda") and holder_of("cpu") is None


def test_a_killed_holder_holds_nothing_and_is_not_named(locks):
    script = (
        "import signal; from pathlib import Path\n"
        "from sapo_analysis.store.device_lock import hold_device\n"
        "with hold_device('cpu', Path('runs/killed')):\n"
        "    print('held', flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert holder_of("cpu") == Path("runs/killed").absolute()
        holder.kill()
    assert (locks / "cpu.json").exists(), "its name stays behind"
    assert is_free("cpu") and holder_of("cpu") is None
    with hold_device("cpu", Path("runs/next")):
        assert holder_of("cpu") == Path("runs/next").absolute()


def test_a_folder_of_somebody_else_is_refused(locks, monkeypatch):
    locks.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: locks.stat().st_uid + 1)
    with pytest.raises(WorkError, match="somebody else's.*SAPO_LOCKS"):
        is_free("cpu")


def test_a_folder_that_cannot_be_made_is_named(locks):
    locks.write_text("a file")
    with pytest.raises(WorkError, match="cannot be made.*SAPO_LOCKS"):
        is_free("cpu")

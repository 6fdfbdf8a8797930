"""`sapo fetch` and `sapo models` against a hub on this machine: what comes, what is refused."""

import errno
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download
from typer.testing import CliRunner

from sapo_analysis import worker
from sapo_analysis.cli import app
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.hub import asking
from sapo_analysis.hub.refusals import explain
from sapo_analysis.hub.subject import Subject
from sapo_analysis.model_files import POCKET, find_model
from sapo_analysis.studies import runner
from tests import hub_server
from tests.hub_server import Failure
from tests.in_process import working

OLD, NEW = "a" * 40, "b" * 40
NEEDED = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
TOKEN = "hf_secret_of_the_user"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one model, an empty cache, a user with a token, and no process to wait for."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # A download that breaks off is tried again six times, a second apart.
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
    with hub_server.serving() as server, working():
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.add("org/tiny", OLD, repository(), "main")
        yield server


def repository(**others):
    """A repository as many are: with weights in several formats and copies, and code."""
    files = hub_server.files_in(POCKET, *NEEDED, "model.safetensors")
    unneeded = ("pytorch_model.bin", "original/model.safetensors", "model.fp32.safetensors")
    return {**files, **dict.fromkeys((*unneeded, "modeling_tiny.py", "README.md"), b"-"), **others}


def sapo(*arguments):
    return CliRunner().invoke(app, list(arguments))


def fetched(name):
    return sorted(path.name for path in find_model(name).folder.iterdir())


def test_a_model_is_fetched_with_what_it_needs_and_nothing_else(hub):
    done = sapo("fetch", "org/tiny")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"org/tiny@{OLD}\n"
    assert f"org/tiny at {OLD}: 5 files, 4.6 MB; to fetch: 5, 4.6 MB, into " in done.stderr
    assert "5 of 5: model.safetensors" in done.stderr
    assert fetched("org/tiny") == sorted([*NEEDED, "model.safetensors"])
    found = find_model("org/tiny")
    assert found.revision == OLD and found.n_parameters == find_model("pocket").n_parameters
    assert runner._model(found)["revision"] == OLD  # as a run's provenance has it
    asked = len(hub.requests)
    again = sapo("fetch", "org/tiny", "--json")
    assert "to fetch: 0" in again.stderr and json.loads(again.stdout)["complete"]
    assert len(hub.requests) == asked + 1  # the list of files alone


def test_a_revision_is_fetched_by_branch_or_commit_beside_others(hub):
    sapo("fetch", "org/tiny")
    config = json.loads(repository()["config.json"])
    changed = json.dumps({**config, "rms_norm_eps": 0.5}).encode()
    hub.add("org/tiny", NEW, repository(**{"config.json": changed}), "refs/pr/1")
    assert sapo("fetch", "org/tiny@refs/pr/1").stdout == f"org/tiny@{NEW}\n"
    assert find_model("org/tiny").revision == OLD  # main is where it was
    assert find_model("org/tiny@refs/pr/1").revision == NEW
    weights = {
        find_model(f"org/tiny@{commit}").folder / "model.safetensors" for commit in (OLD, NEW)
    }
    assert len({path.resolve() for path in weights}) == 1  # equal files are kept once
    hub.add("org/tiny", NEW, hub.repositories["org/tiny"][NEW], "main")
    assert sapo("fetch", f"org/tiny@{OLD}").exit_code == 0
    assert find_model("org/tiny").revision == OLD  # a commit moves no branch
    assert not (find_model("org/tiny").folder.parents[1] / "refs" / OLD).exists()
    sapo("fetch", "org/tiny")
    assert find_model("org/tiny").revision == NEW


def test_weights_in_parts_come_with_their_index(hub):
    parts = {f"model-0000{i}-of-00002.safetensors": b"" for i in (1, 2)}
    index = {"model.safetensors.index.json": b"{}", "consolidated.safetensors": b"-"}
    files = {k: v for k, v in repository().items() if k != "model.safetensors"}
    hub.add("org/parts", OLD, {**files, **parts, **index}, "main")
    (offer,) = json.loads(sapo("models", "org/parts", "--json").stdout)
    weights = {file["name"] for file in offer["files"]} - {*NEEDED}
    assert weights == {*parts, "model.safetensors.index.json"}


def test_code_of_a_model_comes_only_where_it_is_trusted(hub):
    assert sapo("fetch", "org/tiny", "--trust-remote-code").exit_code == 0
    assert "modeling_tiny.py" in fetched("org/tiny")


def test_what_would_be_fetched_is_told_and_nothing_is(hub, tmp_path):
    hub.gated.add("org/tiny")
    done = sapo("models", "pocket", "org/tiny")
    assert done.exit_code == 0, done.output
    assert f"At revision {OLD}. 5 MB would be fetched: sapo fetch org/tiny. It" in done.stdout
    assert "It is gated: accept its terms at http" in done.stdout
    local, offer = json.loads(sapo("models", "pocket", "org/tiny", "--json").stdout)
    assert (local["name"], local["local"], local["layout"]) == ("pocket", True, "chat template")
    assert (offer["revision"], offer["gated"], offer["local"]) == (OLD, True, False)
    assert offer["n_bytes"] == sum(file["n_bytes"] for file in offer["files"])
    assert not (tmp_path / "hub").exists()


def test_models_of_this_machine_are_listed_without_the_hub(hub, monkeypatch):
    sapo("fetch", "org/tiny")
    (find_model("org/tiny").folder / "tokenizer.json").unlink()
    hub.failures[""] = Failure(silent=True)
    rows = {row["name"]: row for row in json.loads(sapo("models", "--json").stdout)}
    assert rows["pocket"]["complete"] and rows["pocket"]["source"] == "shipped"
    assert not rows["org/tiny"]["complete"] and "no tokenizer" in rows["org/tiny"]["problem"]
    assert rows["org/tiny"]["revision"] == OLD
    assert "no tokenizer" in sapo("models").stdout


def files_without(*names, **others):
    return {name: content for name, content in repository(**others).items() if name not in names}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (files_without("model.safetensors"), "no weights in safetensors.*can run code"),
        ({"adapter_config.json": b"{}", "adapter_model.safetensors": b""}, "is an adapter"),
        ({"model.gguf": b""}, "no config.json"),
        (
            repository(**{"config.json": b'{"architectures": ["BertForMaskedLM"]}'}),
            r"no causal language model \(BertForMaskedLM\)",
        ),
    ],
)
def test_a_repository_that_cannot_be_studied_is_refused_before_it_is_fetched(hub, files, message):
    hub.add("org/other", OLD, files, "main")
    done = sapo("fetch", "org/other")
    assert done.exit_code == 2 and re.search(f"^Error: Model 'org/other' .*{message}", done.stderr)
    assert not [line for line in hub.requests if "/resolve/" in line]


API, FILES = "/api/models", "/resolve/"


@pytest.mark.parametrize(
    ("place", "failure", "status", "message"),
    [
        (API, Failure(401, "RepoNotFound"), 2, "'org/tiny' is not on the hub, or it is private"),
        (API, Failure(404), 2, "is not on the hub, or it is private"),
        (API, Failure(404, "RevisionNotFound"), 2, "no revision 'main'.*/org/tiny/commits"),
        (API, Failure(401, "GatedRepo"), 2, "gated. Accept its terms at .*/org/tiny.*HF_TOKEN"),
        (FILES, Failure(403, "GatedRepo"), 2, "gated. Accept its terms.*sapo fetch org/tiny"),
        (API, Failure(401), 2, r"refuses model org/tiny .*\(401\).*valid read token"),
        (API, Failure(403), 2, r"refuses model org/tiny .*\(403\)"),
        (API, Failure(429, headers={"Retry-After": "70"}), 1, "again in 70 s: sapo fetch org/tiny"),
        (API, Failure(429), 1, "again in some minutes"),
        (API, Failure(503), 1, "answered 503.*again later"),
        (FILES, Failure(502), 1, "answered 502"),
        (API, Failure(200, body=b"<html>Log in"), 1, "not the hub's: a login page"),
        (FILES, Failure(broken=True), 1, "broke off. Whole files are kept.*sapo fetch org/tiny"),
    ],
)
def test_each_refusal_is_one_message_with_the_next_step(hub, place, failure, status, message):
    hub.failures[place] = failure
    done = sapo("fetch", "org/tiny")
    assert done.exit_code == status, done.output
    said = done.stderr.splitlines()[-1]
    assert re.search(f"^{'Error' if status == 2 else 'Failed'}: .*{message}", said)
    assert TOKEN in "".join(hub.tokens) and TOKEN not in done.output


def test_what_broke_off_goes_on_with_the_rest(hub):
    hub.failures["model.safetensors"] = Failure(broken=True)
    assert sapo("fetch", "org/tiny").exit_code == 1
    assert "no .safetensors file. Fetch it again: sapo fetch" in sapo("models", "org/tiny").stdout
    hub.failures.clear()
    done = sapo("fetch", "org/tiny")
    assert done.exit_code == 0 and "to fetch: 1, 4.5 MB" in done.stderr


def test_the_token_is_in_no_file(hub, tmp_path):
    sapo("fetch", "org/tiny")
    for path in Path(tmp_path).rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def unanswering():
    """A port that takes connections and never says a word."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_a_silent_server_is_given_up_in_time(hub, monkeypatch):
    monkeypatch.setattr(asking, "SECONDS", 0.3)
    with unanswering() as listener:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        begun = time.monotonic()
        done = sapo("models", "org/tiny")
    assert done.exit_code == 1 and time.monotonic() - begun < 2
    assert "did not answer in time; model org/tiny needs it." in done.stderr


def test_what_has_no_time_limit_of_its_own_is_left_behind(monkeypatch):
    monkeypatch.setattr(asking, "SECONDS", 0.05)
    over = threading.Event()
    with pytest.raises(WorkError, match="did not answer in time; dataset org/rows needs it"):
        asking.ask(lambda seconds: over.wait(5), Subject("dataset", "org/rows", None, "again"))
    over.set()


def test_a_hub_that_is_far_away_is_waited_for_on_request(monkeypatch):
    subject = Subject("model", "org/tiny", None, "again")
    monkeypatch.setattr(asking, "SECONDS", 0.01)
    monkeypatch.setenv(asking.PATIENCE, "5")
    assert asking.ask(lambda seconds: time.sleep(0.1) or seconds, subject) == 5
    for wrong in ("0", "-1", "nan", "inf", "soon", ""):
        monkeypatch.setenv(asking.PATIENCE, wrong)
        with pytest.raises(InputError, match=f"SAPO_HUB_SECONDS is {wrong!r}. Give seconds"):
            asking.ask(lambda seconds: seconds, subject)


def test_a_time_limit_within_a_download_is_no_broken_disk():
    class TimeoutException(OSError):
        """Named as in the HTTP libraries."""

    said = explain(TimeoutException(), Subject("model", "org/tiny", None, "again"))
    assert "did not answer in time" in str(said)


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [("http://127.0.0.1:9", "Connection refused"), ("http://no.such.host.invalid", "")],
)
def test_no_network_is_told_with_what_works_without(hub, monkeypatch, endpoint, reason):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    done = sapo("fetch", "org/tiny")
    assert done.exit_code == 1
    assert f"cannot be reached ({reason}" in done.stderr and "`sapo models`" in done.stderr


def test_a_hub_that_is_switched_off_is_not_asked(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    done = sapo("fetch", "org/tiny")
    assert done.exit_code == 1 and "HF_HUB_OFFLINE" in done.stderr and "Unset it" in done.stderr
    assert hub.requests == []


def test_too_little_space_is_told_before_anything_is_fetched(hub, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**8))
    done = sapo("fetch", "org/tiny")
    assert done.exit_code == 1
    assert re.search(r"10\d\.\d MB are needed .*, and 100.0 MB are free", done.stderr)
    assert "HF_HOME" in done.stderr and not [r for r in hub.requests if FILES in r]


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [
        (errno.ENOSPC, 1, "No space left in .*HF_HOME.*sapo fetch org/tiny"),
        (errno.EROFS, 2, "cannot be written .*HF_HOME"),
    ],
)
def test_a_disk_that_takes_nothing_is_told(hub, monkeypatch, number, status, message):
    def refuse(*args, **kwargs):
        raise OSError(number, "no")

    monkeypatch.setattr(file_download, "_download_to_tmp_and_move", refuse)
    done = sapo("fetch", "org/tiny")
    assert done.exit_code == status and re.search(message, done.stderr)


@pytest.mark.parametrize("name", ["org/tiny/more", "../etc", "org//tiny", "a b"])
def test_what_is_no_id_is_refused_without_asking(hub, name):
    done = sapo("fetch", name)
    assert done.exit_code == 2 and "is no id of the hub" in done.stderr
    assert hub.requests == []


def test_the_command_itself_fetches_in_a_process_that_may_use_the_network(hub, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from sapo_analysis.cli import main; main()", "fetch", "org/tiny"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path / "own")},
    )
    assert (done.returncode, done.stdout) == (0, f"org/tiny@{OLD}\n"), done.stderr
    assert "5 of 5: model.safetensors" in done.stderr and TOKEN not in done.stderr


def test_every_other_kind_of_work_stays_off_the_network(monkeypatch):
    for kind, offline in (("study", "1"), ("score", "1"), ("fetch_model", None)):
        monkeypatch.setattr(os, "environ", {})
        worker._set_network(kind)
        assert os.environ.get("HF_HUB_OFFLINE") == offline
        assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"

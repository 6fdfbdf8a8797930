"""`sapo paraphrase` from end to end: a real server on this machine, a file, the pocket model."""

from __future__ import annotations

import json
import signal
import threading

import pytest
import yaml
from typer.testing import CliRunner

from sapo_analysis import jobs
from sapo_analysis.cli import app
from sapo_analysis.store.own_prompts import read_own_prompts
from tests.prompts import endpoint_server as does
from tests.prompts.endpoint_server import serving

KEY = "sk-test-1618033988749894"
ONE = "Does the sentence read as negative to you, or as positive?"
TWO = "Tell me if a reader would call this positive, or else negative."
SHORT = "positive or negative?"
REPLY = f"Sure! Here they are:\n1. {ONE}\n2. {TWO}\n3. {SHORT}\n4. Is it good?"


@pytest.fixture(scope="module")
def shared():
    with serving() as server:
        yield server


@pytest.fixture
def server(shared, tmp_path, monkeypatch):
    """A server set up as the endpoint `here`, its key in the environment; a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SAPO_ENDPOINTS", str(tmp_path / "endpoints.yaml"))
    monkeypatch.setenv("TEST_KEY", KEY)
    here = {"base_url": shared.url, "model": ["m-1", "m-2"], "key_env": "TEST_KEY"}
    (tmp_path / "endpoints.yaml").write_text(yaml.safe_dump({"endpoints": {"here": here}}))
    shared.calls.clear()
    shared.acts = [does.say(REPLY)]
    return shared


def sapo(*options, status=0):
    result = CliRunner().invoke(app, ["paraphrase", "sentiment", *map(str, options)])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def kept(folder):
    return [(p.text, p.source, p.note) for p in read_own_prompts(folder, "sentiment").prompts]


def test_from_asking_to_prompts_of_ones_own_with_the_key_in_no_file(server, tmp_path):
    result = sapo("--endpoint", "here", "--runs", "runs", "--n", 4, "--seed", 3)
    source, note = "endpoint here: m-1", "temperature 0.6, seed 3"
    assert kept(tmp_path / "runs") == [(ONE, source, note), (TWO, source, note)]
    assert "1 call to model m-1 at 127.0.0.1" in result.stderr
    assert "1 call answered: 100 tokens in, 20 out." in result.stderr
    shown = " ".join(result.stdout.split())
    for said in (
        "introduces the reply",
        "does not name the label 'positive'",
        "length is a confound",
        "2 kept among your prompts of sentiment.",
        "`own_prompts: kept`. 1 to look at: --flagged keeps them too.",
    ):
        assert said in shown
    again = sapo("--endpoint", "here", "--runs", "runs", "--n", 4, "--seed", 3, "--flagged")
    assert len(server.calls) == 1 and "1 call answered before; nothing is sent" in again.stderr
    assert [text for text, *_ in kept(tmp_path / "runs")] == [ONE, TWO, SHORT]
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 3 and not any(KEY.encode() in content for content in written)
    assert KEY not in result.output + again.output
    assert server.calls[0]["headers"]["Authorization"] == f"Bearer {KEY}"


def test_what_was_answered_before_needs_no_key_and_no_network(server, tmp_path, monkeypatch):
    sapo("--endpoint", "here")
    monkeypatch.delenv("TEST_KEY")
    server.acts = [does.fail(500)]
    server.calls.clear()
    sapo("--endpoint", "here", "--runs", "other")
    assert [text for text, *_ in kept(tmp_path / "other")] == [ONE, TWO] and server.calls == []


def test_json_is_one_document_with_every_reason_and_the_cost(server, tmp_path):
    server.acts = [does.say(REPLY), does.fail(400, "too much")]
    options = ("--n", 2, "--per-call", 1, "--model", "m-2", "--runs", "runs", "--json")
    document = json.loads(sapo("--endpoint", "here", *options).stdout)
    assert (document["source"], document["n_kept"]) == ("endpoint here: m-2", 2)
    assert [c["verdict"] for c in document["candidates"]] == [
        "refused",
        "use",
        "use",
        "flagged",
        "refused",
    ]
    assert all(c["reasons"] for c in document["candidates"] if c["verdict"] != "use")
    assert "answers 400: too much" in document["failures"][0]["reason"]
    assert document["cost"]["tokens_in"] == 100 and document["cost"]["budget"]["calls"] == 2


def test_a_dry_run_sends_nothing_and_shows_what_would_be_sent(server, tmp_path):
    shown = sapo("--endpoint", "here", "--dry-run").stdout
    assert "Write 10 paraphrases of this instruction" in shown and "2 calls to model" in shown
    assert server.calls == [] and not (tmp_path / "runs").exists()


def test_much_is_not_sent_without_asking(server, tmp_path):
    many = ("--endpoint", "here", "--n", 20, "--per-call", 1)
    said = sapo(*many, status=2).stderr
    assert "20 calls to model" in said and "Say --yes to send it" in said and server.calls == []
    sapo(*many, "--yes")
    assert len(server.calls) == 20


def test_nothing_that_came_is_a_failure_with_the_reasons(server, tmp_path):
    server.acts = [does.fail(401, "unknown key")]
    said = sapo("--endpoint", "here", status=1).stderr
    assert "reply 1: 127.0.0.1" in said and "is the key in TEST_KEY right?" in said
    assert "Failed: Nothing came from endpoint here: m-1" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "Nothing was given to take paraphrases from"),
        (["--endpoint", "here", "--file", "x.txt"], "--endpoint and --file were given to take"),
        (["--endpoint", "her"], "Unknown endpoint 'her'. Did you mean 'here'? Known: here."),
        (["--endpoint", "here", "--model", "m"], "Unknown model of endpoint 'here': 'm'"),
        (["--endpoint", "here", "--n", "0"], "0 paraphrases cannot be asked for"),
        (["--endpoint", "here", "--per-call", "0"], "0 paraphrases cannot come in one reply"),
        (["--endpoint", "here", "--temperature", "3"], "Temperature 3 is out of range"),
        (["--local-model", "pockt"], "Unknown model 'pockt'"),
        (["--local-model", "pocket", "--model", "m"], "--model says nothing about --local-model"),
        (["--local-model", "pocket", "--temperature", "0"], "writes the same every time"),
        (["--local-model", "pocket", "--seed", "-1"], "Seed -1 is out of range"),
        (["--file", "missing.txt"], "Cannot read 'missing.txt': No such file"),
        (["--file", "missing.txt", "--n", "3"], "--n says nothing about --file"),
    ],
)
def test_wrong_input_is_said_and_nothing_is_sent_or_written(server, tmp_path, options, why):
    said = sapo(*options, status=2)
    assert why in said.stderr and said.stdout == ""
    assert server.calls == [] and not (tmp_path / "runs").exists()


def test_without_an_endpoint_or_its_key_the_next_step_is_named(server, tmp_path, monkeypatch):
    monkeypatch.delenv("TEST_KEY")
    assert "environment variable TEST_KEY" in sapo("--endpoint", "here", status=2).stderr
    (tmp_path / "endpoints.yaml").unlink()
    said = sapo("--endpoint", "here", status=2).stderr
    assert str(tmp_path / "endpoints.yaml") in said and "base_url: http://127.0.0.1" in said


def test_ctrl_c_ends_it_and_what_came_is_kept(server, tmp_path, request):
    def interrupt(handler, own):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        does.hang(handler, own)

    server.acts = [does.say(REPLY), interrupt]
    endpoints = tmp_path / "endpoints.yaml"
    endpoints.write_text(endpoints.read_text() + "    parallel: 1\n")
    asked = ("--endpoint", "here", "--n", 2, "--per-call", 1)
    # Where tests run behind a shell's `&` it is ignored, which processes inherit.
    ignored_or_not = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, ignored_or_not))
    assert "the same command asks for the rest alone" in sapo(*asked, status=130).stderr
    server.calls.clear()
    server.acts = [does.say(TWO)]
    sapo(*asked)
    assert len(server.calls) == 1


def test_a_file_goes_through_the_same_checks(server, tmp_path):
    (tmp_path / "mine.csv").write_text(f'text,by\n"{ONE}",me\n"Is it good?",me\n')
    sapo("--file", "mine.csv", "--runs", "runs")
    assert kept(tmp_path / "runs") == [(ONE, "file", "")]
    again = sapo("--file", "mine.csv", "--runs", "runs")  # nothing new is no failure
    assert "repeats a prompt of your own" in again.stdout


def test_a_local_model_is_asked_by_the_engine_and_what_it_writes_is_checked(
    server, tmp_path, monkeypatch
):
    asked = []

    def probe(kind, payload, timeout):
        asked.append((kind, payload))
        texts = [(ONE, False), ("good", False), (f"{TWO} And", True)]
        return {"replies": [{"text": text, "cut_off": cut} for text, cut in texts]}

    monkeypatch.setattr(jobs, "probe", probe)
    found = sapo("--local-model", "pocket", "--n", 3, "--temperature", 1, "--runs", "runs")
    assert kept(tmp_path / "runs") == [(ONE, "model pocket", "temperature 1, seed 0")]
    payload = {"model": "pocket", "task": "sentiment", "n": 3, "temperature": 1.0, "seed": 0}
    assert asked == [("paraphrase", {**payload, "tasks_from": []})]
    assert "does not name the label" in found.stdout and "was cut off" in found.stdout


def test_candidates_of_which_none_can_be_used_are_a_failure_that_says_so(server, tmp_path):
    server.acts = [does.say("good\nbad")]
    found = sapo("--endpoint", "here", "--runs", "runs", "--n", 2, status=1)
    assert "None of 2 candidates from endpoint here: m-1 was kept" in found.stderr
    assert "does not name the label" in found.stdout and not (tmp_path / "runs").exists()

"""Without a network: what needs none works and asks for none, what needs one says so in time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = ["unshare", "--net"]
"""A network namespace of its own, with nothing in it: needs the right to make one."""

WORKS = [
    ["tasks"],
    ["prompts", "sentiment"],
    ["models"],
    ["runs"],
    ["queue"],
    ["report", "tuning-order-4545e685"],
    ["doctor"],
]
NEEDS_THE_HUB = [["fetch", "org/tiny"], ["models", "org/tiny"]]

# Watches a process and all that it starts: each look-up and connection is written down and refused.
WATCH = """
import os, sys

def refuse(event, arguments):
    if event == "socket.getaddrinfo" or event == "socket.connect":
        place = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        if isinstance(place, (str, bytes)) and event == "socket.connect":
            return  # a socket of this machine's file system
        with open(os.environ["ATTEMPTS"], "a") as file:
            file.write(f"{event} {place}\\n")
        raise OSError(101, "Network is unreachable")

sys.addaudithook(refuse)
"""
# The commands one after the other in one process: its imports take longer than most of them.
DRIVE = """
import json, os, sys, time
from typer.testing import CliRunner
from sapo_analysis.cli import app

attempts, results = os.environ["ATTEMPTS"], []
for command in json.load(sys.stdin):
    open(attempts, "w").close()
    begun = time.monotonic()
    done = CliRunner().invoke(app, command)
    results.append({
        "status": done.exit_code, "stdout": done.stdout, "stderr": done.stderr,
        "seconds": time.monotonic() - begun, "attempts": open(attempts).read(),
    })
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """What each command did: status, output, seconds, and the connections that it tried."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(WATCH)
    isolated = subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode == 0
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))},
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "ATTEMPTS": str(folder / "attempts"),
        "HF_HOME": str(folder / "hf"),
    }
    done = subprocess.run(
        [*(NO_NETWORK if isolated else []), sys.executable, "-c", DRIVE],
        input=json.dumps([*WORKS, *NEEDS_THE_HUB]),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    return {tuple(c): r for c, r in zip([*WORKS, *NEEDS_THE_HUB], results, strict=True)}


@pytest.mark.parametrize("command", WORKS, ids=" ".join)
def test_what_needs_no_network_works_and_asks_for_none(offline, command):
    result = offline[tuple(command)]
    assert result["status"] == 0, result["stderr"]
    assert result["attempts"] == ""


def test_the_check_of_an_installation_names_what_is_here_of_the_hub(offline):
    assert re.search(r"hub .* 0 models in .*hf/hub; HF_TOKEN is", offline[("doctor",)]["stdout"])


@pytest.mark.parametrize("command", NEEDS_THE_HUB, ids=" ".join)
def test_what_needs_the_hub_says_so_within_five_seconds(offline, command):
    result = offline[tuple(command)]
    assert result["status"] == 1
    assert "cannot be reached (Network is unreachable); model org/tiny needs" in result["stderr"]
    assert "huggingface.co" in result["attempts"]
    assert result["seconds"] < 5


def test_the_page_tells_nobody_that_it_is_used():
    import tomllib

    for path in (ROOT / ".streamlit/config.toml", ROOT / "app/.streamlit/config.toml"):
        assert tomllib.loads(path.read_text())["browser"]["gatherUsageStats"] is False

"""The wheel, installed into an empty environment without torch: the app starts there."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LARGEST_MB = 60

pytestmark = pytest.mark.slow


def shell(*command, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=600, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy, so that setuptools' own build folder does not appear in the clone.
    source = folder / "source"
    parts = ("sapo_analysis", "app", "cached_runs", ".streamlit")
    for part in parts:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, source / part, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    shell(*pip, "wheel", "--no-deps", "--wheel-dir", folder / "out", source)
    (built,) = (folder / "out").glob("sapo_analysis-*.whl")
    return built


def test_it_carries_app_model_prompts_and_a_run(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "sapo_analysis/app/main.py",
        "sapo_analysis/app/.streamlit/config.toml",
        "sapo_analysis/data/pocket/model.safetensors",
        "sapo_analysis/data/tasks/sentiment.toml",
        "sapo_analysis/data/presets/demo.yaml",
        "sapo_analysis/data/cards/sst2.yaml",
        "sapo_analysis/data/published/promot.csv",
        "sapo_analysis/data/paraphrases/task363_sst2_polarity_classification.yaml",
        "sapo_analysis/py.typed",
        "sapo_analysis/cached_runs/DEFAULT",
    ):
        assert name in names, name
    assert any(name.startswith("sapo_analysis/app/views/") for name in names)
    assert any(name.endswith("/tables/scores/all.parquet") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "app/"))]
    assert not [name for name in names if "/data/pocket-" in name]
    assert wheel.stat().st_size < LARGEST_MB * 1e6


def test_every_module_is_in_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, installed in (("sapo_analysis", "sapo_analysis"), ("app", "sapo_analysis/app")):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"{installed}/{path.relative_to(ROOT / folder)}" in names


def test_it_starts_the_app_without_torch(wheel, tmp_path):
    shell(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--python", python)
    shell(*pip, "install", "--no-deps", "--no-compile", wheel)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    link_dependencies(wheel, site)

    def ask(code):
        return shell(python, "-c", code, cwd=tmp_path).strip()

    assert ask("import importlib.util as u; print(u.find_spec('torch'))") == "None"
    assert "site-packages" in ask("import sapo_analysis; print(sapo_analysis.__file__)")
    sapo = tmp_path / "venv" / "bin" / "sapo"
    assert "sapo-analysis[train]" in shell(sapo, "doctor", cwd=tmp_path)
    assert json.loads(shell(sapo, "runs", "--json", cwd=tmp_path))[0]["state"] == "done"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        [sapo, "app", "--port", str(port)], cwd=tmp_path, stdout=log, stderr=log
    )
    try:
        assert answer(server, port, "/_stcore/health") == "ok", (tmp_path / "log").read_text()
        assert "<title>" in answer(server, port, "/")
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def link_dependencies(wheel, site):
    """Put what the wheel declares, and what that declares, where it is installed already.

    Installing sixty packages anew would take longer than all that is looked at.
    """
    (metadata,) = (
        name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA")
    )
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    wanted = [
        line.removeprefix("Requires-Dist: ")
        for line in text.splitlines()
        if line.startswith("Requires-Dist: ")
    ]
    seen = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if not needed or requirement.name in seen:
            continue
        seen.add(requirement.name)
        found = distribution(requirement.name)
        assert requirement.specifier.contains(found.version), requirement
        wanted += found.requires or []
        here = Path(found.locate_file(""))
        for part in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
            if not (site / part).exists():
                (site / part).symlink_to(here / part)


def answer(server, port, path):
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
                return reply.read().decode()
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not answer")

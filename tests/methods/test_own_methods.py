"""A user's own method: one file and one test, as the README shows them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.errors import InputError
from sapo_analysis.methods import registry
from sapo_analysis.methods.registry import OWN_METHODS, known_methods, make_method, own_mark
from sapo_analysis.plan import make_sequence_plan
from sapo_analysis.store import layout, open_run
from tests.synthetic import write_run
from tests.tiny_sequence import tiny_sequence

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.split("\n### A method of your own\n")[1].split("\n## ")[0]
FILES = re.findall(r"`my_methods/([\w.]+)`:\n\n```python\n(.+?)```", SECTION, re.DOTALL)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of own methods, and the registry as it is with it."""
    monkeypatch.setenv(OWN_METHODS, str(tmp_path))
    known_methods.cache_clear()
    yield tmp_path
    monkeypatch.delenv(OWN_METHODS)
    known_methods.cache_clear()


def test_the_method_and_the_test_of_the_readme_do_as_it_says(tmp_path):
    assert [name for name, _ in FILES] == ["lora_near_start.py", "test_lora_near_start.py"]
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env=os.environ | {OWN_METHODS: str(tmp_path)},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_an_own_method_is_known_and_its_ids_name_its_file(own):
    file = own / "lora_near_start.py"
    file.write_text(FILES[0][1], encoding="utf-8")
    method = make_method("lora-near-start", None)
    assert list(known_methods())[-1] == "lora-near-start"  # own ones after all others
    before = own_mark("lora-near-start")
    # LoRA's subclass says that nothing of it counts at first; its file does.
    assert method.decides(0) is None and registry.what_decides(method, 0) is not None
    assert own_mark("lora") is None
    assert registry.what_decides(make_method("lora", None), 0) is None
    file.write_text(FILES[0][1].replace("0.1", "0.2"), encoding="utf-8")
    assert own_mark("lora-near-start") == before  # what runs is what was read
    known_methods.cache_clear()
    assert own_mark("lora-near-start") != before


OTHER_THAN_LORA = """
from sapo_analysis.methods import MethodFacts, Phase, Recipe
from sapo_analysis.methods.lora import Lora
class Mine(Lora):
    name = "mine"
    facts = MethodFacts("mine", "a prefix", "prompt")
    def recipe(self, n_past):
        return Recipe(("prefix",), (Phase(("prefix",), self.training(n_past)),), always_on=True)
"""


def test_an_own_method_with_a_recipe_is_in_no_stack_of_loras(own, monkeypatch):
    for name, text in (("mine", OTHER_THAN_LORA), ("near", FILES[0][1])):
        (own / f"{name}.py").write_text(text, encoding="utf-8")
    # A spec knows what was there when the program started.
    monkeypatch.setattr("sapo_analysis.spec.sequence.SEQUENCE_METHODS", tuple(known_methods()))
    strategies = [f"original+{name}" for name in ("lora", "mine", "lora-near-start")]
    study = tiny_sequence(strategies=strategies)
    groups = [group for group in make_sequence_plan(study).groups if group.kind == "stage"]
    stacks = {frozenset(chain.strategy.method for chain in group.chains) for group in groups}
    assert stacks == {frozenset({"lora", "lora-near-start"}), frozenset({"mine"})}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "cannot be read: ZeroDivisionError"),
        ("from sapo_analysis.methods.lora import Lora\nclass A(Lora):\n name = 'a'", "no facts"),
        (
            "from sapo_analysis.methods import MethodFacts\n"
            "from sapo_analysis.methods.lora import Lora\n"
            "class A(Lora):\n name = 'lora'\n facts = MethodFacts('a', 'b', 'prompt')",
            "Two methods have the name 'lora'",
        ),
        (
            "from sapo_analysis.methods import MethodFacts\n"
            "from sapo_analysis.methods.lora import Lora\n"
            "class A(Lora):\n name = 'a'\n"
            " facts = MethodFacts('a', 'b', 'prompt', family='mine')",
            "of the family 'mine'",
        ),
    ],
)
def test_a_bad_method_file_is_refused_with_its_name(own, text, said):
    (own / "bad.py").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        known_methods()
    assert "bad.py" in str(refused.value)


def test_runs_of_two_versions_of_an_own_method_are_not_joined(tmp_path):
    runs = []
    for seed, mark in enumerate(("a" * 64, "b" * 64, "a" * 64)):
        path = write_run(tmp_path, name=f"run-{seed}", seeds=(seed,), n_tasks=2, n_prompts=2)
        file = path / layout.PROVENANCE
        known = json.loads(file.read_text(encoding="utf-8"))
        layout.write_json(file, known | {"own_methods": {"mine": mark}})
        runs.append(open_run(path))
    check_joinable([runs[0], runs[2]])
    with pytest.raises(InputError, match="method mine: a{12}.* b{12}"):
        check_joinable(runs[:2])


def test_a_folder_that_is_not_there_is_refused(own, monkeypatch):
    monkeypatch.setenv(OWN_METHODS, str(own / "nowhere"))
    with pytest.raises(InputError, match="there is no such folder"):
        known_methods()


def test_tests_and_private_files_beside_a_method_are_left_alone(own):
    (own / "test_a.py").write_text("1 / 0", encoding="utf-8")
    (own / "_shared.py").write_text("1 / 0", encoding="utf-8")
    assert "lora" in known_methods()


def test_the_command_line_says_what_is_wrong_without_a_traceback(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from sapo_analysis.entry import main; main()", "runs"],
        env=os.environ | {OWN_METHODS: str(tmp_path)},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: The method file") and "bad.py" in done.stderr

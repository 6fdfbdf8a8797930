"""The two wings and the ground, read from the imports: arrows point down, torch stays in one wing.

The table is the one in the README's layout section. A new module has to be put into it.
"""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sapo_analysis"
ENGINE_PACKAGES = {
    *("torch", "transformers", "peft", "accelerate", "datasets", "huggingface_hub", "gudhi")
}
# Metrics call these inside their functions, when the engine measures.
MEASURING_PACKAGES = {"rouge_score", "sacrebleu"}

# Top of each wing first; a module may import from its own line and from lines below it.
READING = [
    ["app"],
    ["entry"],
    ["cli"],
    ["__init__"],
    ["api"],
    ["jobs"],
    ["paper"],
    ["figures"],
    ["analysis"],
]
ENGINE = [
    ["worker"],
    ["bench"],
    ["pretraining", "studies"],
    ["learning"],
    ["models"],
    ["hub"],
]
GROUND = [
    ["reuse"],
    ["comparable"],
    ["plan"],
    ["policies"],
    ["store"],
    ["prompts"],
    ["tasks"],
    ["model_files"],
    ["records"],
    ["spec"],
    ["methods"],
]
FOUNDATION = {"errors", "explain", "provenance", "pre_update_loss", "same_loss", "stop_signal"}


def _ranks(lines):
    return {name: rank for rank, names in enumerate(lines) for name in names}


RANKS = {
    "reading": _ranks(READING),
    "engine": _ranks(ENGINE),
    "ground": _ranks(GROUND) | dict.fromkeys(FOUNDATION, len(GROUND)),
}


def wing_of(part):
    for wing, ranks in RANKS.items():
        if part in ranks:
            return wing
    raise AssertionError(f"{part} is in no wing: put it into the table of tests/test_layers.py")


def part_of(path):
    """The table's name for a source file: its module or sub-package below `sapo_analysis`."""
    if path.is_relative_to(ROOT / "app"):
        return "app"
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def sources():
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "app").rglob("*.py")]
    return sorted(path for path in files if "data" not in path.relative_to(ROOT).parts[1:2])


@cache
def imports(path):
    """Every module named by an import statement, `TYPE_CHECKING` blocks left out.

    Of a method also what its functions import: they run in training alone, so that one file can
    hold all of a method. That importing it loads no torch is tested below.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if part_of(path) == "methods":
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.body = [ast.Pass()]
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def own_parts(path):
    """Parts of this package that a file imports. A name may be a module or something inside one."""
    parts = set()
    for name in imports(path):
        head, _, rest = name.partition(".")
        if head == "app":
            parts.add("app")
        elif head == "sapo_analysis" and rest:
            parts.add(rest.split(".")[0])
    known = set().union(*RANKS.values())
    # `from sapo_analysis import run` names the public API, not a module of that name.
    return {part if part in known or _is_module(part) else "__init__" for part in parts}


def _is_module(part):
    return (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").exists()


def test_imports_point_down_within_a_wing_or_to_the_ground():
    wrong = []
    for path in sources():  # one test: a thousand of a millisecond each took six seconds
        here = part_of(path)
        wing = wing_of(here)
        for there in own_parts(path) - {here}:
            other = wing_of(there)
            name = f"{path.relative_to(ROOT)} imports {there}"
            if other not in (wing, "ground"):
                wrong.append(f"{name}: from {wing} into {other}")
            elif other == wing and RANKS[wing][there] < RANKS[wing][here]:
                wrong.append(f"{name}: an upward arrow")
    assert not wrong, "\n".join(wrong)


def test_only_the_engine_names_torch():
    named = {
        str(path.relative_to(ROOT)): found
        for path in sources()
        if wing_of(part_of(path)) != "engine"
        if (found := {name.split(".")[0] for name in imports(path)} & ENGINE_PACKAGES)
    }
    assert not named


def loaded_after(code):
    """Engine packages in `sys.modules` after some code ran in a fresh interpreter."""
    watched = ENGINE_PACKAGES | MEASURING_PACKAGES
    watch = f"import json, sys; print(json.dumps(sorted({watched} & set(sys.modules))))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{watch}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_the_package_is_light():
    code = """
import sys, sapo_analysis
heavy = {"pandas", "numpy", "pyarrow", "plotly", "matplotlib", "pydantic"} & set(sys.modules)
assert not heavy, heavy
"""
    assert loaded_after(code) == []


def test_the_reading_wing_and_the_ground_never_load_torch():
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sources()
        if path.is_relative_to(PACKAGE) and wing_of(part_of(path)) != "engine"
    )
    code = f"""
import importlib, sapo_analysis
for name in {modules}:
    importlib.import_module(name)
for name in sapo_analysis.__all__:
    getattr(sapo_analysis, name)
"""
    assert loaded_after(code) == []


def test_costly_statistics_load_when_called():
    code = """
import sys, sapo_analysis.analysis
assert "statsmodels" not in sys.modules
"""
    assert loaded_after(code) == []


def test_every_promised_name_is_there():
    import sapo_analysis

    for name in sapo_analysis.__all__:
        assert getattr(sapo_analysis, name) is not None
    assert set(dir(sapo_analysis)) >= set(sapo_analysis.__all__)
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        sapo_analysis.nothing_of_that_name  # noqa: B018

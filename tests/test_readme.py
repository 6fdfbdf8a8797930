"""What the README names exists: commands, options, make targets, files, Python names."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from sapo_analysis.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands


def options_of(command):
    parameters = COMMANDS[command].params
    return {option for p in parameters for option in (*p.opts, *p.secondary_opts)}


def test_the_two_first_commands_stand_at_the_top():
    assert re.findall(r"^make \w+", README.split("## Install")[0], re.MULTILINE) == [
        "make demo",
        "make test",
    ]


def test_every_sapo_command_exists():
    named = set(re.findall(r"[`/]sapo ([a-z][a-z-]*)", README))
    assert named >= {"demo", "app", "doctor"}
    assert named <= set(COMMANDS)


def test_every_command_is_named():
    assert set(COMMANDS) == set(re.findall(r"`sapo ([a-z][a-z-]*)", README))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_in_a_commands_line_exists(command):
    start = re.compile(rf"\| `sapo {command}[ `]")
    lines = [line for line in README.splitlines() if start.match(line)]
    for option in re.findall(r"--[a-z-]+", " ".join(lines)):
        assert option in options_of(command), f"sapo {command} has no {option}"


def test_the_exports_that_are_shown_ask_for_what_there_is():
    from sapo_analysis.paper.figures import FIGURES
    from sapo_analysis.paper.wish import ALL, Wish

    shown = re.findall(r"^sapo export (.+?)(?: +#.*)?$", README, re.MULTILINE)
    assert len(shown) == 5
    for line in shown:
        words = line.split()
        given = list(zip(words, words[1:], strict=False))
        assert set(re.findall(r"--[a-z-]+", line)) <= options_of("export")
        assert list(ROOT.glob(words[0])) or list((ROOT / "cached_runs").glob(f"{words[0]}-*"))
        figures = tuple(value for option, value in given if option == "--figure")
        assert set(figures) <= {*FIGURES, ALL}
        asked = {o[2:]: v for o, v in given if o in ("--view", "--outcome")}
        Wish(figures, formats=tuple(v for o, v in given if o == "--format"), asked=asked)


def test_the_venues_are_those_that_are_drawn():
    from sapo_analysis.figures.venues import VENUES

    for name, column, full, label, tick in re.findall(
        r"^\| `(\w+)`[^|]*\| ([\d.]+ \w+) \| ([\d.]+ \w+) \| (\d), (\d) pt \|", README, re.MULTILINE
    ):
        venue, inches = VENUES[name], {"in": 1.0, "cm": 1 / 2.54}
        for said, known in ((column, venue.column), (full, venue.full)):
            number, unit = said.split()
            assert float(number) * inches[unit] == pytest.approx(known)
        assert (int(label), int(tick)) == (venue.size, venue.size - 1)
    assert all(f"`{name}`" in README for name in VENUES)


def test_every_command_and_option_has_help():
    for name, command in COMMANDS.items():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_every_make_target_exists_and_is_in_its_help():
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in named:
        assert f"make {target}" in shown.stdout
        dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert dry.returncode == 0, dry.stderr


def test_ci_calls_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_path_exists():
    for path in re.findall(r"`([\w./]+/[\w./]*)`", README):
        if not path.startswith((".", "runs", "tables", "my_methods")):
            inside = (ROOT / path, ROOT / "sapo_analysis" / path)
            assert any(candidate.exists() for candidate in inside), path


def test_every_python_name_exists():
    import sapo_analysis

    for name in set(re.findall(r"\bsapo\.(\w+)", README)):
        assert getattr(sapo_analysis, name)
    assert sapo_analysis.figures.impact_scatter


def test_the_example_studies_are_valid():
    import sapo_analysis as sapo
    from sapo_analysis.plan import make_plan, make_sequence_plan

    paraphrase, sequence, *_ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    found: dict = {}
    exec(paraphrase.partition("run = ")[0], found)
    assert found["sapo"] is sapo
    assert len(make_plan(found["study"]).trials) == 13 * 3
    exec(sequence.partition("runs = ")[0], found)
    strategies = sapo.SequenceStudy(orders=["job", "colour"]).strategies
    for study in found["studies"]:
        assert len(make_sequence_plan(study).units) == 2 * len(strategies)


def test_its_defaults_are_the_specs():
    import sapo_analysis as sapo

    study = sapo.SequenceStudy(orders=["job", "colour"])
    said = " ".join(README.split())
    assert study.strategies == ("original", "random", "sapo")
    assert "strategies are `original`, `random` and `sapo`" in said
    training = study.training
    assert f"{training.steps} steps of {training.batch_size} from {training.examples} rows" in said
    assert f"{study.evaluation.examples} rows a task (`evaluation.examples`" in said
    assert study.evaluation.test_only_prompts == 1
    assert "one test-only prompt (`evaluation.test_only_prompts`)" in said
    assert f"scored on {study.scoring.examples} training rows (`scoring.examples`)" in said


METHODS_SECTION = README.split("\n## Methods\n")[1].split("\n### A method of your own\n")[0]


def test_the_table_of_methods_has_each_once():
    from sapo_analysis.spec import METHODS, ONE_TASK_METHODS

    rows = re.findall(r"^\| (`.+?) \| (.+?) \|", METHODS_SECTION, re.MULTILINE)
    named = {cell: re.findall(r"`([\w-]+)`", cell) for cell, _ in rows}
    assert sorted(name for own in named.values() for name in own) == sorted(METHODS)
    for cell, trains in rows:
        alone = {name not in ONE_TASK_METHODS for name in named[cell]}
        assert alone == {"(sequences alone)" in trains}, cell


def test_settings_and_defaults_of_methods_are_the_specs():
    from sapo_analysis.spec import ParaphraseStudy, SequenceStudy

    study = ParaphraseStudy(current=["job"], unseen=["colour"])
    race = SequenceStudy(orders=["job", "colour"])
    for outer, inner in re.findall(r"`([a-z_\d]+)\.([a-z_\d]+)", METHODS_SECTION):
        assert hasattr(getattr(study, outer), inner), f"{outer}.{inner}"
    for cell in re.findall(r"^\| `.+ \| (.+?) \|$", METHODS_SECTION, re.MULTILINE):
        for name in re.findall(r"`([a-z_]+)`", cell):
            assert hasattr(study, name) or hasattr(race, name), name
    said = " ".join(METHODS_SECTION.split())
    for text in (
        f"`soft_prompt.virtual_tokens` (default {study.soft_prompt.virtual_tokens})",
        f"`promot.steps` (default {study.promot.steps})",
        f"`promot.dev_examples` ({study.promot.dev_examples})",
        f"`promot.select_every` ({study.promot.select_every})",
        f"`diagnostics.examples` ({study.diagnostics.examples})",
        f"`diagnostics.shuffles` ({study.diagnostics.shuffles})",
    ):
        assert text in said


FIGURES_OF_METHODS = ("format_specialization", "gradient_alignment", "trade_off")


def test_figures_of_methods_exist():
    from sapo_analysis.paper.figures import FIGURES

    assert all(f"`{name}`" in METHODS_SECTION and name in FIGURES for name in FIGURES_OF_METHODS)


def test_tables_of_methods_exist_and_come_from_the_calls_that_are_named():
    import sapo_analysis as sapo
    from sapo_analysis.analysis import methods_compared

    (line,) = re.findall(r"`sapo export (RUN RUN .+?)`", METHODS_SECTION)
    assert set(re.findall(r"--[a-z-]+", line)) <= options_of("export")
    assert re.findall(r"--table (\w+)", line) == ["methods", "method_differences"]
    runs = ["pocket-1-format-full", "pocket-1-format-promot"]
    for name in ("methods", "method_differences", "outputs_side_by_side", "published_promot"):
        assert name in METHODS_SECTION and len(sapo.table(name, runs).rows)
    named = re.search(r"methods_compared\s+import ([\w, ]+)`", METHODS_SECTION)
    assert all(hasattr(methods_compared, name) for name in named[1].split(", "))


def test_the_study_with_format_specialization_is_as_it_is_said():
    from sapo_analysis.cli.options import read_study

    (path,) = re.findall(r"`(cached_runs/specs/[\w-]+\.yaml)`", METHODS_SECTION)
    study = read_study(str(ROOT / path), [])
    said = " ".join(METHODS_SECTION.split())
    assert study.method == "full" and {"category", "flags", "place"} <= set(study.current)
    training = f"a learning rate of {study.full.learning_rate} for {study.training.steps} steps"
    assert training in said


def test_the_runs_of_methods_that_are_shown_are_studies():
    from sapo_analysis.cli.options import read_study
    from sapo_analysis.plan import plan_of

    shown = re.findall(r"^sapo run (.+?)(?: +#.*)?$", METHODS_SECTION, re.MULTILINE)
    assert len(shown) == 4
    for line in shown:
        spec, *options = shlex.split(line)
        settings = [word for word in options if word != "--set"]
        assert plan_of(read_study(spec, settings)).units


def test_pins_are_exact_and_cover_every_declared_dependency():
    import tomllib

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][\w.]*", pin) for pin in pins)
    assert "torch==2.13.0" in pins
    pinned = {re.sub(r"[-_.]+", "-", pin.split("==")[0]).lower() for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for wanted in [*project["dependencies"], *extras["train"], *extras["dev"]]:
        assert re.split(r"[<>=,]", wanted)[0].lower() in pinned

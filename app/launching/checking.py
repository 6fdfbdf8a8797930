"""From a form's settings to the study, or to the problems that keep it from being one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sapo_analysis.app.launching.start import Start, nested
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import RANDOM_PREFIX, ModelFiles, find_model, is_hub_id
from sapo_analysis.plan import AnyPlan, EngineName, plan_of
from sapo_analysis.spec import AnyStudy, parse_study

_PARTS = {
    "model": "model",
    "device": "model",
    **dict.fromkeys(("past", "current", "unseen", "retained", "rotate", "orders"), "tasks"),
    **dict.fromkeys(("prompts", "own_prompts", "strategies", "method"), "prompts"),
    "tasks_from": "tasks",
    "name": "plan",
}
_LINE = re.compile(r"^  ([a-z_]+(?:\.[^\s:]+)*): (.*)$")
_BY_WORDS = (
    (r"Unknown model|Model folder", "model"),
    (r"Unknown task", "current"),
    (r"^task .* is (both|twice)|at least one task beside|^order ", "current"),
    (r"strateg(y|ies)", "strategies"),
    (r"(?i)prompt|paraphrase|candidate", "prompts"),
)


@dataclass(frozen=True)
class Problem:
    """What keeps the form from being a study: the setting, and in words what to do about it."""

    field: str
    text: str

    @property
    def part(self) -> str:
        """The part of the form that shows the setting."""
        return _PARTS.get(self.field.split(".")[0], "advanced" if self.field else "plan")


@dataclass(frozen=True)
class Checked:
    """What a form comes to: a plan of its study, or problems."""

    problems: tuple[Problem, ...]
    plan: AnyPlan | None = None

    @property
    def study(self) -> AnyStudy | None:
        """The study; none while there are problems."""
        return self.plan.study if self.plan is not None else None


def check(
    start: Start,
    changes: Mapping[str, Any],
    engine: EngineName,
    models: Collection[str],
) -> Checked:
    """The plan of what a form holds, with every name resolved, or all problems that can be seen.

    Args:
        start: What the form was opened with.
        changes: Settings that differ from it.
        engine: Which is to carry the plan out.
        models: Names of the models that may be launched from a page.
    """
    data = nested({**start.settings, **changes})
    problems = []
    if wrong := _wrong_model(str(data.get("model")), models):
        problems.append(Problem("model", wrong))
    try:
        study = parse_study(data, "The form")
    except InputError as error:
        return Checked((*problems, *_problems(str(error), data)))
    if problems:
        return Checked(tuple(problems))
    try:
        return Checked((), plan_of(study, engine))
    except InputError as error:
        return Checked(tuple(_problems(str(error), data)))


def files_of(name: str, models: Collection[str]) -> ModelFiles | None:
    """The files of a model that may be launched from a page; None of any other, such as a folder.

    Known ones, their revisions in the local cache of the hub, and the untrained control of each.
    """
    trained = name.removeprefix(RANDOM_PREFIX)
    try:
        found = find_model(name)
    except InputError:
        return None
    return found if trained in models or found.revision is not None else None


def _wrong_model(name: str, models: Collection[str]) -> str:
    if name in models or files_of(name, models) is not None:
        return ""
    trained = name.removeprefix(RANDOM_PREFIX)
    if is_hub_id(trained) and not Path(trained).exists():
        try:
            find_model(trained)
        except InputError as error:
            return str(error)
    return (
        f"{name[:200]!r} is not among the models known here: {', '.join(models)}. A folder is"
        " launched from the command line alone: download the YAML and use `sapo run`."
    )


def _problems(text: str, data: Mapping[str, Any]) -> list[Problem]:
    """The lines of a refusal, each with the setting that it is about."""
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    found = []
    for line in lines or [text.removeprefix("The form: ")]:
        if named := _LINE.match(line):
            found.append(Problem(*named.groups()))
        else:
            found.append(Problem(_field_in(line.strip(), data), line.strip()))
    return found


def _field_in(text: str, data: Mapping[str, Any]) -> str:
    """The setting that a sentence without a place is about."""
    known = {
        *data,
        *(f"{k}.{inner}" for k, v in data.items() if isinstance(v, dict) for inner in v),
    }
    first = text.split(" ", 1)[0].strip("`")
    if first in known and first != "task":
        return first
    # A name with an underscore is no word of a sentence.
    inside = [
        name for name in known if "_" in name and re.search(rf"(?<!`)\b{re.escape(name)}\b", text)
    ]
    if inside:
        return max(inside, key=len)
    rules = ((rule, field) for rule, field in _BY_WORDS if re.search(rule, text))
    field = next((field for _, field in rules), "")
    return "orders" if field == "current" and "orders" in data else field


def same_study(one: AnyStudy, other: object) -> bool:
    """Whether two studies do the same work, whatever they are called."""
    return type(one) is type(other) and one == other.model_copy(  # type: ignore[attr-defined]
        update={"name": one.name}
    )


def to_yaml(study: AnyStudy) -> str:
    """The study as a spec file: `sapo run` of it is the same study."""
    import yaml

    data = study.model_dump(mode="json")
    first = {key: data.pop(key) for key in ("kind", "name", "model")}
    text: str = yaml.safe_dump(
        {**first, **data}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    return text


def run_command(study: AnyStudy, engine: str, lender: str = "", mixed: bool = False) -> str:
    """What runs the downloaded YAML in a terminal."""
    command = ["sapo", "run", f"{study.name}.yaml"]
    if engine != "stacked":
        command += ["--engine", engine]
    if lender:
        command += ["--reuse", lender]
    if mixed:
        command.append("--allow-mixed")
    return shlex.join(command)

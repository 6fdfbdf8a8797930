"""What a launch form starts from: a size of a kind of study, a run's spec, or a race of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sapo_analysis.analysis.claims import MIN_PROMPTS_THESE_TASKS, MIN_TASKS
from sapo_analysis.analysis.sequences import LEAST
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app.launching.advanced import Setting
from sapo_analysis.plan.race import race_of
from sapo_analysis.spec import (
    ONE_TASK_METHODS,
    PRESETS,
    AnyStudy,
    ParaphraseStudy,
    SequenceStudy,
    Settings,
    load_study,
)
from sapo_analysis.store import Run

Changes = dict[str, Any]
"""Settings by dotted name, as plain data."""

QUESTIONS = {
    "paraphrase": "Does wording matter? Paraphrase study",
    "sequence": "Does choosing pay? SAPO against rivals",
}
SIZES = {"quick": "Quick look", "pilot": "Pilot", "paper": "Paper"}
_PRESETS = {
    ("paraphrase", "quick"): "quick",
    ("paraphrase", "pilot"): "pilot",
    ("paraphrase", "paper"): "paper",
    ("sequence", "quick"): "sequence-quick",
    ("sequence", "pilot"): "sequence",
    ("sequence", "paper"): "sequence-paper",
}


@dataclass(frozen=True)
class Start:
    """The settings a form is opened with, and where they are from.

    `settings` are all of a study by dotted name, as plain data. `notes` say what the reader should
    know of how they were arrived at. `fixed` are tasks with the same place in every order.
    """

    label: str
    kind: str
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    def changed(self, changes: Mapping[str, Any]) -> list[str]:
        """Names of settings that differ from the start; the run's name is not one of them."""
        return [k for k, v in changes.items() if k != "name" and self.settings.get(k) != v]


def of_size(kind: str, size: str) -> Start:
    """A form of a size."""
    study = load_study(PRESETS / f"{_PRESETS[kind, size]}.yaml")
    return Start(SIZES[size], kind, flat(study))


def of_run(run_id: str, study: AnyStudy) -> Start:
    """A form filled in from a run's spec."""
    return Start(run_id, study.kind, flat(study))


def of_race(run_id: str, study: ParaphraseStudy, run: Run | None = None) -> Start:
    """The race of a paraphrase study (`plan.race`), with the candidates that its run had.

    Raises:
        InputError: without a run, a task, model or prompt of the study is not known here.
    """
    race = race_of(study, run)
    left = [t for t in (*study.past, *study.current) if t not in race.tasks]
    measured = [t for t in (*study.unseen, *study.retained) if t not in race.tasks]
    return Start(
        f"a race of {run_id}",
        "sequence",
        flat(race),
        (
            "Carried over: model, prompts, own prompts, data seed, seeds, adapter, training,"
            " examples and batch sizes of scoring and evaluation, device, dtype; tasks"
            f" {', '.join(race.tasks)}.",
            "So that its stages can be laid over the study's scatter: each order begins with what"
            " the study learned before a current task, past tasks have their original prompt"
            " alone, every task gets a fresh adapter (lora-inc), candidates are scored in full."
            + (f" Not in it, for nothing learns them: {', '.join(measured)}." if measured else "")
            + (f" Left out to keep it short: {', '.join(left)}." if left else "")
            + (" Noise seeds have no counterpart." if study.noise_seeds else ""),
        ),
        () if study.rotate else tuple(t for t in race.tasks if t not in study.current),
    )


def rotations(order: tuple[str, ...], n: int) -> list[tuple[str, ...]]:
    """An order and what turning it on by one gives, at most `n` and at most one per task."""
    return [order[i:] + order[:i] for i in range(min(n, len(order)))]


def size_words(kind: str, size: str) -> str:
    """What a size of study is, from its preset."""
    study = load_study(PRESETS / f"{_PRESETS[kind, size]}.yaml")
    words = [f"{study.prompts} paraphrases", counted(len(study.seeds), "seed")]
    if isinstance(study, SequenceStudy):
        n = len(study.orders)
        words.insert(0, counted(len(study.tasks), "task"))
        words.insert(1, counted(n, "order"))
        words.append(counted(len(study.strategies), "strategy", "strategies"))
        can_judge = n >= LEAST
    else:
        words.insert(0, counted(len(study.current), "current task"))
        words.append(
            f"{len(study.noise_seeds)} noise seeds on two prompts"
            if study.noise_seeds
            else "no noise seeds"
        )
        can_judge = (
            len(study.current) >= MIN_TASKS or int(str(study.prompts)) >= MIN_PROMPTS_THESE_TASKS
        )
    return ", ".join(words) + ("" if can_judge else ": no verdict")


def flat(study: AnyStudy) -> dict[str, Any]:
    """All settings of a study by dotted name, as plain data; tables of names stay whole."""
    found: dict[str, Any] = {}
    for name, value in study.model_dump(mode="json").items():
        if isinstance(getattr(study, name), Settings):
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            found[name] = value
    return found


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What `flat` made flat, as a spec has it."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        outer, dot, inner = name.partition(".")
        if dot:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return found


_TASKS = ("past", "current", "unseen", "retained", "strategies", "tasks_from")


def fitting(
    start: Start, changes: Mapping[str, Any], settings: Sequence[Setting]
) -> tuple[Changes, str]:
    """Of changes that were kept somewhere, those that the form can show; the names of the others.

    Right or wrong is not asked: a draft may have mistakes.
    """
    known = {setting.name: setting for setting in settings}
    kept: Changes = {}
    for name, value in changes.items():
        fits = (
            known[name].fits(value)
            if name in known
            else name in start.settings and _is_shown(name, value)
        )
        if fits:
            kept[name] = value
    left = [name[:40] for name in changes if name not in kept]
    return kept, ", ".join(left[:8]) + (" …" if len(left) > 8 else "")


def _is_shown(name: str, value: Any) -> bool:
    """Whether a setting with a place of its own can be shown with this value."""
    if name in _TASKS:
        return _texts(value)
    if name == "orders":
        return isinstance(value, list) and bool(value) and all(map(_texts, value))
    if name == "prompts":
        counts = isinstance(value, dict) and all(type(n) is int for n in value.values())
        return counts or _texts(value) or (type(value) is int and abs(value) < 2**53)
    if name == "own_prompts":
        return isinstance(value, dict) and all(map(_texts, value.values()))
    if name == "rotate":
        return isinstance(value, bool)
    if name == "method":
        return value in ONE_TASK_METHODS
    if name == "promot.stage_1_from":  # never a path that a draft names
        return value is None
    return name in ("name", "model", "device") and isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)

"""The settings that have no place of their own on the form, read off the spec's models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from sapo_analysis.spec import ParaphraseStudy, SequenceStudy, Settings

PLACED = {
    *("kind", "schema_version", "name", "model", "device", "prompts", "own_prompts"),
    *("past", "current", "unseen", "retained", "rotate", "orders", "strategies", "tasks_from"),
    "method",
    # A folder, and these are for the command line: one that a run was made from stays as it is.
    "promot.stage_1_from",
}
"""Settings that other parts of the form show, or none."""
SECTIONS = {
    "": "Replicates and data",
    "lora": "Adapter",
    "training": "Training",
    "inputs": "Long inputs",
    "memory": "Memory",
    "scoring": "Scoring of prompts",
    "evaluation": "Evaluation",
    "paft": "Policy paft",
    "o_lora": "Method o-lora",
    "ewc": "Method ewc",
    "replay": "Method replay",
    "soft_prompt": "Soft prompts",
    "ts_loss": "TSLoss",
    "ptp": "PTP",
    "context_tuning": "Context tuning",
    "promot": "ProMoT",
    "full": "All weights",
    "ia3": "Method ia3",
    "metatuner": "MetaTuner (small), experimental",
    "diagnostics": "Diagnostics along training",
}
_UNIT = re.compile(r"\(([^()]*)\)(?=[;,.]|$)")
Widget = Literal["switch", "choice", "whole", "text"]


@dataclass(frozen=True)
class Setting:
    """One setting as the form shows it.

    `widget`: a switch, a choice, a whole number, or text, which holds any number, a list with
    commas, a table as in `0: 20GiB, cpu: 60GiB`, words, or nothing where it may be left out.
    """

    name: str
    section: str
    label: str
    unit: str
    help: str
    widget: Widget
    choices: tuple[str, ...] = ()
    is_list: bool = False
    is_table: bool = False
    is_words: bool = False
    may_be_left_out: bool = False

    @property
    def title(self) -> str:
        """The label with its unit, unless the label says it."""
        said = self.unit == "1" or self.label.endswith(self.unit.partition(" of ")[0])
        return self.label if said else f"{self.label} ({self.unit})"

    def to_text(self, value: Any) -> str:
        """A value as the text field shows it."""
        if value is None:
            return ""
        if isinstance(value, list | tuple):
            return ", ".join(map(str, value))
        if isinstance(value, dict):
            return ", ".join(f"{name}: {each}" for name, each in value.items())
        return f"{value:g}" if isinstance(value, float) else str(value)

    def from_text(self, text: str) -> Any:
        """What a text stands for; what cannot be read stays text, and the spec says why not."""
        words = text.strip()
        if not words and self.may_be_left_out:
            return None
        if words in self.choices or self.is_words:
            return words
        if self.is_table and ":" in words:
            pairs = (part.partition(":") for part in words.split(",") if part.strip())
            return {name.strip(): each.strip() for name, _, each in pairs}
        if self.is_list:
            return [_number(part.strip()) for part in words.split(",") if part.strip()]
        return _number(words)

    def fits(self, value: Any) -> bool:
        """Whether the widget can show this value at all; right or wrong is for the spec to say."""
        if self.widget == "switch":
            return isinstance(value, bool)
        if self.widget == "choice":
            return value in self.choices
        if self.widget == "whole":
            return type(value) is int and abs(value) < 2**53
        if self.is_table and isinstance(value, dict):
            value = list(value.values())
        parts = value if isinstance(value, list) else [value]
        return all(part is None or isinstance(part, str | int | float) for part in parts)


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@cache
def settings_of(kind: str) -> tuple[Setting, ...]:
    """The settings of a kind of study that have no place of their own, in the spec's order."""
    study = SequenceStudy if kind == "sequence" else ParaphraseStudy
    found: list[Setting] = []
    for name, field in study.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            own = {f"{name}.{n}": f for n, f in inner.model_fields.items()}
            found += [_setting(n, name, f) for n, f in own.items() if n not in PLACED]
        elif name not in PLACED:
            found.append(_setting(name, "", field))
    order = list(SECTIONS)
    offered = [setting for setting in found if len(setting.choices) != 1 or setting.is_list]
    return tuple(sorted(offered, key=lambda setting: order.index(setting.section)))


def _setting(name: str, section: str, field: FieldInfo) -> Setting:
    text = field.description or ""
    unit = _UNIT.search(text)
    forms = _forms(field.annotation)
    choices = tuple(str(c) for f in forms if get_origin(f) is Literal for c in get_args(f))
    is_list = any(get_origin(form) is tuple for form in forms)
    is_table = any(get_origin(form) is dict for form in forms)
    left_out = type(None) in forms
    widget: Widget = "text"
    if forms == [bool]:
        widget = "switch"
    elif choices and len(forms) == 1:
        widget = "choice"
    elif forms == [int]:
        widget = "whole"
    return Setting(
        name,
        section,
        name.rpartition(".")[2].replace("_", " "),
        unit.group(1) if unit and widget != "switch" else "",
        text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") + f" In a spec: {name}.",
        widget,
        choices,
        is_list,
        is_table,
        str in forms,
        left_out,
    )


def _forms(annotation: Any) -> list[Any]:
    """What a setting may be, without what only narrows it."""
    if get_origin(annotation) is Annotated:
        return _forms(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [form for part in get_args(annotation) for form in _forms(part)]
    return [annotation]

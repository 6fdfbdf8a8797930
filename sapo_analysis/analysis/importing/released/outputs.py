"""What a stage's model answered, row by row: counted, judged again, the first rows kept."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sapo_analysis.errors import InputError

KEPT = 64
"""Rows of each task whose output is kept, the first in file order."""
INPUT = ("\n\nText:\n{0}", "\n\n文本:\n{0}")
"""What the released code puts behind a prompt; what follows is the task's format line."""
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Output:
    """One test row and what the model answered."""

    example: int
    input: str
    target: str
    text: str
    is_right: bool


@dataclass
class TaskOutputs:
    """What a model answered to one task's test rows.

    Attributes:
        prompt: The prompt's text; None where the file does not part it from the input.
        n: Rows.
        n_right: Rows whose answer is the target, letter case, punctuation and spaces aside.
        n_empty: Rows with an empty answer.
        kept: The first rows.
    """

    prompt: str | None
    n: int = 0
    n_right: int = 0
    n_empty: int = 0
    kept: list[Output] = field(default_factory=list)

    @property
    def exact_match(self) -> float:
        """Share of rows answered right (0 to 100), as the released code computes it."""
        return 100 * self.n_right / self.n


def outputs_by_task(lines: Iterable[dict[str, Any]], where: str) -> dict[str, TaskOutputs]:
    """The outputs of a stage, by task as the file names it.

    Args:
        lines: One object per test row.
        where: What messages call the file.

    Raises:
        InputError: a row lacks a field or holds no text in it, or a row is there twice.
    """
    found: dict[str, TaskOutputs] = {}
    seen: set[tuple[str, int]] = set()
    for number, row in enumerate(lines, 1):
        at = f"{where}, row {number}"
        instance = row.get("Instance")
        if not isinstance(instance, dict):
            raise InputError(f"{at} has no 'Instance' with a test row in it.")
        task, answer = _text(row, "Dataset", at), _text(row, "Prediction", at)
        name, target = _text(instance, "id", at), _text(instance, "label", at)
        if not (name.isascii() and name.isdigit() and len(name) < 10):
            raise InputError(f"{at}: id {name[:40]!r} is not the number of a row.")
        if (task, int(name)) in seen:
            raise InputError(f"{at}: row {name!r} of {task!r} is there twice.")
        seen.add((task, int(name)))
        if task not in found:
            found[task] = TaskOutputs(_prompt(_text(instance, "instruction", at)))
        own = found[task]
        is_right = normalised(answer) == normalised(target)
        own.n += 1
        own.n_right += is_right
        own.n_empty += not answer
        if len(own.kept) < KEPT:
            text = _text(instance, "sentence", at)
            own.kept.append(Output(int(name), text, target, answer, is_right))
    return found


def normalised(answer: str) -> str:
    """An answer in small letters without punctuation and doubled spaces."""
    return " ".join(answer.lower().translate(_PUNCTUATION).split())


def _prompt(instruction: str) -> str | None:
    for mark in INPUT:
        if mark in instruction:
            return instruction.rpartition(mark)[0]
    return None


def _text(row: dict[str, Any], name: str, at: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        said = f"holds {type(value).__name__}" if name in row else "is missing"
        raise InputError(f"{at}: {name!r} {said}, and text is needed.")
    return storable(value)


def storable(text: str) -> str:
    """The text with halves of characters, which no file can hold, replaced."""
    return text.encode("utf-8", "replace").decode()

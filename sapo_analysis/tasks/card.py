"""A task card: all that is to be said of a task, in YAML, without its data.

A card beside its rows is a task that was added (`added`); a card that names where its rows come
from is a recipe for adding one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from sapo_analysis.errors import InputError
from sapo_analysis.explain import explain
from sapo_analysis.tasks.base import Split, Wording
from sapo_analysis.tasks.metrics import METRICS

TASK_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
"""A task's name: it is part of file names and of prompt ids."""
HUB_SPLIT = r"^(?P<name>[\w.-]+)(\[(?P<start>\d*):(?P<stop>\d*)\])?$"
_DATA = (
    "rows of a dataset (hub: its id or folder; revision: 40 hexadecimal digits, or left out;"
    " subset; splits: those for train, dev and test) or of files (files)"
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Part):
    """How a row of a table becomes an example.

    `input` is a column, or a text with columns in braces, as in `Premise: {premise}`. `target` is a
    column. A column inside another is reached by a dot (`translation.en`); a list in braces stands
    as lettered lines, `A. first`, `B. second`. `target_pattern` is a regular expression with one
    group: what the group holds at the last match in the target column is the target. `answers`
    gives the answer's words for the target's values (by their text as JSON writes it: `true`, `0`).
    """

    input: str = Field(min_length=1)
    target: str = Field(min_length=1)
    target_pattern: str | None = None
    answers: dict[str, str] = Field(default_factory=dict)

    @field_validator("target_pattern")
    @classmethod
    def _has_one_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        if groups != 1:
            raise ValueError(f"must have one group in parentheses, has {groups}")
        return pattern

    def picked(self, text: str) -> str | None:
        """What `target_pattern` finds in a target column's text; None where it finds nothing."""
        if self.target_pattern is None:
            return text
        found = [match.group(1) for match in re.finditer(self.target_pattern, text)]
        return found[-1] if found else None


class HubData(_Part):
    """Rows of a dataset of the Hugging Face hub, or of a folder that `datasets` can read.

    `revision` is the commit of the dataset's repository; none means the one that the hub answers
    when the rows are first fetched. A split's value is a split of the dataset, or some of its rows
    (`validation[:400]`, `validation[400:]`), counted from 0. Dev and test may be left out: they are
    then held out of train.
    """

    hub: str = Field(min_length=1)
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    subset: str | None = None
    splits: dict[Split, Annotated[str, Field(pattern=HUB_SPLIT)]]

    @field_validator("splits")
    @classmethod
    def _names_train(cls, splits: dict[Split, str]) -> dict[Split, str]:
        if "train" not in splits:
            raise ValueError("splits leaves out train")
        return splits


class FileData(_Part):
    """Rows of files; paths are seen from the card's folder."""

    files: dict[Split, str]


class CardPrompts(_Part):
    """The wordings of a card, the original apart."""

    original: str = Field(min_length=1)
    paraphrases: tuple[str, ...] = ()
    test_only: tuple[str, ...] = ()

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Every wording with its source, the original first."""
        return (
            Wording(self.original, "original"),
            *(Wording(text, "paraphrase") for text in self.paraphrases),
            *(Wording(text, "paraphrase", test_only=True) for text in self.test_only),
        )


class TaskCard(_Part):
    """The content of one card."""

    name: str
    title: str = Field(min_length=1)
    family: str = "own"
    about: str = ""
    suffix: str = ""
    labels: tuple[str, ...] = ()
    metric: str
    max_new_tokens: PositiveInt = 32
    data: HubData | FileData | None = Field(default=None, description=_DATA)
    columns: Columns | None = None
    prompts: CardPrompts
    origin: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _can_be_a_folder(cls, name: str) -> str:
        if not is_task_name(name):
            raise ValueError(
                f"{name[:120]!r} cannot be a task's name. It may have letters (a to z, A to Z),"
                " digits, _, - and ., a letter or a digit first, and 100 characters at most"
            )
        return name

    @model_validator(mode="after")
    def _is_whole(self) -> TaskCard:
        if self.metric not in METRICS:
            raise ValueError(f"metric {self.metric!r} is none of {', '.join(METRICS)}")
        if self.metric == "label_accuracy" and not self.labels:
            raise ValueError("label_accuracy needs labels")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels has a word twice: {list(self.labels)}")
        notes = self.origin.get("notes", [])
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise ValueError(f"origin.notes is no list of texts: {notes!r}")
        if self.data is not None and self.columns is None:
            raise ValueError("data needs columns: say which hold input and target")
        return self

    @classmethod
    def checked(cls, data: Any, what: str) -> TaskCard:
        """The card that some plain data makes; `what` names them in messages.

        Raises:
            InputError: they break a rule; every offending key is named.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{what} breaks a rule.\n{explain(error, cls)}") from error


def read_card(path: Path) -> TaskCard:
    """Read and check a card.

    Raises:
        InputError: it cannot be read, is not YAML, or breaks a rule; every offending key is named.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read the task card {str(path)!r}: {error}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(
            f"The task card {str(path)!r} is not YAML: {error}. Mend it at the place named."
        ) from error
    return TaskCard.checked(data, f"The task card {str(path)!r}")


def write_card(path: Path, card: TaskCard) -> None:
    """Write a card so that `read_card` reads an equal one."""
    content = card.model_dump(mode="json", exclude_none=True)
    path.write_text(
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100), encoding="utf-8"
    )


def is_task_name(name: str) -> bool:
    """Whether a task may be called so."""
    return re.fullmatch(TASK_NAME, name) is not None

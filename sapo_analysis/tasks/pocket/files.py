"""A task of the pocket suite as it is written down: one TOML file in `data/tasks`.

The file holds all that is special to a task: what it asks, how its inputs are made, its facts, how
much of them pretraining shows, and its prompts. `README.md` in that folder explains every key.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.explain import explain
from sapo_analysis.tasks.base import Wording
from sapo_analysis.tasks.metrics import METRICS

FOLDER = Path(__file__).resolve().parents[2] / "data" / "tasks"

DeclaredRole = Literal["half known", "retained", "unseen"]


class PromptTexts(BaseModel):
    """The wordings of a task's instruction.

    `seen` are shown in pretraining, most frequent first; `novel` and `test_only` never are, and
    `test_only` is never trained with either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    original: str
    seen: tuple[str, ...] = Field(min_length=1)
    novel: tuple[str, ...] = Field(min_length=1)
    test_only: tuple[str, ...] = Field(min_length=1)

    @property
    def all(self) -> tuple[str, ...]:
        """Every wording, the original first."""
        return tuple(wording.text for wording in self.wordings)

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Every wording with its source, the original first."""
        return (
            Wording(self.original, "original"),
            *(Wording(text, "seen") for text in self.seen),
            *(Wording(text, "novel") for text in self.novel),
            *(Wording(text, "novel", test_only=True) for text in self.test_only),
        )


class TaskFile(BaseModel):
    """The content of one task file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    family: str
    role: DeclaredRole
    metric: str
    labels: tuple[str, ...] = ()
    max_new_tokens: int = Field(ge=2)  # one token of the answer and the end of turn
    shares_facts_with: str | None = None
    share: float = Field(1.0, ge=0)
    known: float = Field(1.0, ge=0, le=1)
    untaught: float = Field(0.0, ge=0, lt=1)
    frames: tuple[str, ...] = ()
    generator: str | None = None
    facts: dict[str, str] = Field(default_factory=dict)
    prompts: PromptTexts

    @property
    def answer_of(self) -> dict[str, str]:
        """Each fact's answer; the one fact "" where the task needs none.

        A task without a table of its own has that of the task it shares its facts with.
        """
        if not self.facts:
            if self.shares_facts_with:
                return task_file(self.shares_facts_with).answer_of
            return {"": ""}
        return {fact: answer for answer, facts in self.facts.items() for fact in facts.split()}

    @model_validator(mode="after")
    def _is_whole(self) -> TaskFile:
        if bool(self.frames) == (self.generator is not None):
            raise ValueError("give either frames or a generator")
        if self.frames and not (self.facts or self.shares_facts_with):
            raise ValueError("frames are filled with facts, but there are none")
        if self.metric not in METRICS:
            raise ValueError(f"metric {self.metric!r} is none of {', '.join(METRICS)}")
        if self.metric == "label_accuracy" and not self.labels:
            raise ValueError("label_accuracy needs labels")
        if self.labels and self.facts and set(self.labels) != set(self.facts):
            raise ValueError(
                f"labels {sorted(self.labels)} are not the answers of facts {sorted(self.facts)}"
            )
        if bare := [frame for frame in self.frames if "{fact" not in frame]:
            raise ValueError(f"frame {bare[0]!r} has no fact, so nothing decides its answer")
        if empty := [answer for answer, facts in self.facts.items() if not facts.split()]:
            raise ValueError(f"answer {empty[0]!r} has no facts")
        listed = [fact for facts in self.facts.values() for fact in facts.split()]
        if twice := sorted({fact for fact in listed if listed.count(fact) > 1}):
            raise ValueError(f"facts with two answers: {twice}")
        self._check_prompts()
        if self.shares_facts_with and {"known", "untaught"} & self.model_fields_set:
            raise ValueError(
                f"known and untaught are those of {self.shares_facts_with!r}; leave them out"
            )
        if self.known + self.untaught > 1:
            raise ValueError(f"known {self.known} + untaught {self.untaught} is more than 1")
        return self

    def _check_prompts(self) -> None:
        folded = [" ".join(text.casefold().split()) for text in self.prompts.all]
        if "" in folded:
            raise ValueError("a prompt is empty")
        if twice := [text for text in folded if folded.count(text) > 1]:
            raise ValueError(f"the prompt {twice[0]!r} stands twice")
        for text in self.prompts.all:
            for label in self.labels:
                if not re.search(rf"\b{re.escape(label)}\b", text):
                    raise ValueError(f"the prompt {text!r} does not name the label {label!r}")


@cache
def task_names() -> tuple[str, ...]:
    """Names of all tasks, in alphabetical order: the stems of their files.

    Raises:
        InputError: a file's name cannot be a task's.
    """
    names = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
    if wrong := [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]:
        raise InputError(
            f"The task file {wrong[0] + '.toml'!r} cannot name a task: a name is lower-case"
            " letters, digits and underscores, a letter first. Rename the file."
        )
    return names


@cache
def task_file(name: str) -> TaskFile:
    """The file of the task of this name.

    Raises:
        InputError: there is no such task, or its file breaks a rule; both are named.
    """
    if name not in task_names():
        raise unknown("task", name, task_names(), "`sapo tasks` lists them.")
    return read_task_file(FOLDER / f"{name}.toml")


def read_task_file(path: Path) -> TaskFile:
    """Read and check one task file.

    Raises:
        InputError: the file is not TOML or breaks a rule; every offending key is named.
    """
    file = _parse(path)
    if file.shares_facts_with is not None:
        _check_shared_facts(path, file, file.shares_facts_with)
    return file


def _check_shared_facts(path: Path, file: TaskFile, partner_name: str) -> None:
    if partner_name not in task_names():
        raise unknown("task", partner_name, task_names(), f"See shares_facts_with in {path.name}.")
    partner = _parse(FOLDER / f"{partner_name}.toml")
    if not partner.facts:
        raise InputError(
            f"The task file {path.name} shares facts with {partner_name!r}, which has no table of"
            " facts itself. Name a task that has one."
        )
    if partner_name == path.stem:
        raise InputError(f"The task file {path.name} shares facts with itself. Leave it out.")
    answers = file.facts or partner.facts
    if file.labels and set(file.labels) != set(answers):
        raise InputError(
            f"The labels {sorted(file.labels)} of task file {path.name} are not the answers of the"
            f" facts it shares with {partner_name!r}, {sorted(answers)}. Give it its own table."
        )
    if file.facts and set(file.answer_of) != set(partner.answer_of):
        differing = sorted(set(file.answer_of) ^ set(partner.answer_of))
        raise InputError(
            f"The facts of task file {path.name} are not those of {partner_name!r}, with which it"
            f" shares them: {differing} stand in one alone."
        )


def _parse(path: Path) -> TaskFile:
    try:
        return TaskFile(**tomllib.loads(path.read_text("utf-8")))
    except UnicodeDecodeError as error:
        raise InputError(
            f"The task file {path.name} is not UTF-8 text: {error}. Save it as UTF-8."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The task file {path.name} is not TOML: {error}") from error
    except ValidationError as error:
        wrong = explain(error, TaskFile)
        raise InputError(f"The task file {path.name} cannot be used.\n{wrong}") from error

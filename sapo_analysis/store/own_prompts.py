"""The user's own paraphrases: a JSON file per task under `.prompts` in the runs folder.

A file that cannot be read is never written over: it is mended by hand or set aside under another
name. Several windows may write; each change is made to what the file holds at that moment.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sapo_analysis.errors import InputError
from sapo_analysis.explain import explain
from sapo_analysis.prompts import check_prompts
from sapo_analysis.prompts.checks import folded
from sapo_analysis.store import layout
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.tasks.card import is_task_name

FOLDER = ".prompts"
MAX_PROMPTS = 1000
"""Own prompts of one task."""
_MAX_BYTES = 30_000_000
_PATIENCE_SECONDS = 5.0
_SCHEMA = 1
_Fields = dict[str, Any]
"""Fields of `OwnPrompts` with new values."""


class OwnPrompt(BaseModel):
    """One paraphrase of the user's.

    `source` says how it came here (pasted, uploaded, `endpoint NAME: MODEL`, `model NAME`). `use`:
    offer it to studies. `equivalent` false: it turned out to ask for something else; the results of
    runs that have it stay, and are shown with and without it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(pattern=r"^[a-z]\P{C}*$", max_length=300)] = "pasted"
    use: bool = True
    equivalent: bool = True
    note: Annotated[str, Field(max_length=2000)] = ""
    added: str = Field(default_factory=layout.now)


class OwnPrompts(BaseModel):
    """What a user has written down about the prompts of one task.

    `not_equivalent` holds the texts of prompts of the bank that were marked so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    task: str
    prompts: Annotated[tuple[OwnPrompt, ...], Field(max_length=MAX_PROMPTS)] = ()
    not_equivalent: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> OwnPrompts:
        keys = [folded(prompt.text) for prompt in self.prompts]
        if twice := [
            p.text for p, key in zip(self.prompts, keys, strict=True) if keys.count(key) > 1
        ]:
            raise ValueError(f"a prompt is there twice: {twice[0][:80]!r}")
        return self

    @property
    def usable(self) -> list[str]:
        """The texts that studies are offered."""
        return [prompt.text for prompt in self.prompts if prompt.use and prompt.equivalent]

    @property
    def excluded(self) -> set[str]:
        """The texts marked as not equivalent, of the bank and of the user's own."""
        own = {prompt.text for prompt in self.prompts if not prompt.equivalent}
        return own | set(self.not_equivalent)


def read_own_prompts(runs_dir: Path, task: str) -> OwnPrompts:
    """What is written down about a task's prompts; empty where nothing is.

    Raises:
        InputError: no task can be called so, or its file is damaged or of a newer version.
    """
    path = _file(runs_dir, task)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _damaged(path, f"it has {path.stat().st_size:,} bytes")
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return OwnPrompts(task=task)
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if isinstance(data, dict) and data.get("schema_version", _SCHEMA) != _SCHEMA:
        raise InputError(
            f"Your prompts of task {task!r} (file {path}) are of version"
            f" {data['schema_version']!r}; this program reads {_SCHEMA}. Update it, or set the file"
            " aside. Nothing was changed."
        )
    try:
        found = OwnPrompts.model_validate(data)
    except ValidationError as error:
        raise _damaged(path, explain(error, OwnPrompts).strip()) from error
    if found.task != task:
        raise _damaged(path, f"it is about task {found.task!r}")
    return found


def read_marks(runs_dir: Path) -> dict[str, set[str]]:
    """Per task with such marks, the texts marked as not equivalent; damaged files are passed over.

    For those who count or leave out marked prompts; who shows a task's file says what is wrong.
    """
    marks = {}
    for path in sorted((runs_dir / FOLDER).glob("*.json")):
        task = path.stem
        with contextlib.suppress(InputError):
            if excluded := read_own_prompts(runs_dir, task).excluded:
                marks[task] = excluded
    return marks


def add_own_prompts(
    runs_dir: Path, task: str, texts: Sequence[str], source: str, *, note: str = ""
) -> OwnPrompts:
    """Write paraphrases down; those that are there already (`checks.folded`) are left as they are.

    Each gets the note, which the user may change.

    Raises:
        InputError: as `read_own_prompts`; a text is empty; too many; the folder cannot be written,
            is being written by another window, or is read-only.
    """
    check_prompts(texts)

    def added(own: OwnPrompts) -> _Fields:
        known = {folded(prompt.text) for prompt in own.prompts}
        new = [
            OwnPrompt(text=text, source=source, note=note)
            for text in texts
            if folded(text) not in known
        ]
        if len(own.prompts) + len(new) > MAX_PROMPTS:
            raise InputError(
                f"Task {task!r} has {len(own.prompts)} prompts of your own, and {len(new)} more"
                f" would be over {MAX_PROMPTS}. Remove some first."
            )
        return {"prompts": (*own.prompts, *new)}

    return _change(runs_dir, task, added, "no prompts can be added")


def change_own_prompt(runs_dir: Path, task: str, text: str, /, **changes: Any) -> OwnPrompts:
    """Change fields of the paraphrase with this text: `text`, `use`, `equivalent` or `note`.

    Raises:
        InputError: as `add_own_prompts`; or the prompt is gone, changed in another window; or the
            new text is another prompt's.
    """

    def changed(own: OwnPrompts) -> _Fields:
        if text not in [prompt.text for prompt in own.prompts]:
            raise InputError(
                f"The prompt {text[:80]!r} is gone: it was changed or removed in another window."
                " Reload the page."
            )
        return {
            "prompts": tuple(
                {**prompt.model_dump(), **changes} if prompt.text == text else prompt
                for prompt in own.prompts
            )
        }

    return _change(runs_dir, task, changed, "no prompts can be changed")


def remove_own_prompts(runs_dir: Path, task: str, texts: Iterable[str]) -> OwnPrompts:
    """Remove paraphrases by their texts; those that are gone already are no error.

    Raises:
        InputError: as `add_own_prompts`.
    """
    gone = set(texts)

    def kept(own: OwnPrompts) -> _Fields:
        return {"prompts": tuple(p for p in own.prompts if p.text not in gone)}

    return _change(runs_dir, task, kept, "no prompts can be removed")


def mark_bank_prompt(runs_dir: Path, task: str, text: str, equivalent: bool) -> OwnPrompts:
    """Mark a prompt of the bank as not equivalent, or take the mark away.

    Raises:
        InputError: as `add_own_prompts`.
    """

    def marked(own: OwnPrompts) -> _Fields:
        others = [known for known in own.not_equivalent if known != text]
        return {"not_equivalent": tuple(others if equivalent else [*others, text])}

    return _change(runs_dir, task, marked, "no prompts can be marked")


def set_aside(runs_dir: Path, task: str) -> Path:
    """Rename a task's file, so that a new one can be begun; returns where it is now.

    Raises:
        InputError: there is no file, or it cannot be renamed.
    """
    refuse_if_read_only("no file can be set aside")
    path = _file(runs_dir, task)
    stamp = layout.now().replace(":", "").replace("+0000", "")
    aside = next(
        name
        for i in range(1, 1000)
        if not (name := path.with_name(f"{task}.set-aside-{stamp}-{i}.json")).exists()
    )
    try:
        path.rename(aside)
    except OSError as error:
        raise InputError(f"Cannot rename {path}: {error.strerror}. Rename it by hand.") from error
    return aside


def _change(
    runs_dir: Path, task: str, change: Callable[[OwnPrompts], _Fields], doing: str
) -> OwnPrompts:
    """Read, change and replace a task's file under its lock."""
    refuse_if_read_only(doing)
    path = _file(runs_dir, task)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{task}.lock"), timeout=_PATIENCE_SECONDS):
            now = read_own_prompts(runs_dir, task)
            changed = OwnPrompts.model_validate({**now.model_dump(), **change(now)})
            layout.write_model(path, changed)
    except ValidationError as error:
        wrong = explain(error, OwnPrompts).strip()
        raise InputError(f"This cannot be kept: {wrong} Nothing was changed.") from error
    except Timeout:
        raise InputError(
            f"Your prompts of task {task!r} are being written by another window. Try again."
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot write your prompts into {str(path.parent)!r}: {error.strerror}."
            " Give a writable folder with --runs."
        ) from error
    return changed


def _file(runs_dir: Path, task: str) -> Path:
    return checked_file(runs_dir, FOLDER, task, f"{task}.json")


def checked_file(runs_dir: Path, folder: str, task: str, name: str) -> Path:
    """A file about a task in a folder of the runs folder.

    Raises:
        InputError: no task can be called so, or a link leads out of the runs folder.
    """
    if not is_task_name(task):  # it could be a path
        raise InputError(
            f"{task!r} cannot be the name of a task: letters, digits, '_', '-' and '.', a letter or"
            " digit first."
        )
    path = runs_dir / folder / name
    if not path.resolve().is_relative_to(runs_dir.resolve()):
        raise InputError(
            f"{path} is a link that leads out of the runs folder. Put the file itself there."
        )
    return path


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"Your prompts of task {path.stem!r} cannot be read (file {path}): {reason.rstrip('.')}."
        " The file was left as it is: mend it, or set it aside to begin a new one."
    )

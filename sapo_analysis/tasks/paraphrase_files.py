"""Paraphrases that the project ships for tasks whose rows it does not ship.

One YAML file per task: its name, the original prompt that they paraphrase, `paraphrases` and
`test_only`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sapo_analysis.errors import InputError
from sapo_analysis.explain import explain
from sapo_analysis.tasks.base import Wording
from sapo_analysis.tasks.card import CardPrompts

FOLDER = Path(__file__).resolve().parent.parent / "data" / "paraphrases"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    original: str
    paraphrases: tuple[str, ...] = ()
    test_only: tuple[str, ...] = ()


def wordings_of(
    task: str, original: str, folder: Path = FOLDER
) -> tuple[tuple[Wording, ...], tuple[str, ...]]:
    """The original with the shipped paraphrases of a task, and notes about them.

    Where the task's original prompt is another than the one they paraphrase, they are left out and
    a note says so.

    Raises:
        InputError: the file of this task is damaged.
    """
    found = _read(folder / f"{task}.yaml")
    if found is None:
        return CardPrompts(original=original).wordings, ()
    n = len(found.paraphrases) + len(found.test_only)
    if " ".join(found.original.split()) != " ".join(original.split()):
        note = (
            f"the {n} shipped paraphrases are left out: they are of another original prompt than"
            " this task's"
        )
        return CardPrompts(original=original).wordings, (note,)
    prompts = CardPrompts(
        original=original, paraphrases=found.paraphrases, test_only=found.test_only
    )
    return prompts.wordings, ()


@cache
def _read(path: Path) -> _File | None:
    # A file that ships does not change while this runs.
    if not path.is_file():
        return None
    try:
        found = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise InputError(
            f"The paraphrases {path.name!r} break a rule. {explain(error, _File)}"
        ) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"Cannot read the paraphrases {path.name!r}: {error}.") from error
    if found.task != path.stem:
        raise InputError(f"The paraphrases {path.name!r} are of task {found.task!r}. Rename one.")
    return found

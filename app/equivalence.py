"""How alike a base model answers under the prompts of a task: what is known, and asking for more.

Answers are kept in the runs folder, so that nobody waits for them twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sapo_analysis.analysis.equivalence import WITHOUT, Equivalence, equivalence
from sapo_analysis.app.asking import Reply, answered, ask, forget
from sapo_analysis.app.data import own_folder
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.errors import SapoError
from sapo_analysis.model_files import find_model
from sapo_analysis.store import is_read_only
from sapo_analysis.store.base_answers import Answers, keep_answers, read_answers
from sapo_analysis.tasks import Task

KIND = "equivalence"
PATIENCE_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Compared:
    """What is known of some prompts of a task, as one model answers them.

    `answers` are those that are known, by text; `found` is None while those under the original
    prompt, or without one, are not known. `missing` are the texts that would have to be asked
    about.
    """

    answers: Answers
    found: Equivalence | None
    missing: tuple[str, ...]


def n_known(task: Task, model: str, original: str) -> int:
    """How many examples the model is known to answer under the original prompt.

    Raises:
        InputError: the model is not known here.
    """
    return len(read_answers(own_folder(), task, find_model(model)).get(original, ()))


def compared(task: Task, model: str, texts: Sequence[str], n: int) -> Compared:
    """What is known of prompts, the original first, on the first `n` dev examples.

    Raises:
        InputError: the model is not known here.
    """
    wanted = [*dict.fromkeys(texts), WITHOUT]
    kept = read_answers(own_folder(), task, find_model(model))
    known = {text: kept[text] for text in wanted if len(kept.get(text, ())) >= n}
    missing = tuple(text for text in wanted if text not in known)
    has_both = texts[0] in known and WITHOUT in known
    found = equivalence(task, texts[0], known, n) if has_both else None
    return Compared(known, found, missing)


def question(
    task: Task, model: str, missing: Sequence[str], n: int, known: KnownTasks
) -> dict[str, Any]:
    """What the engine is asked: the same answers are asked for once."""
    sources = known.sources_of([task.name])
    wanted = {"prompts": list(missing), "examples": n, "tasks_from": sources}
    return {"model": model, "task": task.name, **wanted}


def begin(asked: dict[str, Any]) -> None:
    """Ask the engine."""
    ask(KIND, asked, PATIENCE_SECONDS)


def under_way(asked: dict[str, Any]) -> bool:
    """Whether this has been asked and its answer not been kept yet."""
    return answered(KIND, asked)


def taken(task: Task, asked: dict[str, Any]) -> Reply:
    """Where the question stands; an answer is kept at once, and the reply is then without one."""
    reply = ask(KIND, asked, PATIENCE_SECONDS)
    if reply.answer is None:
        return reply
    lists = zip(asked["prompts"], reply.answer["answers"], strict=True)
    given = {text: tuple(own) for text, own in lists}
    try:
        files = find_model(str(asked["model"]))
        keep_answers(own_folder(), task, files, reply.answer["fingerprint"], given)
    except SapoError as error:
        return Reply(error=str(error))
    forget(KIND, asked)
    return Reply(answer={})


def may_ask() -> bool:
    """Whether this server does work for its visitors."""
    return not is_read_only()

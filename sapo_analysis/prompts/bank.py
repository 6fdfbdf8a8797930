"""The bank of hand-written prompts, joined with how often pretraining showed each of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from sapo_analysis.errors import unknown
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.prompts.validate import check_prompts

DATA = Path(__file__).resolve().parent.parent / "data"
BANK = DATA / "prompts" / "pocket.json"
# Written by pretraining beside the weights it belongs to; the texts above are written by hand.
FREQUENCIES = DATA / "pocket" / "prompt_frequencies.json"


def read_bank(path: Path, frequencies: Path | None = None) -> dict[str, list[Prompt]]:
    """The prompts of every task in a bank file, each task's original first.

    `frequencies` is a JSON object from prompt id to the number of pretraining examples that carried
    the prompt; without it (or without the file) `frequency` is None.
    """
    rows: dict[str, list[dict[str, Any]]] = json.loads(path.read_text("utf-8"))["prompts"]
    counts: dict[str, int] | None = None
    if frequencies is not None and frequencies.is_file():
        counts = json.loads(frequencies.read_text("utf-8"))
    bank: dict[str, list[Prompt]] = {}
    for task, listed in rows.items():
        check_prompts([row.get("text") for row in listed], [str(row["id"]) for row in listed])
        bank[task] = [
            Prompt(
                task=task,
                prompt_id=row["id"],
                text=row["text"],
                source=row["source"],
                test_only=row["test_only"],
                # A prompt that pretraining never drew is not in the counts.
                frequency=None if counts is None else counts.get(row["id"], 0),
            )
            for row in sorted(listed, key=lambda row: row["source"] != "original")
        ]
    return bank


@cache
def pocket_bank() -> dict[str, tuple[Prompt, ...]]:
    """The shipped prompts of the pocket suite."""
    return {task: tuple(prompts) for task, prompts in read_bank(BANK, FREQUENCIES).items()}


def get_prompts(task: str) -> list[Prompt]:
    """All prompts of a task, its original first; an unknown task raises `InputError`."""
    if task not in pocket_bank():
        raise unknown("task", task, list(pocket_bank()), "`sapo tasks` lists them.")
    return list(pocket_bank()[task])


def original(task: str) -> Prompt:
    """The prompt the task came with."""
    return get_prompts(task)[0]

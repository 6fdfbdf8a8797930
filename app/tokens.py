"""What a model's tokenizer makes of prompts: asked of the engine once, then remembered."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import streamlit as st

from sapo_analysis import jobs
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.errors import SapoError
from sapo_analysis.model_files import find_model

_MOST = 50_000
_PATIENCE_SECONDS = 120.0
_FILES = ("tokenizer.json", "tokenizer_config.json", "config.json")
_one_at_a_time = Lock()


def counts(model: str, texts: Sequence[str]) -> list[int | None]:
    """Number of tokens of each text, None where it has not been counted yet."""
    known, mark = _known(), _mark(model)
    return [known.get((mark, text)) for text in texts]


def count(model: str, texts: Sequence[str]) -> str:
    """Count the tokens of texts, seconds; returns why that failed, "" if it did not."""
    known, mark = _known(), _mark(model)
    # A page that is drawn again asks for what its last drawing still waits for.
    with _one_at_a_time:
        wanted = [text for text in texts if (mark, text) not in known]
        if not wanted:
            return ""
        try:
            answer = jobs.probe("tokens", {"model": model, "texts": wanted}, _PATIENCE_SECONDS)
        except SapoError as error:
            return str(error)
        if len(known) > _MOST:
            known.clear()
        known.update(((mark, text), n) for text, n in zip(wanted, answer["n_tokens"], strict=True))
    return ""


def exact_prompt(model: str, task: str, prompt: str, known: KnownTasks) -> dict[str, Any]:
    """The first training example under a prompt, as `studies.tokenised.exact_prompt` has it.

    Raises:
        InputError: the engine refused it, or is not installed.
        WorkError: the engine failed or took too long.
    """
    mark = f"{_mark(model)}|{known.stamp(task)}"
    return _exact_prompt(mark, model, task, prompt, tuple(known.sources_of([task])))


@st.cache_data(max_entries=64, show_spinner="Tokenising …")
def _exact_prompt(
    mark: str, model: str, task: str, prompt: str, sources: tuple[str, ...]
) -> dict[str, Any]:
    asked = {"model": model, "task": task, "prompt": prompt, "tasks_from": sources}
    return jobs.probe("exact_prompt", asked, _PATIENCE_SECONDS)


@st.cache_resource
def _known() -> dict[tuple[str, str], int]:
    """(model, text) to number of tokens, for all sessions."""
    return {}


def _mark(model: str) -> str:
    """A name of the model's tokenizer that changes with its files."""
    folder = find_model(model).folder
    times = [(folder / name).stat().st_mtime_ns for name in _FILES if (folder / name).exists()]
    return f"{folder}|{times}"

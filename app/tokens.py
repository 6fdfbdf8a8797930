"""What a model's tokenizer makes of prompts: asked of the engine once, then remembered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sapo_analysis import jobs
from sapo_analysis.errors import SapoError
from sapo_analysis.model_files import find_model

_MOST = 50_000
_PATIENCE_SECONDS = 120.0
_FILES = ("tokenizer.json", "tokenizer_config.json", "config.json")


def counts(model: str, texts: Sequence[str]) -> list[int | None]:
    """Number of tokens of each text, None where it has not been counted yet."""
    known, mark = _known(), _mark(model)
    return [known.get((mark, text)) for text in texts]


def count(model: str, texts: Sequence[str]) -> str:
    """Count the tokens of texts, seconds; returns why that failed, "" if it did not."""
    known, mark = _known(), _mark(model)
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


def exact_prompt(
    model: str, task: str, prompt: str, split: str = "train", row: int = 0, data_seed: int = 0
) -> dict[str, Any]:
    """One example under a prompt, token by token, as `studies.tokenised.exact_prompt` has it.

    Raises:
        InputError: the engine refused it, or is not installed.
        WorkError: the engine failed or took too long.
    """
    return _exact_prompt(_mark(model), model, task, prompt, split, row, data_seed)


@st.cache_data(max_entries=64, show_spinner="Tokenising …")
def _exact_prompt(
    mark: str, model: str, task: str, prompt: str, split: str, row: int, data_seed: int
) -> dict[str, Any]:
    asked = {"model": model, "task": task, "prompt": prompt}
    wanted = {"split": split, "row": row, "data_seed": data_seed}
    return jobs.probe("exact_prompt", {**asked, **wanted}, _PATIENCE_SECONDS)


@st.cache_resource
def _known() -> dict[tuple[str, str], int]:
    """(model, text) to number of tokens, for all sessions."""
    return {}


def _mark(model: str) -> str:
    """A name of the model's tokenizer that changes with its files."""
    folder = find_model(model).folder
    times = [(folder / name).stat().st_mtime_ns for name in _FILES if (folder / name).exists()]
    return f"{folder}|{times}"

"""Within a block, an equal question about the same table is answered once.

A report asks for the same averages of the same ten thousand rows a few hundred times. Outside a
block nothing is kept: a table that its owner changes is never answered from before the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd

P = ParamSpec("P")
R = TypeVar("R")

# The tables are kept with the answers: an id belongs to its table only while that is there.
_ANSWERS: ContextVar[dict[Any, tuple[pd.DataFrame, Any]] | None] = ContextVar(
    "answers", default=None
)


@contextmanager
def remembering() -> Iterator[None]:
    """Keep answers within the block; no table may be changed in it. A block inside adds none."""
    if _ANSWERS.get() is not None:
        yield
        return
    token = _ANSWERS.set({})
    try:
        yield
    finally:
        _ANSWERS.reset(token)


def remembered(
    function: Callable[Concatenate[pd.DataFrame, P], R],
) -> Callable[Concatenate[pd.DataFrame, P], R]:
    """A function of a table whose answers are kept within `remembering` blocks.

    Its other arguments have to be hashable, and nobody may change what it returns. What it raises
    is not kept.
    """
    parameters = signature(function)

    @wraps(function)
    def ask(df: pd.DataFrame, /, *args: P.args, **kwargs: P.kwargs) -> R:
        answers = _ANSWERS.get()
        if answers is None:
            return function(df, *args, **kwargs)
        # However it is asked: a default that is written out makes no other question.
        asked = parameters.bind(df, *args, **kwargs)
        asked.apply_defaults()
        key = (function, id(df), *list(asked.arguments.values())[1:])
        if key not in answers:
            answers[key] = df, function(df, *args, **kwargs)
        found: R = answers[key][1]
        return found

    return ask

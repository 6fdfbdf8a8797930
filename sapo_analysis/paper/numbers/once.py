"""A question that is asked again of the same object is not answered anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


def asked_once(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method whose answers stay with its object, as `cached_property` keeps a property.

    `functools.cache` would keep the objects themselves alive. Arguments have to be hashable, and
    nobody may change an answer.
    """

    @wraps(method)
    def ask(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        answers: dict[Any, R] = vars(self).setdefault("_answers", {})
        key = (method.__name__, args, tuple(sorted(kwargs.items())))
        if key not in answers:
            answers[key] = method(self, *args, **kwargs)
        return answers[key]

    return ask

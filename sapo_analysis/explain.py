"""What pydantic found wrong, in words for the person who wrote the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_WORDS = {
    "tuple_type": "must be a list",
    "dict_type": "must be a table of names and values",
    "model_type": "must be a table of settings",
    "model_attributes_type": "must be a table of settings",
    "string_type": "must be text",
    "too_short": "must name at least {min_length}",
}
"""What pydantic says of types is about Python; a spec is YAML."""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """One line for each problem: the place, what was wrong, the value, the nearest known name."""
    problems = error.errors()
    lines = (_line(p, problems, model) for p in problems if not _follows(p, problems))
    return "\n".join(dict.fromkeys(lines))


def _line(problem: ErrorDetails, problems: list[ErrorDetails], model: type[BaseModel]) -> str:
    loc = problem["loc"]
    place = ".".join(str(part) for part in loc)
    if problem["type"] == "extra_forbidden":
        known = _fields_at(model, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"  {place}: unknown setting.{hint} Known here: {', '.join(known)}."
    if problem["type"] == "missing":
        return f"  {place}: is missing."
    message = problem["msg"].removeprefix("Value error, ")
    if not loc:
        return f"  {message}."
    fields = list(_fields_along(model, loc))
    if fields and len(loc) > len(fields) and _is_union(fields[-1].annotation):
        # One line in place of one for each form, under names that only pydantic knows.
        own = loc[: len(fields)]
        whole = min((p for p in problems if p["loc"][: len(own)] == own), key=_depth)["input"]
        place = ".".join(str(part) for part in own)
        return f"  {place}: expected {fields[-1].description} (got {_short(whole)})."
    if problem["type"] in _WORDS:
        message = _WORDS[problem["type"]].format(**problem.get("ctx", {}))
    elif problem["type"] == "string_pattern_mismatch" and fields and fields[-1].description:
        message = f"must be the {fields[-1].description}"
    if fields and not fields[-1].repr:  # what a field hides, its errors hide too
        return f"  {place}: {message}."
    return f"  {place}: {message} (got {_short(problem['input'])})."


def _depth(problem: ErrorDetails) -> int:
    return len(problem["loc"])


def _follows(problem: ErrorDetails, others: list[ErrorDetails]) -> bool:
    """Whether a list is too short only because its entries were refused."""
    loc = problem["loc"]
    return problem["type"] == "too_short" and any(
        len(o["loc"]) > len(loc) and o["loc"][: len(loc)] == loc for o in others
    )


def _fields_along(model: type[BaseModel], place: tuple[int | str, ...]) -> Iterator[FieldInfo]:
    """The settings on the way to a place, as far as they are settings and not entries."""
    inner: Any = model
    for part in place:
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return
        field = inner.model_fields.get(str(part))
        if field is None:
            return
        yield field
        inner = field.annotation


def _is_union(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    several = get_origin(annotation) in (Union, UnionType)
    return several and sum(form is not type(None) for form in get_args(annotation)) > 1


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    fields = list(_fields_along(model, place))
    if len(fields) < len(place):
        return []
    inner: Any = fields[-1].annotation if fields else model
    if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
        return []
    return list(inner.model_fields)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

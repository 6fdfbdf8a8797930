"""What pydantic found wrong, in words for the person who wrote the file."""

from __future__ import annotations

import difflib

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """One line for each problem: the place, what was wrong, the value, the nearest known name."""
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = _fields_at(model, problem["loc"][:-1])
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            lines.append(f"  {place}: unknown setting.{hint} Known here: {', '.join(known)}.")
        elif problem["type"] == "missing":
            lines.append(f"  {place}: is missing.")
        elif problem["loc"]:
            lines.append(f"  {place}: {message} (got {_short(problem['input'])}).")
        else:
            lines.append(f"  {message}.")
    return "\n".join(lines)


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    for part in place:
        field = model.model_fields.get(str(part))
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return []
        model = field.annotation
    return list(model.model_fields)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

"""A figure as text: every layer of a `FigureSpec` as JSON, and back, without a digit lost.

What is read back is drawn into the same bytes. The table is left out, as no renderer looks at it:
where a figure is saved, its table lies beside it as CSV.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import Cells, FigureSpec, Layer, Panel

FORMAT = 1
"""Counts up when what is written changes its meaning."""
LAYERS: dict[str, type[Layer]] = {layer.__name__: layer for layer in get_args(Layer)}
_LEFT_OUT = "table"
_AGAIN = "Take it from the bundle again, or export the figure again."


def to_json(spec: FigureSpec) -> str:
    """The figure as JSON: all but its table. What is no number there is a text: `"NaN"`."""
    said = {"figure_spec": FORMAT, **_plain(spec)}
    return json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> FigureSpec:
    """The figure that `to_json` wrote, equal to it but for the table, which is empty.

    Raises:
        InputError: the text is not JSON, no saved figure, of a newer version, or damaged; what is
            wrong is named, and where.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"This is no saved figure: it is not JSON ({error}). {_AGAIN}") from error
    if not isinstance(data, dict) or "figure_spec" not in data:
        raise InputError(f"This is no saved figure: it lacks the key 'figure_spec'. {_AGAIN}")
    version = data.pop("figure_spec")
    if version != FORMAT:
        raise InputError(
            f"The figure is saved in format {version!r}, and this version reads {FORMAT}."
            " Install the version of sapo-analysis that is named beside it."
        )
    _check_keys(FigureSpec, data, "figure")
    panels = tuple(
        _panel(panel, f"panels[{i}]") for i, panel in enumerate(_list(data["panels"], "panels"))
    )
    caption: Caption = _made(Caption, data["caption"], "caption")
    rest = {
        name: _value(FigureSpec, name, value)
        for name, value in data.items()
        if name not in ("panels", "caption")
    }
    return FigureSpec(panels=panels, caption=caption, table=pd.DataFrame(), **rest)


def _plain(value: Any) -> Any:
    """What JSON can hold of it; a layer says which kind it is."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": type(value).__name__} if type(value).__name__ in LAYERS else {}
        names = [field.name for field in fields(value) if field.name != _LEFT_OUT]
        return {**kind, **{name: _plain(getattr(value, name)) for name in names}}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _panel(data: Any, where: str) -> Panel:
    _check_keys(Panel, data, where)
    layers = tuple(
        _layer(layer, f"{where}.layers[{i}]")
        for i, layer in enumerate(_list(data["layers"], f"{where}.layers"))
    )
    rest = {name: _value(Panel, name, data[name], where) for name in data if name != "layers"}
    return Panel(layers=layers, **rest)


def _layer(data: Any, where: str) -> Layer:
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in LAYERS:
        raise _damaged(where, f"kind is {kind!r}; known: {', '.join(LAYERS)}")
    layer: Layer = _made(LAYERS[kind], {k: v for k, v in data.items() if k != "kind"}, where)
    _check_lengths(layer, where)
    return layer


def _check_lengths(layer: Layer, where: str) -> None:
    """Refuse a layer whose lists do not go together: one value too many moves all behind it."""
    if isinstance(layer, Cells):
        shapes = {tuple(map(len, rows)) for rows in (layer.values, layer.faint, layer.texts)}
        if len(shapes) > 1 or len(set(map(len, layer.values))) > 1:
            raise _damaged(where, "its rows are not all as long")
        return
    lists = {
        name: value
        for name in ("x", "y", "lower", "upper")
        if isinstance(value := getattr(layer, name, None), tuple)
    }
    if len(set(map(len, lists.values()))) > 1:
        told = ", ".join(f"{len(value)} of {name}" for name, value in lists.items())
        raise _damaged(where, f"its lists are not all as long: {told}")


def _made(cls: Any, data: Any, where: str) -> Any:
    _check_keys(cls, data, where)
    try:
        return _reader(cls).validate_python(data)
    except ValidationError as error:
        raise _damaged(where, _first(error)) from error


def _value(cls: type, name: str, value: Any, where: str = "figure") -> Any:
    try:
        return _field_reader(cls, name).validate_python(value)
    except ValidationError as error:
        raise _damaged(f"{where}.{name}", _first(error)) from error


@lru_cache(maxsize=32)
def _reader(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


@lru_cache(maxsize=64)
def _field_reader(cls: type, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(cls)[name])


def _check_keys(cls: Any, data: Any, where: str) -> None:
    if not isinstance(data, dict):
        raise _damaged(where, f"it holds a {type(data).__name__}, not a mapping")
    own = [field for field in fields(cls) if field.name != _LEFT_OUT]
    known = {field.name for field in own}
    needed = {f.name for f in own if f.default is MISSING and f.default_factory is MISSING}
    if odd := sorted(set(data) - known):
        raise _damaged(where, f"it has the unknown keys {', '.join(odd)}")
    if missing := sorted(needed - set(data)):
        raise _damaged(where, f"it lacks {', '.join(missing)}")


def _list(data: Any, where: str) -> list[Any]:
    if isinstance(data, list):
        return data
    raise _damaged(where, f"it holds a {type(data).__name__}, not a list")


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    at = ".".join(str(part) for part in first["loc"])
    return f"{at + ': ' if at else ''}{first['msg']}"


def _damaged(where: str, what: str) -> InputError:
    return InputError(f"The saved figure is damaged at {where}: {what}. {_AGAIN}")

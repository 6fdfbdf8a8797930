"""The figures of the report in sections: caption, alternative text, data for the browser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sapo_analysis.figures import OUTCOMES, FigureSpec
from sapo_analysis.paper.captions import draft
from sapo_analysis.paper.figures import Made
from sapo_analysis.paper.html.payload import Payload, least_width
from sapo_analysis.paper.kinds import Kind
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options

_VIEWS = {"centred": "all tasks, centred", "panels": "one panel per task", "raw": "raw, pooled"}


@dataclass(frozen=True)
class Figure:
    """One figure on the page.

    Attributes:
        name: unique on the page.
        title: what tells it from the others of its kind; "" for the only one.
        caption: a draft of its caption.
        alt: for readers who cannot see it.
        height: in pixels.
        width: least, in pixels.
        payload: what the browser draws.
    """

    name: str
    title: str
    caption: str
    alt: str
    height: int
    width: int
    payload: Payload


@dataclass(frozen=True)
class Section:
    """All figures of one kind, and why one that might be expected is not there."""

    name: str
    title: str
    about: str
    figures: tuple[Figure, ...]
    missing: tuple[str, ...]


def sections(made: Iterable[Made], payloads: dict[str, Payload], numbers: Numbers) -> list[Section]:
    """Figures by kind, in the order of their kinds; `payloads` by the figures' names."""
    of_kind: dict[str, list[Made]] = {}
    for one in made:
        of_kind.setdefault(one.kind.name, []).append(one)
    return [_section(every, payloads, numbers) for every in of_kind.values()]


def _section(every: list[Made], payloads: dict[str, Payload], numbers: Numbers) -> Section:
    kind, several = every[0].kind, len(every) > 1
    figures, missing = [], []
    for one in every:
        title = in_words(kind, one.options) if several else ""
        if one.spec is None:
            missing.append(f"{title}: {one.why_not}" if title else one.why_not)
        else:
            # Definitions stand in the report's own section, once.
            facts = replace(one.spec.caption, terms=())
            caption = draft(facts, numbers, one.options.method)
            figures.append(_figure(one.name, title, caption, one.spec, payloads[one.name]))
    return Section(kind.name, kind.title, kind.about, tuple(figures), tuple(missing))


def _figure(name: str, title: str, caption: str, spec: FigureSpec, payload: Payload) -> Figure:
    return Figure(name, title, caption, spec.alt, spec.height, least_width(spec), payload)


def in_words(kind: Kind[Any], options: Options) -> str:
    """What was asked of a figure beyond the usual: `Forgetting past, one panel per task`."""
    usual, said = Options(), []
    for name in kind.uses:
        value = getattr(options, name)
        if name == "outcome" and value:
            said.append(OUTCOMES[value].label)
        elif name == "view":
            said.append(_VIEWS[value])
        elif value != getattr(usual, name):
            said.append(str(value))
    return ", ".join(said)

"""One kind of figure: what it shows, what can be asked of it, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sapo_analysis.figures import FigureSpec
from sapo_analysis.paper.options import Options


@dataclass(frozen=True)
class FigureKind:
    """A figure that runs of one kind of study can have.

    Attributes:
        name: what it is asked for by.
        title: what a reader calls it.
        about: one sentence: what it shows.
        study: `paraphrase`, `sequence`, or `several`: paraphrase studies that cannot be joined.
        uses: the fields of `Options` that it obeys.
        make: numbers of such runs and options to the figure; an `InputError` says why there is
            none.
        variants: which figures of this kind "all" stands for.
        cites: keys of `paper.citations` that its caption rests on.
    """

    name: str
    title: str
    about: str
    study: str
    uses: tuple[str, ...]
    make: Callable[[Any, Options], FigureSpec]
    variants: Callable[[Any], list[Options]]
    cites: tuple[str, ...] = ()


def once(numbers: Any) -> list[Options]:
    """One figure, with what the runs suggest."""
    return [Options()]

"""Which figures runs have, and how each is made.

numbers = numbers_of([open_run(...)])
for kind in kinds_of(numbers): ...
figure("impact_scatter", numbers, Options(view="panels")).to_bytes("pdf", "icml")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sapo_analysis.figures import FigureSpec
from sapo_analysis.paper.figures.kind import FigureKind
from sapo_analysis.paper.figures.methods import METHOD_FIGURES
from sapo_analysis.paper.figures.paraphrase import PARAPHRASE_FIGURES
from sapo_analysis.paper.figures.sequence import SEQUENCE_FIGURES
from sapo_analysis.paper.figures.several import SEVERAL_FIGURES
from sapo_analysis.paper.kinds import Kinds, MadeOf
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options

__all__ = ["FIGURES", "FIGURE_KINDS", "FigureKind", "Made", "every_figure", "figure", "kinds_of"]

FIGURES = {
    kind.name: kind
    for kind in (*PARAPHRASE_FIGURES, *SEVERAL_FIGURES, *SEQUENCE_FIGURES, *METHOD_FIGURES)
}
Made = MadeOf[FigureSpec]
"""A figure of some runs, or why there is none."""
FIGURE_KINDS = Kinds("figure", FIGURES)


def kinds_of(numbers: Numbers) -> list[FigureKind]:
    """The kinds of figures that such runs can have."""
    return FIGURE_KINDS.of(numbers)


def figure(name: str, numbers: Numbers, options: Options | None = None) -> FigureSpec:
    """One figure.

    Raises:
        InputError: no figure of that name for such runs, or they have no data for it.
    """
    return FIGURE_KINDS.one(name, numbers, options)


def every_figure(
    numbers: Numbers, names: Iterable[str] = (), asked: Mapping[str, Any] | None = None
) -> Iterator[Made]:
    """All figures that runs have, or all of some kinds; where there is none, why.

    Args:
        numbers: of the runs.
        names: kinds of figures; none: all that such runs can have.
        asked: fields of `Options` by name. Each figure that obeys one is made with it alone;
            what is not asked for varies as usual.

    Raises:
        InputError: no figure has such a name for such runs, or no option.
    """
    return FIGURE_KINDS.every(numbers, names, asked)

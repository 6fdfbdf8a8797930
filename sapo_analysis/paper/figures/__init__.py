"""Which figures runs have, and how each is made.

numbers = numbers_of([open_run(...)])
for kind in kinds_of(numbers): ...
figure("impact_scatter", numbers, Options(view="panels")).to_bytes("pdf", "icml")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures import FigureSpec
from sapo_analysis.paper.figures.kind import FigureKind
from sapo_analysis.paper.figures.paraphrase import PARAPHRASE_FIGURES
from sapo_analysis.paper.figures.sequence import SEQUENCE_FIGURES
from sapo_analysis.paper.figures.several import SEVERAL_FIGURES
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options, check_asked, stem, with_asked

__all__ = ["FIGURES", "FigureKind", "Made", "every_figure", "figure", "kinds_of"]

FIGURES = {kind.name: kind for kind in (*PARAPHRASE_FIGURES, *SEVERAL_FIGURES, *SEQUENCE_FIGURES)}


@dataclass(frozen=True)
class Made:
    """A figure of some runs, or why there is none.

    Attributes:
        kind: which figure.
        options: what was asked of it.
        spec: the figure; None where there is none.
        why_not: one sentence; "" where there is one.
    """

    kind: FigureKind
    options: Options
    spec: FigureSpec | None
    why_not: str = ""

    @property
    def name(self) -> str:
        """What its files are called: its kind and what was asked for beyond the usual."""
        return stem(self.kind.name, self.kind.uses, self.options)


def kinds_of(numbers: Numbers) -> list[FigureKind]:
    """The kinds of figures that such runs can have."""
    return [kind for kind in FIGURES.values() if kind.study == numbers.study]


def figure(name: str, numbers: Numbers, options: Options | None = None) -> FigureSpec:
    """One figure.

    Raises:
        InputError: no figure of that name for such runs, or they have no data for it.
    """
    own = {kind.name: kind for kind in kinds_of(numbers)}
    if name not in own:
        raise unknown("figure of these runs", name, list(own))
    return own[name].make(numbers, options or Options())


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
    check_asked(asked or {})
    own = {kind.name: kind for kind in kinds_of(numbers)}
    wanted = list(names) or list(own)
    for name in wanted:
        if name not in own:
            raise unknown("figure of these runs", name, list(own))
    for name in wanted:
        kind = own[name]
        try:
            variants = with_asked(kind.variants(numbers), kind.uses, asked or {})
        except InputError as error:
            yield Made(kind, Options(), None, str(error))
            continue
        for options in variants:
            try:
                yield Made(kind, options, kind.make(numbers, options))
            except InputError as error:
                yield Made(kind, options, None, str(error))

"""Which figures runs have, and how each is made.

numbers = numbers_of([open_run(...)])
for kind in kinds_of(numbers): ...
figure("impact_scatter", numbers, Options(view="panels")).to_bytes("pdf", "icml")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures import FigureSpec
from sapo_analysis.paper.figures.kind import FigureKind
from sapo_analysis.paper.figures.paraphrase import PARAPHRASE_FIGURES
from sapo_analysis.paper.figures.sequence import SEQUENCE_FIGURES
from sapo_analysis.paper.numbers import Numbers, ParaphraseNumbers
from sapo_analysis.paper.options import Options

__all__ = ["FIGURES", "FigureKind", "Made", "every_figure", "figure", "kinds_of"]

FIGURES = {kind.name: kind for kind in (*PARAPHRASE_FIGURES, *SEQUENCE_FIGURES)}


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
        usual = Options()
        asked = [str(getattr(self.options, name)) for name in self.kind.uses]
        plain = [str(getattr(usual, name)) for name in self.kind.uses]
        said = [a for a, b in zip(asked, plain, strict=True) if a != b]
        return "-".join([self.kind.name, *said]).replace(" ", "_")


def kinds_of(numbers: Numbers) -> list[FigureKind]:
    """The kinds of figures that such runs can have."""
    study = "paraphrase" if isinstance(numbers, ParaphraseNumbers) else "sequence"
    return [kind for kind in FIGURES.values() if kind.study == study]


def figure(name: str, numbers: Numbers, options: Options | None = None) -> FigureSpec:
    """One figure.

    Raises:
        InputError: no figure of that name for such runs, or they have no data for it.
    """
    own = {kind.name: kind for kind in kinds_of(numbers)}
    if name not in own:
        raise unknown("figure of these runs", name, list(own))
    return own[name].make(numbers, options or Options())


def every_figure(numbers: Numbers, names: Iterable[str] = ()) -> Iterator[Made]:
    """All figures that runs have, or all of some kinds; where there is none, why.

    Raises:
        InputError: no figure has such a name for such runs.
    """
    own = {kind.name: kind for kind in kinds_of(numbers)}
    wanted = list(names) or list(own)
    for name in wanted:
        if name not in own:
            raise unknown("figure of these runs", name, list(own))
    for name in wanted:
        kind = own[name]
        try:
            variants = kind.variants(numbers)
        except InputError as error:
            yield Made(kind, Options(), None, str(error))
            continue
        for options in variants:
            try:
                yield Made(kind, options, kind.make(numbers, options))
            except InputError as error:
                yield Made(kind, options, None, str(error))

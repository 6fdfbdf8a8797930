"""The figures of a bundle: drawn on one venue's paper, with what redraws them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sapo_analysis.errors import unknown
from sapo_analysis.figures import FigureSpec
from sapo_analysis.figures.saving import to_json
from sapo_analysis.paper.drawing import ToDraw, draw_all
from sapo_analysis.paper.figures import Made
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.stamps import stamp

KINDS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class On:
    """What figures are drawn on, as it was asked for; `FigureSpec.to_bytes` has the meanings."""

    venue: str
    width: str | float | None
    font: str
    kinds: tuple[str, ...]
    without: tuple[str, ...]

    def check(self, spec: FigureSpec) -> None:
        """Refuse what no figure could be drawn on.

        Raises:
            InputError: an unknown venue, width, font, format or part.
        """
        for kind in self.kinds:
            if kind not in KINDS:
                raise unknown("figure format", kind, list(KINDS))
        spec.page(self.venue, self.width, self.font)
        spec.without(*self.without)


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn, and its files by format."""

    made: Made
    spec: FigureSpec
    files: Mapping[str, bytes]


def draw(
    figures: Sequence[Made], numbers: Numbers, on: On, processes: int = 1
) -> tuple[list[Drawn], dict[str, str]]:
    """The figures that could be drawn; of the others, by name, why not.

    Args:
        figures: those that there are and those that there are not.
        numbers: of the runs that they show.
        on: what they are drawn on.
        processes: as in `draw_all`.

    Raises:
        InputError: as `On.check`.
    """
    left_out = {made.name: made.why_not for made in figures if made.spec is None}
    there = [(made, made.spec) for made in figures if made.spec is not None]
    wanted = []
    for made, spec in there:
        on.check(spec)
        page = spec.page(on.venue, on.width, on.font)
        said = stamp(numbers, made.kind.title)
        wanted.append(ToDraw(spec.without(*on.without), page, on.kinds, said))
    drawn = []
    for (made, spec), files in zip(there, draw_all(wanted, processes), strict=True):
        if files.why_not:
            left_out[made.name] = files.why_not
        else:
            drawn.append(Drawn(made, spec, files.contents))
    return drawn, left_out


def figure_files(drawn: Sequence[Drawn], numbers: Numbers, on: On) -> dict[str, str | bytes]:
    """The figures, their data and their specs, and `drawn.json`, by which they are drawn again."""
    files: dict[str, str | bytes] = {}
    tables = {figure.made.name: figure.spec.to_csv() for figure in drawn}
    for figure in drawn:
        name = figure.made.name
        files[f"data/{name}.csv"] = tables[name]
        files[f"specs/{name}.json"] = to_json(figure.spec)
        files |= {f"figures/{name}.{kind}": data for kind, data in figure.files.items()}
    said = stamp(numbers, "")
    told = {
        "venue": on.venue,
        "width": on.width,
        "font": on.font,
        "without": list(on.without),
        "date": None if said.date is None else said.date.isoformat(),
        "source": said.source,
        "facts": said.facts,
        "figures": {
            figure.made.name: {
                "title": figure.made.kind.title,
                "sha256": {kind: _sha256(data) for kind, data in figure.files.items()},
                "data_sha256": _sha256(tables[figure.made.name].encode("utf-8")),
            }
            for figure in drawn
        },
    }
    return {**files, "drawn.json": json.dumps(told, indent=1, ensure_ascii=False) + "\n"}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

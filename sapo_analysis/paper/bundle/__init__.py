"""Everything behind the figures and tables of some runs in one zip, with a script to redraw them.

The same runs under the same packages give the same bytes: entries are sorted, dates are the runs'.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sapo_analysis.errors import InputError
from sapo_analysis.paper.bundle import redraw, texts
from sapo_analysis.paper.bundle.drawing import KINDS, Drawn, On, draw, figure_files
from sapo_analysis.paper.bundle.readme import readme
from sapo_analysis.paper.bundle.zipped import zipped
from sapo_analysis.paper.caption_files import caption_files
from sapo_analysis.paper.citations import cited
from sapo_analysis.paper.figures import Made
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.stamps import ended, provenance, study_of
from sapo_analysis.paper.tables import MadeTable

__all__ = ["KINDS", "bundle"]

_LICENCES = {"serif": "LICENSE_STIX", "sans": "LICENSE-Liberation.txt"}


def bundle(
    numbers: Numbers,
    figures: Sequence[Made],
    tables: Sequence[MadeTable],
    *,
    venue: str,
    width: str | float | None = None,
    font: str = "",
    kinds: Sequence[str] = KINDS,
    without: Sequence[str] = (),
    processes: int = 1,
) -> bytes:
    """The zip.

    Args:
        numbers: of the runs that the figures and tables show.
        figures: the figures; of those that there are not its README says why.
        tables: the tables, likewise.
        venue: as in `FigureSpec.to_bytes`.
        width: likewise.
        font: likewise.
        kinds: formats of the figures.
        without: parts left out of the drawn figures; their specs keep them.
        processes: that draw figures side by side, as in `paper.drawing.draw_all`.

    Raises:
        InputError: there is nothing to put into it, or an unknown venue, width, font, format or
            part.
        RunError: a table of a run is damaged.
    """
    on = On(venue, width, font, tuple(kinds), tuple(without))
    drawn, left_out = draw(figures, numbers, on, processes)
    left_out |= {made.name: made.why_not for made in tables if made.spec is None}
    there = [made for made in tables if made.spec is not None]
    if not drawn and not there:
        reasons = " ".join(f"{name}: {why}" for name, why in left_out.items())
        raise InputError(f"There is nothing to bundle. {reasons or 'No figure was asked for.'}")
    files = {
        **_tables(there, numbers),
        **_sources(drawn, numbers),
        **caption_files(
            *(numbers, [figure.made for figure in drawn], there, venue, width),
            figures_in="figures/",
            tables_in="tables/",
            without=without,
        ),
    }
    if drawn:
        files |= figure_files(drawn, numbers, on)
        files |= _licence(drawn[0], on)
        files[redraw.REQUIREMENTS] = texts.requirements()
        files["redraw.py"] = Path(redraw.__file__).read_text(encoding="utf-8")
    files["README.txt"] = readme(numbers, [*files], left_out)
    return zipped(files, ended(numbers))


def _tables(tables: Sequence[MadeTable], numbers: Numbers) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {}
    for made in tables:
        if made.spec is not None:
            keys = cited(made.kind, numbers.runs, made.options.method)
            files[f"tables/{made.name}.tex"] = made.spec.to_latex(cites=keys, numbers=numbers)
            files[f"tables/{made.name}.md"] = made.spec.to_markdown()
            files[f"tables/{made.name}.csv"] = made.spec.to_csv()
    return files


def _sources(drawn: Sequence[Drawn], numbers: Numbers) -> dict[str, str | bytes]:
    shown = [(f"data/{figure.made.name}.csv", figure.spec.table) for figure in drawn]
    studies = [{"run_id": run.run_id, "study": study_of(run)[0]} for run in numbers.runs]
    return {
        "data/columns.csv": texts.columns(shown),
        "study.json": _json(studies),
        "provenance.json": _json(provenance(numbers)),
    }


def _licence(figure: Drawn, on: On) -> dict[str, str | bytes]:
    """Of the font that the files embed, or name."""
    from sapo_analysis.figures.fonts import font_file

    font = figure.spec.page(on.venue, on.width, on.font).font
    name = _LICENCES[font]
    return {f"licences/{name}": (font_file(font).parent / name).read_bytes()}


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"

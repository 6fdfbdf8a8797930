"""Captions and references beside exported figures and tables, ready to be pasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sapo_analysis.paper.captions import draft, draft_latex
from sapo_analysis.paper.citations import bibtex, cited
from sapo_analysis.paper.figures import Made
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.tables import MadeTable
from sapo_analysis.paper.tables.in_markdown import plain

_HEAD = r"""% Drafts: n, tests and definitions are there to be shortened.
% Needs \usepackage{graphicx,booktabs,array,longtable}; \cite finds its keys in references.bib.
% If these files lie in another folder than your paper: \graphicspath{{FOLDER/}}, \input{FOLDER/…}.
"""


def caption_files(
    numbers: Numbers,
    figures: Sequence[Made],
    tables: Sequence[MadeTable],
    venue: str = "icml",
    width: str | float | None = None,
    figures_in: str = "",
    tables_in: str = "",
    without: Sequence[str] = (),
) -> dict[str, str]:
    """The texts of `captions.md`, `captions.tex` and `references.bib`, by these names.

    Args:
        numbers: of the runs.
        figures: those that were made.
        tables: those that were made.
        venue: a name of `figures.venues.VENUES`: of two columns a wide figure takes both.
        width: as figures were drawn.
        figures_in: the folder of the figures, seen from these files, with its slash.
        tables_in: the folder of the tables, likewise.
        without: parts left out of the drawn figures: their captions do not speak of them.
    """
    drafts, latex = ["# Caption drafts"], [_HEAD]
    long: list[str] = []
    keys: set[str] = set()
    for made in figures:
        if made.spec is not None:
            made = replace(made, spec=made.spec.without(*without))
            drafts.append(_paragraph(made, numbers))
            latex.append(_environment(made, numbers, venue, width, figures_in))
            keys.update(cited(made.kind, numbers.runs, made.options.method))
    for table in tables:
        if table.spec is not None:
            drafts.append(_paragraph(table, numbers))
            (long if table.spec.long else latex).append(f"\\input{{{tables_in}{table.name}}}\n")
            keys.update(cited(table.kind, numbers.runs, table.options.method))
    if long:
        latex += ["% Over several pages: in a document of two columns behind \\onecolumn.", *long]
    return {
        "captions.md": "\n\n".join(drafts) + "\n",
        "captions.tex": "\n".join(latex),
        "references.bib": bibtex(keys),
    }


def _paragraph(made: Made | MadeTable, numbers: Numbers) -> str:
    assert made.spec is not None
    said = draft(made.spec.caption, numbers, made.options.method)
    return f"## {made.name}\n\n{plain(said)}"


def _environment(
    made: Made, numbers: Numbers, venue: str, width: str | float | None, folder: str
) -> str:
    assert made.spec is not None
    method = made.options.method
    keys = cited(made.kind, numbers.runs, method)
    caption = draft_latex(made.spec.caption, keys, numbers, method)
    from sapo_analysis.figures.venues import venue_of

    at = venue_of(venue)
    inches = made.spec.page(venue, width).width
    star = "*" if at.column < inches <= at.full else ""
    return (
        f"\\begin{{figure{star}}}[t]\n"
        "  \\centering\n"
        f"  \\includegraphics{{{folder}{made.name}}}\n"
        f"  \\caption{{{caption}}}\n"
        f"  \\label{{fig:{made.name}}}\n"
        f"\\end{{figure{star}}}\n"
    )

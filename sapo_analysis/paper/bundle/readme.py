"""What a bundle says of itself."""

from __future__ import annotations

import platform
import textwrap
from collections.abc import Mapping

from sapo_analysis.paper.captions import standing
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.stamps import stamp

_FOLDERS = {
    "figures/": "the figures; their metadata names the runs, seeds, data and versions",
    "data/": "the numbers behind each figure, a row per mark that is drawn",
    "data/columns.csv": "what the columns of data/ mean, where the glossary knows them",
    "specs/": "each figure as data: every layer with every number that is drawn",
    "tables/": "each table as LaTeX (booktabs), Markdown and CSV",
    "captions.md": "drafts of the captions, as Markdown",
    "captions.tex": "the same as LaTeX, with the files and the citations",
    "references.bib": "what the captions cite",
    "study.json": "the study of each run: what was asked",
    "provenance.json": "what each run was made with, and the SHA-256 of its tables",
    "requirements.txt": "the versions of the packages that drew the figures",
    "drawn.json": "venue, width, font, and SHA-256 of each figure and its data",
    "redraw.py": "draws figures/ again from specs/, and compares",
    "licences/": "of the font in the figures",
}
_WIDTH = 88


def readme(numbers: Numbers, files: list[str], left_out: Mapping[str, str]) -> str:
    """The text: the runs, what each file is, how to draw again, and what is not there and why."""
    there = {
        name: said
        for name, said in _FOLDERS.items()
        if any(file == name or (name.endswith("/") and file.startswith(name)) for file in files)
    }
    wide = max(map(len, there), default=0) + 2
    parts = [
        "Figures and tables of a study with sapo-analysis",
        _filled(" ".join((*standing(numbers.runs), stamp(numbers, "").source))),
        "\n".join(_filled(f"{name:<{wide}}{said}", wide) for name, said in there.items()),
    ]
    if "redraw.py" in files:
        parts += [
            "To draw the figures again:",
            "    pip install -r requirements.txt\n    python redraw.py",
            _filled(
                "It says of each file whether it came out the same, byte by byte, and ends with"
                " status 1 if one did not. It draws from specs/ alone: a number changed in data/"
                " changes no figure, and redraw.py says that the file was changed. Venue,"
                " width, font and parts left out stand in drawn.json."
                f" Drawn with Python {platform.python_version()}; pip takes"
                " sapo-analysis from where you have it, if no index has it."
            ),
        ]
    if left_out:
        parts.append("Not in this bundle:")
        parts.append("\n".join(_filled(f"{name}: {why}", 4) for name, why in left_out.items()))
    return "\n\n".join(parts) + "\n"


def _filled(text: str, indent: int = 0) -> str:
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )

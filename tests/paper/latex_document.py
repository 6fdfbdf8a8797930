r"""Every figure and table of the shipped runs in LaTeX documents that have to compile.

    python -m tests.paper.latex_document [--out FOLDER] [--pages icml,neurips,acl]

A document per page: figures as PDF at their true size and tables, with their captions, citations
and BibTeX, and a page of every character that LaTeX could trip over. pdfLaTeX stops at the first
error. Besides that nothing may be wider than its column by more than `ROOM` points, no reference
undefined, and no character missing from a font.

The venues' style files are not in Debian. `geometry` gives the same column widths, `times` the same
letters; sizes of text and captions are those that the styles set.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sapo_analysis.figures.venues import VENUES
from sapo_analysis.paper.captions import draft_latex
from sapo_analysis.paper.citations import bibtex, cited
from sapo_analysis.paper.figures import every_figure
from sapo_analysis.paper.latex import SYMBOLS, escaped
from sapo_analysis.paper.numbers import Numbers, numbers_of
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables import every_table, table
from sapo_analysis.store import open_run

RUNS = Path(__file__).resolve().parents[2] / "cached_runs"
SHOWN = ("pocket-1-main-*", "pocket-1-order-*")
ROOM = 1.0
"""What a box may stick out of its column (points): a rounded width, never a letter."""
FLOATS_A_PAGE = 6
ONE_TASK = Options(task="capital")


@dataclass(frozen=True)
class Page:
    """The text of a venue: its columns and the distance between them (inches), its letters."""

    venue: str
    columns: int
    between: float
    height: float
    size: int  # of the text (points)


PAGES = {
    "icml": Page("icml", 2, 0.25, 9.0, 10),
    "neurips": Page("neurips", 1, 0.0, 9.0, 10),
    "acl": Page("acl", 2, 0.6 / 2.54, 24.7 / 2.54, 11),
}


def main() -> int:
    """Write and compile the documents; 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the documents stay; default: nowhere")
    parser.add_argument("--pages", default=",".join(PAGES), help="of these, by comma")
    given = parser.parse_args()
    if shutil.which("pdflatex") is None:
        print("No pdflatex: install Debian's texlive-latex-recommended texlive-fonts-recommended.")
        return 1
    numbers = [numbers_of([open_run(p) for p in sorted(RUNS.glob(name))]) for name in SHOWN]
    with tempfile.TemporaryDirectory() as scratch:
        out = (given.out or Path(scratch)).resolve()
        failed = [
            name for name in given.pages.split(",") if not _compiles(PAGES[name], numbers, out)
        ]
    return 1 if failed else 0


def _compiles(page: Page, numbers: list[Numbers], out: Path) -> bool:
    folder = out / page.venue
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    text, keys = _document(page, numbers, folder)
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    (folder / "paper.bib").write_text(bibtex(keys), encoding="ascii")
    written = time.perf_counter() - start
    problems = compile_latex(folder, "paper")
    for problem in problems:
        print(f"{page.venue}: {problem}")
    seconds = time.perf_counter() - start - written
    state = "does not compile as it should" if problems else "compiles"
    print(f"{page.venue}: {state} (written in {written:.0f} s, compiled in {seconds:.0f} s)")
    return not problems


def _document(page: Page, numbers: list[Numbers], folder: Path) -> tuple[str, list[str]]:
    """The source, and the keys that it cites."""
    floats, at_the_end, keys = [], [], [key for one in numbers for key in _keys(one)]
    for one in numbers:
        floats += [*_figures(page, one, folder)]
        for made in every_table(one):
            if made.spec is None:
                raise SystemExit(f"{made.name}: {made.why_not}")
            source = made.spec.to_latex(cites=cited(made.kind, one.runs), numbers=one)
            (at_the_end if made.spec.long else floats).append(source)
        if one.study == "paraphrase":
            floats.append(table("prompts", one, ONE_TASK).to_latex(numbers=one))
    groups = [floats[i : i + FLOATS_A_PAGE] for i in range(0, len(floats), FLOATS_A_PAGE)]
    body = "\n\\clearpage\n".join("\n".join(group) for group in groups)
    whole = [
        *_preamble(page),
        r"\begin{document}",
        "\\section{Floats}\n" + _filler(),
        body,
        "\\clearpage\n\\section{Characters}\n" + _characters(),
        "\\clearpage\n\\onecolumn\n\\appendix\n\\section{Long tables}",
        *at_the_end,
        r"\bibliographystyle{plain}\bibliography{paper}",
        r"\end{document}",
    ]
    return "\n".join(whole) + "\n", keys


def _keys(numbers: Numbers) -> Iterator[str]:
    for made in (*every_table(numbers), *every_figure(numbers)):
        yield from cited(made.kind, numbers.runs)


def _figures(page: Page, numbers: Numbers, folder: Path) -> Iterator[str]:
    for made in every_figure(numbers):
        if made.spec is None:
            continue  # why is asked of by the tests of figures
        name = f"{numbers.study}-{made.name}.pdf"
        (folder / name).write_bytes(made.spec.to_bytes("pdf", page.venue))
        environment = "figure*" if made.spec.wide else "figure"
        method = made.options.method
        cites = cited(made.kind, numbers.runs, method)
        caption = draft_latex(made.spec.caption, cites, numbers, method)
        yield "\n".join(
            (
                rf"\begin{{{environment}}}[t]\centering",
                rf"\includegraphics{{{name}}}",
                rf"\caption{{{caption}}}\label{{fig:{numbers.study}-{made.name}}}",
                rf"\end{{{environment}}}",
            )
        )


def _preamble(page: Page) -> list[str]:
    venue = VENUES[page.venue]
    columns = "twocolumn," if page.columns == 2 else ""
    lines = [
        rf"\documentclass[{columns}{page.size}pt]{{article}}",
        rf"\usepackage[letterpaper,textwidth={venue.full:.4f}in,textheight={page.height:.2f}in,"
        rf"columnsep={page.between:.4f}in]{{geometry}}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage{times,graphicx,booktabs,array,longtable}",
        r"\usepackage[font=small]{caption}",
    ]
    lines += [r"\setcounter{dbltopnumber}{9}\setcounter{topnumber}{9}\setcounter{totalnumber}{9}"]
    return [*lines, r"\renewcommand{\topfraction}{.95}\renewcommand{\dbltopfraction}{.95}"]


def _filler() -> str:
    return "What is measured stands in the figures and tables. " * 20


def _characters() -> str:
    """All that has a command of its own, all of ASCII, and texts that try to be more than text."""
    ascii_signs = "".join(map(chr, range(32, 127)))
    texts = [
        *(f"{sign}x{sign}{sign}" for sign in SYMBOLS),
        *(f"{sign}{sign} a{sign}b" for sign in ascii_signs),
        *(a + b for a in "\\{}$&#%_^~[]*-'`" for b in "\\{}$&#%_^~[]*-'`"),
        r"\input{/etc/passwd} \end{document} \immediate\write18{true} $x$ %",
        "ÀÉÎÕÜ àéîõü ß æ ø å ñ ç ž š ł",
    ]
    rows = " ".join(rf"{escaped(text)} \\" + "\n" for text in texts)
    cells = " ".join(rf"\fbox{{{escaped(text)}}}" for text in texts if len(text) < 9)
    return f"{{\\raggedright\\sloppy {rows}\n\n{cells}\\par}}\n"


def compile_latex(folder: Path, stem: str) -> list[str]:
    """Compile a document with its bibliography; what is wrong with it, nothing if all is well."""
    for command in (["pdflatex"], ["bibtex"], ["pdflatex"], ["pdflatex"]):
        arguments = ["-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape"]
        done = subprocess.run(
            [*command, *(arguments if command == ["pdflatex"] else []), stem],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            env={**os.environ, "max_print_line": "10000"},  # no line of the log is broken
        )
        if done.returncode:
            lines = [line for line in done.stdout.splitlines() if line.strip()]
            errors = [i for i, line in enumerate(lines) if line.startswith("!")] or [len(lines) - 8]
            return [f"{command[0]} fails: " + " | ".join(lines[errors[0] : errors[0] + 6])]
    return problems_of((folder / f"{stem}.log").read_text(encoding="utf-8", errors="replace"))


def problems_of(log: str) -> list[str]:
    """What a log tells that no paper should have."""
    wide = [
        line
        for line in log.splitlines()
        if (found := re.match(r"Overfull \\hbox \(([\d.]+)pt too wide\)", line))
        and float(found[1]) > ROOM
    ]
    undefined = re.findall(r"(?:Citation|Reference) `[^']*' .*undefined", log)
    high = re.findall(r"Float too large for page by [\d.]+pt", log)
    missing = re.findall(r"Missing character: .*", log)
    twice = re.findall(r"Label `[^']*' multiply defined", log)
    return [*wide, *high, *(text[:120] for text in undefined), *missing, *twice]


if __name__ == "__main__":
    sys.exit(main())

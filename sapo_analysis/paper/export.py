"""Figures, tables, captions, report and bundle of runs as files in a folder.

All is computed and drawn before the first file is written: wrong input leaves nothing behind, and
the same runs under the same wish give the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.paper.citations import cited
from sapo_analysis.paper.drawing import ToDraw, draw_all
from sapo_analysis.paper.figures import FIGURE_KINDS, Made, every_figure
from sapo_analysis.paper.folder import Written, made_ready, write_files
from sapo_analysis.paper.kinds import Kind, MadeOf
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.offered import offered
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables import TABLE_KINDS, MadeTable, every_table
from sapo_analysis.paper.wish import ALL, USUAL_VENUE, Wish

REPORT, BUNDLE = "report.html", "bundle.zip"
Say = Callable[[str], None]
Spec = TypeVar("Spec")


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
        files: in the order written.
        skipped: names of figures and tables that these runs do not have, each with the reason.
        problems: names of figures whose texts cannot all be read, each with a sentence.
        seconds: that it took, by what for: numbers, drawing, texts, writing.
    """

    files: tuple[Written, ...]
    skipped: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...]
    seconds: dict[str, float]


@dataclass
class _Work:
    contents: dict[str, bytes] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - start


@remembering()
def export(
    numbers: Numbers,
    out: Path,
    wish: Wish | None = None,
    say: Say = lambda line: None,
    processes: int = 1,
) -> Exported:
    """Write what is wished for into a folder, which is made.

    Files of the same names are replaced, others stay. Beside figures and tables lie `captions.md`,
    `captions.tex` and `references.bib`.

    Args:
        numbers: of the runs.
        out: the folder.
        wish: what to export; None: all figures as PDF and all tables as LaTeX.
        say: told a line per figure as they are drawn.
        processes: that draw figures side by side, as in `draw_all`.

    Raises:
        InputError: a name, an option or the folder cannot be used, these runs do not have what was
            asked for by name, or have nothing yet. Nothing was written.
        WorkError: the disk filled up on the way; the files that are there are whole.
    """
    with made_ready(out):
        return _export(numbers, out, wish or Wish(), say, processes)


def _export(numbers: Numbers, out: Path, wish: Wish, say: Say, processes: int) -> Exported:
    _check_names(numbers, wish)
    work = _Work()
    with work.timed("numbers"):
        figures: list[Made] = []
        tables: list[MadeTable] = []
        if wish.takes_figures:
            figures = _make(every_figure, numbers, wish.figures, wish.asked)
        if wish.takes_tables:
            tables = _make(every_table, numbers, wish.tables, wish.asked)
    _check_values(wish, [*figures, *tables])
    _tell_parts(wish, figures, say)
    for made in (figures, tables):
        work.skipped += [(one.name, one.why_not) for one in made if one.spec is None]
    with work.timed("drawing"):
        drawn = _draw(numbers, wish, [one for one in figures if one.spec], work, say, processes)
    written = [table for table in tables if table.spec is not None]
    with work.timed("texts"):
        _texts(numbers, wish, drawn, written, work)
    if wish.bundle and (drawn or written):
        say("bundle")
        with work.timed("drawing"):
            work.contents[BUNDLE] = _bundle(numbers, wish, drawn, written, processes)
    if wish.html:
        from sapo_analysis.paper.html import static_report

        say("report")
        with work.timed("texts"):
            work.contents[REPORT] = static_report(numbers).encode()
    if not work.contents:
        reasons = dict.fromkeys(why for _, why in work.skipped)
        why = "\n".join(reasons) or "These runs have nothing of the kind."
        raise InputError(f"There is nothing to export. {why}")
    with work.timed("writing"):
        files = write_files(out, work.contents)
    return Exported(tuple(files), tuple(work.skipped), tuple(work.problems), work.seconds)


def _check_names(numbers: Numbers, wish: Wish) -> None:
    """Refuse names that such runs cannot have, before anything is computed."""
    chosen: list[Kind[Any]] = []
    for every_kind, names, taken in (
        (FIGURE_KINDS, wish.figures, wish.takes_figures),
        (TABLE_KINDS, wish.tables, wish.takes_tables),
    ):
        known = {kind.name: kind for kind in every_kind.of(numbers)}
        for name in names:
            if name not in (*known, ALL):
                raise every_kind.missing(name, numbers, (ALL,))
        if taken:
            every = not names or ALL in names
            chosen += [kind for name, kind in known.items() if every or name in names]
    for option, value in wish.asked.items():
        if not any(option in kind.uses for kind in chosen):
            raise InputError(
                f"{option.replace('_', ' ')} {value!r}: nothing that was chosen has such a choice."
                " Leave it out, or choose a figure or table that has."
            )
    if "x" in wish.asked and numbers.study == "paraphrase":
        columns = offered(numbers, "x", Options())
        if wish.asked["x"] not in columns:
            raise unknown("indicator of these runs", wish.asked["x"], columns)


def _make(
    every: Callable[..., Iterator[MadeOf[Spec]]],
    numbers: Numbers,
    names: Sequence[str],
    asked: Mapping[str, Any],
) -> list[MadeOf[Spec]]:
    """All of some kinds; a kind that was named and of which there is nothing at all is refused."""
    named = () if ALL in names else tuple(dict.fromkeys(names))
    found = list(every(numbers, named, asked))
    for name in named:
        own = [made for made in found if made.kind.name == name]
        if own and all(made.spec is None for made in own):
            raise InputError(f"{name}: {own[0].why_not}")
    return found


def _check_values(wish: Wish, made: Sequence[Made | MadeTable]) -> None:
    """Refuse a value with which nothing can be made."""
    for option in wish.asked:
        obeying = [one for one in made if option in one.kind.uses]
        if all(one.spec is None for one in obeying):
            raise InputError(obeying[0].why_not)


def _tell_parts(wish: Wish, figures: Sequence[Made], say: Say) -> None:
    """Say what is to be left out and none of the figures has."""
    has = {part for made in figures if made.spec is not None for part in made.spec.parts}
    for part in wish.without:
        if part not in has:
            known = ", ".join(sorted(has)) or "none"
            say(f"without {part}: none of these figures has this part. They have: {known}.")


def _draw(
    numbers: Numbers, wish: Wish, figures: Sequence[Made], work: _Work, say: Say, processes: int
) -> list[Made]:
    """Draw figures in the formats wished for; those that could be drawn."""
    if not wish.figure_formats:
        return list(figures)
    from sapo_analysis.paper.stamps import stamp

    wanted = []
    for made in figures:
        assert made.spec is not None
        page = made.spec.page(wish.venue or USUAL_VENUE, wish.width, wish.font)
        spec = made.spec.without(*wish.without)
        said = stamp(numbers, made.kind.title)
        wanted.append(ToDraw(spec, page, wish.figure_formats, said))
    drawn = []
    named = bool(wish.figures) and ALL not in wish.figures
    for made, files in zip(figures, draw_all(wanted, processes), strict=True):
        if files.why_not:
            if named:
                raise InputError(f"{made.name}: {files.why_not}")
            work.skipped.append((made.name, files.why_not))
            continue
        work.contents |= {f"{made.name}.{kind}": data for kind, data in files.contents.items()}
        work.problems += [(made.name, problem) for problem in files.problems]
        say(f"{made.name} ({files.seconds:.1f} s)")
        drawn.append(made)
    return drawn


def _texts(
    numbers: Numbers,
    wish: Wish,
    figures: Sequence[Made],
    tables: Sequence[MadeTable],
    work: _Work,
) -> None:
    """Tables, the data behind all, captions and references."""
    found: dict[str, str] = {}
    for made in figures:
        if wish.csv and made.spec is not None:
            found[f"{made.name}.csv"] = made.spec.to_csv()
    for table in tables:
        if table.spec is None:
            continue
        if "tex" in wish.table_formats:
            cites = cited(table.kind, numbers.runs)
            found[f"{table.name}.tex"] = table.spec.to_latex(cites=cites, numbers=numbers)
        if "md" in wish.table_formats:
            found[f"{table.name}.md"] = table.spec.to_markdown()
        if wish.csv:
            found[f"{table.name}.csv"] = table.spec.to_csv()
    shown = figures if wish.figure_formats else []
    set_in_text = tables if wish.table_formats else []
    if shown or set_in_text:
        from sapo_analysis.paper.caption_files import caption_files

        venue = wish.venue or USUAL_VENUE
        found |= caption_files(numbers, shown, set_in_text, venue, wish.width, without=wish.without)
    work.contents |= {name: text.encode() for name, text in found.items()}


def _bundle(
    numbers: Numbers,
    wish: Wish,
    figures: Sequence[Made],
    tables: Sequence[MadeTable],
    processes: int,
) -> bytes:
    from sapo_analysis.paper.bundle import bundle

    return bundle(
        numbers,
        figures,
        tables,
        venue=wish.venue or USUAL_VENUE,
        width=wish.width,
        font=wish.font,
        without=tuple(wish.without),
        processes=processes,
    )

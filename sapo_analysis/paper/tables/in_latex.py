r"""A table in LaTeX: booktabs' rules, numbers one below the other, notes under it.

Numbers of a column are brought to the same width with `\phantom`, so that centring them puts their
decimal points in one line; no package for it is needed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from sapo_analysis.paper.latex import beyond_pdflatex, escaped, label_of, with_symbols
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.tables.cells import MINUS, Cell, blocks, cells
from sapo_analysis.paper.tables.spec import Column, TableSpec

MISSING = "--"
MANY = 10
"""Columns beyond which less room is left between them."""
_BOLD_SIGN = r"\boldmath"
_SIGNS = {"+": "$+$", MINUS: "$-$", "<": "$<$"}
_MARKS = {"": "", "*": "$^{*}$", "†": r"$^{\dagger}$"}


def in_latex(table: TableSpec, wide: bool, cites: tuple[str, ...], numbers: Numbers | None) -> str:
    """The whole environment, with what it needs in a comment on top."""
    from sapo_analysis.paper.captions import draft
    from sapo_analysis.paper.citations import with_citations

    # Cited where it is first named, be it above the table or below; no text has a line's end.
    texts = (draft(table.caption, numbers), " ".join(table.all_notes))
    said = with_symbols(with_citations("\n".join(map(escaped, texts)), cites))
    drafted, notes = said.split("\n")
    caption = rf"\caption{{{drafted}}}"
    label = rf"\label{{tab:{label_of(table.name)}}}"
    lines = []
    if table.long:
        lines += ["{" + "".join(_letters(table))]
        lines += [*_long(table, f"{caption}{label}"), *_notes(notes), r"\par}"]
    else:
        name = "table*" if wide else "table"
        lines += [rf"\begin{{{name}}}[t]", r"\centering", caption, label]
        lines += _letters(table)
        lines += [rf"\begin{{tabular}}{{@{{}}{_alignment(table)}@{{}}}}", r"\toprule"]
        lines += [*_head(table), r"\midrule", *_body(table), r"\bottomrule", r"\end{tabular}"]
        lines += [*_notes(notes), rf"\end{{{name}}}"]
    source = "\n".join(lines)
    return "\n".join([*_needs(table, beyond_pdflatex(source)), source]) + "\n"


def _letters(table: TableSpec) -> list[str]:
    room = 3 if len(table.columns) <= MANY else 2
    return [r"\footnotesize", rf"\setlength{{\tabcolsep}}{{{room}pt}}"]


def _needs(table: TableSpec, beyond: str) -> list[str]:
    packages = ["booktabs"]
    packages += ["array"] if any(column.width for column in table.columns) else []
    where = (
        f"% Needs \\usepackage{{{','.join([*packages, 'longtable'])}}}, and one column of text:"
        " in a document of two it stands after \\onecolumn."
        if table.long
        else f"% Needs \\usepackage{{{','.join(packages)}}}."
    )
    others = f"% Needs XeLaTeX or LuaLaTeX, and a font that has them, for: {beyond}"
    return [where, others] if beyond else [where]


def _alignment(table: TableSpec) -> str:
    return "".join(
        rf">{{\raggedright\arraybackslash}}p{{{column.width:.2f}\linewidth}}"
        if column.width
        else ("l" if column.kind == "text" else "c")
        for column in table.columns
    )


def _long(table: TableSpec, caption: str) -> list[str]:
    n = len(table.columns)
    head = [*_head(table), r"\midrule"]
    return [
        rf"\begin{{longtable}}{{@{{}}{_alignment(table)}@{{}}}}",
        rf"{caption}\\",
        *(r"\toprule", *head, r"\endfirsthead", r"\toprule", *head, r"\endhead"),
        *(r"\midrule", rf"\multicolumn{{{n}}}{{r@{{}}}}{{continued on the next page}}\\"),
        *(r"\endfoot", r"\bottomrule", r"\endlastfoot"),
        *_body(table),
        r"\end{longtable}",
    ]


def _head(table: TableSpec) -> list[str]:
    lines = []
    if any(column.group for column in table.columns):
        above, rules, place = [], [], 1
        for group, columns in itertools.groupby(table.columns, key=lambda column: column.group):
            n = len(list(columns))
            above.append(
                rf"\multicolumn{{{n}}}{{c}}{{{escaped(group)}}}" if group else "& " * (n - 1)
            )
            if group:
                rules.append(rf"\cmidrule(lr){{{place}-{place + n - 1}}}")
            place += n
        lines += [_row(above), " ".join(rules)]
    lines.append(_row([with_symbols(escaped(column.head)) for column in table.columns]))
    return lines


def _body(table: TableSpec) -> list[str]:
    printed = cells(table)
    columns = [
        _set_column([row[i] for row in printed], column) for i, column in enumerate(table.columns)
    ]
    n = len(table.columns)
    lines: list[str] = []
    for i, (heading, rows) in enumerate(blocks(table)):
        if i:
            lines.append(r"\midrule" if heading else r"\addlinespace")
        if heading:
            lines.append(rf"\multicolumn{{{n}}}{{@{{}}l}}{{\emph{{{escaped(heading)}}}}}\\")
        lines += [_row([column[row] for column in columns]) for row in rows]
    return lines


def _row(parts: Sequence[str]) -> str:
    return rf"{' & '.join(parts)} \\"


def _notes(said: str) -> list[str]:
    if not said:
        return []
    set_small = rf"{{\footnotesize\raggedright {said}}}"
    return [r"\par\vspace{4pt}\noindent", rf"\parbox{{\linewidth}}{set_small}"]


def _set_column(own: Sequence[Cell], column: Column) -> list[str]:
    if column.kind == "text":
        return [_text(cell) for cell in own]
    values = [cell.text for cell in own]
    ends = [[cell.ends[k] for cell in own if len(cell.ends) > k] for k in (0, 1)]
    marks = {cell.mark for cell in own if cell.mark}
    return [_number(cell, values, ends, marks) for cell in own]


def _text(cell: Cell) -> str:
    text = escaped(cell.text) or MISSING
    return (rf"\textbf{{{text}}}" if cell.bold else text) + _MARKS[cell.mark]


def _number(
    cell: Cell, values: Sequence[str], ends: Sequence[Sequence[str]], marks: set[str]
) -> str:
    """A number as wide as the widest of its column, part by part."""
    if not cell.text and not cell.ends:
        return MISSING
    mark = _MARKS[cell.mark]
    if marks and not mark:
        mark = rf"\phantom{{{_MARKS[min(marks)]}}}"
    found = ""
    if cell.text:
        text = _signed(cell.text)
        if cell.bold:  # a sign is mathematics, which \textbf leaves as it is
            text = rf"\textbf{{{_BOLD_SIGN if '$' in text else ''}{text}}}"
        found = _room(cell.text, values) + text + mark
        mark = ""
    if not ends[0]:
        return found
    wanted = cell.ends or (ends[0][0], ends[1][0]) if ends[1] else cell.ends or (ends[0][0],)
    parts = [_room(end, ends[k]) + _signed(end) for k, end in enumerate(wanted)]
    interval = rf"$\pm$ {parts[0]}" if len(parts) == 1 else f"{{[}}{parts[0]}, {parts[1]}{{]}}"
    if not cell.ends:
        interval = rf"\phantom{{{interval}}}"
    return f"{found} {interval}{mark}".strip()


def _room(text: str, others: Sequence[str]) -> str:
    """The space that a number lacks before its first digit."""
    wanted = [other for other in others if other]
    sign = any(other[0] in _SIGNS for other in wanted) and text[0] not in _SIGNS
    longest = max((_whole(other) for other in wanted), key=len)
    lacks = re.sub(r"\d", "0", longest[: len(longest) - len(_whole(text))])
    room = ("$-$" if sign else "") + lacks
    return rf"\phantom{{{room}}}" if room else ""


def _whole(number: str) -> str:
    return number.lstrip("".join(_SIGNS)).partition(".")[0]


def _signed(number: str) -> str:
    return _SIGNS.get(number[0], number[0]) + number[1:]

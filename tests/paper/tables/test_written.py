"""Tables as LaTeX, Markdown and CSV: complete, aligned, and no text breaks out of them."""

import csv
import io
import math
import re
from dataclasses import replace

import pandas as pd
import pytest

from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.tables import Column, TableSpec
from sapo_analysis.paper.tables.cells import cells

NASTY = "a|b\n& 50 % \\end{tabular} {x} $y$ #1 _ ^ ~ <script> *b* [c](d) `e`"


def made(**settings):
    rows = pd.DataFrame(
        {
            "block": ["LoRA", "LoRA", "O-LoRA"],
            "name": [NASTY, "=1+1", "* star"],
            "ap": [60.25, 7.5, -111.0],
            "ap_lower": [50.25, math.nan, -121.0],
            "ap_upper": [70.25, math.nan, -101.0],
            "differs": [True, False, False],
            "p": [0.0001, 0.5, math.nan],
        }
    )
    columns = (
        Column("name", "Policy & co"),
        Column(
            *("ap", "mean", "AP"), kind="estimate", decimals=1, better="high", unit="points",
            interval="plus-minus", mark="*", marked="differs",
        ),
        Column("p", "p", "AP", kind="p"),
    )  # fmt: skip
    caption = Caption("Shown: 50 % of a_b", n={"tasks": 3})
    return TableSpec("made", columns, rows, caption, ("Star: p < 0.05.",), "block", **settings)


def test_the_latex_is_a_whole_table():
    text = made().to_latex()
    assert text.startswith("% Needs \\usepackage{booktabs}.\n\\begin{table}[t]")
    assert text.endswith("\\end{table}\n")
    for part in (
        r"\caption{Shown: 50 \% of a\_b. $n$ = 3 tasks.}",
        r"\label{tab:made}",
        r"\multicolumn{2}{c}{AP}",
        r"\cmidrule(lr){2-3}",
        r"Policy \& co & mean & $p$ \\",
        r"\multicolumn{3}{@{}l}{\emph{LoRA}}\\",
        r"\textless{} 0.05",
        r"AP: points.",
    ):
        assert part in text, part
    assert text.index(r"\caption") < text.index(r"\begin{tabular}")
    rules = [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert rules == sorted(rules)


def test_every_row_has_every_column_and_braces_match():
    text = made().to_latex()
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 3
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {2}
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert r"\end{tabular}" not in rows[0]


def test_numbers_are_as_wide_as_the_widest_of_their_column():
    text = made().to_latex()
    star, none = "$^{*}$", r"\phantom{$^{*}$}"
    assert rf"\phantom{{$-$0}}\textbf{{60.2}}{star} $\pm$ 10.0" in text
    assert rf"\phantom{{$-$00}}7.5{none} \phantom{{$\pm$ 10.0}}" in text
    assert rf"$-$111.0{none} $\pm$ 10.0" in text
    assert r"$<$0.001" in text and r"\phantom{$-$}0.500" in text and r"& -- \\" in text


def test_a_bold_number_has_a_bold_sign():
    rows = made().rows.assign(ap=[-2.0, -7.5, -1.0])
    text = replace(made(), rows=rows, blocks="").to_latex()
    assert r"\textbf{\boldmath$-$1.0}" in text and text.count("boldmath") == 1


def test_wide_tables_span_the_page_and_long_ones_turn_pages():
    assert made(wide=True).to_latex().count("{table*}") == 2
    assert made(wide=True).to_latex(wide=False).count("{table*}") == 0
    assert made().to_latex(wide=True).count("{table*}") == 2
    long = made(long=True).to_latex()
    assert long.count("{longtable}") == 2 and r"\endfirsthead" in long and r"\endlastfoot" in long
    assert "longtable" in long.splitlines()[0] and r"\begin{table" not in long


def test_a_citation_stands_where_it_is_asked_for():
    noted = replace(made(), notes=("p after Holm.",), caption=Caption("By Student t over tasks"))
    text = noted.to_latex(cites=("holm1979", "student1908", "fisher1921"))
    assert r"By Student $t$~\cite{student1908} over tasks." in text
    assert r"AP: points. $p$ after Holm~\cite{holm1979}." in text
    assert "fisher1921" not in text


def test_a_source_is_cited_once_above_or_below():
    noted = replace(made(), notes=("Holm again.",), caption=Caption("After Holm"))
    assert noted.to_latex(cites=("holm1979",)).count("holm1979") == 1


def test_a_name_from_outside_makes_a_plain_label():
    assert r"\label{tab:prompts_a-b-}" in replace(made(), name="prompts_a%}b{").to_latex()


def test_the_source_says_which_engine_its_characters_need():
    rows = made().rows.assign(name=["忘却", "é", "x"])
    assert (
        "LuaLaTeX, and a font that has them, for: 忘却\n" in replace(made(), rows=rows).to_latex()
    )
    assert "LuaLaTeX" not in made().to_latex()


def test_blocks_may_differ_in_which_way_is_good():
    rows = pd.DataFrame(
        {"block": ["a", "a", "b", "b"], "way": ["low", "low", "high", "high"], "v": [1, 2, 1, 2.0]}
    )
    column = Column("v", "v", kind="number", better_in="way")
    table = TableSpec("t", (column,), rows, Caption("One"), blocks="block")
    assert [row[0].bold for row in cells(table)] == [True, False, False, True]


def test_markdown_rows_stay_rows():
    lines = made().to_markdown().splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 2 + 3
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {4}
    assert table[0] == "| Policy \\& co | AP: mean | AP: p |"
    assert table[3].startswith("| a\\|b \\& 50 % \\\\end{tabular} {x} \\$y\\$")
    assert "\\<script\\> \\*b\\* \\[c\\](d)" in table[3]
    assert table[3].endswith("| **60.2**\\* ± 10.0 | \\<0.001 |")
    assert table[4] == "| =1+1 | 7.5 | 0.500 |"
    assert table[6] == "| \\* star | −111.0 ± 10.0 | – |"
    assert "Star: p \\< 0.05." in lines


def test_the_csv_is_whole_and_runs_nothing():
    spec = made()
    rows = list(csv.DictReader(io.StringIO(spec.to_csv())))
    assert list(rows[0]) == list(spec.rows.columns)
    assert [row["ap"] for row in rows] == ["60.25", "7.5", "-111.0"]
    assert rows[0]["name"] == NASTY and rows[1]["name"] == "'=1+1"
    assert rows[1]["ap_lower"] == ""


@pytest.mark.parametrize("name", ["=x", "+x", "-x", "@x", "\tx", "\nx"])
def test_heads_of_the_csv_run_nothing_either(name):
    spec = TableSpec("t", (), pd.DataFrame({name: [1.5]}), Caption("One"))
    assert next(csv.reader(io.StringIO(spec.to_csv()))) == [f"'{name}"]

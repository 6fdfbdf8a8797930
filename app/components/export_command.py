"""The command that writes the same file in a terminal."""

from __future__ import annotations

import shlex
from typing import Any

import streamlit as st

from sapo_analysis.app.components.text import md
from sapo_analysis.app.paper import Paper
from sapo_analysis.errors import InputError
from sapo_analysis.figures.venues import VENUES
from sapo_analysis.paper.kinds import Kind
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options
from sapo_analysis.store import is_shipped


def figure_command(numbers: Numbers, kind: Kind[Any], options: Options, on: Paper) -> list[str]:
    """The words that write a figure as PDF."""
    words = [*_begin(numbers), "--figure", kind.name, *_options(numbers, kind, options)]
    words += ["--format", "pdf", "--venue", on.venue]
    if on.width is not None:
        words += ["--width", on.width if isinstance(on.width, str) else f"{on.width!r}in"]
    if on.font != VENUES[on.venue].font:
        words += ["--font", on.font]
    for part in on.without:
        words += ["--without", part]
    return words


def table_command(numbers: Numbers, kind: Kind[Any], options: Options) -> list[str]:
    """The words that write a table as LaTeX."""
    chosen = ["--table", kind.name, *_options(numbers, kind, options), "--format", "tex"]
    return [*_begin(numbers), *chosen]


def command_popover(words: list[str], numbers: Numbers) -> None:
    """The command, ready to be copied; texts of users are quoted."""
    with st.popover(
        "Copy command", icon=":material/terminal:", help="Writes the same file in a terminal."
    ):
        st.code(shlex.join(words), language="bash", wrap_lines=True)
        st.caption(
            f"Writes into {md(f'export/{numbers.runs[0].run_id}')} in the folder where it is run;"
            r" \--out changes that."
        )
        if not all(is_shipped(run.path) for run in numbers.runs):
            st.caption(r"Runs that lie elsewhere than in ./runs: add \--runs and their folder.")


def _begin(numbers: Numbers) -> list[str]:
    return ["sapo", "export", *(run.run_id for run in numbers.runs)]


def _options(numbers: Numbers, kind: Kind[Any], options: Options) -> list[str]:
    """What was asked beyond the usual, and what takes every value in turn unless it is named."""
    usual = Options()
    try:
        variants = kind.variants(numbers)
    except InputError:
        variants = [usual]
    words = []
    for name in kind.uses:
        value, plain = getattr(options, name), getattr(usual, name)
        varies = any(getattr(one, name) != value for one in variants)
        if value and (value != plain or varies):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words

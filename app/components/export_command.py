"""The command that writes the same file in a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sapo_analysis.app.paper import Paper
from sapo_analysis.figures.venues import VENUES
from sapo_analysis.paper.figures import Made
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options


@dataclass(frozen=True)
class Asked:
    """The words of a `sapo export` command, without the runs' folder.

    Attributes:
        words: in order, not quoted.
    """

    words: tuple[str, ...]

    @classmethod
    def figure(cls, numbers: Numbers, made: Made, on: Paper, kind: str = "pdf") -> Asked:
        """Of one figure on its paper."""
        words = [*_runs(numbers), "--figure", made.kind.name, *_options(made.kind, made.options)]
        words += ["--format", kind, "--venue", on.venue]
        if on.width is not None:
            words += ["--width", str(on.width)]
        if on.font != VENUES[on.venue].font:
            words += ["--font", on.font]
        for part in on.without:
            words += ["--without", part]
        return cls(tuple(words))

    @classmethod
    def table(cls, numbers: Numbers, kind: Any, options: Options) -> Asked:
        """Of one table, as LaTeX."""
        chosen = ["--table", kind.name, *_options(kind, options), "--format", "tex"]
        return cls((*_runs(numbers), *chosen))

    @property
    def line(self) -> str:
        """As it is typed; texts of users are quoted."""
        return shlex.join(["sapo", "export", *self.words, "--out", "paper"])


def command_popover(asked: Asked) -> None:
    """The command, ready to be copied."""
    with st.popover(
        "Copy command", icon=":material/terminal:", help="Writes the same file in a terminal."
    ):
        st.code(asked.line, language="bash", wrap_lines=True)


def _runs(numbers: Numbers) -> list[str]:
    return [run.run_id for run in numbers.runs]


def _options(kind: Any, options: Options) -> Sequence[str]:
    """What was asked beyond the usual, as long options."""
    usual, words = Options(), []
    for name in kind.uses:
        value = getattr(options, name)
        if value != getattr(usual, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words

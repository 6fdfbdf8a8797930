"""Small pieces that the parts of the launch form share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from sapo_analysis.app.asking import ask, forget
from sapo_analysis.app.components.launch_form import Form
from sapo_analysis.app.components.text import md
from sapo_analysis.app.launching import Problem


def heading(number: str, title: str, part: str, beside: str = "") -> None:
    """A part's heading, which problems can point to, and a word beside it."""
    with st.container(key=f"launch-{part}"):
        st.markdown(f"#### {number} {title}" + (f" :gray[:small[{md(beside)}]]" if beside else ""))


def problems_here(problems: Sequence[Problem], part: str) -> None:
    """What is wrong in this part of the form, beside what it is about."""
    for problem in problems:
        if problem.part == part:
            st.error(in_words(problem), icon=":material/error:")


def in_words(problem: Problem) -> str:
    """A problem with its setting, as Markdown."""
    is_said = not problem.field or problem.text.startswith(problem.field)
    place = "" if is_said else f"**{md(problem.field)}**: "
    return f"{place}{md(problem.text)}"


def answer_to(
    kind: str, asked: Mapping[str, Any], patience: float, *, asking: str, again: str
) -> dict[str, Any] | None:
    """The engine's answer; else that it is waited for, or why there is none and a way to ask again.

    `patience` is in seconds, `asking` what is being done, `again` the button's label.
    """
    reply = ask(kind, asked, patience)
    if reply.is_pending:
        st.caption(f":material/hourglass_top: {asking}")
    elif reply.answer is None:
        st.warning(md(reply.error), icon=":material/error:")
        st.button(
            again,
            key=f"ask-again-{kind}",
            help="Try once more.",
            on_click=forget,
            args=(kind, asked),
        )
    return reply.answer


def reset_button(made: Form, name: str, title: str) -> None:
    """An arrow that takes a change back."""
    before = made.start.settings.get(name)
    st.button(
        "",
        key=made.key(f"reset-{name}"),
        icon=":material/undo:",
        help=md(f"{title}: back to {before!r}, as in {made.start.label}."),
        type="tertiary",
        on_click=made.reset,
        args=(name,),
    )

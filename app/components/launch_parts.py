"""Small pieces that the parts of the launch form share."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

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

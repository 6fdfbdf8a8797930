"""One figure of what was looked at along fine-tunes: its heading, its export, or why it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.app.components import charts, links
from sapo_analysis.app.components.text import md
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures import FigureSpec
from sapo_analysis.store import Run

NOTHING_YET = "The first values appear when the first fine-tune ends."
TERMS = {
    "format_specialization": (
        *("format_specialization", "tuned_score", "format_ratio", "format_ratio_of_targets"),
    ),
    "gradient_alignment": ("gradient_alignment", "gradient_alignment_floor", "module"),
    "topology": ("soft_prompt", "h0_persistence", "h1_persistence", "compactness"),
    "persistence_diagram": ("persistence_diagram", "birth", "death", "dimension"),
    "few_shot": ("n_shots", "tuned_score_original", "normalized_average_others"),
}
"""Of the glossary, in the help beside each heading."""


def drawn(
    of: tuple[str, str, str], make: Callable[[], FigureSpec], runs: Sequence[Run], about: str
) -> None:
    """One figure under its name, with what to see in it; `of`: kind of figure, title and key."""
    figure, title, key = of
    head(figure, title, runs)
    chart(key, make, runs, about)


def head(figure: str, title: str, runs: Sequence[Run], **options: str | None) -> None:
    """The name of a figure and the way to its files; `options` as `links.figures_of`."""
    with st.container(horizontal=True, vertical_alignment="center"):
        heading(figure, title)
        st.space("stretch")
        links.figures_of(runs, "Export", figure, **options)


def chart(key: str, make: Callable[[], FigureSpec], runs: Sequence[Run], about: str) -> None:
    """The figure itself, or why there is none."""
    try:
        charts.still(make(), f"diagnostics-{key}")
    except RunError:
        raise
    except InputError as error:
        is_done = all(run.is_complete for run in runs)
        st.info(md(str(error)) if is_done else NOTHING_YET)
    else:
        st.caption(about)


def heading(name: str, title: str) -> None:
    """A title with the terms that it needs behind its question mark."""
    known = [entry(term) for term in TERMS[name]]
    help = "\n\n".join(f"**{md(term.label)}**: {md(term.help)}" for term in known)
    st.markdown(f"**{title}**", help=help, width="content")

"""What the reader chose. Every choice is in the URL, so a link or a reload gives the same page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from sapo_analysis.figures import Outcome

POINT = "point"
"""Query parameter of the prompts in the evidence: `task|prompt_id`, repeated."""

MAX_SHOWN = 4
Pair = tuple[str, str]


@dataclass(frozen=True)
class Choice:
    """The state of the row of controls."""

    outcome: Outcome
    form: str
    view: str
    x: str
    eval_task: str | None
    color_by: str
    statistic: str
    highlight: str | None

    @property
    def y(self) -> str:
        """Column of the outcome."""
        return self.outcome.column(self.form)

    @property
    def is_headline(self) -> bool:
        """Whether the claims were judged on exactly this choice."""
        plain = self.x == "pre_update_loss" and self.eval_task is None
        return plain and self.statistic == "pearson" and self.outcome.claim is not None


def selected_points() -> list[Pair]:
    """(task, prompt_id) of the chosen prompts, as the URL has them."""
    pairs = [tuple(value.split("|", 1)) for value in st.query_params.get_all(POINT)]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2][:MAX_SHOWN]


def select_points(pairs: Sequence[Pair]) -> None:
    """Write the chosen prompts to the URL at once: a chart forgets its selection when redrawn."""
    chosen = list(dict.fromkeys(pairs))[:MAX_SHOWN]
    if chosen:
        st.query_params[POINT] = [f"{task}|{prompt}" for task, prompt in chosen]
    else:
        st.query_params.pop(POINT, None)

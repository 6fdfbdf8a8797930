"""What the reader chose. Every choice is in the URL, so a link or a reload gives the same page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.estimate import Form
from sapo_analysis.analysis.impacts import CurrentTest
from sapo_analysis.app.data import Keys
from sapo_analysis.figures import Outcome
from sapo_analysis.store import Run

POINT = "point"
"""Query parameter of the prompts in the evidence: `task|prompt_id`, repeated."""

CELL = "cell"
"""Query parameter of the cell whose chains are shown: `strategy|stage|position`."""

STUDY, EFFECT, EFFECT_FORM, PART = "study", "effect", "effect_form", "part"
"""Query parameters of Statistics: its runs, outcome, form and tab. They have names of their own, as
what a control of one page is bound to is dropped on the way to another."""

OF, SHOW, FIGURE, TABLE = "of", "show", "figure", "table"
"""Query parameters of Figures: its runs, whether figures or tables are shown, and which."""

COMPARED, ANSWER = "compared", "answer"
"""Query parameters of Methods compared: its runs and its tab."""

MAX_SHOWN = 4
Pair = tuple[str, str]

_IGNORED = "ignored-by-the-link"


class Asked(NamedTuple):
    """What is put on the two axes; every estimate of the view is of exactly this."""

    y: str
    role: str
    x: str = "pre_update_loss"
    eval_task: str | None = None
    test_prompt: CurrentTest = "training"


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
    test_prompt: CurrentTest = "training"
    x_scale: str = "auto"
    by_seed: bool = False
    words: str = ""
    sources: tuple[str, ...] = ()

    @property
    def y(self) -> str:
        """Column of the outcome."""
        return self.outcome.column(self.form)

    @property
    def asked(self) -> Asked:
        """What is on the axes."""
        return self.asked_in(self.form)

    def asked_in(self, form: str) -> Asked:
        """The same in a form."""
        y = self.outcome.column(form)
        return Asked(y, self.outcome.role, self.x, self.eval_task, self.test_prompt)

    @property
    def is_headline(self) -> bool:
        """Whether the claims were judged on exactly this choice."""
        plain = self.x == "pre_update_loss" and self.eval_task is None
        return plain and self.statistic == "pearson" and self.outcome.claim is not None

    def lets_through(self, prompts: pd.DataFrame) -> set[Pair] | None:
        """(task, prompt_id) of the prompts that the filter shows; None without one."""
        if not self.words and not self.sources:
            return None
        text = (prompts["prompt_id"] + " " + prompts["text"]).str.casefold()
        kept = pd.Series(True, index=prompts.index)
        for word in self.words.casefold().split():
            kept &= text.str.contains(word, regex=False)
        if self.sources:
            kept &= prompts["source"].isin(self.sources)
        found = prompts[kept]
        return set(zip(found["task"], found["prompt_id"], strict=True))


@dataclass(frozen=True)
class Sight:
    """What the page looks at, for its parts: the runs, the choice, and the points of the scatter.

    Attributes:
        keys: Of the runs, for `estimates`.
        runs: The runs, of the moment the page was drawn.
        choice: The row of controls.
        points: A row per prompt, as `prompts_table`.
        prompts: Every prompt of the runs.
        shown: (task, prompt_id) that the filter lets through; None without a filter.
        tasks: Current tasks.
        silent: Why there are no verdicts; "" where there are.
    """

    keys: Keys
    runs: tuple[Run, ...]
    choice: Choice
    points: pd.DataFrame
    prompts: pd.DataFrame
    shown: set[Pair] | None
    tasks: tuple[str, ...]
    silent: str

    @property
    def hollow(self) -> bool:
        """Whether numbers will move."""
        return not all(run.is_complete for run in self.runs)


@dataclass(frozen=True)
class Studied:
    """What the Statistics page looks at, for its parts.

    Attributes:
        keys: Of the runs, for estimates.
        runs: The runs, of the moment the page was drawn.
        outcome: The chosen outcome.
        form: `score` or `loss`.
        tasks: Current tasks.
        silent: Why there are no verdicts; "" where there are.
    """

    keys: Keys
    runs: tuple[Run, ...]
    outcome: Outcome
    form: Form
    tasks: tuple[str, ...]
    silent: str

    @property
    def asked(self) -> Asked:
        """Pre-update loss against the outcome in this form."""
        return self.asked_in(self.form)

    def asked_in(self, form: Form) -> Asked:
        """The same in a form."""
        return Asked(self.outcome.column(form), self.outcome.role)

    @property
    def hollow(self) -> bool:
        """Whether numbers will move."""
        return not all(run.is_complete for run in self.runs)


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


def selected_cell() -> tuple[str, int, int] | None:
    """(strategy, stage, position) of the chosen cell, as the URL has it; None where it has none."""
    parts = str(st.query_params.get(CELL, "")).split("|")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 4 for part in parts[1:]):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def select_cell(strategy: str, stage: int, position: int) -> None:
    """Write the chosen cell to the URL, as `select_points` does."""
    st.query_params[CELL] = f"{strategy}|{stage}|{position}"


def clear_cell() -> None:
    """Choose no cell."""
    st.query_params.pop(CELL, None)


def begin_link() -> None:
    """Forget what was ignored before: call once at the top of a page."""
    st.session_state[_IGNORED] = []


def check_link(name: str, allowed: Collection[str]) -> None:
    """Note values of a query parameter that this page does not know; their widget ignores them.

    Args:
        name: The parameter, which is a widget's key.
        allowed: Its options as the URL has them, which is as they are shown.
    """
    for value in st.query_params.get_all(name):
        if value not in allowed:
            st.session_state[_IGNORED].append(f"{name}={value}")


def not_offered(name: str) -> None:
    """Note any value for a control that is not there, unless it was until just now."""
    if name not in st.session_state:
        check_link(name, ())


def check_points(known: Collection[Pair]) -> None:
    """The same for the chosen prompts."""
    values = st.query_params.get_all(POINT)
    for value in values:
        if tuple(value.split("|", 1)) not in known:
            st.session_state[_IGNORED].append(f"{POINT}={value}")
    if len(values) > MAX_SHOWN:
        st.session_state[_IGNORED].append(f"{POINT}: all but the first {MAX_SHOWN}")


def ignored() -> list[str]:
    """What the link asked for and did not get."""
    return list(dict.fromkeys(st.session_state.get(_IGNORED, [])))

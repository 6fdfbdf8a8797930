"""The row of controls: only what this run can answer is offered; each choice is in the URL."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.impacts import COLUMNS
from sapo_analysis.app.state import Choice
from sapo_analysis.figures import OUTCOMES, Outcome
from sapo_analysis.figures.outcomes import indicator_words

FORMS = {"score": "Score", "loss": "Loss"}
VIEWS = {
    "centred": "All tasks, centred",
    "panels": "One panel per task",
    "raw": "Raw, pooled",
}
COLORS = {
    "current_task": "task",
    "source": "source",
    "length": "prompt length",
    "frequency": "familiarity",
}
EVERY = "mean of all"
ALL_TASKS = "all tasks"


def controls(df: pd.DataFrame, prompts: pd.DataFrame, n_tasks: int) -> Choice:
    """Draw the row and return what is chosen."""
    roles = set(df["role"])
    outcomes = [name for name, outcome in OUTCOMES.items() if outcome.role in roles]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        outcome = OUTCOMES[_segmented("Outcome", outcomes, _outcome_label, "outcome", _OUTCOME)]
        form = _segmented("Form", list(FORMS), FORMS.__getitem__, "form", _FORM)
        view = _segmented("View", list(VIEWS), VIEWS.__getitem__, "view", _VIEW)
        with st.popover("More", icon=":material/tune:", help="Axis, tasks, colour, statistic."):
            x = _indicator(df)
            eval_task = _eval_task(df, outcome)
            highlight = _highlight(df) if n_tasks > 1 else None
            color_by = _color(prompts)
            statistic = _segmented(
                "Correlation", ["pearson", "spearman"], str.capitalize, "statistic", _STATISTIC
            )
    return Choice(outcome, form, view, x, eval_task, color_by, statistic, highlight)


_OUTCOME = (
    "What the fine-tune did. Forgetting: what known tasks lost. Generalization: what untrained "
    "tasks gained. In-task: the final result on the task itself."
)
_FORM = "Score: points from 0 to 100, the headline. Loss: nats per target token."
_VIEW = (
    "Centred: each point minus its task's mean, so only prompts differ. Panels: each task on its "
    "own axes. Raw: everything at once, which mixes tasks with prompts."
)
_STATISTIC = "Pearson: on a line. Spearman: on ranks, so one far point cannot decide."


def _outcome_label(name: str) -> str:
    return OUTCOMES[name].label


def _segmented(label: str, options: list[str], format_func, key: str, help: str) -> str:  # type: ignore[no-untyped-def]
    # A card's button sets the value itself; a default beside it would be a contradiction.
    default = None if key in st.session_state else options[0]
    chosen = st.segmented_control(
        label,
        options,
        default=default,
        required=True,
        format_func=format_func,
        key=key,
        help=help,
        bind="query-params",
    )
    return str(chosen or options[0])


def _indicator(df: pd.DataFrame) -> str:
    own = ["pre_update_loss", *[c for c in df.columns if c not in COLUMNS]]
    varied = [c for c in own if c == "pre_update_loss" or _answers(df, c)]
    chosen = st.selectbox(
        "Indicator on x",
        varied,
        format_func=indicator_words,
        key="x",
        help="Known before the update. The first is pre-update loss in the released averaging "
        "(mean of batch means); others average it differently or measure the prompt.",
        bind="query-params",
    )
    return str(chosen or varied[0])


def _answers(df: pd.DataFrame, column: str) -> bool:
    numeric = pd.api.types.is_numeric_dtype(df[column])
    return numeric and df[column].nunique() > 1


def _eval_task(df: pd.DataFrame, outcome: Outcome) -> str | None:
    tasks = sorted(df.loc[df["role"] == outcome.role, "eval_task"].unique())
    if outcome.role == "current" or len(tasks) < 2:
        return None
    chosen = st.selectbox(
        "Evaluated task",
        [EVERY, *tasks],
        key="eval_task",
        help="The outcome is the unweighted mean over the role's tasks, or one of them.",
        bind="query-params",
    )
    return None if chosen in (None, EVERY) else str(chosen)


def _highlight(df: pd.DataFrame) -> str | None:
    tasks = sorted(df["current_task"].unique())
    chosen = st.selectbox(
        "Highlight task",
        [ALL_TASKS, *tasks],
        key="task",
        help="Colours one task and greys the others; a click in the forest does the same.",
        bind="query-params",
    )
    return None if chosen in (None, ALL_TASKS) else str(chosen)


def _color(prompts: pd.DataFrame) -> str:
    known = ["current_task"]
    if prompts["source"].nunique() > 1:
        known.append("source")
    if prompts["n_tokens"].nunique() > 2:
        known.append("length")
    if prompts["frequency"].nunique() > 2:
        known.append("frequency")
    chosen = st.selectbox(
        "Colour by",
        known,
        format_func=COLORS.__getitem__,
        key="color",
        help="What the colour of a point stands for. Shapes always stand for tasks.",
        bind="query-params",
    )
    return str(chosen or known[0])

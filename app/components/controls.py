"""The row of controls: only what these runs can answer is offered; each choice is in the URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.estimate import Form
from sapo_analysis.analysis.impacts import CurrentTest
from sapo_analysis.app import estimates
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import Choice, check_link, not_offered
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
SCALES = {"auto": "Automatic", "linear": "Linear", "log": "Log"}
SEEDS = {"mean": "Mean", "each": "Each"}
TESTS: dict[CurrentTest, str] = {
    "training": "the one it was trained with",
    "original": "its original prompt",
}
EVERY = "mean of all"
ALL_TASKS = "all tasks"


def controls(keys: Keys, facts: estimates.Facts, prompts: pd.DataFrame) -> Choice:
    """Draw the row and return what is chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        outcome, form = outcome_and_form(facts)
        view = segmented("View", VIEWS, "view", _VIEW)
        with st.popover("More", icon=":material/tune:", help="Axis, tasks, seeds, filter."):
            left, right = st.columns(2, gap="medium")
            with left:
                x = _indicator(facts)
                x_scale = segmented("Scale of x", SCALES, "x_scale", _SCALE)
                eval_task = _eval_task(facts, outcome)
                test_prompt = _test_prompt(keys, outcome)
                by_seed = _by_seed(facts)
            with right:
                highlight = _highlight(facts)
                color_by = _color(prompts)
                statistics = {name: name.capitalize() for name in ("pearson", "spearman")}
                statistic = segmented("Correlation", statistics, "statistic", _STATISTIC)
                words = _words()
                sources = _sources(prompts)
    return Choice(
        outcome=outcome,
        form=form,
        view=view,
        x=x,
        eval_task=eval_task,
        color_by=color_by,
        statistic=statistic,
        highlight=highlight,
        test_prompt=test_prompt,
        x_scale=x_scale,
        by_seed=by_seed,
        words=words,
        sources=sources,
    )


def outcome_and_form(
    facts: estimates.Facts, outcome_key: str = "outcome", form_key: str = "form"
) -> tuple[Outcome, Form]:
    """The two controls that decide what is on the vertical axis.

    Args:
        facts: Of the runs.
        outcome_key: Of the first control, and its query parameter.
        form_key: Of the second.
    """
    known = {name: o.label for name, o in OUTCOMES.items() if o.role in facts.evaluated}
    outcome = OUTCOMES[segmented("Outcome", known, outcome_key, _OUTCOME)]
    form = segmented("Form", FORMS, form_key, _FORM)
    return outcome, "loss" if form == "loss" else "score"


def changed(choice: Choice, shown: int, of: int) -> None:
    """What was chosen under *More*, in a line: it is out of sight there."""
    found = [
        (choice.x != "pre_update_loss", f"x: {indicator_words(choice.x)}"),
        (choice.x_scale != "auto", f"{choice.x_scale} scale of x"),
        (choice.eval_task is not None, f"on {choice.eval_task} alone"),
        (choice.test_prompt != "training", "tested with the original prompt"),
        (choice.by_seed, "a dot per seed"),
        (choice.statistic != "pearson", "Spearman"),
    ]
    said = [words for chosen, words in found if chosen]
    if choice.words or choice.sources:
        by = [f"“{choice.words}”"] if choice.words else []
        said.append(
            f"{shown} of {of} points shown ({', '.join([*by, *choice.sources])});"
            " numbers, slopes and bands are those of all"
        )
    if said:
        st.caption("Chosen under More: " + md(" · ".join(said)) + ".")


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
_SCALE = (
    "Of the picture alone: r is always of the values themselves. Automatic: logarithmic in the "
    "panels of tasks with far points. Centred and logarithmic: the ratio to the task's geometric "
    "mean."
)
_SEEDS = (
    "Mean: a point is a prompt, the mean over its seeds. Each: a small dot per seed, to see how "
    "far the seed alone moves it; r, slope and marks stay with the means."
)


def segmented(label: str, options: dict[str, str], key: str, help: str) -> str:
    """One of a few values, shown by their words; the first until another is chosen.

    Args:
        label: of the control.
        options: words by value.
        key: of the control, and its query parameter.
        help: what the choice means.
    """
    first = next(iter(options))
    # A card's button sets the value itself; a default beside it would be a contradiction.
    default = None if key in st.session_state else first
    check_link(key, options.values())
    chosen = st.segmented_control(
        label,
        list(options),
        default=default,
        required=True,
        format_func=options.__getitem__,
        key=key,
        help=help,
        bind="query-params",
    )
    return chosen if chosen in options else first


def select(
    label: str, options: Sequence[str], format_func: Callable[[str], str], key: str, help: str
) -> str:
    """One of many values, as `segmented`."""
    check_link(key, [format_func(option) for option in options])
    chosen = st.selectbox(
        label, options, format_func=format_func, key=key, help=help, bind="query-params"
    )
    return chosen if chosen in options else options[0]


def _indicator(facts: estimates.Facts) -> str:
    return select(
        "Indicator on x",
        facts.indicators,
        indicator_words,
        "x",
        "Known before the update. The first is pre-update loss in the released averaging (mean of"
        " batch means); others average it differently or measure the prompt.",
    )


def _eval_task(facts: estimates.Facts, outcome: Outcome) -> str | None:
    tasks = facts.evaluated[outcome.role]
    if outcome.role == "current" or len(tasks) < 2:
        not_offered("eval_task")
        return None
    help = "The outcome is the unweighted mean over the role's tasks, or one of them."
    chosen = select("Evaluated task", [EVERY, *tasks], str, "eval_task", help)
    return None if chosen == EVERY else chosen


def _test_prompt(keys: Keys, outcome: Outcome) -> CurrentTest:
    """Other tasks are always tested with their original prompt."""
    known = estimates.test_prompts(keys) if outcome.role == "current" else ()
    if len(known) < 2:
        not_offered("test_prompt")
        return "training"
    options = {name: TESTS[name] for name in known}
    help = "The prompt that the current task is tested with after the fine-tune."
    chosen = select("Test prompt", list(options), lambda n: options[n], "test_prompt", help)  # type: ignore[index]
    return "original" if chosen == "original" else "training"


def _by_seed(facts: estimates.Facts) -> bool:
    if facts.n_seeds < 2:
        not_offered("seeds")
        return False
    return segmented("Seeds", SEEDS, "seeds", _SEEDS) == "each"


def _highlight(facts: estimates.Facts) -> str | None:
    if len(facts.tasks) < 2:
        not_offered("task")
        return None
    help = "Colours one task and greys the others; a click in the forest does the same."
    chosen = select("Highlight task", [ALL_TASKS, *facts.tasks], str, "task", help)
    return None if chosen == ALL_TASKS else chosen


def _color(prompts: pd.DataFrame) -> str:
    known = ["current_task"]
    if prompts["source"].nunique() > 1:
        known.append("source")
    if prompts["n_tokens"].nunique() > 2:
        known.append("length")
    if prompts["frequency"].nunique() > 2:
        known.append("frequency")
    help = "What the colour of a point stands for. Shapes always stand for tasks."
    return select("Colour by", known, COLORS.__getitem__, "color", help)


def _words() -> str:
    found = st.text_input(
        "Prompts with",
        key="words",
        max_chars=200,
        placeholder="words of the text or the id",
        help="Shows prompts whose text or id holds every word. It hides points; it moves none.",
        bind="query-params",
    )
    return (found or "").strip()


def _sources(prompts: pd.DataFrame) -> tuple[str, ...]:
    known = [str(source) for source in prompts["source"].dropna().unique()]
    if len(known) < 2:
        not_offered("source")
        return ()
    check_link("source", list(map(md, known)))
    chosen = st.pills(
        "From",
        known,
        selection_mode="multi",
        format_func=md,
        key="source",
        help="Where the wording comes from. None chosen: all.",
        bind="query-params",
    )
    return tuple(source for source in known if source in (chosen or ()))

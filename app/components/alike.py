"""The panel that says how alike a base model answers under each prompt, and what that is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from sapo_analysis import jobs
from sapo_analysis.analysis.equivalence import Alike, Equivalence, folded
from sapo_analysis.app import equivalence
from sapo_analysis.app.asking import forget
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.equivalence import Compared
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.errors import InputError
from sapo_analysis.store.base_answers import MOST_EXAMPLES
from sapo_analysis.tasks import Task

EXAMPLES = 100
OTHERWISE = 10
"""Examples that two prompts answer otherwise, shown at most."""
_EXAMPLES = "alike-examples"


def alike_panel(task: Task, model: str, texts: Sequence[str], known: KnownTasks) -> Compared | None:
    """Draw the panel; returns what is known, for the tables. `texts`: the original first."""
    st.markdown("**Do they ask for the same?**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        most = min(MOST_EXAMPLES, task.sizes["dev"])
        try:
            n_known = equivalence.n_known(task, model, texts[0])
        except InputError as error:
            st.warning(md(str(error)), icon=":material/warning:")
            return None
        n = st.number_input(
            "Dev examples",
            min_value=1,
            max_value=most,
            value=min(n_known or EXAMPLES, most),
            step=50,
            key=f"{_EXAMPLES}-{task.name}-{model}",
            help="How many of the first dev examples the model answers under each prompt.",
            width=150,
        )
        try:
            found = equivalence.compared(task, model, texts, int(n))
        except InputError as error:  # a package that the task's metric needs may not be here
            st.warning(md(str(error)), icon=":material/warning:")
            return None
        _ask(task, model, found, int(n), known)
    if found.found is None:
        st.caption(
            f"{md(model)} answers the same examples under the original prompt and under each other"
            " one. Answers alike speak for the same meaning. Nothing is marked by it: that is for"
            " you."
        )
        return found
    _said(found.found, model)
    with st.expander("The numbers, prompt by prompt"):
        _table(found.found)
        _otherwise(task, found)
    return found


def _ask(task: Task, model: str, found: Compared, n: int, known: KnownTasks) -> None:
    if not found.missing or not equivalence.may_ask():
        return
    if missing := jobs.missing_engine_packages():
        st.caption(f"Cannot be asked here: {md(', '.join(missing))} cannot be found.")
        return
    asked = equivalence.question(task, model, found.missing, n, known)
    n_prompts = sum(bool(text) for text in found.missing)
    if not equivalence.under_way(asked):
        st.button(
            f"Ask {md(model)} about {n_prompts} prompt{'s' if n_prompts != 1 else ''}",
            key="ask-alike",
            icon=":material/compare_arrows:",
            help="Seconds with a small model, minutes with a large one; the answers are kept.",
            on_click=equivalence.begin,
            args=(asked,),
        )
        return
    reply = equivalence.taken(task, asked)
    if reply.is_pending:
        st.caption(f":material/hourglass_top: {md(model)} is answering …")
    elif reply.error:
        st.warning(md(reply.error), icon=":material/error:")
        st.button(
            "Ask again",
            key="ask-alike-again",
            help="Try once more.",
            on_click=forget,
            args=(equivalence.KIND, asked),
        )
    else:
        st.rerun()


def _said(found: Equivalence, model: str) -> None:
    if found.cannot_tell:
        st.warning(
            f"**Equivalence cannot be told with {md(model)}.** {md(found.cannot_tell)} Ask a model"
            " that knows the task, and read the prompts yourself.",
            icon=":material/help:",
        )
        return
    no_more = [p for p in found.prompts if found.remark(p).startswith("not above")]
    text = (
        f"Without any instruction {percent(found.without.share)} % of the answers are as under the"
        " original prompt: what is not clearly above that says nothing."
    )
    if no_more:
        text += (
            f" {len(no_more)} of {len(found.prompts)} prompts are not above it, or not above"
            " chance: read them."
        )
    st.caption(md(text))


def alike_words(found: Compared | None) -> Mapping[str, str]:
    """Per text a table's cell: `93 (86 to 97)`."""
    if found is None or found.found is None:
        return {}
    return {p.text: in_words(p) for p in found.found.prompts}


def in_words(one: Alike) -> str:
    """The share alike in percent, with its interval."""
    if math.isnan(one.share):
        return MISSING
    return f"{percent(one.share)} ({percent(one.lower)} to {percent(one.upper)})"


def percent(share: float) -> str:
    """A share as a whole number of percent."""
    return f"{100 * share:.0f}"


def _table(found: Equivalence) -> None:
    rows = [(found.original, "the original"), (found.without, "no instruction at all")]
    rows += [(one, found.remark(one)) for one in _least_alike_first(found)]
    shown = pd.DataFrame(
        {
            "text": one.text or "(none)",
            "alike": in_words(one),
            "told": told,
            "by_chance": 100 * one.by_chance,
            "usable_answers": 100 * one.usable,
            "dev_score": one.score,
            "alike_n": one.n,
        }
        for one, told in rows
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="alike-table",
        height=320 if len(shown) > 7 else "content",
        placeholder=MISSING,
        alt="Each prompt with the share of answers alike, chance, usable answers and score.",
        column_config=columns(
            shown.columns,
            formats={
                "alike_n": "%d",
                "by_chance": "%.0f",
                "usable_answers": "%.0f",
                "dev_score": "%.1f",
            },
            widths={"text": 270, "told": 235},
        ),
    )


def _least_alike_first(found: Equivalence) -> list[Alike]:
    return sorted(found.prompts, key=lambda one: -1.0 if math.isnan(one.share) else one.share)


def _otherwise(task: Task, compared: Compared) -> None:
    """Examples that a prompt answers otherwise than the original."""
    found = compared.found
    assert found is not None
    texts = [one.text for one in _least_alike_first(found)]
    if not texts:
        return
    chosen = st.selectbox(
        "Answered otherwise under",
        texts,
        key=f"otherwise-{task.name}",
        format_func=lambda text: text if len(text) <= 100 else f"{text[:97]}…",
        help="The prompt with the fewest answers alike comes first.",
    )
    first, own = compared.answers[found.original.text], compared.answers[str(chosen)]
    rows = [
        (example.input, example.target, before, after)
        for example, before, after in zip(task.examples("dev"), first, own, strict=False)
        if before is not None and after is not None and folded(task, before) != folded(task, after)
    ]
    shown = pd.DataFrame(
        rows[:OTHERWISE], columns=["input", "target", "under_original", "under_this"]
    )
    if shown.empty:
        st.caption("None of the examples.")
        return
    st.dataframe(
        shown,
        hide_index=True,
        key="otherwise-table",
        height="content",
        alt="Dev examples whose answers differ under the two prompts.",
        column_config=columns(shown.columns, widths={"input": 300}),
    )

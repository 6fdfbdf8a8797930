"""The tab with what a task asks, word for word, and how its answers are judged."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.app import tokens
from sapo_analysis.app.components.exact_prompt import exact_prompt
from sapo_analysis.app.components.text import md
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.errors import SapoError
from sapo_analysis.prompts import original, user_message
from sapo_analysis.tasks import Task
from sapo_analysis.tasks.metrics import DEFINITIONS


def instruction_tab(task: Task, model: str, known: KnownTasks) -> None:
    """Original prompt, answer format, labels, metric, and the first example as it is read."""
    first = original(task).text
    left, right = st.columns(2, gap="medium")
    example = task.examples("train", 1)[0]
    with left:
        st.markdown("**Original prompt**")
        st.code(first, language=None, wrap_lines=True)
        st.markdown("**Answer format, never paraphrased**")
        if task.suffix:
            st.code(task.suffix, language=None, wrap_lines=True)
        else:
            st.caption("None: nothing is appended after the text in this task.")
        st.markdown("**Label words**, which every paraphrase keeps as they are")
        if task.labels:
            with st.container(horizontal=True, gap="xsmall"):
                for label in task.labels:
                    st.badge(md(label), color="gray")
        else:
            st.caption("None: the answer is free text.")
        st.markdown(
            f"**Metric: {md(task.metric.replace('_', ' '))}** (0 to 100)  \n"
            f"{md(DEFINITIONS[task.metric])} At most {task.max_new_tokens} tokens are written."
        )
    with right:
        st.markdown("**What the model reads**, by the first training example")
        message = user_message(first, example.input, task.suffix)
        st.code(message, language=None, wrap_lines=True)
        st.markdown("**What it has to answer**")
        st.code(example.target, language=None, wrap_lines=True)
    if st.toggle(
        f"Token by token, as {md(model)} reads it",
        key="tokens",
        help="Which tokens are context and which are trained and scored. Asks the training half,"
        " which takes seconds the first time.",
        bind="query-params",
    ):
        try:
            exact_prompt(tokens.exact_prompt(model, task.name, first, known))
        except SapoError as error:
            st.warning(md(str(error)), icon=":material/warning:")

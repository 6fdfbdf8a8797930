"""Tasks & prompts: what can be learned, word for word, and paraphrases of one's own."""

from __future__ import annotations

import streamlit as st

from sapo_analysis import model_files
from sapo_analysis.app.components import header, task_list
from sapo_analysis.app.components.instruction import instruction_tab
from sapo_analysis.app.components.paraphrases import paraphrases_tab
from sapo_analysis.app.components.task_data import data_tab
from sapo_analysis.app.state import begin_link, check_link, ignored
from sapo_analysis.prompts import original

TABS = ["Data", "Instruction", "Paraphrases"]


def page() -> None:
    """The list of tasks on the left, the chosen one on the right."""
    begin_link()
    notes = st.container()
    left, right = st.columns([1, 4], gap="medium")
    with left:
        task = task_list.task_list()
    with right:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            with st.container(width="stretch"):
                task_list.heading(task)
            model = _model()
            st.page_link(
                "views/launch.py",
                label="Use these in a study",
                icon=":material/rocket_launch:",
                help="Opens Launch with this task and the prompts that are offered here.",
                query_params={task_list.TASK: task.name},
            )
        check_link("tab", TABS)
        data, instruction, paraphrases = st.tabs(TABS, key="tab", bind="query-params")
        with data:
            if data.open:
                data_tab(task)
        with instruction:
            if instruction.open:
                instruction_tab(task, original(task.name).text, model)
        with paraphrases:
            if paraphrases.open:
                paraphrases_tab(task, model)
    with notes:
        header.ignored(ignored())


def _model() -> str:
    names = model_files.list_names()
    check_link("model", names)
    chosen = st.selectbox(
        "Read by",
        names,
        key="model",
        help="The model whose tokens are counted and whose pretraining frequencies are shown.",
        bind="query-params",
        width=180,
    )
    return str(chosen or names[0])


page()

"""Tasks & prompts: what can be learned, word for word, and paraphrases of one's own."""

from __future__ import annotations

import streamlit as st

from sapo_analysis import model_files
from sapo_analysis.app.asking import look_again
from sapo_analysis.app.components import header, task_list
from sapo_analysis.app.components.acting import show_said
from sapo_analysis.app.components.add_task import adding_tab
from sapo_analysis.app.components.added_task import about_added
from sapo_analysis.app.components.fetch_task import to_fetch
from sapo_analysis.app.components.instruction import instruction_tab
from sapo_analysis.app.components.paraphrases import paraphrases_tab
from sapo_analysis.app.components.task_data import data_tab
from sapo_analysis.app.components.text import md
from sapo_analysis.app.known_tasks import KnownTasks, known_tasks
from sapo_analysis.app.state import begin_link, check_link, ignored
from sapo_analysis.tasks import Task
from sapo_analysis.tasks.card import TaskCard

TABS = ["Data", "Instruction", "Paraphrases"]


def page() -> None:
    """The list of tasks on the left, the chosen one on the right."""
    begin_link()
    notes = st.container()
    show_said()
    known = known_tasks()
    left, right = st.columns([1, 4], gap="medium")
    with left:
        chosen = task_list.task_list(known)
    with right:
        for damage in known.damage:
            st.error(md(damage), icon=":material/broken_image:")
        if task_list.ADD in st.query_params:
            adding_tab(known)
        elif isinstance(chosen, TaskCard):
            to_fetch(chosen)
        else:
            _task(chosen, known)
    with notes:
        header.ignored(ignored())
    look_again()


def _task(task: Task, known: KnownTasks) -> None:
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
    if task.name in known.source:
        about_added(task, known)
    check_link("tab", TABS)
    data, instruction, paraphrases = st.tabs(TABS, key="tab", bind="query-params")
    with data:
        if data.open:
            data_tab(task, known)
    with instruction:
        if instruction.open:
            instruction_tab(task, model, known)
    with paraphrases:
        if paraphrases.open:
            paraphrases_tab(task, model, known)


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

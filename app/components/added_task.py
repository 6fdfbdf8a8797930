"""What is special about a task that was added: what to know of it, and how to be rid of it."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.app.components.acting import act
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import own_folder
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.store import is_read_only
from sapo_analysis.store.added_tasks import remove_added_task
from sapo_analysis.tasks import Task


def about_added(task: Task, known: KnownTasks) -> None:
    """Its notes, and a way to remove it."""
    for note in task.notes:
        st.caption(f":material/info: {md(note.rstrip('.'))}.")
    if is_read_only():
        return  # where things lie on a server is no visitor's business
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Lies in {md(known.source[task.name])}.", width="stretch")
        with st.popover("Remove", icon=":material/delete:", help="Asks first."):
            st.markdown(
                f"Removes the rows and the card of **{md(task.name)}** for good. Runs that"
                " learned it keep their results; they can be resumed or extended no more."
                " Paraphrases of your own stay."
            )
            st.button(
                f"Remove {md(task.name)}",
                key="remove-task",
                type="primary",
                help="There is no way back.",
                on_click=act(
                    *(remove_added_task, own_folder(), task.name),
                    said=f"Task {task.name} was removed.",
                ),
            )

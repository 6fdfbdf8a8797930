"""The tasks to choose from: by family, found by any word of theirs, with what they are good for."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from sapo_analysis.app.components.text import md
from sapo_analysis.errors import unknown
from sapo_analysis.tasks import Task, list_tasks

TASK = "task"
"""Query parameter of the chosen task."""

ROLES = {
    "half known": "The shipped models know a part of its facts: it can be learned, forgotten and"
    " gained. Use it as a current or past task.",
    "retained": "The shipped models have mastered it: much to lose, little to gain. Use it as a"
    " retained task.",
    "unseen": "The shipped models met it rarely, and it needs the facts of a half-known task: it"
    " can gain from that one. Use it as an unseen task.",
}
"""What a declared role advises; nothing applies it silently."""

ICONS = {
    "half known": ":material/school:",
    "retained": ":material/verified:",
    "unseen": ":material/visibility_off:",
}


def task_list() -> Task:
    """Draw the list and return the chosen task, which the address names."""
    every = list_tasks()
    known = {task.name: task for task in every}
    words = st.text_input(
        "Find a task",
        key="find",
        help="Any words of a task's name, title, family, labels or role.",
        placeholder="find a task",
        label_visibility="collapsed",
        icon=":material/search:",
        bind="query-params",
    )
    wanted = st.query_params.get(TASK, every[0].name)
    chosen = known.get(wanted, every[0])
    if wanted not in known:
        st.warning(md(str(unknown("task", wanted, list(known)))), icon=":material/link_off:")
    found = [task for task in every if _is_found(task, str(words or ""))]
    if not found:
        st.info("No task has these words.")
    for family, tasks in groupby(found, key=lambda task: task.family):
        own = list(tasks)
        # Without a search, only the family of the chosen task: thirty names do not fit a screen.
        is_open = bool(words) or family == chosen.family
        with (
            st.expander(f"{md(family)} :gray[({len(own)})]", expanded=is_open),
            st.container(gap="xxsmall"),
        ):
            for task in own:
                _entry(task, is_chosen=task is chosen)
    st.caption(" · ".join(f"{icon} {role}" for role, icon in ICONS.items()))
    return chosen


def heading(task: Task) -> None:
    """The chosen task: title, name, role and what else is special about it."""
    st.markdown(f"### {md(task.title)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(md(task.name), color="gray", help="The task's name, in specs and commands.")
        st.badge(md(task.family), color="gray", help="Its family: tasks of one kind of work.")
        st.badge(
            md(task.role), color="blue", icon=ICONS.get(task.role), help=ROLES.get(task.role, "")
        )
    facts = [ROLES.get(task.role, "")]
    if task.related:
        facts.append(f"Shares its facts with {', '.join(task.related)}.")
    st.caption(md(" ".join(facts)))


def _entry(task: Task, is_chosen: bool) -> None:
    st.button(
        md(task.title),
        key=f"task-{task.name}",
        help=f"{md(task.name)}, {md(task.role)}. {ROLES.get(task.role, '')}",
        type="primary" if is_chosen else "tertiary",
        icon=ICONS.get(task.role),
        on_click=_choose,
        args=(task.name,),
    )


def _choose(name: str) -> None:
    st.query_params[TASK] = name


def _is_found(task: Task, words: str) -> bool:
    own = " ".join([task.name, task.title, task.family, task.role, *task.labels]).casefold()
    return all(word in own for word in words.casefold().split())

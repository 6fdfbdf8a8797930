"""The tasks to choose from: by family, found by any word of theirs, with what they are good for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import streamlit as st

from sapo_analysis.app.components.text import md
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.errors import unknown
from sapo_analysis.tasks import Task
from sapo_analysis.tasks.card import TaskCard
from sapo_analysis.tasks.shipped_cards import card_names, shipped_card

TASK = "task"
"""Query parameter of the chosen task."""
ADD = "add"
"""Query parameter that is there while a task is being added."""
FEW = 8
"""So many added tasks stand open beside others."""
ADDED = "added"
TO_FETCH = "public data sets"
"""What the groups beside the families of the pocket suite are called."""

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


def task_list(known: KnownTasks) -> Task | TaskCard:
    """Draw the list and return the chosen task, or card, which the address names."""
    cards = [shipped_card(name) for name in card_names() if name not in known.tasks]
    every: dict[str, Task | TaskCard] = {**known.tasks, **{card.name: card for card in cards}}
    words = st.text_input(
        "Find a task",
        key="find",
        help="Any words of a task's name, title, family, labels or role.",
        placeholder="find a task",
        label_visibility="collapsed",
        icon=":material/search:",
        bind="query-params",
    )
    st.button(
        "Add a task",
        key="add-task",
        help="From rows of your own: JSONL, CSV, JSON or parquet.",
        icon=":material/add:",
        type="primary" if ADD in st.query_params else "secondary",
        width="stretch",
        on_click=_begin,
    )
    wanted = st.query_params.get(TASK, next(iter(every)))
    chosen = every.get(wanted, next(iter(every.values())))
    if wanted not in every:
        st.warning(md(str(unknown("task", wanted, list(every)))), icon=":material/link_off:")
    found = [task for task in every.values() if _is_found(task, str(words or ""))]
    if not found:
        st.info("No task has these words.")
    for group, own in _groups(found, known).items():
        # Without a search, only the group of the chosen task: thirty names do not fit a screen.
        is_open = bool(words) or chosen in own or (group == ADDED and len(own) <= FEW)
        with (
            st.expander(f"{md(group)} :gray[({len(own)})]", expanded=is_open),
            st.container(gap="xxsmall"),
        ):
            for task in own:
                _entry(task, is_chosen=task is chosen and ADD not in st.query_params)
    st.caption(" · ".join(f"{icon} {role}" for role, icon in ICONS.items()))
    return chosen


def _groups(
    found: Sequence[Task | TaskCard], known: KnownTasks
) -> dict[str, list[Task | TaskCard]]:
    """The tasks as they stand together: what was added first, what can be fetched last."""
    own = [task for task in found if task.name in known.source]
    cards = [task for task in found if isinstance(task, TaskCard)]
    pocket = [task for task in found if task not in own and task not in cards]
    families = {name: list(tasks) for name, tasks in groupby(pocket, key=lambda t: t.family)}
    groups = {ADDED: own, **families, TO_FETCH: cards}
    return {name: tasks for name, tasks in groups.items() if tasks}


def heading(task: Task) -> None:
    """The chosen task: title, name, role and what else is special about it."""
    st.markdown(f"### {md(task.title)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(md(task.name), color="gray", help="The task's name, in specs and commands.")
        st.badge(md(task.family), color="gray", help="Its family: tasks of one kind of work.")
        if task.role:
            st.badge(
                md(task.role),
                color="blue",
                icon=ICONS.get(task.role),
                help=ROLES.get(task.role, ""),
            )
    facts = [ROLES.get(task.role, "")]
    if task.related:
        facts.append(f"Shares its facts with {', '.join(task.related)}.")
    st.caption(md(" ".join(facts)))


def _entry(task: Task | TaskCard, is_chosen: bool) -> None:
    role = "" if isinstance(task, TaskCard) else task.role
    is_card = isinstance(task, TaskCard)
    what = "not fetched yet" if is_card else role or "added to this runs folder"
    st.button(
        # The titles of data sets are too long for this column; their names are what they go by.
        md(task.name if is_card else task.title),
        key=f"task-{task.name}",
        help=f"{md(task.title if is_card else task.name)}, {md(what)}. {ROLES.get(role, '')}",
        type="primary" if is_chosen else "tertiary",
        icon=":material/cloud_download:" if is_card else ICONS.get(role, ":material/inventory_2:"),
        on_click=choose,
        args=(task.name,),
    )


def choose(name: str) -> None:
    """Show a task."""
    st.query_params[TASK] = name
    st.query_params.pop(ADD, None)


def _begin() -> None:
    st.query_params[ADD] = "1"


def _is_found(task: Task | TaskCard, words: str) -> bool:
    role = "" if isinstance(task, TaskCard) else task.role
    own = " ".join([task.name, task.title, task.family, role, *task.labels]).casefold()
    return all(word in own for word in words.casefold().split())

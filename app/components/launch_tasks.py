"""Part 2 of the launch form: which tasks, and what each is for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.launch_form import Form
from sapo_analysis.app.components.launch_parts import heading
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.app.launching.choices import OFF, ROLES, orders_of, tasks_by_role
from sapo_analysis.model_files import ModelFiles
from sapo_analysis.tasks import Task

MASTERED = 90.0
"""Base score from which a task counts as mastered (points)."""
HEIGHT = 320
_WIDTHS = {"task": 150, "role": 110, "position": 90, "base_score": 110, "train_rows": 80}


def tasks_part(
    made: Form, known: KnownTasks, files: ModelFiles | None, usable: Mapping[str, int]
) -> None:
    """Draw the part.

    Args:
        made: The form.
        known: The tasks to choose from.
        files: Of the model, where it is known.
        usable: Paraphrases that each task offers.
    """
    heading("2", "Tasks", "tasks")
    every = list(known.tasks.values())
    scores = {} if files is None else files.base_scores
    if made.question == "sequence":
        _positions(made, every, scores, usable)
    else:
        _roles(made, every, scores, usable)
    made.name_sources(known)


def _roles(
    made: Form, every: Sequence[Task], scores: Mapping[str, float], usable: Mapping[str, int]
) -> None:
    roles = {task: role for role in ROLES for task in made.value(role)}
    known = {task.name for task in every}
    chosen = {name: role for name, role in roles.items() if name in known}
    chosen |= {task.name: OFF for task in every if task.name not in chosen}
    rows = _table(every, "role", chosen, scores, usable)
    edited = _editor(
        made,
        rows,
        "role",
        st.column_config.SelectboxColumn(
            entry("role").label,
            options=[*ROLES, OFF],
            required=True,
            help=entry("role").help,
            width=110,
        ),
    )
    chosen = {str(task): str(r) for task, r in zip(edited["task"], edited["role"], strict=True)}
    for role, names in tasks_by_role({r: made.value(r) for r in ROLES}, chosen).items():
        made.put(role, names)
    with st.container(horizontal=True, vertical_alignment="center"):
        rotate = st.checkbox(
            "Rotate",
            key=made.show("rotate"),
            help="Every task of past, current and unseen is current once, the others past or"
            " unseen in turn. In a spec: rotate.",
        )
        made.put("rotate", rotate)
        past = made.value("past")
        if len(past) > 1:
            st.caption(f"Past tasks are learned in this order: {md(' → '.join(past))}.")
    _say_known(made, scores)


def _say_known(made: Form, scores: Mapping[str, float]) -> None:
    mastered = [t for t in made.value("unseen") if scores.get(t, 0.0) >= MASTERED]
    not_yet = [t for t in made.value("retained") if scores.get(t, 100.0) < MASTERED]
    if mastered:
        st.warning(
            f"Unseen, but the base model scores {MASTERED:g} or more: {md(', '.join(mastered))}."
            " They can hardly gain; retained would fit.",
            icon=":material/rule:",
        )
    if not_yet:
        st.warning(
            f"Retained, but the base model scores under {MASTERED:g}: {md(', '.join(not_yet))}."
            " They can gain as well as lose; unseen would fit.",
            icon=":material/rule:",
        )


def _positions(
    made: Form, every: Sequence[Task], scores: Mapping[str, float], usable: Mapping[str, int]
) -> None:
    orders: list[list[str]] = made.value("orders")
    first = orders[0]
    places: dict[str, int | None] = {t.name: None for t in every}
    places |= {t: i for i, t in enumerate(first, start=1) if t in places}
    rows = _table(every, "position", places, scores, usable)
    rows["position"] = rows["position"].astype("Int64")
    left, right = st.columns([3, 1], gap="large")
    with left:
        edited = _editor(
            made,
            rows,
            "position",
            st.column_config.NumberColumn(
                entry("position").label, step=1, help=entry("position").help, width=90
            ),
        )
    chosen = edited.dropna(subset=["position"]).sort_values("position", kind="stable")
    order = list(map(str, chosen["task"]))
    with right:
        key = made.key("n-orders")
        st.session_state.setdefault(key, len(orders))
        n = st.number_input(
            "Orders",
            min_value=1,
            step=1,
            key=key,
            help="The order of the table, then the same turned on by one task each: at most one"
            " order per task. Three or more are needed for intervals and a verdict.",
        )
    fixed = made.start.fixed
    made.put("orders", orders_of(orders, order, int(n or 1), fixed))
    with right:
        orders = made.value("orders")
        shown = [md(" → ".join(one)) or "No task has a position yet." for one in orders]
        st.caption("  \n".join(shown))
        if fixed:
            st.caption(
                f"In every order at the same place, as the study has them: {md(', '.join(fixed))}."
            )


def _table(
    every: Sequence[Task],
    editable: str,
    values: Mapping[str, Any],
    scores: Mapping[str, float],
    usable: Mapping[str, int],
) -> pd.DataFrame:
    rows = [
        {
            "task": task.name,
            editable: values[task.name],
            "base_score": scores.get(task.name),
            "train_rows": task.sizes["train"],
            "usable": usable.get(task.name, 0),
            "about": f"{task.title} · {task.family}, {task.role or 'added'}",
        }
        for task in every
    ]
    # Those in use first: thirty rows do not fit on a screen.
    used = [row for row in rows if row[editable] not in (OFF, None)]
    place = {role: i for i, role in enumerate(ROLES)}
    turn = {name: i for i, name in enumerate(values)}
    used.sort(key=lambda row: (place.get(row[editable], row[editable]), turn[row["task"]]))
    table = pd.DataFrame([*used, *(row for row in rows if row not in used)])
    table["base_score"] = table["base_score"].astype(float)
    return table


def _editor(made: Form, rows: pd.DataFrame, editable: str, column: Any) -> pd.DataFrame:
    """The table. Its rows stay as first drawn: an editor whose rows move forgets its edits."""
    # A task that was added meanwhile makes it another table.
    names = hashlib.sha256("|".join(sorted(rows["task"])).encode()).hexdigest()[:8]
    key = made.key(f"tasks-{made.value('model')}-{names}")
    kept = st.session_state.setdefault(f"{key}-rows", rows)
    fixed = [name for name in kept.columns if name != editable]
    config = columns(
        [name for name in fixed if name != "about"],
        formats={"base_score": "%.1f", "train_rows": "%d", "usable": "%d"},
        widths=_WIDTHS | {"usable": 90},
    )
    edited = st.data_editor(
        kept,
        key=key,
        hide_index=True,
        height=HEIGHT,
        disabled=fixed,
        placeholder=MISSING,
        column_config={
            **config,
            editable: column,
            "about": st.column_config.TextColumn(
                "about", help="Title, family, and the role that the suite advises."
            ),
        },
        alt="Every task with its role in this study, what the base model scores on it, and what it"
        " offers.",
    )
    return pd.DataFrame(edited)

"""How tasks are learned, in part 3 of the launch form: the method, or policies and methods."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.app.components.launch_form import Form
from sapo_analysis.app.components.text import md
from sapo_analysis.app.launching.choices import pair_of, strategies_of
from sapo_analysis.app.launching.methods import (
    GROUPS,
    TRAINS,
    in_order,
    one_task_methods,
    title,
)
from sapo_analysis.spec import POLICIES, SEQUENCE_METHODS

_FROM = "promot.stage_1_from"


def method_part(made: Form) -> None:
    """The method of a paraphrase study, and what it trains."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.selectbox(
            "Method",
            one_task_methods(),
            format_func=title,
            key=made.show("method"),
            help="How the current tasks are learned with each prompt; a study has one method. What"
            " methods do to other tasks is on the page Methods compared, once they have run. In a"
            " spec: method.",
            width=360,
        )
        _all_methods(one_task_methods())
    method = str(method)
    made.put("method", method)
    if _FROM in made.start.settings:
        # One soft prompt from elsewhere stands for stage 1 of the method it was named for alone.
        kept = method == made.start.settings["method"]
        made.put(_FROM, made.start.settings[_FROM] if kept else None)
    past = "" if method == "lora" else " Past tasks are learned with LoRA in any case."
    st.caption(f"Trains {md(TRAINS[method])}.{past}")


def strategies_part(made: Form) -> None:
    """Policies and methods; those that do not make a grid stay as they are until changed."""
    now: list[str] = made.value("strategies")
    pairs = [pair_of(name) for name in now]
    policies = [p for p in POLICIES if any(p == policy for policy, _ in pairs)]
    methods = in_order(method for _, method in pairs)
    left, right = st.columns([2, 3], gap="large")
    with left:
        key = made.key("policies")
        st.session_state.setdefault(key, policies)
        chosen_policies = st.pills(
            "Policies",
            list(POLICIES),
            selection_mode="multi",
            key=key,
            wrap=True,
            help="Which prompt teaches the next task: see Method. SAPO's fair rival is random.",
        )
        _all_methods(SEQUENCE_METHODS)
    with right:
        chosen_methods = _methods(made, methods)
    if set(chosen_policies) != set(policies) or set(chosen_methods) != set(methods):
        made.put("strategies", strategies_of(now, chosen_policies, chosen_methods))
    st.caption(f"Strategies: {md(', '.join(made.value('strategies')) or 'none yet')}.")


def _methods(made: Form, methods: list[str]) -> list[str]:
    found: list[str] = []
    for i, (group, all_of_it) in enumerate(GROUPS.items()):
        own = [method for method in all_of_it if method in SEQUENCE_METHODS]
        if not own:
            continue
        key = made.key(f"methods-{i}")
        st.session_state.setdefault(key, [m for m in methods if m in own])
        found += st.pills(
            f"Methods: {group if group.startswith('ProMoT') else group.lower()}",
            own,
            selection_mode="multi",
            key=key,
            wrap=True,
            help="How a task is learned on top of earlier ones. Compare policies within a method;"
            " methods are held against each other on the page Methods compared.",
        )
    return found


def _all_methods(offered: tuple[str, ...] | list[str]) -> None:
    """What each method trains, to be opened."""
    with st.popover(
        "What each method trains", icon=":material/menu_book:", help="A line for each method."
    ):
        for group, own in GROUPS.items():
            lines = [f"- **{md(title(m))}**: {md(TRAINS[m])}." for m in own if m in offered]
            if lines:
                st.markdown("\n".join([f"**{group}**", "", *lines]))

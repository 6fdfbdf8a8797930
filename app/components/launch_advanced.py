"""Part 5 of the launch form: every other setting, its words taken from the spec."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import streamlit as st

from sapo_analysis.app.components.launch_form import Form
from sapo_analysis.app.components.launch_parts import heading, reset_button
from sapo_analysis.app.launching import SECTIONS, Setting, settings_of
from sapo_analysis.app.launching.methods import chosen_in, is_needed
from sapo_analysis.plan import ENGINES, as_engine

OPEN = "launch-advanced-open"
_COLUMNS = 4
_ENGINE_HELP = (
    "stacked: many adapters at once, the fast one. plain: one adapter at a time, the reference,"
    " which needs less memory. Not part of the spec: with sapo run it is --engine."
)


def advanced_part(made: Form) -> None:
    """Draw the part, closed until it is wanted."""
    names = {setting.name for setting in settings_of(made.question)}
    changed = [name for name in made.start.changed(made.changes) if name in names]
    # Not in the expander's label: one whose label changes closes under the hand.
    beside = f"{len(changed)} changed from {made.start.label}" if changed else ""
    heading("5", "Advanced", "advanced", beside)
    chosen = chosen_in(made.question, made.value("method"), made.value("strategies") or ())
    update = made.value("promot.update")
    with st.expander("All other settings", key=OPEN, on_change="rerun"):
        for section, settings in groupby(settings_of(made.question), key=lambda s: s.section):
            if not is_needed(section, chosen, update):
                continue
            st.markdown(f"**{SECTIONS[section]}**")
            own = [each for each in settings if is_needed(each.name, chosen, update)]
            _grid(made, own, with_engine=section == "")


def _grid(made: Form, settings: list[Setting], with_engine: bool) -> None:
    places = st.columns(_COLUMNS, gap="medium")
    for i, setting in enumerate(settings):
        with places[i % _COLUMNS]:
            _row(made, setting)
    if with_engine:
        with places[len(settings) % _COLUMNS]:
            key = made.key("engine")
            st.session_state.setdefault(key, made.engine)
            chosen = st.selectbox("engine", list(ENGINES), key=key, help=_ENGINE_HELP)
            made.engine = as_engine(str(chosen))


def _row(made: Form, setting: Setting) -> None:
    is_changed = setting.name in made.changes
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xxsmall"):
        with st.container(width="stretch"):
            made.put(setting.name, _widget(made, setting))
        if is_changed and setting.name in made.changes:
            reset_button(made, setting.name, setting.title)


def _widget(made: Form, setting: Setting) -> Any:
    if setting.widget == "switch":
        return st.checkbox(setting.title, key=made.show(setting.name), help=setting.help)
    if setting.widget == "choice":
        return st.selectbox(
            setting.title, list(setting.choices), key=made.show(setting.name), help=setting.help
        )
    if setting.widget == "whole":
        n = st.number_input(setting.title, step=1, key=made.show(setting.name), help=setting.help)
        return 0 if n is None else int(n)
    text = st.text_input(
        setting.title,
        key=made.show(setting.name, setting.to_text),
        help=setting.help,
        placeholder="default" if setting.may_be_left_out else "",
    )
    value = setting.from_text(str(text or ""))
    before = made.start.settings[setting.name]
    # A number that reads the same is the same: 16 is 16.0.
    return before if setting.to_text(before) == setting.to_text(value) else value

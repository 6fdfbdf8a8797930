"""Buttons that change something: what came of it is said on top of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from sapo_analysis.app.components.text import md
from sapo_analysis.errors import SapoError

_SAID = "said"


def act(do: Callable[..., Any], *arguments: Any, said: str) -> Callable[[], None]:
    """What a button does on a click: `do`, then `said`; a refusal is said in its place.

    The page is drawn anew after it and shows how things stand then.
    """

    def clicked() -> None:
        try:
            do(*arguments)
        except SapoError as error:
            say(str(error), failed=True)
        else:
            say(said)

    return clicked


def say(text: str, *, failed: bool = False) -> None:
    """Say something on top of the page when it is drawn next; plain text."""
    st.session_state[_SAID] = [*st.session_state.get(_SAID, []), (text, failed)]


def show_said() -> None:
    """Show what buttons had to say, once."""
    for text, failed in st.session_state.pop(_SAID, []):
        if failed:
            st.error(md(text), icon=":material/block:")
        else:
            st.success(md(text), icon=":material/check:")

"""New results of a run wait behind a button: what is being looked at never moves by itself."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sapo_analysis.analysis.wording import counted
from sapo_analysis.app.data import Keys, loaded, version
from sapo_analysis.errors import RunError
from sapo_analysis.store import Run, open_run

_SHOWN = "shown-versions"
POLL_SECONDS = 5
MOVING = ("queued", "running", "stalled")


def shown_keys(runs: Sequence[Run]) -> Keys:
    """The runs as this reader sees them: in the version they were first opened with.

    A version is let go when its run is no longer chosen, or when the button is pressed.
    """
    before = st.session_state.get(_SHOWN, {})
    kept = {str(run.path): before.get(str(run.path)) or version(run) for run in runs}
    st.session_state[_SHOWN] = kept
    return tuple((path, kept[path]) for path in (str(run.path) for run in runs))


def new_points(keys: Keys) -> None:
    """The button with what has come since; looks again by itself while a run is worked on."""
    moving = any(loaded(*key).status.state in MOVING for key in keys)
    st.fragment(_offer, run_every=POLL_SECONDS if moving else None)(keys)


def _offer(keys: Keys) -> None:
    fresh, n = {}, 0
    for path, shown in keys:
        try:
            mine, now = loaded(path, shown), open_run(path)
        except RunError:  # removed, or damaged meanwhile: what is shown stays
            continue
        if version(now) != version(mine):
            fresh[path] = version(now)
            n += max(now.status.done - mine.status.done, 0)
    if not fresh:
        return
    pressed = st.button(
        f"Show {counted(n, 'new point')}" if n else "Show the new state",
        key="new-points",
        help="Fine-tunes that finished since this page was drawn. Until then nothing here moves.",
        icon=":material/refresh:",
        type="primary",
    )
    if pressed:
        st.session_state[_SHOWN] = {**st.session_state.get(_SHOWN, {}), **fresh}
        st.rerun(scope="app")

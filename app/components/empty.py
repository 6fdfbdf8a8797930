"""What stands where no run can be shown yet: three ways to get one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sapo_analysis.app.components.import_results import import_panel
from sapo_analysis.app.components.text import md
from sapo_analysis.store import CACHED_RUNS
from sapo_analysis.store.folder import default_run_id


def empty(folders: Sequence[str]) -> None:
    """No run at all: what to do first."""
    st.subheader("No runs yet.", anchor=False)
    default = default_run_id()
    there = default is not None and (CACHED_RUNS / default).is_dir()
    with st.container(horizontal=True):
        st.button(
            "Open the shipped study",
            key="open-shipped",
            help="The study that this software comes with."
            if there
            else "This copy came without shipped runs: clone the repository to have them.",
            icon=":material/inventory_2:",
            disabled=not there,
            on_click=_open,
            args=(default,),
        )
        if st.button(
            "Launch a quick look",
            key="quick-look",
            help="A small study on this machine; the next page says how long it takes.",
            icon=":material/rocket_launch:",
            type="primary",
        ):
            st.switch_page("views/launch.py")
    with st.expander("Import a CSV", icon=":material/upload_file:", key="import-here"):
        import_panel()
    st.markdown("Or make one in a terminal, then reload this page:")
    st.code("sapo run smoke", language="bash")
    st.caption("Looked in: " + ", ".join(md(folder) for folder in folders))


def _open(run_id: str) -> None:
    st.session_state["run"] = [run_id]

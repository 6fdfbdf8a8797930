"""The router: which pages there are, in which group.

Run with `streamlit run app/main.py` or `sapo app`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sapo_analysis.app import warm_up

warm_up.wait()  # before this thread imports the same

from sapo_analysis import jobs  # noqa: E402
from sapo_analysis.app.components.sidebar import job_line  # noqa: E402
from sapo_analysis.app.data import runs_folders  # noqa: E402

HERE = Path(__file__).resolve().parent
VIEWS = HERE / "views"

st.set_page_config(
    page_title="sapo-analysis",
    # A file of our own: for a named icon the browser would ask a server elsewhere.
    page_icon=HERE / "static" / "icon.png",
    layout="wide",
    initial_sidebar_state="auto",
)


@st.cache_resource(show_spinner=False)
def _set_going(folders: tuple[Path, ...]) -> None:
    """Once per server: orphans are written down as interrupted, queues go on."""
    jobs.set_going(folders)


page = st.navigation(
    {
        "Results": [
            st.Page(
                VIEWS / "explore.py",
                title="Explore",
                icon=":material/scatter_plot:",
                url_path="explore",
                default=True,
            ),
            st.Page(
                VIEWS / "sequences.py",
                title="Sequences",
                icon=":material/conversion_path:",
                url_path="sequences",
            ),
            st.Page(
                VIEWS / "statistics.py",
                title="Statistics",
                icon=":material/analytics:",
                url_path="statistics",
            ),
            st.Page(
                VIEWS / "figures.py",
                title="Figures",
                icon=":material/picture_as_pdf:",
                url_path="figures",
            ),
        ],
        "Work": [
            st.Page(
                VIEWS / "tasks.py",
                title="Tasks & prompts",
                icon=":material/edit_note:",
                url_path="tasks",
            ),
            st.Page(
                VIEWS / "launch.py",
                title="Launch",
                icon=":material/rocket_launch:",
                url_path="launch",
            ),
            st.Page(
                VIEWS / "live.py", title="Live", icon=":material/play_circle:", url_path="live"
            ),
            st.Page(VIEWS / "runs.py", title="Runs", icon=":material/table_rows:", url_path="runs"),
        ],
        "Help": [
            st.Page(
                VIEWS / "method.py", title="Method", icon=":material/function:", url_path="method"
            ),
            st.Page(
                VIEWS / "methods_compared.py",
                title="Methods compared",
                icon=":material/balance:",
                url_path="methods_compared",
            ),
        ],
    }
)
_set_going(tuple(runs_folders()))
job_line()
page.run()

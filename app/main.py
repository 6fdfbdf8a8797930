"""The router: which pages there are, in which group.

Run with `streamlit run app/main.py` or `sapo app`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
VIEWS = HERE / "views"

st.set_page_config(
    page_title="sapo-analysis",
    # A file of our own: for a named icon the browser would ask a server elsewhere.
    page_icon=HERE / "static" / "icon.png",
    layout="wide",
    initial_sidebar_state="collapsed",
)
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
        ],
        "Help": [
            st.Page(
                VIEWS / "method.py", title="Method", icon=":material/function:", url_path="method"
            )
        ],
    }
)
page.run()

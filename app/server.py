"""The dashboard's server, as `sapo app` runs it: `python -m sapo_analysis.app.server MAIN OPTIONS`.

It is `streamlit run MAIN OPTIONS`, with what pages import warmed up.
"""

from __future__ import annotations

import sys

from streamlit.web import cli

from sapo_analysis.app import warm_up

if __name__ == "__main__":
    warm_up.begin()
    cli.main(["run", *sys.argv[1:]], prog_name="streamlit")

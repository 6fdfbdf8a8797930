"""Import of results that another tool measured: a file, a name, and what is wrong with it."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.analysis.importing import TEMPLATE, import_results
from sapo_analysis.analysis.levels.correlation import MIN_PROMPTS
from sapo_analysis.app.components.text import refused
from sapo_analysis.app.data import own_folder
from sapo_analysis.errors import InputError
from sapo_analysis.store.access import is_read_only
from sapo_analysis.store.imported import MAX_MB

EXPLORE = "views/explore.py"


def import_panel() -> None:
    """Draw the panel; what was imported opens in Explore."""
    st.markdown(
        "A table with a row for each fine-tune and evaluated task, as `run.impacts().to_csv()` "
        "writes it. Every row is checked; where one is wrong or a score is missing, nothing is "
        f"imported. A correlation needs at least {MIN_PROMPTS} prompts of a task."
    )
    st.caption(
        "What the released SAPO code left in its output folders (saves/METHOD/MODEL/ORDER) is"
        " imported on the terminal: `sapo import FOLDER…`."
    )
    st.download_button(
        "Template",
        TEMPLATE,
        "results-template.csv",
        "text/csv",
        key="import-template",
        help="A CSV with the columns that are needed, the wording, and two example rows.",
        icon=":material/download:",
        on_click="ignore",
    )
    if is_read_only():
        st.info(
            "This server is read-only: import the file on your own machine, with `sapo import`.",
            icon=":material/lock:",
        )
        return
    with st.form("import", border=False):
        file = st.file_uploader(
            "File with results",
            type=["csv", "tsv", "parquet"],
            key="import-file",
            max_upload_size=MAX_MB,
            help=f"CSV in UTF-8 with commas, semicolons or tabs, or parquet; at most {MAX_MB} MB.",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input(
                "Name",
                key="import-name",
                max_chars=40,
                help="Start of the run's id; empty: the file's name.",
            )
            model = st.text_input(
                "Model",
                key="import-model",
                max_chars=200,
                help="The model that was fine-tuned, in your words; it is shown, not looked up.",
            )
            go = st.form_submit_button(
                "Import", key="import-go", type="primary", help="Check the file and make a run."
            )
    if not go:
        return
    if file is None:
        st.warning("No file was chosen.", icon=":material/upload_file:")
        return
    try:
        with st.spinner("Checking every row …"):
            run = import_results(
                file.getvalue(), own_folder(), name.strip() or None, model, file=file.name
            )
    except InputError as error:
        refused(str(error))
        return
    st.switch_page(EXPLORE, query_params={"run": run.run_id})

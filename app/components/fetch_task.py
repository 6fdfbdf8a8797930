"""A public data set that a shipped card describes, before its rows are here."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis import jobs
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app.asking import answered, ask, forget
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import own_folder
from sapo_analysis.store import is_read_only
from sapo_analysis.tasks import SPLITS
from sapo_analysis.tasks.card import HubData, TaskCard
from sapo_analysis.tasks.metrics import DEFINITIONS

KIND = "fetch_task"
PATIENCE_SECONDS = 3600.0
WRAPPED = 66
"""Height of a row (pixels) in which texts run over several lines."""


def to_fetch(card: TaskCard) -> None:
    """What the card says, and the button that fetches the rows."""
    st.markdown(f"### {md(card.title)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(md(card.name), color="gray", help="The task's name, in specs and commands.")
        st.badge(md(card.family), color="gray", help="Its family: tasks of one kind of work.")
        st.badge(
            "not fetched here",
            color="orange",
            icon=":material/cloud_download:",
            help="The card is shipped, the rows are not.",
        )
    if card.about:
        st.markdown(md(card.about))
    assert isinstance(card.data, HubData)
    _fetch(card, card.data)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Original prompt**")
        st.code(card.prompts.original, language=None, wrap_lines=True)
        if card.suffix:
            st.markdown("**Answer format, never paraphrased**")
            st.code(card.suffix, language=None, wrap_lines=True)
        if card.labels:
            st.markdown("**Label words**, which every paraphrase keeps as they are")
            with st.container(horizontal=True, gap="xsmall"):
                for label in card.labels:
                    st.badge(md(label), color="gray")
        st.markdown(
            f"**Metric: {md(card.metric.replace('_', ' '))}** (0 to 100)  \n"
            f"{md(DEFINITIONS[card.metric])}"
        )
    with right:
        texts = [*card.prompts.paraphrases, *card.prompts.test_only]
        kinds = ["paraphrase"] * len(card.prompts.paraphrases)
        kinds += ["test-only"] * len(card.prompts.test_only)
        st.markdown(f"**{counted(len(texts), 'paraphrase')}** that come with it")
        shown = pd.DataFrame({"text": texts, "source": kinds})
        st.dataframe(
            shown,
            hide_index=True,
            key=f"card-prompts-{card.name}",
            height=460,
            row_height=WRAPPED,
            alt="The paraphrases that come with the card.",
            column_config=columns(shown.columns, widths={"text": 290, "source": 100}),
        )


def _fetch(card: TaskCard, data: HubData) -> None:
    rows = ", ".join(f"{split} from {data.splits[split]}" for split in SPLITS)
    part = f", {data.subset}" if data.subset else ""
    pinned = f" at revision {data.revision[:12]}" if data.revision else ""
    st.caption(
        md(f"Rows: {rows} of {data.hub}{part} on the Hugging Face hub{pinned}."),
        help="Its licence and its makers are named on its page there.",
    )
    if is_read_only():
        st.info(
            "This server is read-only: fetch it on your own machine, here or with"
            f" `sapo add-task {card.name}`.",
            icon=":material/lock:",
        )
        return
    if missing := jobs.missing_engine_packages():
        st.info(
            f"Nothing can be fetched here: {md(', '.join(missing))} cannot be found. Install with:"
            f" {md(jobs.INSTALL_ENGINE)}",
            icon=":material/block:",
        )
        return
    asked = {"card": card.name, "runs": str(own_folder()), "keep": None}
    if not answered(KIND, asked):
        st.button(
            "Fetch the rows",
            key="fetch-task",
            type="primary",
            icon=":material/cloud_download:",
            help="Asks the hub; takes a minute or so. The rows are kept in your runs folder.",
            on_click=ask,
            args=(KIND, asked, PATIENCE_SECONDS),
        )
        return
    reply = ask(KIND, asked, PATIENCE_SECONDS)
    if reply.is_pending:
        st.caption(f":material/hourglass_top: Fetching {md(data.hub)} …")
    elif reply.answer is None:
        st.error(md(reply.error), icon=":material/cloud_off:")
        st.button(
            "Try again",
            key="fetch-again",
            help="Asks the hub once more.",
            on_click=forget,
            args=(KIND, asked),
        )
    else:
        # The task is in the list by now; if it was removed since, this is an old answer.
        forget(KIND, asked)
        st.rerun()

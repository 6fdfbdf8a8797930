"""The tab with a task's data: the card of its splits, its answers, ten rows to look at."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.known_tasks import KnownTasks
from sapo_analysis.app.state import check_link
from sapo_analysis.tasks import SPLITS, Split, Task
from sapo_analysis.tasks.data_card import DataCard, data_card
from sapo_analysis.tasks.metrics import DEFINITIONS, pairing_warnings

ROWS = 10


@st.cache_data(max_entries=64, show_spinner="Reading the rows …")
def _card(stamp: str, _task: Task) -> DataCard:
    return data_card(_task)


@st.cache_data(max_entries=64, show_spinner=False)
def _warnings(stamp: str, _task: Task) -> list[str]:
    return pairing_warnings(_task)


def data_tab(task: Task, known: KnownTasks) -> None:
    """Sizes, lengths, balance and duplicates, then the rows of a split."""
    stamp = known.stamp(task.name)
    card = _card(stamp, task)
    st.markdown("**Splits**")
    _splits(card)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Answers**")
        _answers(card)
    with right:
        st.markdown(f"**Metric: {md(task.metric.replace('_', ' '))}** (0 to 100)")
        st.markdown(md(DEFINITIONS[task.metric]))
        for warning in _warnings(stamp, task):
            st.warning(md(warning), icon=":material/rule:")
    _rows(task)


def _splits(card: DataCard) -> None:
    shown = pd.DataFrame(
        {
            "split": split.split,
            "rows": split.rows,
            "characters": split.characters.in_words,
            "words": split.words.in_words,
            "repeated": split.repeated,
            "shared": split.shared,
            "most_common": f"{100 * split.most_common[1]:.1f} {split.most_common[0]}",
        }
        for split in card.splits
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="splits",
        alt="Rows, lengths and duplicates of each split.",
        column_config=columns(shown.columns),
    )


def _answers(card: DataCard) -> None:
    if not card.answers:
        several = [f"{len(s.answers)} in {s.split}" for s in card.splits]
        st.caption(f"Free text, too many different answers to list: {', '.join(several)}.")
        return
    shown = pd.DataFrame(
        {
            "target": answer,
            **{split.split: 100 * split.answers[answer] / split.rows for split in card.splits},
        }
        for answer in card.answers
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="answers",
        height="content" if len(shown) < 7 else 248,
        alt="Share of the rows of each split that have each answer.",
        column_config=columns(
            shown.columns, formats=dict.fromkeys(SPLITS, "%.1f %%"), pinned="target"
        ),
    )


def _rows(task: Task) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        check_link("split", SPLITS)
        chosen = st.segmented_control(
            "Rows of",
            SPLITS,
            default=None if "split" in st.session_state else "train",
            required=True,
            key="split",
            help="train: what a fine-tune reads. dev: along training. test: what scores are of.",
            bind="query-params",
        )
        split: Split = chosen or "train"
        last = max(0, task.sizes[split] - ROWS)
        start = st.number_input(
            "from row",
            0,
            last,
            step=ROWS,
            key="row",
            help=f"{ROWS} rows in file order, from 0. Data seed 0; a study may set another.",
            bind="query-params",
            width=150,
        )
    rows = task.examples(split)[int(start) : int(start) + ROWS]
    shown = pd.DataFrame([(row.input, row.target) for row in rows], columns=["input", "target"])
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=MISSING,
        key="rows",
        height="content",
        alt=f"Rows {start} to {int(start) + ROWS - 1} of {split}: input and answer.",
        column_config=columns(shown.columns, widths={"input": "large"}),
    )

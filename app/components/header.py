"""The top of a page: which run, in what state, and what it is a run of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.cautions import NOT_CHECKED
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app.components.text import md
from sapo_analysis.spec import ImportedResults
from sapo_analysis.store import DamagedRun, Run
from sapo_analysis.store.layout import LOG


def run_picker(runs: dict[str, Run | DamagedRun]) -> Run | DamagedRun:
    """Choose one of the known runs; the shipped default stands first."""
    chosen = st.selectbox(
        "Run",
        list(runs),
        format_func=str,
        key="run",
        help="Shipped runs and those in your runs folder.",
        label_visibility="collapsed",
        bind="query-params",
        width=360,
    )
    return runs.get(str(chosen)) or next(iter(runs.values()))


def absent_runs(wanted: Sequence[str], runs: Mapping[str, Run | DamagedRun]) -> None:
    """Say so when the link names a run that is not here, instead of showing another silently."""
    for run_id in wanted:
        if run_id not in runs:
            st.warning(
                f"Run {md(run_id)} is not here; others are shown. Copy its folder into your runs"
                " folder to see it.",
                icon=":material/link_off:",
            )


def elsewhere(run_id: str) -> None:
    """Say that the run of the link is shown on another page."""
    st.info(
        f"Run {md(run_id)} is a sequence run: see Sequences. Another run is shown here.",
        icon=":material/conversion_path:",
    )


def badges(run: Run, df: pd.DataFrame) -> None:
    """Size and state of the run in a glance."""
    main = df[df["purpose"] == "main"]
    tasks = main["current_task"].nunique()
    seeds = main[["state_seed", "seed"]].drop_duplicates().shape[0]
    prompts = main.groupby("current_task")["prompt_id"].nunique()
    n = f"{prompts.min()}" if prompts.min() == prompts.max() else f"{prompts.min()}–{prompts.max()}"
    size = f"{counted(tasks, 'task')} · {n} prompts · {counted(seeds, 'seed')}"
    st.badge(size, color="gray", help="Current tasks · prompts per task · main seeds.")
    if run.is_imported:
        st.badge(
            "no provenance",
            icon=":material/upload_file:",
            color="orange",
            help=f"Imported results: {NOT_CHECKED}.",
        )
    if run.has_random_weights:
        st.badge(
            "random weights",
            icon=":material/casino:",
            color="orange",
            help="The base model was never trained: this run is a control and gets no verdict.",
        )
    if not run.is_complete:
        st.badge(run.status.state, icon=":material/hourglass_top:", color="orange")


def made_with(run: Run) -> str:
    """Model and method, of imported results where they are from; as Markdown."""
    if isinstance(run.study, ImportedResults):
        source = md(run.study.file) or "a table in memory"
        return f"Imported from {source}; model: {md(run.study.model)}."
    model = run.provenance.get("model", {}).get("name", run.study.model)
    return f"{md(str(model))}, {md(run.paraphrase.method)}."


def about(run: Run) -> None:
    """What whoever put the run here wants its readers to know."""
    if run.about:
        st.info(md(run.about), icon=":material/sticky_note_2:")


def partial_note(run: Run) -> None:
    """What an unfinished run can and cannot say."""
    if run.is_complete:
        return
    text = (
        f"{run.status.done} of {run.status.total} trials. Numbers will move; no verdict until done."
    )
    if run.status.next_step:
        step = run.status.next_step.replace("`", "")
        text += f" {md(step)}"
    st.warning(text, icon=":material/hourglass_top:")


def copy_link() -> None:
    """The address of this view, ready to be copied."""
    with st.popover("Copy link", icon=":material/link:", help="A link to exactly this view."):
        pairs = [(name, v) for name in st.query_params for v in st.query_params.get_all(name)]
        address = (st.context.url or "").split("?")[0]
        st.code(
            f"{address}?{urlencode(pairs)}" if pairs else address, language=None, wrap_lines=True
        )


def damaged(run: DamagedRun | Run, reason: str) -> None:
    """A run that cannot be read: what is wrong, and that the others are fine."""
    text = (
        reason if "Other runs are unaffected" in reason else f"{reason} Other runs are unaffected."
    )
    st.error(md(text), icon=":material/broken_image:")
    st.caption("Choose another run above.")
    log = run.path / LOG
    if log.is_file():
        with st.expander("Log"):
            st.code(log.read_text(encoding="utf-8", errors="replace")[-6000:], language=None)


def empty(folders: list[str]) -> None:
    """No run at all: what to do first."""
    st.subheader("No runs yet.", anchor=False)
    st.markdown("Make one in a terminal, then reload this page:")
    st.code("sapo run smoke", language="bash")
    st.caption("Looked in: " + ", ".join(md(folder) for folder in folders))

"""The chosen runs of the Runs page: open, continue, tag, take along, delete, compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from sapo_analysis.analysis.wording import counted
from sapo_analysis.app import run_tables
from sapo_analysis.app.components import charts, header, links, run_buttons
from sapo_analysis.app.components.acting import act, say
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import version
from sapo_analysis.app.state import check_link
from sapo_analysis.errors import InputError, SapoError
from sapo_analysis.figures import OUTCOMES, runs_forest
from sapo_analysis.jobs.removal import remove_run
from sapo_analysis.store import DamagedRun, Run, is_read_only, is_shipped
from sapo_analysis.store.labels import LONGEST_TAG, MOST_TAGS, Tags, set_tags

AnyRun = Run | DamagedRun


def panel(chosen: Sequence[AnyRun], tags: Mapping[Path, Tags], forget: Callable[[], None]) -> None:
    """Everything about the chosen runs.

    Args:
        chosen: at least one.
        tags: of every folder that could be read.
        forget: lets the choice go.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        what = md(chosen[0].run_id) if len(chosen) == 1 else counted(len(chosen), "run")
        st.markdown(f"#### {what}", width="content")
        st.button(
            "Clear choice",
            key="clear-choice",
            type="tertiary",
            help="Choose none.",
            on_click=forget,
        )
    opened = [run for run in chosen if isinstance(run, Run)]
    header.random_weights(opened)
    for run in chosen:
        if isinstance(run, DamagedRun):
            st.error(md(run.reason), icon=":material/broken_image:")
    if len(chosen) == 1:
        _one(chosen[0])
    else:
        _several(opened)
    if not is_read_only():
        own = [run for run in chosen if not is_shipped(run.path)]
        _tags(own, tags)
        _delete(own, forget)


def _one(run: AnyRun) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="run-buttons"):
        if isinstance(run, Run):
            _open(run)
            if not is_read_only():
                if run.status.is_at_work or run_buttons.is_waiting(run):
                    run_buttons.cancel(run)
                elif run.status.state in run_buttons.STOPPED:
                    run_buttons.resume(run)
            if not run.is_imported:
                links.link(
                    "launch",
                    "Duplicate and change",
                    ":material/content_copy:",
                    "The launch form filled in with this study.",
                    **{"from": run.run_id},
                )
                if run.is_complete:
                    run_buttons.extend(run)
        run_buttons.download(run)
        run_buttons.log(run.path)
    if isinstance(run, Run) and run.status.error:
        st.caption(md(run.status.error))


def _open(run: Run) -> None:
    if run.is_complete or run.is_imported:
        run_buttons.open_results([run], "Open")
        links.figures_of([run], "Figures")
    else:
        links.link(
            "live", "Open", ":material/play_circle:", "How it goes on.", **{links.JOB: run.run_id}
        )


def _several(runs: list[Run]) -> None:
    with st.container(horizontal=True, key="run-buttons"):
        for run in runs:
            run_buttons.download(run, run.run_id)
    if len(runs) < 2:
        return
    keys = tuple((str(run.path), version(run)) for run in runs)
    why_not = run_tables.why_not_joined(keys)
    if why_not:
        st.info(f"They are compared, not joined. {md(why_not)}", icon=":material/call_split:")
        if not any(run.is_sequence for run in runs):
            links.figures_of(runs, "Figures of them side by side")
    else:
        st.success(
            "They are equal in model, data, method and training: they may be read as one.",
            icon=":material/call_merge:",
        )
        run_buttons.open_results(runs, "Open them joined")
        links.figures_of(runs, "Figures of them joined")
    _forest(runs, keys)
    _differences(runs, keys)


def _forest(runs: list[Run], keys: Sequence[tuple[str, str]]) -> None:
    """Within-task r, a row for each paraphrase study; never pooled."""
    studies = {
        run.run_id: (run, key)
        for run, key in zip(runs, keys, strict=True)
        if run.study.kind in ("paraphrase", "imported")
    }
    if len(studies) < 2:
        return
    st.markdown("##### Within-task r of pre-update loss, one row per run")
    first = next(
        (
            o
            for o in OUTCOMES
            if any(run_tables.within_tasks(k, o, "score") for _, k in studies.values())
        ),
        next(iter(OUTCOMES)),
    )
    check_link("forest-outcome", [outcome.label for outcome in OUTCOMES.values()])
    check_link("forest-form", ["Score", "Loss"])
    with st.container(horizontal=True):
        outcome = st.segmented_control(
            "Outcome",
            list(OUTCOMES),
            default=None if "forest-outcome" in st.session_state else first,
            required=True,
            format_func=lambda name: OUTCOMES[name].label,
            key="forest-outcome",
            help="What pre-update loss is correlated with.",
            bind="query-params",
        )
        form = st.segmented_control(
            "Form",
            ["score", "loss"],
            default=None if "forest-form" in st.session_state else "score",
            required=True,
            format_func=str.capitalize,
            key="forest-form",
            help="Points, or nats per token.",
            bind="query-params",
        )
    name, form = str(outcome or first), str(form or "score")
    found = {
        run_id: pair
        for run_id, (_, key) in studies.items()
        if (pair := run_tables.within_tasks(key, name, form)) is not None
    }
    without = [run_id for run_id in studies if run_id not in found]
    if without:
        st.caption(f"Without data for it: {md(', '.join(without))}.")
    if found:
        unfinished = frozenset(run_id for run_id in found if not studies[run_id][0].is_complete)
        charts.still(
            runs_forest(found, predicted=OUTCOMES[name].predicted, unfinished=unfinished), "forest"
        )
        st.caption(
            "Each run by itself, never pooled. Thick: new tasks, thin: these tasks."
            + (" Hollow: not done, numbers will move." if unfinished else "")
        )


def _differences(runs: list[Run], keys: run_tables.Keys) -> None:
    st.markdown("##### Only what differs")
    try:
        table = run_tables.differences(keys)
    except InputError as error:
        st.error(md(str(error)), icon=":material/broken_image:")
        return
    if table.empty:
        st.caption("Nothing: the same study, made the same way.")
        return
    ids = [run.run_id for run in runs]
    config = columns(["key"], pinned="key", widths={"key": 230})
    named = {
        run_id: st.column_config.TextColumn(run_id, help="What this run has.") for run_id in ids
    }
    st.dataframe(
        table,
        hide_index=True,
        key="differences",
        alt="Settings and conditions that differ between the chosen runs.",
        column_config={**config, **named},
    )


def _tags(runs: Sequence[AnyRun], tags: Mapping[Path, Tags]) -> None:
    runs = [run for run in runs if run.path.parent in tags]
    if not runs:
        return
    of_each = [tags[run.path.parent].get(run.run_id, []) for run in runs]
    common = [tag for tag in of_each[0] if all(tag in own for own in of_each)]
    known = sorted({tag for of in tags.values() for own in of.values() for tag in own})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        given = st.multiselect(
            "Tags" if len(runs) == 1 else "Tags of all of them",
            known,
            default=common,
            accept_new_options=True,
            key="tags-of-" + "-".join(run.run_id for run in runs),
            help=f"Type a new one and press Enter; up to {MOST_TAGS} of {LONGEST_TAG} characters.",
            width=520,
        )
        if sorted(given) != sorted(common):
            st.button(
                "Save tags",
                key="save-tags",
                type="primary",
                help="They are kept beside the runs.",
                on_click=act(
                    _save_tags,
                    list(zip(runs, of_each, strict=True)),
                    common,
                    list(given),
                    said="The tags are saved.",
                ),
            )


def _save_tags(
    runs: Sequence[tuple[AnyRun, list[str]]], common: Sequence[str], given: Sequence[str]
) -> None:
    """Of several runs, tags that only some have stay as they are."""
    for run, own in runs:
        kept = [tag for tag in own if tag not in common]
        set_tags(run.path, [*kept, *given])


def _delete(runs: Sequence[AnyRun], forget: Callable[[], None]) -> None:
    if not runs:
        return
    with st.popover("Delete…", key="ask-delete", icon=":material/delete:", help="Asks once more."):
        names = "\n".join(f"- {md(run.run_id)}" for run in runs)
        whose = "its" if len(runs) == 1 else "their"
        st.markdown(f"Gone for good, with all {whose} tables:\n{names}")
        st.button(
            f"Delete {counted(len(runs), 'run')}",
            key="delete",
            type="primary",
            help="There is no way back.",
            on_click=_deleted,
            args=(list(runs), forget),
        )


def _deleted(runs: Sequence[AnyRun], forget: Callable[[], None]) -> None:
    """Delete each that may be; say what became of every one."""
    for run in runs:
        try:
            remove_run(run.path)
        except SapoError as error:
            say(str(error), failed=True)
        else:
            say(f"Run {run.run_id} is deleted.")
    forget()

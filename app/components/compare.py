"""Races beside the study: which runs may be laid over the scatter, one of them laid over it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.cautions import NOT_CHECKED
from sapo_analysis.analysis.races import Match
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app import racing
from sapo_analysis.app.components import links
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.freshness import MOVING
from sapo_analysis.app.components.run_state import badge, of_all
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import Sight
from sapo_analysis.errors import RunError
from sapo_analysis.figures import Race
from sapo_analysis.store import DamagedRun, Run, open_run

NAME = "Compare with a live run"
POLL_SECONDS = 4
_IMPORTED = (
    "These are imported results: how they were made is not known, so no run can be said to have"
    " been made alike."
)


@dataclass(frozen=True)
class Over:
    """What the link wants to lie over the scatter.

    Attributes:
        race: What is drawn; None where nothing can be.
        run: The run, where it is here and a sequence.
        key: The version of it that is shown.
        remark: Why nothing, or not everything, is drawn; plain text.
    """

    race: Race | None = None
    run: Run | None = None
    key: racing.RaceKey | None = None
    remark: str = ""


def over(sight: Sight) -> Over:
    """The race that the link names, as this reader sees it."""
    run = racing.chosen()
    if run is None:
        return Over()
    if isinstance(run, str):
        return Over(remark=f"Run {run[:80]} is not here. Copy its folder into your runs folder.")
    if isinstance(run, DamagedRun):
        return Over(remark=run.reason)
    if run.is_imported:
        return Over(remark=f"Run {run.run_id} holds imported results: {NOT_CHECKED}.")
    if run.study.kind != "sequence":
        return Over(remark=f"Run {run.run_id} is no sequence run.")
    if any(own.is_imported for own in sight.runs):
        return Over(remark=_IMPORTED)
    try:
        return _over(sight, run)
    except RunError as error:
        return Over(remark=str(error))


def _over(sight: Sight, run: Run) -> Over:
    found = racing.match(sight.keys, run)
    if not found.tasks:
        listed = ", ".join(difference.key for difference in found.differing[:4])
        more = " and more" if len(found.differing) > 4 else ""
        return Over(
            remark=f"It is not drawn, for it differs in {listed}{more}. The tab {NAME} has both"
            " values."
        )
    key = racing.shown_key(run)
    if sight.choice.x != racing.INDICATOR:
        return Over(None, run, key, "It is drawn where pre-update loss is on x.")
    points = racing.points(sight.keys, sight.choice.asked, key)
    remarks = []
    if points.not_measured:
        lacking = ", ".join(points.not_measured)
        remarks.append(
            f"The race does not measure {lacking}, which the mean of this outcome is over."
            " Choose an evaluated task that it measures under More, or another outcome."
        )
    elif points.table.empty:
        remarks.append("No stage that counts has finished yet.")
    elif unknown := len(points.table) - len(points.drawn):
        remarks.append(
            f"{counted(unknown, 'point')} cannot be drawn: the loss at that state was not scored"
            " in full."
        )
    if left := racing.n_other_pasts(sight.keys, key):
        remarks.append(
            f"{counted(left, 'stage')} left out: a past task was learned with another prompt than"
            " the study's."
        )
    hollow = not racing.is_complete(key)
    race = Race(run.run_id, points.drawn, sight.choice.y, hollow)
    return Over(race, run, key, " ".join(remarks))


def strip(sight: Sight, what: Over) -> None:
    """Below the scatter: what lies over it, and what has come since."""
    named = st.query_params.get(racing.PARAMETER, "")
    if not named:
        return
    n = 0 if what.race is None else len(what.race.table)
    parts = [f"Over it: race **{md(named[:80])}**, {counted(n, 'point')} in square frames."]
    if what.race is not None and what.race.hollow:
        parts.append("Hollow: it is not finished.")
    parts.append(md(what.remark))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(" ".join(part for part in parts if part))
        if st.button(
            "Take away",
            key="race-away",
            help="The scatter without the race.",
            icon=":material/layers_clear:",
            type="tertiary",
        ):
            racing.choose(None)
            st.rerun()
        # The tab has the button while it is open.
        if st.session_state.get("tab") != NAME:
            new_points(sight.keys, what)


def new_points(keys: Keys, what: Over) -> None:
    """The button with what the race has done since it was drawn; looks again by itself."""
    if what.run is not None and what.key is not None:
        moving = what.run.status.state in MOVING or not racing.is_complete(what.key)
        fragment = st.fragment(_offer, run_every=POLL_SECONDS if moving else None)
        fragment(keys, str(what.run.path), what.key)


def _offer(keys: Keys, path: str, shown: racing.RaceKey) -> None:
    try:
        now = racing.key_now(open_run(path))
        if now == shown:
            return
        n = racing.n_stages(keys, now) - racing.n_stages(keys, shown)
        ended = racing.is_complete(now) and not racing.is_complete(shown)
    except RunError:  # removed, or damaged meanwhile: what is shown stays
        return
    if n <= 0 and not ended:
        return
    pressed = st.button(
        f"Show {counted(n, 'new point')}" if n > 0 else "Show the end of the race",
        key="race-new",
        help="Stages of the race that finished since the scatter was drawn. Until then nothing"
        " moves.",
        icon=":material/refresh:",
        type="primary",
    )
    if pressed:
        racing.show(now)
        st.rerun(scope="app")


def compare_tab(sight: Sight) -> None:
    """Race this study, the runs that may be laid over it, those that may not and why."""
    if any(run.is_imported for run in sight.runs):
        st.info(_IMPORTED)
        return
    what = over(sight)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            "A sequence run whose parent state, prompts and settings are the study's: what SAPO and"
            " its rivals chose, over the scatter. Each task's lowest-loss prompt is SAPO's choice"
            " without any run (the star)."
        )
        for run in sight.runs:
            named = f" {run.run_id}" if len(sight.runs) > 1 else ""
            links.link(
                "launch",
                f"Race this{named}",
                ":material/flag:",
                "Opens the launch form with a sequence study of this study's settings.",
                race=run.run_id,
            )
        new_points(sight.keys, what)
    moving = any(run.status.state in MOVING for run in racing.sequences().values())
    drawn = what.race is not None and len(what.race.table) > 0
    said = " ".join(part for part in ("Drawn above." if drawn else "", what.remark) if part)
    st.fragment(_runs, run_every=POLL_SECONDS if moving else None)(sight.keys, said)
    if what.key is not None and sight.choice.x == racing.INDICATOR:
        _points(sight, what.key)


def _runs(keys: Keys, said: str) -> None:
    """The list of sequence runs; it follows them by itself, the scatter does not.

    Args:
        keys: of the study.
        said: What became of the race that the link names.
    """
    fitting: list[tuple[Run, Match]] = []
    others: list[Match] = []
    unreadable: list[str] = []
    for run in racing.sequences().values():
        try:
            found = racing.match(keys, run)
        except RunError as error:
            unreadable.append(str(error))
            continue
        if found.tasks:
            fitting.append((run, found))
        else:
            others.append(found)
    if not fitting:
        st.info(
            "No sequence run here was made under this study's conditions yet. Race this study, or"
            " copy a run's folder into your runs folder.",
            icon=":material/flag:",
        )
    for run, found in fitting:
        _fitting(run, found, said)
    for reason in unreadable:
        st.error(md(reason), icon=":material/broken_image:")
    partly = [found for _, found in fitting if found.differing]
    if others or partly:
        _others([*partly, *others], len(others))


def _fitting(run: Run, found: Match, said: str) -> None:
    """One run that may be laid over the scatter."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            badge(run.status.state)
            st.markdown(f"**{md(run.run_id)}** · {of_all(run)}", width="content")
            st.space("stretch")
            is_over = st.query_params.get(racing.PARAMETER) == run.run_id
            if is_over:  # the scatter may be out of sight
                st.caption(md(said), width="content")
            pressed = st.button(
                "Take away" if is_over else "Lay over the scatter",
                key=f"race-{run.run_id}",
                help="The scatter without the race."
                if is_over
                else "Draws this run's choices, losses and outcomes over the study's points.",
                icon=":material/layers_clear:" if is_over else ":material/layers:",
            )
        parents: dict[str, list[str]] = {}
        for task, parent in found.tasks.items():
            parents.setdefault(parent, []).append(task)
        listed = [f"{', '.join(tasks)} ({parent})" for parent, tasks in parents.items()]
        st.caption(md(f"Comparable: {'; '.join(listed)}. {' '.join(found.notes)}".strip()))
    if pressed:
        racing.choose(None if is_over else run.run_id)
        st.rerun(scope="app")


def _others(found: list[Match], n_others: int) -> None:
    """The keys that keep runs, or some of their tasks, off the scatter."""
    rows = [
        {"run": match.run_id, "key": d.key, "study_value": d.study, "race_value": d.race}
        for match in found
        for d in match.differing
    ]
    table = pd.DataFrame(rows, columns=["run", "key", "study_value", "race_value"])
    label = f"{counted(n_others, 'other sequence run')}, and what differs"
    if not n_others:
        label = "What differs for some tasks"
    with st.expander(label, key="race-others"):
        st.dataframe(
            table,
            hide_index=True,
            height="content" if len(table) <= 12 else 440,
            placeholder=MISSING,
            alt="Keys in which other sequence runs differ from the study.",
            column_config=columns(table, pinned="run", widths={"key": "medium"}),
        )


def _points(sight: Sight, key: racing.RaceKey) -> None:
    """Every point of the race, also those that cannot be drawn."""
    table = racing.points(sight.keys, sight.choice.asked, key).table
    if table.empty:
        return
    y = sight.choice.y
    names = [
        *("strategy", "stage", "current_task", "prompt_id", racing.INDICATOR, "study_x"),
        *(y, "study_y", "n_seeds", "parent"),
    ]
    shown = table[names].sort_values(["current_task", "strategy"], ignore_index=True)
    numbers = (racing.INDICATOR, "study_x", y, "study_y")
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if len(shown) <= 12 else 440,
        placeholder=MISSING,
        alt="Points of the race: choice, loss and outcome beside the study's.",
        column_config=columns(
            shown,
            pinned="strategy",
            formats=dict.fromkeys(numbers, "%.3f"),
            widths={"parent": "medium"},
            helps={"n_seeds": "Here of the race, under which this prompt was chosen."},
        ),
    )
    st.caption(
        "Means over the seeds under which the strategy chose this prompt. A race draws adapter and"
        " data order anew, so that it differs from the study by what seeds do even where the"
        " prompt is the same."
    )

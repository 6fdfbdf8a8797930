"""Explore: does a prompt the model already finds easy make it forget less?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.cautions import LOST
from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.scatter import extremes
from sapo_analysis.app import estimates
from sapo_analysis.app.components import cards, charts, header, tabs
from sapo_analysis.app.components.controls import controls
from sapo_analysis.app.components.evidence import evidence
from sapo_analysis.app.components.findings import findings_tab
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import all_runs, is_sequence, loaded, runs_folders, version
from sapo_analysis.app.state import Choice, Pair, select_points, selected_points
from sapo_analysis.errors import InputError
from sapo_analysis.figures import impact_scatter, task_forest
from sapo_analysis.store import DamagedRun, Run

QUESTIONS = {
    "generalization": "Does a prompt the model already finds easy make it generalize better?",
    "in_task": "Does a prompt the model already finds easy teach the task better?",
}
FORGETTING_QUESTION = "Does a prompt the model already finds easy make it forget less?"


def page() -> None:
    """The whole page, in the order it is read."""
    everything = all_runs()
    runs = {run_id: run for run_id, run in everything.items() if not is_sequence(run)}
    if not runs:
        header.empty([str(folder) for folder in runs_folders()])
        return
    wanted = everything.get(st.query_params.get("run", ""))
    if wanted is not None and is_sequence(wanted):
        header.elsewhere(wanted.run_id)
    else:
        header.absent_runs(st.query_params.get_all("run"), runs)
    with st.container(horizontal=True, vertical_alignment="center"):
        run = header.run_picker(runs)
        beside = st.container(horizontal=True, vertical_alignment="center", width="content")
        st.space("stretch")
        actions = st.container(horizontal=True, width="content")
    if isinstance(run, DamagedRun):
        header.damaged(run, run.reason)
        return
    try:
        _explore(run, beside, actions)
    except InputError as error:
        header.damaged(run, str(error))


def _explore(
    run: Run, beside: st.delta_generator.DeltaGenerator, actions: st.delta_generator.DeltaGenerator
) -> None:
    key = (str(run.path), version(run))
    df = estimates.impacts(key)
    header.partial_note(run)
    if df[df["purpose"] == "main"].empty:
        st.info("No trial has finished yet. The first points appear when the first group ends.")
        return
    prompts = loaded(*key).table("prompts")
    with beside:
        header.badges(run, df)
    silent = analysis.no_verdict([run])
    tasks = sorted(df["current_task"].unique())
    top = st.container()
    choice = controls(df, prompts, len(tasks))
    points = estimates.points(key, choice.y, choice.outcome.role, choice.x, choice.eval_task)
    if points.empty:
        st.info("No seed and evaluated task that all prompts share yet. Choose another outcome.")
        return
    verdicts = [] if silent else estimates.verdicts(key)
    found = _correlations(key, choice, choice.form)
    with top:
        _headline(run, choice, found, verdicts)
        header.about(run)
        _cards(df, choice, verdicts, silent, key)
    _notes(key, choice, found)
    _charts(key, run, choice, points, prompts, found, actions)
    _evidence(key, choice, points, prompts)
    _tabs(key, choice, points, prompts, tasks, silent)


def _correlations(key: estimates.Key, choice: Choice, form: str) -> estimates.Correlations:
    y = choice.outcome.column(form)
    return estimates.correlations(
        key, y, choice.outcome.role, choice.x, choice.eval_task, choice.statistic
    )


def _headline(
    run: Run, choice: Choice, found: estimates.Correlations, verdicts: list[Verdict]
) -> None:
    st.subheader(QUESTIONS.get(choice.outcome.name, FORGETTING_QUESTION), anchor=False)
    lead = _lead(choice, found, verdicts)
    st.markdown(f"##### {md(analysis.sentence(*lead))}")
    st.caption(f"{header.made_with(run)} Not causation, not other models.")


def _lead(
    choice: Choice, found: estimates.Correlations, verdicts: list[Verdict]
) -> tuple[Estimate, Verdict | None]:
    """The estimate the sentence reads out: new tasks, or these tasks while those are too few."""
    mine = {
        v.scope: v
        for v in verdicts
        if v.claim == choice.outcome.claim and v.form == choice.form and choice.is_headline
    }
    new = mine.get("new_tasks")
    few = found.new_tasks.n_tasks < 4 if new is None else new.verdict == "too few"
    if few:
        return found.these_tasks, mine.get("these_tasks")
    return found.new_tasks, new


def _cards(
    df: pd.DataFrame, choice: Choice, verdicts: list[Verdict], silent: str, key: estimates.Key
) -> None:
    missing = analysis.claims_without_data(df)
    # A run without verdicts still shows its numbers, without chips.
    numbers = verdicts or estimates.verdicts(key)
    has_past = "past" in set(df["role"])
    for place, card in zip(
        st.columns(4, gap="small"), cards.four(choice.outcome.name, has_past), strict=True
    ):
        with place:
            cards.show(card, numbers, choice.form, silent, missing.get(card.claim, ""))


def _notes(key: estimates.Key, choice: Choice, found: estimates.Correlations) -> None:
    other = "loss" if choice.form == "score" else "score"
    theirs = _correlations(key, choice, other)
    same = choice.outcome.lower_is_better("score") == choice.outcome.lower_is_better("loss")
    product = found.new_tasks.value * theirs.new_tasks.value * (1 if same else -1)
    if product < 0:
        st.warning(
            f"In {other} the sign is opposite: verdict unclear.", icon=":material/swap_vert:"
        )
    if choice.view == "raw":
        r = analysis.sentence(found.pooled)
        st.warning(
            f"Mixes differences between tasks with differences between prompts. {md(r)}",
            icon=":material/layers:",
        )
    if choice.outcome.role not in LOST or choice.view == "panels":
        return
    if unequal := estimates.unequal_learning(key, choice.outcome.role):
        st.warning(f"{md(unequal.text)} Look at one panel per task.", icon=":material/balance:")


def _shown(points: pd.DataFrame) -> list[Pair]:
    """What the evidence shows: the selection as far as this run has it, else two extremes."""
    known = set(zip(points["current_task"], points["prompt_id"], strict=True))
    chosen = [pair for pair in selected_points() if pair in known]
    return chosen or extremes(points)


def _charts(
    key: estimates.Key,
    run: Run,
    choice: Choice,
    points: pd.DataFrame,
    prompts: pd.DataFrame,
    found: estimates.Correlations,
    actions: st.delta_generator.DeltaGenerator,
) -> None:
    outcome = choice.y, choice.outcome.role, choice.eval_task
    noise = estimates.noise(key, *outcome)
    spec = impact_scatter(
        points,
        outcome=choice.outcome.name,
        form=choice.form,
        x=choice.x,
        view=choice.view,
        eval_task=choice.eval_task,
        prompts=prompts,
        noise=noise,
        estimates=found.tasks,
        color_by=choice.color_by,
        selected=_shown(points),
        highlight=choice.highlight,
        hollow=not run.is_complete,
    )
    with actions:
        header.copy_link()
        charts.export(spec)
    left, right = st.columns([2, 1], gap="medium")
    with left:
        charts.scatter(spec, "scatter")
        if noise.pooled is not None:
            rounding = estimates.numerical_noise(key, *outcome).in_words()
            st.caption(
                f"One trial: noise floor σ {noise.pooled.sigma:.2g}"
                f" · rounding alone: {md(rounding)}"
            )
    with right:
        if not found.tasks:
            st.info("No task has four prompts that differ: no correlation can be given.")
            return
        means = [found.new_tasks, found.these_tasks]
        forest = task_forest(
            found.tasks,
            means,
            predicted=choice.outcome.predicted,
            highlight=choice.highlight,
            hollow=not run.is_complete,
        )
        charts.forest(forest, "forest")


def _evidence(
    key: estimates.Key, choice: Choice, points: pd.DataFrame, prompts: pd.DataFrame
) -> None:
    pairs = _shown(points)
    chosen = bool(set(selected_points()) & set(pairs))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("#### Evidence")
        if chosen:
            st.button(
                "Clear selection",
                key="clear",
                help="Back to the lowest- and highest-loss prompt of the first task.",
                type="tertiary",
                on_click=select_points,
                args=([],),
            )
        else:
            st.caption(
                f"Lowest- and highest-loss prompt of {md(pairs[0][0])}."
                " Click points above to choose."
            )
    evidence(key, pairs, points, prompts, choice)


def _tabs(
    key: estimates.Key,
    choice: Choice,
    points: pd.DataFrame,
    prompts: pd.DataFrame,
    tasks: list[str],
    silent: str,
) -> None:
    shows, texts, between, trust = st.tabs(tabs.NAMES, key="tab", bind="query-params")
    with shows:
        if shows.open:
            findings_tab(key, choice, silent)
    with texts:
        if texts.open:
            tabs.prompts_tab(points, prompts, choice)
    with between:
        if between.open:
            tabs.between_tab(key, choice, tasks)
    with trust:
        if trust.open:
            tabs.trust_tab(key, choice)


page()

"""Explore: does a prompt the model already finds easy make it forget less?"""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sapo_analysis import analysis
from sapo_analysis.analysis.cautions import LOST
from sapo_analysis.analysis.claims import MIN_TASKS
from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.scatter import extremes
from sapo_analysis.app import estimates, own_prompts, pictures
from sapo_analysis.app.components import cards, charts, header
from sapo_analysis.app.components.beside import beside, differing
from sapo_analysis.app.components.chosen_runs import show_chosen
from sapo_analysis.app.components.compare import over, strip
from sapo_analysis.app.components.controls import changed, controls
from sapo_analysis.app.components.empty import empty
from sapo_analysis.app.components.evidence import evidence
from sapo_analysis.app.components.freshness import new_points
from sapo_analysis.app.components.tabs import tabs
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import Keys, all_runs, kind_of, opened, runs_folders
from sapo_analysis.app.state import (
    Choice,
    Pair,
    Sight,
    begin_link,
    check_points,
    select_points,
    selected_points,
)
from sapo_analysis.errors import InputError
from sapo_analysis.figures import task_forest

QUESTIONS = {
    "generalization": "Does a prompt the model already finds easy make it generalize better?",
    "in_task": "Does a prompt the model already finds easy teach the task better?",
}
FORGETTING_QUESTION = "Does a prompt the model already finds easy make it forget less?"
NOTHING_YET = "No trial has finished yet. The first points appear when the first group ends."


def page() -> None:
    """The whole page, in the order it is read."""
    begin_link()
    everything = all_runs()
    runs = {run_id: run for run_id, run in everything.items() if kind_of(run) != "sequence"}
    if not runs:
        empty([str(folder) for folder in runs_folders()])
        return
    header.other_runs("run", everything, runs)
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = header.runs_picker(runs)
        beside_it = st.container(horizontal=True, vertical_alignment="center", width="content")
        st.space("stretch")
        actions = st.container(horizontal=True, width="content")
    show_chosen(chosen, lambda keys: _explore(keys, beside_it, actions))


def _explore(keys: Keys, beside_it: DeltaGenerator, actions: DeltaGenerator) -> None:
    runs = opened(keys)
    with beside_it:
        new_points(keys)
    for run in runs:
        header.partial_note(run, named=len(runs) > 1)
    refused, differences = estimates.refusal(keys)
    if refused:
        differing(refused, differences)
        either = estimates.facts_of_each(keys)
        if not either.tasks:
            st.info(NOTHING_YET)
            return
        choice = controls(keys, either, estimates.prompts(keys))
        with actions:
            header.copy_link("run", [run.run_id for run in runs])
        beside(keys, choice)
        return
    facts = estimates.facts(keys)
    if not facts.tasks:
        st.info(NOTHING_YET)
        return
    prompts = estimates.prompts(keys)
    with beside_it:
        header.badges(runs, facts)
    check_points(facts.points)
    silent = analysis.no_verdict(runs)
    top = st.container()
    choice = controls(keys, facts, prompts)
    points = estimates.points(keys, choice.asked)
    if points.empty:
        st.info("No seed and evaluated task that all prompts share yet. Choose another outcome.")
        return
    shown = choice.lets_through(prompts)
    known = set(zip(points["current_task"], points["prompt_id"], strict=True))
    changed(choice, len(known if shown is None else known & shown), len(known))
    sight = Sight(keys, tuple(runs), choice, points, prompts, shown, facts.tasks, silent)
    verdicts = [] if silent else estimates.verdicts(keys)
    found = estimates.correlations(keys, choice.asked, choice.statistic)
    with top:
        _headline(sight, found, verdicts)
        header.abouts(runs)
        _cards(sight, facts, verdicts)
    _notes(sight, found)
    looked_at = _looked_at(sight)
    _charts(sight, found, looked_at, actions)
    _evidence(sight, looked_at)
    tabs(sight)


def _headline(sight: Sight, found: estimates.Correlations, verdicts: list[Verdict]) -> None:
    st.subheader(QUESTIONS.get(sight.choice.outcome.name, FORGETTING_QUESTION), anchor=False)
    lead = _lead(sight.choice, found, verdicts)
    st.markdown(f"##### {md(analysis.sentence(*lead))}")
    st.caption(f"{header.made_with(sight.runs[0])} Not causation, not other models.")
    _exclusion(sight, lead[0])


def _exclusion(sight: Sight, lead: Estimate) -> None:
    """What the headline would be without the prompts that the user marked as not equivalent."""
    marks = own_prompts.marks()
    found = [pair for run in sight.runs for pair in own_prompts.marked_prompts(run, marks)]
    if not found:
        return
    marked = tuple(sorted(set(found)))
    choice = sight.choice
    both = estimates.exclusion(sight.keys, choice.asked, choice.statistic, lead.scope, marked)
    if both.excluded:
        st.info(md(both.sentence), icon=":material/rule:")


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
    few = found.new_tasks.n_tasks < MIN_TASKS if new is None else new.verdict == "too few"
    if few:
        return found.these_tasks, mine.get("these_tasks")
    return found.new_tasks, new


def _cards(sight: Sight, facts: estimates.Facts, verdicts: list[Verdict]) -> None:
    # A run without verdicts still shows its numbers, without chips.
    numbers = verdicts or estimates.verdicts(sight.keys)
    choice = sight.choice
    four = cards.four(choice.outcome.name, "past" in facts.evaluated)
    for place, card in zip(st.columns(4, gap="small"), four, strict=True):
        with place:
            missing = facts.missing.get(card.claim, "")
            cards.show(card, numbers, choice.form, sight.silent, missing)


def _notes(sight: Sight, found: estimates.Correlations) -> None:
    choice = sight.choice
    other = "loss" if choice.form == "score" else "score"
    theirs = estimates.correlations(sight.keys, choice.asked_in(other), choice.statistic)
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
    if unequal := estimates.unequal_learning(sight.keys, choice.outcome.role):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(md(unequal.text), icon=":material/balance:")
            st.button(
                "One panel per task",
                key="panels",
                help="Each task on its own axes, where learning can be compared.",
                icon=":material/grid_view:",
                on_click=_show_panels,
            )


def _show_panels() -> None:
    st.session_state["view"] = "panels"


def _looked_at(sight: Sight) -> list[Pair]:
    """What the evidence shows: the selection as far as these runs have it, else two extremes."""
    points = sight.points
    known = set(zip(points["current_task"], points["prompt_id"], strict=True))
    chosen = [pair for pair in selected_points() if pair in known]
    own = points[points["current_task"] == sight.choice.highlight]
    return chosen or extremes(own if len(own) else points)


def _charts(
    sight: Sight,
    found: estimates.Correlations,
    looked_at: list[Pair],
    actions: DeltaGenerator,
) -> None:
    choice, race = sight.choice, over(sight)
    try:
        spec = pictures.scatter(sight, looked_at, race.race)
    except InputError as error:  # a scale or a colour that these values do not have
        st.info(md(str(error)))
        return
    with actions:
        header.copy_link("run", [run.run_id for run in sight.runs])
        charts.export(
            spec,
            sight.runs,
            "impact_scatter",
            outcome=choice.outcome.name,
            form=choice.form,
            x=choice.x,
            view=choice.view,
            statistic=choice.statistic,
            eval_task=choice.eval_task,
        )
    left, right = st.columns([2, 1], gap="medium")
    with left:
        charts.scatter(spec, "scatter")
        noise = estimates.noise(sight.keys, choice.asked)
        if noise.pooled is not None:
            rounding = estimates.numerical_noise(sight.keys, choice.asked).in_words()
            st.caption(
                f"One trial: noise floor σ {noise.pooled.sigma:.2g}"
                f" · rounding alone: {md(rounding)}"
            )
        strip(sight, race)
    with right:
        if not found.tasks:
            st.info("No task has four prompts that differ: no correlation can be given.")
            return
        few = found.new_tasks if found.new_tasks.n_tasks < MIN_TASKS else None
        forest = task_forest(
            found.tasks,
            # Of too few tasks nothing is said of new ones, in the picture as on the cards.
            [e for e in (found.new_tasks, found.these_tasks) if e is not few],
            predicted=choice.outcome.predicted,
            highlight=choice.highlight,
            hollow=sight.hollow,
        )
        charts.forest(forest, "forest")


def _evidence(sight: Sight, pairs: list[Pair]) -> None:
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
    evidence(sight, pairs)


page()

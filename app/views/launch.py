"""Launch: a study from a form, also one that extends a run, races it, or is smaller than it."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.app import launches
from sapo_analysis.app.asking import look_again
from sapo_analysis.app.components.launch_advanced import advanced_part
from sapo_analysis.app.components.launch_exact import exact_part
from sapo_analysis.app.components.launch_form import Form, form, keep
from sapo_analysis.app.components.launch_model import model_part
from sapo_analysis.app.components.launch_parts import problems_here
from sapo_analysis.app.components.launch_plan import jump, known_models, plan_part
from sapo_analysis.app.components.launch_prompts import offer, prompts_part, summary
from sapo_analysis.app.components.launch_tasks import tasks_part
from sapo_analysis.app.components.launch_top import draft_banner, notes, question_and_size
from sapo_analysis.app.components.text import md
from sapo_analysis.app.launching import Checked, Figures, figures_of, files_of
from sapo_analysis.app.launching.figures import AT_BEST
from sapo_analysis.store import Run


def page() -> None:
    """The whole form, in the order it is filled in."""
    made, models = form(), known_models()
    draft_banner(made)
    notes(made)
    beside_notes = st.container()
    question_and_size(made)
    model_part(made, models)
    known, files = made.tasks, files_of(str(made.value("model")), models)
    offered = offer(files, known)
    tasks_part(made, known, files, offered.usable)
    beside_tasks = st.container()
    beside_prompts = prompts_part(made, offered)
    exact = st.container()
    advanced_part(made)
    with st.bottom:
        foot = st.container()
    # Everything is read by now: what it comes to goes where it belongs.
    stamp = "|".join(known.stamp(name) for name in made.tasks_used() if name in known.source)
    checked = launches.checked(made.start, made.changes, made.engine, models, stamp)
    with beside_notes:
        figures, lender = _figures(made, checked)
    with beside_tasks:
        problems_here(checked.problems, "tasks")
        if figures is not None and figures.tasks:
            st.caption(md(figures.tasks), help=f"r: of pre-update loss and outcome, {AT_BEST}.")
    with beside_prompts:
        problems_here(checked.problems, "prompts")
        if checked.plan is not None:
            summary(checked.plan, offered)
    with exact:
        exact_part(made, checked.plan)
    with foot:
        plan_part(made, checked, figures, lender)
    if lost := keep(made):
        st.warning(md(lost), icon=":material/save:")
    jump()
    look_again()


def _figures(made: Form, checked: Checked) -> tuple[Figures | None, Run | None]:
    """What the plan comes to, and the run that lends finished trials to it."""
    if checked.plan is None:
        return None, None
    study = checked.plan.study
    begun_from = launches.run_here(made.run_id)
    pilot = launches.pilot_from(begun_from)
    lender = begun_from if made.extend and study.kind == "paraphrase" else None
    if lender is None:
        return figures_of(checked.plan, pilot=pilot), None
    lent = launches.lent(study, made.engine, lender, made.smaller)
    if lent.refusal:
        st.warning(f"Nothing is reused. {md(lent.refusal)}", icon=":material/link_off:")
        return figures_of(checked.plan, pilot=pilot), None
    st.caption(md(lent.words))
    return figures_of(checked.plan, lent.trial_ids, pilot), lender if lent.trial_ids else None


page()

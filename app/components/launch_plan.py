"""The foot of the launch form: what it comes to, what that can show, and the launch itself."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sapo_analysis import jobs, model_files
from sapo_analysis.app import launches
from sapo_analysis.app.asking import answered, ask
from sapo_analysis.app.components import links
from sapo_analysis.app.components.launch_advanced import OPEN
from sapo_analysis.app.components.launch_form import Form, at_time, let_go
from sapo_analysis.app.components.launch_parts import answer_to, in_words
from sapo_analysis.app.components.text import md
from sapo_analysis.app.launching import (
    Checked,
    Figures,
    Problem,
    run_command,
    to_yaml,
)
from sapo_analysis.app.launching.figures import OUTLOOK
from sapo_analysis.errors import SapoError
from sapo_analysis.plan import to_measure
from sapo_analysis.spec import AnyStudy
from sapo_analysis.store import Run, is_read_only

PATIENCE_SECONDS = 900.0
READ_ONLY = "This server is read-only. Download the YAML and run it yourself."
_MOST_PROBLEMS = 3
_JUMP, _SAID = "launch-jump", "launch-said"


def plan_part(made: Form, checked: Checked, figures: Figures | None, lender: Run | None) -> None:
    """Draw the foot, which stays in sight."""
    if checked.study is None or figures is None:
        _problems(made, checked.problems)
        return
    study = checked.study
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{md(figures.sum)}**", width="content")
            _cost(study, made, figures)
        st.caption(
            md(figures.shows), help="±: half of the 95 % interval for these tasks, where r is 0."
        )
        if figures.outlook:
            st.caption(md(figures.outlook), help=md(f"{OUTLOOK} {figures.outlook_on}"))
    equal = launches.equal_runs(study)
    if not is_read_only():
        _said(equal)
    _actions(made, study, figures, lender, equal)


def _name(made: Form) -> None:
    name = st.text_input(
        "Name",
        key=made.show("name"),
        max_chars=200,
        help="Start of the run's id: a-z, 0-9 and hyphens, at most 40.",
        label_visibility="collapsed",
        icon=":material/label:",
        placeholder="name of the run",
        width=200,
    )
    made.put("name", str(name or ""))


def _problems(made: Form, problems: tuple[Problem, ...]) -> None:
    for problem in problems[:_MOST_PROBLEMS]:
        st.error(in_words(problem), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        first = problems[0]
        st.button(
            f"Go to {md(first.field) or 'it'}",
            key="jump",
            icon=":material/arrow_upward:",
            help="Shows the setting that the first problem is about.",
            on_click=_jump_to,
            args=(first,),
        )
        _name(made)
        if more := problems[_MOST_PROBLEMS:]:
            names = ", ".join(problem.field or problem.text[:40] for problem in more)
            st.caption(f"And {len(more)} more: {md(names)}.")


def _jump_to(problem: Problem) -> None:
    if problem.part == "advanced":
        st.session_state[OPEN] = True
    st.session_state[_JUMP] = problem.part


def jump() -> None:
    """Scroll to where a button pointed; the page is drawn whole by then."""
    part = st.session_state.pop(_JUMP, None)
    if part in ("model", "tasks", "prompts", "advanced", "plan"):
        st.html(
            f"<script>document.querySelector('.st-key-launch-{part}')?.scrollIntoView("
            "{behavior: 'smooth'});</script>",
            unsafe_allow_javascript=True,
        )


def _cost(study: AnyStudy, made: Form, figures: Figures) -> None:
    asked = {"study": to_measure(study).model_dump(mode="json"), "engine": made.engine}
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        if missing := jobs.missing_engine_packages():
            st.caption(f"Time is not known: {md(', '.join(missing))} cannot be found.")
        elif not answered("calibrate", asked):
            if is_read_only():
                return  # the visitors of a shared server start no work on it
            st.button(
                "Measure time and memory here",
                key="measure",
                icon=":material/timer:",
                type="tertiary",
                help="Trains a few steps of this study, ten seconds or more. Other counts of the"
                " same need no new measurement.",
                on_click=ask,
                args=("calibrate", asked, PATIENCE_SECONDS),
            )
        else:
            what = {"asking": "Measuring how long a step takes here …", "again": "Measure again"}
            if answer := answer_to("calibrate", asked, PATIENCE_SECONDS, **what):
                _measured(answer, figures)


def _measured(answer: dict[str, Any], figures: Figures) -> None:
    cost, first = figures.costs(answer)
    longer = "Strategies that replay take longer."
    st.markdown(
        f"{md(cost)} {md('on ' + answer['device'])}. :gray[{md(first)}]",
        help="Measured here on a few steps; the time is ± what measurements and runs have"
        + (f" differed by. {longer}" if figures.is_race else " differed by."),
    )


def _actions(
    made: Form, study: AnyStudy, figures: Figures, lender: Run | None, equal: list[Run]
) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="launch-actions"):
        if is_read_only():
            st.markdown(f":material/lock: {READ_ONLY}")
        elif missing := jobs.missing_engine_packages():
            st.markdown(
                f":material/block: Nothing can be trained here: {md(', '.join(missing))} cannot be"
                f" found. Install with: {md(jobs.INSTALL_ENGINE)}"
            )
        else:
            pressed = st.button(
                f"{figures.button} again" if equal else figures.button,
                key="launch",
                icon=":material/rocket_launch:",
                help="Queues it here; it goes on when this page is closed.",
                type="secondary" if equal else "primary",
            )
            if pressed:
                _launch(made, study, lender)
        # Only now: a click answers the page as it was drawn before.
        made.told = frozenset(run.run_id for run in equal)
        mixed = made.smaller
        st.download_button(
            "Download YAML",
            to_yaml(study),
            f"{study.name}.yaml",
            "application/yaml",
            key="download-yaml",
            icon=":material/download:",
            help="The whole study as a spec file.",
            on_click="ignore",
        )
        with st.popover(
            "Copy command", icon=":material/terminal:", help="Run the downloaded file yourself."
        ):
            lender_id = lender.run_id if lender is not None else ""
            st.code(run_command(study, made.engine, lender_id, mixed), language="bash")
            st.caption("In the folder with the downloaded file.")
        _name(made)


def _said(equal: list[Run]) -> None:
    if error := st.session_state.pop(_SAID, None):
        st.error(md(error), icon=":material/error:")
    if equal:
        latest = max(equal, key=launches.launched_at)
        st.warning(
            f"The same study was launched at {at_time(launches.launched_at(latest))} as run"
            f" {md(latest.run_id)} ({latest.status.state}). Launch again?",
            icon=":material/content_copy:",
        )
        see = f"See {latest.run_id}"
        if not latest.is_complete:
            links.link("live", see, ":material/monitoring:", "How far it is.", run=latest.run_id)
        else:
            links.results_of([latest], see, ":material/insights:", "Its results.")


def _launch(made: Form, study: AnyStudy, lender: Run | None) -> None:
    def lend() -> Any:
        if lender is None:
            return None
        return launches.reuse_of(study, made.engine, lender, made.smaller)

    try:
        path = launches.launch_once(study, made.engine, made.told, lend)
    except SapoError as error:
        st.session_state[_SAID] = str(error)
        st.rerun()
    if path is None:
        st.rerun()  # somebody launched it just now: the page asks
    let_go(made)
    st.switch_page("views/live.py", query_params={"run": path.name})


def known_models() -> list[str]:
    """Models that may be launched from the page, revisions in the cache too: never a folder."""
    names = model_files.list_names()
    others = [m.name for m in model_files.survey() if m.revision is not None and m.files]
    return [*names, *(name for name in others if name not in names)]

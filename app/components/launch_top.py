"""The top of the launch form: an earlier draft, the question, the size."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.analysis.wording import counted
from sapo_analysis.app.components.launch_form import (
    Form,
    at_time,
    offered_draft,
    restart,
    take_up,
    throw_away,
)
from sapo_analysis.app.components.text import md
from sapo_analysis.app.launching import QUESTIONS, SIZES, size_words
from sapo_analysis.store import is_read_only

RUN = "run"


def draft_banner(made: Form) -> None:
    """Offer what was begun before and not launched."""
    offer = offered_draft(made)
    if offer is None:
        return
    draft_id, draft, damage = offer
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="draft"):
        if draft is None:
            st.markdown(f":material/broken_image: {md(damage)}", width="stretch")
        else:
            what = draft.start.partition("=")[2] or SIZES.get(draft.size, draft.size)
            st.markdown(
                f":material/history: Continue the draft from {at_time(draft.saved)}?"
                f" :gray[{md(what)}, {counted(len(draft.changes), 'setting')} changed]",
                width="stretch",
            )
            st.button(
                "Continue",
                key="draft-continue",
                help="Fills the form in as it was.",
                type="primary",
                on_click=take_up,
                args=(draft_id, draft),
            )
        st.button(
            "Discard",
            key="draft-discard",
            help="Removes the draft for good.",
            on_click=throw_away,
            args=(draft_id,),
        )


def notes(made: Form) -> None:
    """What could not be had as asked for, and what the form was filled in from."""
    for note in made.notes:
        st.warning(md(note), icon=":material/link_off:")
    if not made.run_id:
        return
    if made.origin.startswith("race="):
        st.info(
            f"**A race of {md(made.run_id)}.** " + " ".join(map(md, made.start.notes)),
            icon=":material/flag:",
        )
    elif made.smaller:
        more = (
            "Its finished trials are taken over, the rest is trained one adapter at a time, which"
            " needs less memory and more time. Rounding differs between the two."
            if made.extend
            else "It is run anew, one chain's adapter at a time, which needs less memory and more"
            " time: stages of a sequence cannot be taken over."
        )
        st.info(f"**{md(made.run_id)}, smaller.** {more}", icon=":material/compress:")
    elif made.extend:
        more = (
            "Give orders below that it has not: both runs are then read as one study. Stages of a"
            " sequence cannot be taken over."
            if made.question == "sequence"
            else "Add prompts, seeds or tasks below: its finished trials are reused where the new"
            " study asks for the same."
        )
        st.info(
            f"**Extend {md(made.run_id)}.** {more} The run itself stays as it is.",
            icon=":material/add_circle:",
        )
    else:
        st.info(
            f"Filled in from {md(made.run_id)}. Change what you like: a run of its own is made.",
            icon=":material/content_copy:",
        )


def question_and_size(made: Form) -> None:
    """What is asked, and how large the study is."""
    left, right = st.columns([1, 1], gap="large")
    with left:
        question = made.key("question")
        st.session_state.setdefault(question, made.question)
        st.radio(
            "Question",
            list(QUESTIONS),
            format_func=QUESTIONS.__getitem__,
            key=question,
            help="A paraphrase study fine-tunes from one state with many wordings of a prompt. A"
            " sequence learns tasks one after another and compares ways to choose the prompt.",
            on_change=_restart,
            args=(made, question),
        )
    with right:
        run = "Its race" if made.origin.startswith("race=") else "As that run"
        sizes = {**SIZES, **({RUN: run} if made.run_id else {})}
        size = made.key("size")
        st.session_state.setdefault(size, RUN if made.run_id else made.size)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.segmented_control(
                "Size",
                list(sizes),
                required=True,
                format_func=sizes.__getitem__,
                key=size,
                help="What the other settings start from; changes of yours are kept.",
                on_change=_restart,
                args=(made, question, size),
            )
            _changed(made)
        if made.size in SIZES:
            st.caption(f"{md(size_words(made.question, made.size))}.")


def _restart(made: Form, question: str, size: str = "") -> None:
    if is_read_only():
        made.notes = []
    wanted = st.session_state.get(size) if size else None
    if wanted == RUN:
        return
    kept = made.size if made.size in SIZES else "quick"
    restart(made, st.session_state[question], str(wanted or kept))


def _changed(made: Form) -> None:
    names = made.start.changed(made.changes)
    if not names:
        return
    st.badge(
        f"{len(names)} changed",
        icon=":material/edit:",
        color="blue",
        help=md(f"From {made.start.label}: {', '.join(names)}."),
    )
    st.button(
        "Take back",
        key=made.key("reset-all"),
        icon=":material/undo:",
        help=md(f"Every setting as in {made.start.label}."),
        type="tertiary",
        on_click=_reset_all,
        args=(made,),
    )


def _reset_all(made: Form) -> None:
    made.changes = {k: v for k, v in made.changes.items() if k == "name"}
    made.redraw()

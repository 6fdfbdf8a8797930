"""What the base model and every method answer to the same input."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.methods_compared import NO_OUTPUTS
from sapo_analysis.app import compared
from sapo_analysis.app.compared import Compared
from sapo_analysis.app.components import links
from sapo_analysis.app.components.controls import select
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.data import Keys
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

ACROSS = 3
"""Answers in a row."""
LONGEST_SHOWN = 70
"""Of an input this much stands in the picker (characters)."""


def outputs_tab(keys: Keys, runs: list[Run], found: Compared) -> None:
    """One input, its right answer, and an answer per method."""
    if not any(run.made_here("be shown").evaluation.n_predictions_kept for run in runs):
        raise InputError(NO_OUTPUTS)
    tasks = compared.tuned_tasks(keys)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tuned = select("Tuned task", tasks, str, "outputs-of", "What was learned.")
        known = compared.examples(keys, tuned)
        others = sorted(set(known["eval_task"]), key=lambda task: task == tuned)
        # The task whose answers come in the tuned task's format most tells most.
        first = [task for task in dict.fromkeys(known["eval_task"]) if task != tuned]
        offered = list(dict.fromkeys([*first[:1], *others]))
        task = select("Evaluated task", offered, str, "outputs-on", "What was asked.")
        own = known[known["eval_task"] == task]
        inputs = {str(row["example"]): _shown(row) for row in own.to_dict("records")}
        example = select(
            "Input",
            list(inputs),
            inputs.__getitem__,
            "outputs-at",
            "A test example; those first where methods differ most.",
        )
        st.space("stretch")
        links.table_of(runs, "Export", "outputs_side_by_side")
    outputs = compared.outputs(keys, tuned)
    rows = outputs[(outputs["eval_task"] == task) & (outputs["example"] == int(example))]
    answers = rows.to_dict("records")
    left, right = st.columns([3, 1], gap="medium")
    with left:
        st.markdown("**Input**")
        _text(answers[0]["input"])
    with right:
        st.markdown("**Right answer**")
        _text(answers[0]["gold"])
    for i in range(0, len(answers), ACROSS):
        for place, row in zip(st.columns(ACROSS), answers[i : i + ACROSS], strict=False):
            with place:
                _answer(row, found)
    one = answers[0]
    st.caption(
        f"Tuned on {md(tuned)}: prompt {md(str(one['prompt_id']))}, seed {one['seed']}."
        f" {md(task)} is asked with its own original prompt, without demonstrations."
    )


def _shown(row: dict[str, Any]) -> str:
    text = " ".join(str(row["input"]).split())
    cut = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} …"
    return f"{row['example']}: {cut}"


def _text(text: object) -> None:
    st.code(text if isinstance(text, str) else MISSING, language=None, wrap_lines=True)


def _answer(row: dict[str, Any], found: Compared) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{md(found.sides.get(row['name'], row['name']))}**", width="content")
            if row["correct"]:
                st.badge("right", icon=":material/check:", color="blue")
            else:
                st.badge("not right", icon=":material/close:", color="gray")
            if row["in_format"] is True and row["gold_in_format"] is not True:
                st.badge(
                    "in the tuned format",
                    icon=":material/format_shapes:",
                    color="orange",
                    help=entry("in_format").help,
                )
        _text(row["output"] or " ")

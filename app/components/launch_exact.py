"""Part 4 of the launch form: one example as the model will read it, token by token."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.app.components.exact_prompt import exact_prompt
from sapo_analysis.app.components.launch_form import Form
from sapo_analysis.app.components.launch_parts import answer_to, heading
from sapo_analysis.plan import AnyPlan

PATIENCE_SECONDS = 120.0


def exact_part(made: Form, plan: AnyPlan | None) -> None:
    """Draw the part; the prompts are those of the plan."""
    heading("4", "Exact prompt", "exact")
    if plan is None:
        st.caption("Shown when the form has no problems.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tasks = list(plan.prompts)
        task = _choice("Task", tasks, "exact-task", "Whose first training example is shown.")
        prompts = {prompt.prompt_id: prompt.text for prompt in plan.prompts[task]}
        chosen = _choice(
            "Prompt", list(prompts), f"exact-prompt-{task}", "The first: the original."
        )
    asked = {
        "model": plan.study.model,
        "task": task,
        "prompt": prompts[chosen],
        "data_seed": plan.study.data_seed,
        "tasks_from": list(plan.study.tasks_from),
    }
    what = {"asking": "Asking the model's tokenizer …", "again": "Ask again"}
    if answer := answer_to("exact_prompt", asked, PATIENCE_SECONDS, **what):
        exact_prompt(answer)


def _choice(label: str, options: list[str], key: str, help: str) -> str:
    # A choice that is no option any more is no choice.
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)
    return str(st.selectbox(label, options, key=key, help=help, width=240) or options[0])

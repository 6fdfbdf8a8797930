"""The part of the findings that compares prompts after equal steps and at equal dev loss."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.confounding.matched import MatchedComparison
from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import estimates
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, interval, md
from sapo_analysis.app.data import Keys


def matched_table(keys: Keys, outcome: str, form: str) -> bool:
    """Correlation by step, and where all prompts learned equally much.

    Returns:
        Whether it was drawn: without checkpoints it cannot be.
    """
    found = estimates.matched(keys, outcome, form)
    if not found:
        return False
    new, these = found["new_tasks"], found["these_tasks"]
    last = max(new.equal_steps)
    rows = [
        {
            "compared_at": f"step {step}" + (", the end" if step == last else ""),
            **_r(estimate, these.equal_steps[step]),
            "steps": str(step),
            "delta_norm": _span(new, "delta_norm_at_equal_steps") if step == last else MISSING,
        }
        for step, estimate in new.equal_steps.items()
    ]
    rows.append(
        {
            "compared_at": "equal dev loss",
            **_r(new.equal_loss, these.equal_loss),
            "steps": _span(new, "steps_taken_at_equal_loss"),
            "delta_norm": _span(new, "delta_norm_at_equal_loss"),
        }
    )
    st.markdown("**What is left once all prompts have learned equally much?**")
    shown = pd.DataFrame(rows)
    st.dataframe(
        shown,
        hide_index=True,
        height="content",
        placeholder=MISSING,
        alt="The correlation by training step, and where all prompts reach the same dev loss.",
        column_config=columns(
            shown, pinned="compared_at", widths={"steps": 130, "delta_norm": 145}
        ),
    )
    st.caption(md(new.note))
    for trial in new.left_out:
        st.caption(f":material/warning: Left out: {md(trial)}.")
    return True


def _r(new: Estimate, these: Estimate) -> dict[str, str]:
    return {
        "r": signed(new.value),
        "these_interval": interval(these.lower, these.upper),
        "new_interval": interval(new.lower, new.upper),
        "n": f"{new.n_tasks} × {new.n_prompts}",
    }


def _span(found: MatchedComparison, column: str) -> str:
    values = found.table[column].dropna()
    return f"{values.mean():.3g} ({values.min():.3g} to {values.max():.3g})"

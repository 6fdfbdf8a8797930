"""The evidence behind a point: wording, changes per task, forgotten examples. Never empty."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.app import estimates
from sapo_analysis.app.components import charts
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, diff, md
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import Pair, Sight
from sapo_analysis.figures import task_bars


def evidence(sight: Sight, pairs: list[Pair]) -> None:
    """One column per prompt, two beside each other, all bars on one scale."""
    choice = sight.choice
    changes = {pair: estimates.changes(sight.keys, *pair) for pair in pairs}
    column = "score_change" if choice.form == "score" else "loss_change"
    ends = pd.concat([table[column] for table in changes.values()])
    low, high = min(float(ends.min()), 0.0), max(float(ends.max()), 0.0)
    margin = 0.06 * (high - low) or 1.0
    for i in range(0, len(pairs), 2):
        columns = st.columns(2, gap="medium")
        for place, pair in zip(columns, pairs[i : i + 2], strict=False):
            with place, st.container(border=True):
                _wording(pair, sight, changes[pair])
                spec = task_bars(changes[pair], choice.form, (low - margin, high + margin))
                charts.still(spec, f"bars-{pair[0]}-{pair[1]}")
                _forgotten(sight.keys, pair)


def _wording(pair: Pair, sight: Sight, changes: pd.DataFrame) -> None:
    task, prompt_id = pair
    points, prompts, choice = sight.points, sight.prompts, sight.choice
    own = prompts[prompts["task"] == task].set_index("prompt_id")
    originals = own.loc[own["source"] == "original", "text"]
    st.markdown(f"**{md(prompt_id)}** · {md(task)}")
    if prompt_id in own.index:
        text = str(own.loc[prompt_id, "text"])
        diff(analysis.word_diff(str(originals.iloc[0]) if len(originals) else text, text))
    else:
        st.caption("Its wording was not imported.")
    row = points[(points["current_task"] == task) & (points["prompt_id"] == prompt_id)]
    if row.empty:
        return
    y = choice.y
    unit = str(row["unit"].iloc[0]).removesuffix(" (0 to 100)")
    digits = 1 if unit == "points" else 3
    facts = [
        f"{entry('pre_update_loss').label} {row['pre_update_loss'].iloc[0]:.3f} nats per token",
        f"{entry(y).label} {signed(row[y].iloc[0], digits)} {unit}",
    ]
    own = changes[changes["role"] == "current"]
    if choice.outcome.role != "current" and len(own):
        before, after = own["score_before"].iloc[0], own["score_after"].iloc[0]
        facts.append(f"in-task {before:.1f} → {after:.1f} points")
    n = row["n_seeds"].iloc[0]
    facts.append(f"mean of {counted(n, 'seed')}")
    st.caption(md(" · ".join(facts)))


def _forgotten(keys: Keys, pair: Pair) -> None:
    table = estimates.forgotten(keys, *pair)
    if table.empty:
        st.caption("No outputs of past or retained tasks were kept for this prompt.")
        return
    lost = table[table["n_forgotten"] > 0]
    if lost.empty:
        st.markdown("No kept example was forgotten; largest loss rises:")
    else:  # one that was wrong before cannot be forgotten
        table = lost
        st.markdown("Worst-forgotten examples")
    seeds = table["n_forgotten"].astype(str) + " of " + table["n_seeds"].astype(str)
    shown = table.assign(forgotten=seeds)[
        ["input", "gold", "before", "after", "forgotten", "loss_change", "eval_task"]
    ]
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=MISSING,
        height=215,
        key=f"forgotten-{pair[0]}-{pair[1]}",
        alt="Test examples that training on this prompt hurt most.",
        column_config=columns(
            shown,
            formats={"loss_change": "%+.2f"},
            # The narrowest that can be read: two of these tables stand beside each other.
            widths={
                **{"input": 74, "gold": 50, "before": 54, "after": 54},
                **{"forgotten": 66, "loss_change": 60, "eval_task": 80},
            },
        ),
    )

"""The evidence behind a point: wording, changes per task, forgotten examples. Never empty."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import estimates
from sapo_analysis.app.components import charts
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, diff, md
from sapo_analysis.app.state import Choice, Pair
from sapo_analysis.figures import task_bars


def evidence(
    key: estimates.Key,
    pairs: list[Pair],
    points: pd.DataFrame,
    prompts: pd.DataFrame,
    choice: Choice,
) -> None:
    """One column per prompt, two beside each other, all bars on one scale."""
    changes = {pair: estimates.changes(key, *pair) for pair in pairs}
    column = "score_change" if choice.form == "score" else "loss_change"
    ends = pd.concat([table[column] for table in changes.values()])
    low, high = min(float(ends.min()), 0.0), max(float(ends.max()), 0.0)
    margin = 0.06 * (high - low) or 1.0
    for i in range(0, len(pairs), 2):
        columns = st.columns(2, gap="medium")
        for place, pair in zip(columns, pairs[i : i + 2], strict=False):
            with place, st.container(border=True):
                _wording(pair, points, prompts, choice)
                spec = task_bars(changes[pair], choice.form, (low - margin, high + margin))
                charts.still(spec, f"bars-{pair[0]}-{pair[1]}")
                _forgotten(key, pair)


def _wording(pair: Pair, points: pd.DataFrame, prompts: pd.DataFrame, choice: Choice) -> None:
    task, prompt_id = pair
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
    name = y.removesuffix("_loss").replace("_", " ").replace("after", "after training")
    facts = [
        f"pre-update loss {row['pre_update_loss'].iloc[0]:.3f} nats per token",
        f"{name} {signed(row[y].iloc[0], digits)} {unit}",
        f"mean of {row['n_seeds'].iloc[0]} seed{'s' if row['n_seeds'].iloc[0] != 1 else ''}",
    ]
    st.caption(" · ".join(facts))


def _forgotten(key: estimates.Key, pair: Pair) -> None:
    table = estimates.forgotten(key, *pair)
    if table.empty:
        st.caption("No outputs of past or retained tasks were kept for this prompt.")
        return
    lost = int((table["n_forgotten"] > 0).sum())
    st.markdown(
        "Worst-forgotten examples" if lost else "No kept example was forgotten; largest loss rises:"
    )
    shown = table[["eval_task", "input", "gold", "before", "after", "forgotten", "loss_change"]]
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
            widths={
                **{"eval_task": 80, "input": 95, "gold": 55, "before": 60, "after": 60},
                **{"forgotten": 150, "loss_change": 60},
            },
        ),
    )

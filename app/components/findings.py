"""The tab that says what the run shows: every claim in both forms, then task by task."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.claims import CLAIM_NAMES
from sapo_analysis.analysis.quantities import unit_of
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import estimates
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.matched import matched_table
from sapo_analysis.app.components.text import MISSING, interval, md
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import Choice
from sapo_analysis.figures.outcomes import indicator_name
from sapo_analysis.figures.theme import VERDICT_ICONS


def findings_tab(keys: Keys, choice: Choice, silent: str) -> None:
    """Claims, noise floor and tasks; `silent` says why there are no verdicts, if so."""
    if silent:
        st.info(md(silent))
    st.markdown("**Every claim, in score and in loss**")
    _claims(keys, silent)
    if choice.outcome.role == "current":
        st.caption("Choose forgetting or generalization above to see it task by task.")
        return
    st.markdown(f"**{md(choice.outcome.label)}, task by task** ({choice.form})")
    _tasks(keys, choice)
    _distinguishing(keys, choice)
    st.markdown("**Does pre-update loss say more than its rivals?**")
    _rivals(keys, choice)
    matched_table(keys, choice.outcome.name, choice.form)
    _past(keys)


def _claims(keys: Keys, silent: str) -> None:
    table = estimates.claims_table(keys)
    floors = estimates.noise_floors(keys)
    shown = pd.DataFrame(
        {
            "claim": table["claim"].map(CLAIM_NAMES),
            "predicted": table["predicted"],
            "form": table["form"],
            "estimate": table["estimate"].map(signed),
            "these_interval": _intervals(table, "these_"),
            "these_verdict": table["these_verdict"].map(_word),
            "new_interval": _intervals(table, "new_"),
            "new_verdict": table["new_verdict"].map(_word),
            "n": table["n_tasks"].astype(str)
            + " × "
            + table["n_prompts"].astype(str)
            + " × "
            + table["n_seeds"].astype(str),
            "noise_floor": [
                floors.get((claim, form), MISSING)
                for claim, form in zip(table["claim"], table["form"], strict=True)
            ],
        }
    )
    if silent:
        shown = shown.drop(columns=["these_verdict", "new_verdict"])
    _show(
        shown,
        "Each claim with estimate, both intervals and both verdicts.",
        columns(shown, pinned="claim"),
    )


def _tasks(keys: Keys, choice: Choice) -> None:
    table = estimates.tasks_table(keys, choice.outcome.name, choice.form)
    shown = pd.DataFrame(
        {
            "current_task": table["current_task"],
            "r_interval": [
                f"{signed(row.r)} ({signed(row.lower)} to {signed(row.upper)})"
                for row in table.itertuples()
            ],
            "holds": table["holds"].map({True: "yes", False: "no"}).fillna(MISSING),
            **{name: table[name] for name in ("mean", "sigma_prompt", "sigma_seed")},
            "ratio": [
                _range(row.ratio, row.ratio_lower, row.ratio_upper) for row in table.itertuples()
            ],
            **{name: table[name] for name in ("loss_ratio", "in_task_sd", "least_gain", "misses")},
        }
    )
    digits = "%.2f" if choice.form == "score" else "%.4f"
    units = ", ".join(sorted(set(table["unit"].dropna())))
    mean = unit_of(choice.outcome.column(choice.form))
    st.caption(f"Mean in {md(mean)}; σ prompt and σ seed in {md(units)}.")
    _show(
        shown,
        "Each current task's correlation, effect of the prompt and of the seed.",
        columns(
            shown,
            pinned="current_task",
            formats={
                **dict.fromkeys(("mean", "sigma_prompt", "sigma_seed"), digits),
                **{"loss_ratio": "%.1f", "in_task_sd": "%.2f", "least_gain": "%.1f"},
            },
            widths={"misses": "large"},
        ),
    )


def _distinguishing(keys: Keys, choice: Choice) -> None:
    """Where the claim holds and where it fails, in one sentence and a table of hints."""
    table = estimates.tasks_table(keys, choice.outcome.name, choice.form)
    holds = [md(task) for task in table.loc[table["holds"].eq(True), "current_task"]]
    fails = [md(task) for task in table.loc[table["holds"].eq(False), "current_task"]]
    st.caption(
        f"r has the predicted sign on {len(holds)} of {len(holds) + len(fails)} tasks"
        + (f"; not on {', '.join(fails)}." if fails else ".")
    )
    found = estimates.distinguishing(keys, choice.outcome.name, choice.form)
    if found["rho"].isna().all():
        return
    st.markdown("**What goes with how well it holds** (exploratory)")
    shown = pd.DataFrame(
        {
            "characteristic": found["characteristic"].map(analysis.CHARACTERISTICS),
            **{name: found[name] for name in ("rho", "p", "where_holds", "where_fails", "n_tasks")},
        }
    )
    _show(
        shown,
        "What distinguishes tasks on which the claim holds from those on which it fails.",
        columns(
            shown,
            formats={"rho": "%+.2f", "p": "%.2f", "where_holds": "%.3g", "where_fails": "%.3g"},
        ),
    )


def _rivals(keys: Keys, choice: Choice) -> None:
    table = estimates.rivals(keys, choice.outcome.name, choice.form)
    shown = pd.DataFrame(
        {
            "indicator": table["indicator"].map(indicator_name),
            "given": [
                " and ".join(indicator_name(name) for name in given.split(" and ") if name)
                for given in table["given"]
            ],
            "r": table["r"].map(signed),
            "these_interval": _intervals(table, "these_"),
            "new_interval": _intervals(table, ""),
            "n": table["n_tasks"].astype(str) + " × " + table["n_prompts"].astype(str),
        }
    )
    _show(
        shown,
        "Every indicator's correlation with the outcome, and pre-update loss given others.",
        columns(shown, pinned="indicator"),
    )
    st.caption(f"{len(table)} rows are looked at here: the best of them looks better than it is.")


def _show(table: pd.DataFrame, alt: str, config: dict[str, Any]) -> None:
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        placeholder=MISSING,
        alt=alt,
        column_config=config,
    )


def _past(keys: Keys) -> None:
    table = estimates.past_gains(keys)
    if table.empty:
        return
    gains = [
        f"{md(task)} {part['gain'].min():+.1f} to {part['gain'].max():+.1f}"
        for task, part in table.groupby("past_task")
    ]
    st.caption(f"Points that past tasks had gained, least to most over states: {', '.join(gains)}.")
    for row in table[table["misses"] != ""].itertuples():
        st.caption(f":material/warning: {md(row.past_task)} (seed {row.state_seed}) {row.misses}.")


def _intervals(table: pd.DataFrame, scope: str) -> list[str]:
    return list(map(interval, table[f"{scope}lower"], table[f"{scope}upper"]))


def _word(verdict: str) -> str:
    return f"{VERDICT_ICONS[verdict]} {verdict}"


def _range(value: float, lower: float, upper: float) -> str:
    if math.isnan(value):
        return MISSING
    return f"{value:.1f} " + ("(–)" if math.isnan(lower) else f"({lower:.1f} to {upper:.1f})")

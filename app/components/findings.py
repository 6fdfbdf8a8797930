"""The tab that says what the run shows: every claim in both forms, then task by task."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.claims import CLAIM_NAMES
from sapo_analysis.analysis.quantities import unit_of
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import estimates
from sapo_analysis.app.components.matched import matched_table
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.state import Choice
from sapo_analysis.figures.outcomes import indicator_name
from sapo_analysis.figures.theme import VERDICT_ICONS


def findings_tab(key: estimates.Key, choice: Choice, silent: str) -> None:
    """Claims, noise floor and tasks; `silent` says why there are no verdicts, if so."""
    if silent:
        st.info(md(silent))
    st.markdown("**Every claim, in score and in loss**")
    _claims(key, silent)
    if choice.outcome.role == "current":
        st.caption("Choose forgetting or generalization above to see it task by task.")
        return
    st.markdown(f"**{md(choice.outcome.label)}, task by task** ({choice.form})")
    _tasks(key, choice)
    _distinguishing(key, choice)
    st.markdown("**Does pre-update loss say more than its rivals?**")
    _rivals(key, choice)
    matched_table(key, choice)
    _past(key)


def _claims(key: estimates.Key, silent: str) -> None:
    table = estimates.claims_table(key)
    floors = estimates.noise_floors(key)
    shown = pd.DataFrame(
        {
            "claim": table["claim"].map(CLAIM_NAMES),
            "predicted": table["predicted"],
            "form": table["form"],
            "estimate": table["estimate"].map(signed),
            "these tasks, 95 %": _intervals(table, "these_"),
            "these tasks": table["these_verdict"].map(_word),
            "new tasks, 95 %": _intervals(table, "new_"),
            "new tasks": table["new_verdict"].map(_word),
            "n": table["n_tasks"].astype(str)
            + " × "
            + table["n_prompts"].astype(str)
            + " × "
            + table["n_seeds"].astype(str),
            "noise floor": [
                floors.get((claim, form), MISSING)
                for claim, form in zip(table["claim"], table["form"], strict=True)
            ],
        }
    )
    if silent:
        shown = shown.drop(columns=["these tasks", "new tasks"])
    st.dataframe(
        shown,
        hide_index=True,
        height="content",
        placeholder=MISSING,
        alt="Each claim with estimate, both intervals and both verdicts.",
        column_config={
            "claim": st.column_config.TextColumn("claim", pinned=True),
            "estimate": st.column_config.TextColumn(
                "estimate", help="Claim 1: natural log of a ratio of spreads; the others: r."
            ),
            "n": st.column_config.TextColumn("n", help="Tasks × prompts × seeds."),
            "noise floor": st.column_config.TextColumn(
                "noise floor",
                help="σ of one trial's outcome from the seed alone, its upper 95 % limit and unit;"
                " for claim 1 the ratio of spreads if prompts did nothing. Upper bound: with one"
                " noise prompt a task, what the seed does to all prompts alike is in it."
                " –: not measured.",
            ),
        },
    )


def _tasks(key: estimates.Key, choice: Choice) -> None:
    table = estimates.tasks_table(key, choice.outcome.name, choice.form)
    shown = pd.DataFrame(
        {
            "task": table["current_task"],
            "r": [
                f"{signed(row.r)} ({signed(row.lower)} to {signed(row.upper)})"
                for row in table.itertuples()
            ],
            "as predicted": table["holds"].map({True: "yes", False: "no"}).fillna(MISSING),
            "mean": table["mean"],
            "σ prompt": table["sigma_prompt"],
            "σ seed": table["sigma_seed"],
            "σ prompt ÷ σ seed": [
                _range(row.ratio, row.ratio_lower, row.ratio_upper) for row in table.itertuples()
            ],
            "loss, highest ÷ lowest": table["loss_ratio"],
            "in-task sd": table["in_task_sd"],
            "least gain": table["least_gain"],
            "misses": table["misses"],
        }
    )
    digits = "%.2f" if choice.form == "score" else "%.4f"
    units = ", ".join(sorted(set(table["unit"].dropna())))
    mean = unit_of(choice.outcome.column(choice.form))
    st.caption(f"Mean in {md(mean)}; σ prompt and σ seed in {md(units)}.")
    st.dataframe(
        shown,
        hide_index=True,
        height="content",
        placeholder=MISSING,
        alt="Each current task's correlation, effect of the prompt and of the seed.",
        column_config={
            "task": st.column_config.TextColumn("task", pinned=True),
            "r": st.column_config.TextColumn("r (95 % over prompts)"),
            **{
                name: st.column_config.NumberColumn(name, format=digits)
                for name in ("mean", "σ prompt", "σ seed")
            },
            "σ prompt ÷ σ seed": st.column_config.TextColumn(
                "σ prompt ÷ σ seed",
                help="How far the prompt moves the outcome against how far the seed does."
                " 95 % interval; needs two seeds. (–): prompts differ even less than the seed"
                " alone would make them.",
            ),
            "loss, highest ÷ lowest": st.column_config.NumberColumn(
                format="%.1f", help="Pre-update loss of the worst prompt over that of the best."
            ),
            "in-task sd": st.column_config.NumberColumn(
                format="%.2f",
                help="Sd over prompts of the final in-task score, seed noise removed (points).",
            ),
            "least gain": st.column_config.NumberColumn(
                format="%.1f", help="In-task points gained by the prompt that gained least."
            ),
            "misses": st.column_config.TextColumn(
                "misses", width="large", help="Where training did not do what a study relies on."
            ),
        },
    )


def _distinguishing(key: estimates.Key, choice: Choice) -> None:
    """Where the claim holds and where it fails, in one sentence and a table of hints."""
    table = estimates.tasks_table(key, choice.outcome.name, choice.form)
    holds = [md(task) for task in table.loc[table["holds"].eq(True), "current_task"]]
    fails = [md(task) for task in table.loc[table["holds"].eq(False), "current_task"]]
    st.caption(
        f"r has the predicted sign on {len(holds)} of {len(holds) + len(fails)} tasks"
        + (f"; not on {', '.join(fails)}." if fails else ".")
    )
    found = estimates.distinguishing(key, choice.outcome.name, choice.form)
    if found["rho"].isna().all():
        return
    st.markdown("**What goes with how well it holds** (exploratory)")
    st.dataframe(
        pd.DataFrame(
            {
                "of the task": found["characteristic"].map(analysis.CHARACTERISTICS),
                "ρ with r, as predicted": found["rho"],
                "p": found["p"],
                "mean where it holds": found["where_holds"],
                "mean where it fails": found["where_fails"],
                "tasks": found["n_tasks"],
            }
        ),
        hide_index=True,
        height="content",
        placeholder=MISSING,
        alt="What distinguishes tasks on which the claim holds from those on which it fails.",
        column_config={
            "ρ with r, as predicted": st.column_config.NumberColumn(
                format="%+.2f",
                help="Spearman over tasks between r, positive where as predicted, and the column.",
            ),
            "p": st.column_config.NumberColumn(
                format="%.2f", help="Two-sided, not corrected for the number of rows."
            ),
            "mean where it holds": st.column_config.NumberColumn(format="%.3g"),
            "mean where it fails": st.column_config.NumberColumn(format="%.3g"),
        },
    )


def _rivals(key: estimates.Key, choice: Choice) -> None:
    table = estimates.rivals(key, choice.outcome.name, choice.form)
    st.dataframe(
        pd.DataFrame(
            {
                "indicator": table["indicator"].map(indicator_name),
                "held fixed": [
                    " and ".join(indicator_name(name) for name in given.split(" and ") if name)
                    for given in table["given"]
                ],
                "r": table["r"].map(signed),
                "these tasks, 95 %": _intervals(table, "these_"),
                "new tasks, 95 %": _intervals(table, ""),
                "n": table["n_tasks"].astype(str) + " × " + table["n_prompts"].astype(str),
            }
        ),
        hide_index=True,
        height="content",
        placeholder=MISSING,
        alt="Every indicator's correlation with the outcome, and pre-update loss given others.",
        column_config={
            "indicator": st.column_config.TextColumn("indicator", pinned=True),
            "held fixed": st.column_config.TextColumn(
                "held fixed", help="Partial correlation: what is left with these held fixed."
            ),
            "n": st.column_config.TextColumn("n", help="Tasks × prompts."),
        },
    )
    st.caption(f"{len(table)} rows are looked at here: the best of them looks better than it is.")


def _past(key: estimates.Key) -> None:
    table = estimates.past_gains(key)
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
    ends = zip(table[f"{scope}lower"], table[f"{scope}upper"], strict=True)
    return [MISSING if math.isnan(a) else f"{signed(a)} to {signed(b)}" for a, b in ends]


def _word(verdict: str) -> str:
    return f"{VERDICT_ICONS[verdict]} {verdict}"


def _range(value: float, lower: float, upper: float) -> str:
    if math.isnan(value):
        return MISSING
    return f"{value:.1f} " + ("(–)" if math.isnan(lower) else f"({lower:.1f} to {upper:.1f})")

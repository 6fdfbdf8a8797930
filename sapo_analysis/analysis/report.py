"""Everything the numbers of a run say, as one document.

It is what `sapo report --json` prints, which adds `methods_compared.along` where there are
diagnostics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.between_tasks.cross_task import impact_correlation
from sapo_analysis.analysis.cautions import claim_1_warnings, run_warnings
from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.claims import (
    CLAIMS,
    claims,
    claims_without_data,
    no_verdict,
    predicted_sign,
)
from sapo_analysis.analysis.confounding.matched import NOTE, Matched
from sapo_analysis.analysis.confounding.trajectories import has_checkpoints, trajectories
from sapo_analysis.analysis.estimate import FORMS, SCOPES, Estimate, plain
from sapo_analysis.analysis.findings import distinguishing, tasks_table
from sapo_analysis.analysis.impacts import HEADLINE_INDICATOR, impacts, n_diverged
from sapo_analysis.analysis.indicators.rivals import rivals
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.levels.correlation import (
    N_PERMUTATIONS,
    STATISTICS,
    pooled_correlation,
    task_correlations,
    within_task_correlation,
)
from sapo_analysis.analysis.method_names import methods_of
from sapo_analysis.analysis.noise.band import noise_band
from sapo_analysis.analysis.noise.numerical_noise import numerical_noise, repeat_differences
from sapo_analysis.analysis.noise.seed_alone import claim_1_from_the_seed_alone
from sapo_analysis.analysis.noise.variance import same_prompt, seed_cells
from sapo_analysis.analysis.prompt_means import prompt_means, prompts_table
from sapo_analysis.analysis.quantities import QUANTITIES, in_form, unit_of
from sapo_analysis.analysis.read_out import structure_sentence
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.review import review, structures
from sapo_analysis.analysis.sentences import claim_sentences
from sapo_analysis.analysis.training_check import past_gains, training_check
from sapo_analysis.store import Run

OUTCOMES = tuple(CLAIM_OUTCOMES.values())
"""(quantity, role) pairs that the indicator is correlated with."""

_PREDICTED = {outcome[0]: predicted_sign(claim) for claim, outcome in CLAIM_OUTCOMES.items()}


@remembering()
def report(
    runs: Run | Sequence[Run], n_permutations: int = N_PERMUTATIONS, seed: int = 0
) -> dict[str, Any]:
    """Estimates, noise floor, cross-task correlation, verdicts and definitions of joined runs.

    While a run is not done it speaks of the trials finished so far and holds no verdict. Where the
    runs have checkpoints, `matched` holds the comparison at equal dev loss.

    Args:
        runs: One run, or several that may be joined.
        n_permutations: Shuffles for every p; 0 for none.
        seed: Seed of the shuffles.

    Returns:
        Plain data, ready for JSON: a number that does not exist is None.

    Raises:
        RunError: a table is damaged or a score is missing.
        InputError: the runs cannot be joined.
    """
    several = as_runs(runs)
    df = impacts(several)
    main = df[df["purpose"] == "main"]
    found = _outcomes(main)
    estimates = _estimates(df, found, n_permutations, seed)
    silent = no_verdict(several)
    judged = [] if silent else claims(df, n_permutations=n_permutations, seed=seed)
    by_chance = claim_1_from_the_seed_alone(df) if (main["role"] == "current").any() else {}
    structure = structures(df, n_permutations, seed)
    tables = {
        (in_form(name, form), role): tasks_table(df, in_form(name, form), role, _PREDICTED[name])
        for name, role in found
        for form in FORMS
    }
    document: dict[str, Any] = plain(
        {
            "run_id": several[0].run_id if len(several) == 1 else [run.run_id for run in several],
            "model": several[0].provenance.get("model", {"name": several[0].study.model}),
            "method": next(iter(methods_of(several[0])), None),
            "state": several[0].status.state
            if len(several) == 1
            else [run.status.state for run in several],
            "about": {run.run_id: run.about for run in several if run.about},
            "n_trials": df["trial_id"].nunique(),
            "n_main_trials": main["trial_id"].nunique(),
            "n_diverged": sum(n_diverged(run) for run in several),
            "estimates": [estimate.to_dict() for estimate in estimates],
            **review(several, df, found, n_permutations, seed),
            **_matched(several, found, n_permutations, seed),
            "in_task": _in_task(df),
            "training": training_check(df).to_dict("records"),
            "past_gains": past_gains(several).to_dict("records"),
            "tasks": _named(tables),
            "distinguishing": _named(
                {
                    key: distinguishing(table, _PREDICTED[key[0].removesuffix("_loss")])
                    for key, table in tables.items()
                }
            ),
            "rivals": _named({key: rivals(df, *key) for key in tables}),
            "claim_1_from_the_seed_alone": by_chance,
            "noise_floor": _noise_floor(df, found, repeat_differences(several)),
            "cross_task_correlation": _cross_task(df),
            "structure": {
                form: {**own.to_dict(), "sentence": structure_sentence(own)}
                for form, own in structure.items()
            },
            "sentences": [one.to_dict() for one in claim_sentences(judged, df, several)],
            "verdicts": [verdict.to_dict() for verdict in judged],
            "no_verdict": silent or None,
            "claims": CLAIMS,
            "claims_without_data": claims_without_data(df),
            "definitions": {quantity.name: quantity.to_dict() for quantity in QUANTITIES},
            "warnings": run_warnings(several, main, estimates)
            + claim_1_warnings(judged, by_chance),
        }
    )
    return document


def _outcomes(main: pd.DataFrame) -> list[tuple[str, str]]:
    roles = set(main["role"])
    return [(name, role) for name, role in OUTCOMES if role in roles]


def _estimates(df: pd.DataFrame, found: list[tuple[str, str]], m: int, seed: int) -> list[Estimate]:
    estimates: list[Estimate] = []
    for name, role in found:
        for form in FORMS:
            for statistic in STATISTICS:
                y = in_form(name, form)
                for scope in SCOPES:
                    estimates.append(
                        within_task_correlation(
                            df,
                            y=y,
                            role=role,
                            scope=scope,
                            statistic=statistic,
                            n_permutations=m,
                            seed=seed,
                        )
                    )
                every: list[Callable[..., Any]] = [task_correlations, pooled_correlation]
                for function in every:
                    made = function(
                        df, y=y, role=role, statistic=statistic, n_permutations=m, seed=seed
                    )
                    estimates.extend(made if isinstance(made, list) else [made])
    return estimates


def _matched(
    runs: list[Run], found: list[tuple[str, str]], m: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Each outcome at equal steps and at equal in-task dev loss; nothing without checkpoints."""
    if not found or not all(has_checkpoints(run) for run in runs):
        return {}
    matched = Matched.of(trajectories(runs))
    outcomes = []
    for name, role in found:
        for form in FORMS:
            y = in_form(name, form)
            estimates = matched.estimates(
                y, role, HEADLINE_INDICATOR, SCOPES, "pearson", None, m, seed
            )
            for scope, (by_step, at_loss) in zip(SCOPES, estimates, strict=True):
                steps = [{"step": n, "estimate": e.to_dict()} for n, e in by_step.items()]
                outcomes.append(
                    {
                        "quantity": y,
                        "role": role,
                        "scope": scope,
                        "equal_steps": steps,
                        "equal_loss": at_loss.to_dict(),
                    }
                )
    return {
        "matched": {
            "note": NOTE,
            "left_out": list(matched.left_out),
            "outcomes": outcomes,
            "progress": matched.progress().to_dict("records"),
        }
    }


def _in_task(df: pd.DataFrame) -> list[dict[str, Any]]:
    """Per current task: final in-task result under the training prompt, mean and sd."""
    rows = []
    if not (df["role"] == "current").any():
        return []
    for column in ("score_after", "loss_after"):
        table = prompts_table(df, column, role="current")
        for task, part in table.groupby("current_task"):
            values = part[column]
            sd = values.std(ddof=1) if len(values) > 1 else float("nan")
            row = {
                "task": task,
                "quantity": column,
                "mean": values.mean(),
                "sd": sd,
                "n_prompts": len(values),
            }
            rows.append({**row, "n_seeds": part["n_seeds"].iloc[0], "unit": unit_of(column)})
    return rows


def _named(tables: dict[tuple[str, str], pd.DataFrame]) -> list[dict[str, Any]]:
    """The rows of tables by (quantity, role), each with these two."""
    return [
        {"quantity": quantity, "role": role, **{str(k): v for k, v in row.items()}}
        for (quantity, role), table in tables.items()
        for row in table.to_dict("records")
    ]


def _noise_floor(
    df: pd.DataFrame, found: list[tuple[str, str]], differences: pd.DataFrame
) -> list[dict[str, Any]]:
    """Per role and form: the sd over seeds of one prompt's value, its noise band, and rounding."""
    rows = []
    for name, role in found:
        for form in FORMS:
            y = in_form(name, form)
            band = noise_band(df, y, role)
            row: dict[str, Any] = {
                "quantity": y,
                "role": role,
                "unit": band.unit,
                "sd": None,
                "n": 0,
                "band": None,
                "numerical_noise": numerical_noise(df, differences, y, role).to_dict(),
            }
            if band.pooled is not None:
                row.update(_seed_sd(df, y, role), band=band.to_dict())
            rows.append(row)
    return rows


def _seed_sd(df: pd.DataFrame, y: str, role: str) -> dict[str, Any]:
    means = prompt_means(df, y, role=role, x=None)
    cells = seed_cells(df, y, means, role=role, purpose="noise")
    parts = [part for part in (same_prompt(table) for table in cells.values()) if part is not None]
    df_total = sum(part.df for part in parts)
    sd = (
        float(np.sqrt(sum(part.df * part.sigma**2 for part in parts) / df_total))
        if df_total
        else None
    )
    return {
        "sd": sd,
        "df": df_total,
        "n": int(sum(table.notna().sum().sum() for table in cells.values())),
    }


def _cross_task(df: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for form in FORMS:
        table = impact_correlation(df, form=form)
        table = table[table["task_i"] < table["task_j"]]
        for values in table.itertuples(index=False, name=None):
            row = dict(zip(table.columns, values, strict=True))
            below = row["below_noise"]
            row["below_noise"] = None if pd.isna(below) else bool(below)
            rows.append({"form": form, **row})
    return rows

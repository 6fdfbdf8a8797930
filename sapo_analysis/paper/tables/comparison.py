"""All policies and methods of some runs against plain LoRA with the original prompt."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.methods_compared import OUTCOMES, counts_in_words
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

PRINTED = {
    "tuned_score": "tuned",
    "forgetting_past": "forg. past",
    "forgetting_retained": "forg. ret.",
    "generalization": "general.",
    "ap": "AP",
}
"""Outcomes that have a column; all others are in the CSV alone."""
MOST_ON_A_PAGE = 40
_OF_OUTCOME = (
    *("value", "p", "p_holm", "verdict", "verdict_holm", "n_units", "seed_sd", "seed_df"),
    *("seed_ratio", "seed_ratio_lower", "seed_ratio_upper", "seed_n_units", "seed_verdict"),
)
_STUDY = ("study", "model", "kind", "name", "policy", "method", "is_reference", "words", "note")
_COSTS = (
    *("steps", "train_seconds", "time_ratio", "choosing_ratio", "tokens_ratio", "flops_ratio"),
    "trained_values",
)


def comparison_table(numbers: Numbers, options: Options) -> TableSpec:
    """A row per policy and method, a block per study: paired differences, seed spread, cost.

    Raises:
        InputError: no fine-tune has ended.
    """
    table = numbers.compared.comparison
    if table.empty:
        raise InputError("No fine-tune of these runs has ended yet: there is nothing to compare.")
    blocks = {study: _block(own) for study, own in table.groupby("study", sort=False)}
    by = table.groupby(["study", "name"], sort=False)
    rows = pd.DataFrame([_row(own) for _, own in by])
    rows["block"] = rows["study"].map(blocks)
    shown = [name for name in PRINTED if name in rows and rows[name].notna().any()]
    means = [name for name in PRINTED if name in rows and not shown]
    steadiness = next((n for n in PRINTED if f"{n}_seed_ratio" in rows), "")
    has_ratio = bool(steadiness) and rows[f"{steadiness}_seed_ratio"].notna().any()
    units = dict.fromkeys(str(unit) for unit in table["unit"])
    cost = [Column("time_ratio", "time", kind="number", decimals=1, unit="× LoRA's")]
    ratio = Column(
        *(f"{steadiness}_seed_ratio", "seed SD"),
        kind="estimate",
        decimals=2,
        unit=f"of {entry(OUTCOMES[steadiness]).label if steadiness else ''}, × LoRA's",
    )
    return TableSpec(
        name="comparison",
        columns=(
            Column("words", "Prompts, method"),
            *(
                Column(
                    *(name, PRINTED[name], "Difference to original, LoRA"),
                    kind="estimate",
                    decimals=1,
                    signed=True,
                    interval="plus-minus",
                    mark="*",
                    marked=f"{name}_is_left",
                )
                for name in shown
            ),
            *(
                Column(f"{name}_value", PRINTED[name], kind="number", decimals=1)
                for name in means  # no plain LoRA took part
            ),
            *((ratio,) if has_ratio else ()),
            *(cost if rows["time_ratio"].notna().any() else ()),
        ),
        rows=rows,
        caption=Caption(
            shows="Every policy and method against plain LoRA with the original prompt in the same"
            " study, paired by tuned task, seed and state (of sequences by order, stage and seed)",
            interval=f"95 %, paired Student t over {' or '.join(units)}" if shown else "",
            terms=tuple(dict.fromkeys(OUTCOMES[name] for name in (*shown, *means))),
        ),
        notes=(
            *(_DIFFERENCES if shown else ()),
            *(_SIMULATED if (table["kind"] == "paraphrase").any() else ()),
            *((_SEEDS,) if has_ratio else ()),
            "Means, verdicts, p, seed spreads and costs of all outcomes: in the CSV file.",
            *dict.fromkeys(note for note in table["note"] if note and note != numbers.silent),
            *standing(numbers),
        ),
        blocks="block",
        wide=True,
        long=len(rows) > MOST_ON_A_PAGE,
    )


_DIFFERENCES = (
    "±: half of the 95 % interval of that row and outcome alone.",
    "*: p below 0.05 after Holm's correction over the rows of that study and outcome; the number"
    " of outcomes and studies is not corrected for.",
)
_SIMULATED = (
    "Policies of paraphrase studies: the prompt that the policy would have chosen among those that"
    " were trained with; random: the mean over all of them. Nothing was trained again.",
)
_SEEDS = (
    "Seed SD: over seeds within tuned task and prompt (of sequences within order and stage); its"
    " ratio is a geometric mean, with a 95 % interval by Student t."
)


def _block(own: pd.DataFrame) -> str:
    """A study by its first run and what it has at most: policies take some of its prompts."""
    most = own[["n_tasks", "n_prompts", "n_orders", "n_seeds"]].max()
    return f"{own['study_words'].iloc[0]} ({counts_in_words(most)})"


def _row(own: pd.DataFrame) -> dict[str, Any]:
    """One policy with one method in a study: all of its outcomes side by side."""
    first = own.iloc[0]
    row: dict[str, Any] = {key: first[key] for key in (*_STUDY, *_COSTS)}
    for one in own.to_dict("records"):
        name = one["outcome"]
        row |= {name: one["difference"]}
        row |= {f"{name}_{end}": one[end] for end in ("lower", "upper", *_OF_OUTCOME)}
        row[f"{name}_is_left"] = one["verdict_holm"] in ("better", "worse")
    return row

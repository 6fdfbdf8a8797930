"""Methods against one of them: paired differences in every outcome, with verdicts."""

from __future__ import annotations

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.methods_compared import OUTCOMES, same_in_words
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.method_marks import words
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import plus_minus, standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

_ROLES = {"forgetting_past": ", past tasks", "forgetting_retained": ", retained tasks"}


def differences_table(numbers: Numbers, options: Options) -> TableSpec:
    """A row per method and outcome: what it comes to, the reference, their paired difference.

    The reference is plain fine-tuning: LoRA with the original prompt, or with all weights; else
    the first method.

    Raises:
        InputError: there is one method alone, no fine-tunes that pair have ended, or the runs
            cannot be compared.
    """
    table = numbers.compared.differences
    if table.empty:
        raise InputError("No two methods have ended on the same task and seed yet.")
    first = table.iloc[0]
    reference = words(str(first["reference"]))
    shots = table["n_shots"].nunique() > 1
    rows = table.assign(
        block=[f"{words(str(name))} − {reference}" for name in table["name"]],
        shown=[
            entry(OUTCOMES[outcome]).label
            + _ROLES.get(outcome, "")
            + (f", {n}-shot" if shots else "")
            for outcome, n in zip(table["outcome"], table["n_shots"], strict=True)
        ],
    )
    # A share is told in percent, as the scores beside it are.
    is_share = rows["outcome"] == "format_ratio"
    rows = rows.rename(
        columns={"value": "difference", "lower": "difference_lower", "upper": "difference_upper"}
    )
    numeric = ["difference", "difference_lower", "difference_upper", "own", "of_reference"]
    rows[numeric] = rows[numeric].astype(float).mul(is_share.map({True: 100.0, False: 1.0}), axis=0)
    ends = rows["difference_lower"]
    no_ends, is_same = ends.isna().all(), rows["same"].any()
    sizes = {"tasks": "n_tasks", "prompts": "n_prompts", "seeds": "n_seeds", "orders": "n_orders"}
    terms = tuple(dict.fromkeys(OUTCOMES[outcome] for outcome in table["outcome"]))
    return TableSpec(
        name="method_differences",
        columns=(
            Column("shown", "Outcome"),
            Column("own", "method", kind="number", decimals=1),
            Column("of_reference", "reference", kind="number", decimals=1),
            Column(
                *("difference", "difference"),
                kind="estimate",
                decimals=1,
                signed=True,
                interval="brackets",
            ),
            Column("verdict", "verdict"),
        ),
        rows=rows,
        caption=Caption(
            shows=f"Each method against {reference}: means of both, and their difference paired by"
            " task and seed",
            n={name: int(first[column]) for name, column in sizes.items() if first[column]},
            interval=f"95 %, paired Student t over {first['unit']}",
            terms=terms,
        ),
        notes=(
            "Better or worse: the interval excludes zero on that side; not corrected for the number"
            " of outcomes.",
            "Format ratio in percent.",
            *((numbers.compared.steps,) if numbers.compared.steps else ()),
            *((plus_minus(ends, str(first["unit"])),) if no_ends and not is_same else ()),
            *((same_in_words(str(first["unit"])),) if is_same else ()),
            *standing(numbers),
        ),
        blocks="block",
        wide=True,
    )

"""What picking the prompt with the lowest indicator comes to, beside other ways of picking."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.analysis.worth.payoff import SelectionValue
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.outcomes import Outcome, indicator_name
from sapo_analysis.paper.numbers import ParaphraseNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.correlations import outcomes_asked
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

_ORACLE = "hindsight_best"


def selection_table(numbers: ParaphraseNumbers, options: Options) -> TableSpec:
    """A block per outcome, a row per rule: its outcome, and what the lowest gains over it.

    Raises:
        InputError: the runs measured no such outcome, or no task has two prompts to pick from.
    """
    outcomes = outcomes_asked(numbers, options)
    every = [numbers.worth(replace(options, outcome=o.name)) for o in outcomes]
    if all(value.by_task.empty for value in every):
        raise InputError(
            "No task has two prompts to pick from yet, each with a value at a shared seed."
        )
    named = indicator_name(options.x)
    rows = [
        row
        for outcome, value in zip(outcomes, every, strict=True)
        for row in _rows(value, outcome, options, bool(numbers.silent))
    ]
    return TableSpec(
        name="selection",
        columns=(
            Column("name", "Prompt picked"),
            Column("value", "outcome", kind="estimate", better_in="better", interval="plus-minus"),
            Column(
                *("gain", "gain"),
                kind="estimate",
                signed=True,
                interval="plus-minus",
                mark="*",
                marked="gains",
            ),
            Column("of_tasks", "tasks"),
        ),
        rows=pd.DataFrame(rows),
        caption=Caption(
            shows=f"What picking the prompt with the lowest {named} comes to, and its gain over"
            " each other way of picking, on the same trials",
            n={
                "tasks": max(len(value.by_task) for value in every),
                "prompts": min(int(value.rules["n_prompts"].max()) for value in every),
                "seeds": min(int(value.rules["n_seeds"].max()) for value in every),
            },
            interval="95 % for new tasks, Student t over tasks, paired",
            terms=("pick_gain", "pick_random", "pick_hindsight_best", "pick_highest_loss"),
        ),
        notes=(
            "±: half of the 95 % interval for new tasks, Student t over tasks. Bold: the best"
            " outcome, without hindsight.",
            "Gain: of the lowest over the row's rule, paired by task; positive is better. Star: the"
            " interval leaves out 0 (paired Student t over tasks, p < 0.05, uncorrected). Tasks: on"
            " how many the gain is above 0.",
            *standing(numbers),
        ),
        blocks="block",
        outside="is_hindsight",
    )


def _rows(
    value: SelectionValue, outcome: Outcome, options: Options, is_silent: bool
) -> list[dict[str, Any]]:
    unit = "sd over prompts" if value.unit == SD_UNIT else value.unit.partition(" (")[0]
    gains = {row["against"]: row for row in value.contrasts.to_dict("records")}
    found = []
    for row in value.rules.to_dict("records"):
        gain = gains.get(row["rule"], {})
        lower, upper = gain.get("lower", float("nan")), gain.get("upper", float("nan"))
        found.append(
            {
                "block": f"{outcome.label} ({unit}, {value.good_when} is good)",
                "outcome": outcome.name,
                "form": options.form,
                "rule": row["rule"],
                "name": _NAMES[row["rule"]].format(x=_short(options.x)),
                "is_hindsight": row["rule"] == _ORACLE,
                "better": value.good_when,
                "value": row["value"],
                "value_lower": row["lower"],
                "value_upper": row["upper"],
                "gain": gain.get("gain", float("nan")),
                "gain_lower": lower,
                "gain_upper": upper,
                "these_lower": gain.get("these_lower", float("nan")),
                "these_upper": gain.get("these_upper", float("nan")),
                "gains": not is_silent and (lower > 0 or upper < 0),
                "of_tasks": f"{gain['tasks_better']}/{gain['n_tasks']}"
                if gain.get("n_tasks")
                else "",
                "tasks_better": gain.get("tasks_better"),
                "n_tasks": row["n_tasks"],
                "n_prompts": row["n_prompts"],
                "n_seeds": row["n_seeds"],
                "unit": row["unit"],
                "note": row["note"],
            }
        )
    return found


_NAMES = {
    "lowest_loss": "lowest {x}",
    "random": "random",
    "original": "original",
    _ORACLE: "best in hindsight",
    "highest_loss": "highest {x}",
}


def _short(x: str) -> str:
    return "loss" if x == "pre_update_loss" else indicator_name(x)

"""Persistence diagrams of soft prompts at chosen moments of their fine-tunes (methods §7)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.methods_compared.fine_tunes import FINE_TUNE
from sapo_analysis.analysis.methods_compared.looks import beside_fine_tunes
from sapo_analysis.analysis.methods_compared.sides import Side, sides
from sapo_analysis.analysis.methods_compared.topology import has_topology, no_clouds
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.store import Run

PAIR_COLUMNS = [
    *(*FINE_TUNE, "policy", "method", "fine_tune", "moment", "step"),
    *("dimension", "pair", "birth", "death"),
]
START, END = "start", "end"


def persistence_pairs(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per component or loop of a soft prompt's persistence diagram, fine-tune and look.

    `dimension` 0: a component, born at 0, the one that never ends left out; 1: a loop. `birth` and
    `death`: Euclidean distances between input embeddings. `moment`: `start` and `end` of each
    fine-tune's first and last look (methods may take unequal steps), "" between them. `fine_tune`
    names a fine-tune of its tuned task, alike for all methods.

    Args:
        runs: that can be compared; see `sides`.

    Raises:
        InputError: the runs cannot be compared, looked at no soft prompt, or at single tokens.
    """
    known = sides(runs)
    every = pd.concat([_of_run(run, one) for one in known for run in one.runs], ignore_index=True)
    if every.empty:
        if has_topology([run for one in known for run in one.runs]):
            raise InputError(
                "A soft prompt of one virtual token has no persistence diagram. Run the study with"
                " soft_prompt.virtual_tokens of 2 or more."
            )
        raise no_clouds(known)
    every = every.drop_duplicates([*FINE_TUNE, "step", "dimension", "pair"], ignore_index=True)
    steps = every.groupby(FINE_TUNE, sort=False)["step"]
    is_first, is_last = (every["step"] == steps.transform(end) for end in ("min", "max"))
    every["moment"] = is_last.map({True: END, False: ""}).where(~is_first, START)
    return every[PAIR_COLUMNS]


def chosen_pairs(
    pairs: pd.DataFrame, step: int | None = None, task: str = "", fine_tune: str = ""
) -> pd.DataFrame:
    """Diagrams of one task or fine-tune, at both ends or at one look.

    Args:
        pairs: `persistence_pairs(runs)`.
        step: optimizer steps of all phases; None: the first and the last look of each fine-tune.
        task: what was tuned; "": all tasks.
        fine_tune: of these, as the column has it; "": all, pooled.

    Raises:
        InputError: nothing was looked at there; what is known is named.
    """
    for column, wanted in (("tuned_task", task), ("fine_tune", fine_tune)):
        if wanted:
            pairs = _where(pairs, column, wanted)
    if step is None:
        return pairs[pairs["moment"] != ""].reset_index(drop=True)
    return _where(pairs, "step", step).reset_index(drop=True)


def fine_tunes_of(pairs: pd.DataFrame, task: str) -> list[str]:
    """The fine-tunes of a task that have a diagram, those first that most methods have.

    Raises:
        InputError: it has none; the tasks that do are named.
    """
    own = _where(pairs, "tuned_task", task)[["fine_tune", "name"]].drop_duplicates()
    counts = own["fine_tune"].value_counts()
    return sorted(dict.fromkeys(map(str, own["fine_tune"])), key=lambda name: -counts[name])


def _of_run(run: Run, one: Side) -> pd.DataFrame:
    found = beside_fine_tunes(run, one, run.table("persistence"))
    named = found["order"] if run.is_sequence else found["prompt_id"]
    return found.assign(fine_tune=named + ", seed " + found["seed"].astype(str))


def _where(pairs: pd.DataFrame, column: str, wanted: str | int) -> pd.DataFrame:
    found = pairs[pairs[column] == wanted]
    if found.empty:
        known: list[str] = list(map(str, dict.fromkeys(pairs[column].sort_values(kind="stable"))))
        raise unknown(column.replace("_", " "), str(wanted), known, "Choose one with a diagram.")
    return found

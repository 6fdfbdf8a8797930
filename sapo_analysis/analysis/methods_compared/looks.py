"""What a study looked at along its fine-tunes: the table `diagnostics`, by side and fine-tune."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.methods_compared.fine_tunes import FINE_TUNE
from sapo_analysis.analysis.methods_compared.sides import Side
from sapo_analysis.errors import InputError
from sapo_analysis.methods import make_method
from sapo_analysis.store import Run

LOOKS = [*FINE_TUNE, "policy", "method", "step", "series", "subject", "value", "n_examples"]
NO_LOOKS = (
    "These runs looked at nothing along their fine-tunes. Run the study with diagnostics.every"
    " above 0, as in `--set diagnostics.every=10`."
)


def has_looks(runs: Sequence[Run]) -> bool:
    """Whether any of these runs looked at anything along its fine-tunes."""
    return any(
        not run.is_imported and run.made_here("be looked at").diagnostics.every for run in runs
    )


def looks(known: Sequence[Side]) -> pd.DataFrame:
    """One row per value that was looked at, of main fine-tunes that are done.

    Columns `LOOKS`: `series` and `subject` are `name` and `subject` of the table `diagnostics`;
    `step` counts optimizer steps of all phases of the fine-tune.

    Raises:
        InputError: nothing was looked at, or not on as many examples everywhere.
    """
    _check_alike([run for one in known for run in one.runs])
    parts = [of_run(run, one) for one in known for run in one.runs]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=LOOKS)
    if table.empty:
        raise InputError(NO_LOOKS)
    return table.drop_duplicates([*FINE_TUNE, "step", "series", "subject"], ignore_index=True)


def of_run(run: Run, one: Side) -> pd.DataFrame:
    """What one run looked at, of one side."""
    seen = run.table("diagnostics").rename(columns={"name": "series"})
    return beside_fine_tunes(run, one, seen)[LOOKS]


def beside_fine_tunes(run: Run, one: Side, measured: pd.DataFrame) -> pd.DataFrame:
    """Rows that name a `trial_id`, of one side's main fine-tunes that are done.

    They gain the columns `FINE_TUNE`, `policy` and `method`; a fine-tune that several chains share
    has its rows once for each.
    """
    if run.is_sequence:
        chains = run.table("chains").rename(columns={"task": "tuned_task"})
        mine = (chains["policy"] == one.policy) & (chains["method"] == one.method)
        done = chains["result_state_id"].map(lambda state: isinstance(state, str))
        named = chains[mine & done.astype(bool)]
    else:
        trials = run.table("trials").rename(columns={"current_task": "tuned_task"})
        main = (trials["purpose"] == "main") & (trials["status"] == "done")
        named = trials[main].assign(order="", stage=0)
    rows = named[["trial_id", *FINE_TUNE[1:]]].merge(measured, on="trial_id")
    return rows.assign(name=one.name, policy=one.policy, method=one.method)


def first_stage_ends(one: Side) -> int | None:
    """The step at which the first stage of a two-stage method ends; None: it has none of its own.

    Of ProMoT whose soft prompt came from a file, stage 1 is not part of the fine-tune.
    """
    recipe = make_method(one.method, one.runs[0].made_here("be looked at")).recipe(0)
    if recipe is None or len(recipe.phases) < 2:
        return None
    return recipe.phases[0].settings.steps


def _check_alike(runs: Sequence[Run]) -> None:
    """Ratios over other examples, or alignments over other shuffles, are other numbers."""
    known = {
        run.run_id: (study.diagnostics.examples, study.diagnostics.shuffles)
        for run in runs
        if (study := run.made_here("be looked at")).diagnostics.every
    }
    if len(set(known.values())) > 1:
        told = "; ".join(f"{r}: {n} examples, {s} shuffles" for r, (n, s) in known.items())
        raise InputError(
            f"These runs looked at other amounts ({told}), so their curves are not compared. Run"
            " them with the same diagnostics.examples and diagnostics.shuffles."
        )

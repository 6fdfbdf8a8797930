"""What finished studies said of each method, beside plain LoRA with original prompts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.joining import identity
from sapo_analysis.analysis.methods_compared.families import Identity, comparable_families
from sapo_analysis.analysis.methods_compared.paired import paired_difference
from sapo_analysis.analysis.methods_compared.sides import sides
from sapo_analysis.errors import RunError
from sapo_analysis.store import Run

PLAIN = ("lora", "original+lora")
"""The reference of every method, by kind of study."""
SAID_COLUMNS = [
    *("study", "model", "name", "method", "outcome", "value", "lower", "upper"),
    *("n_units", "unit", "verdict", "sentence"),
]


def said_of_methods(runs: Sequence[Run], known: Identity = identity) -> pd.DataFrame:
    """One row per (study, method, outcome): its difference to plain LoRA, and the verdict.

    A study is a family of `comparable_families` in which plain LoRA took part, `study` its runs'
    ids joined by ", ". Of sequences the strategies with original prompts alone: what methods do is
    not mixed with what prompts do. Rows as in `paired_difference`, without demonstrations; runs
    that get no verdict have none. LoRA itself has no rows.
    """
    parts = [_of_family(family) for family in comparable_families(runs, known)]
    found = [part for part in parts if len(part)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=SAID_COLUMNS)


def _of_family(family: Sequence[Run]) -> pd.DataFrame:
    names = [one.name for one in sides(family) if one.policy in ("", "original")]
    plain = next((name for name in PLAIN if name in names), None)
    if plain is None:
        return pd.DataFrame(columns=SAID_COLUMNS)
    try:
        found = paired_difference(family, plain, names)
    except RunError:  # damaged: its own page says so
        return pd.DataFrame(columns=SAID_COLUMNS)
    own = found[(found["n_shots"] == 0) & (found["verdict"] != "")]
    study = ", ".join(run.run_id for run in family)
    return own.assign(study=study, model=family[0].study.model)[SAID_COLUMNS]

"""One method against another, on the same task, prompt and seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.claims import MIN_TASKS, no_verdict
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.method_names import name_in_words
from sapo_analysis.analysis.methods_compared.averages import (
    Mean,
    all_same,
    by_unit,
    is_sequence,
    mean_of,
    sizes,
)
from sapo_analysis.analysis.methods_compared.chain_scores import ChainScores
from sapo_analysis.analysis.methods_compared.fine_tunes import FINE_TUNE, ORIGINAL, fine_tunes
from sapo_analysis.analysis.methods_compared.looks import has_looks, looks
from sapo_analysis.analysis.methods_compared.sides import Side, among, sides
from sapo_analysis.analysis.methods_compared.steps import steps_in_words
from sapo_analysis.analysis.methods_compared.table import average_performance, per_fine_tune
from sapo_analysis.analysis.sequences.metrics import LEAST
from sapo_analysis.analysis.wording import signed
from sapo_analysis.store import Run

OUTCOMES: Mapping[str, str] = {
    "tuned_score": "tuned_score",
    "tuned_score_original": "tuned_score_original",
    "forgetting_past": "forgetting",
    "forgetting_retained": "forgetting",
    "generalization": "generalization",
    "normalized_average_others": "normalized_average_others",
    "format_ratio": "format_ratio",
    "ap": "ap",
    "bwt": "bwt",
    "fwt": "fwt",
}
"""What methods are compared in, and the term of the glossary that says what it is."""
_CHAIN = ("ap", "bwt", "fwt")
PAIRED_COLUMNS = [
    *("name", "reference", "policy", "method", "n_shots", "outcome"),
    *("value", "lower", "upper", "own", "of_reference", "n_units", "unit"),
    *(
        "n_tasks",
        "n_prompts",
        "n_seeds",
        "n_orders",
        "better",
        "verdict",
        "sentence",
        "steps",
        "same",
    ),
]
_KEY = FINE_TUNE[1:]
_DIGITS = 9


def paired_difference(
    runs: Run | Sequence[Run], reference: str, names: Sequence[str] = ()
) -> pd.DataFrame:
    """One row per (method or strategy, demonstrations, outcome): it − the reference.

    Differences are taken between fine-tunes on the same tuned task, with the same prompt and seed
    (of sequences: at the same stage of the same order and seed, each with the prompt its policy
    chose), averaged over prompts, then seeds, then `unit`: tuned tasks, or of sequences orders or
    the seeds of one. `lower`, `upper`: 95 %, Student t over `n_units`. `own`, `of_reference`: the
    means that were subtracted.

    Outcomes, where they were measured: `tuned_score` (with the training prompt) and
    `tuned_score_original`; `forgetting_past`, `forgetting_retained` (points lost, score before −
    after, mean over the role's tasks; never pooled) and `generalization` (points gained on unseen
    tasks); `normalized_average_others`; `format_ratio` at the last look; of sequences also `ap`,
    `bwt`, `fwt` of whole chains, with original prompts.

    `verdict`: `better`, `worse` or `unclear` by each outcome's own interval, not corrected for how
    many outcomes there are; `too few` with fewer than `MIN_TASKS` tasks or `LEAST` orders; "" where
    a run gets no verdict (`no_verdict`). `better` says which way is good. `steps`: a sentence where
    the two took unequal optimizer steps, else "". `same`: whether there is no interval because the
    difference is the same in every unit.

    Args:
        runs: that can be compared; see `sides`.
        reference: the name of a side, such as `lora` or `original+lora`.
        names: of the sides that are held to it; none: all.

    Raises:
        InputError: the runs cannot be compared, or no side has the reference's name.
    """
    every = sides(runs)
    base = among(every, reference)
    known = [one for one in every if not names or one is base or one.name in names]
    silent = bool(no_verdict([run for one in known for run in one.runs]))
    scores = ChainScores()
    values = outcomes(known, scores)
    chains = pd.concat([chain_outcomes(one, scores) for one in known], ignore_index=True)
    found = [
        row
        for one in known
        if one is not base
        for row in (*_rows(values, one, base, silent), *_rows(chains, one, base, silent))
    ]
    return pd.DataFrame(found, columns=PAIRED_COLUMNS)


def outcomes(known: Sequence[Side], scores: ChainScores, with_looks: bool = True) -> pd.DataFrame:
    """One row per (fine-tune, demonstrations, outcome) that was measured: `value`.

    Args:
        known: the sides.
        scores: of chains, read before or now.
        with_looks: also what was looked at along the fine-tunes.

    Raises:
        InputError: it was looked at other amounts; see `looks`.
    """
    rows = fine_tunes(known, scores)
    tunes = per_fine_tune(rows)
    key = [*FINE_TUNE, "n_shots"]
    parts = [
        tunes[[*key, name]].rename(columns={name: "value"}).assign(outcome=name)
        for name in ("tuned_score", "tuned_score_original", "normalized_average_others")
    ]
    others = rows[rows["test_prompts"] == ORIGINAL]
    gained = others["score"] - others["score_before"]
    for name, role, sign in (
        ("forgetting_past", "past", -1),
        ("forgetting_retained", "retained", -1),
        ("generalization", "unseen", 1),
    ):
        own = others["role"] == role
        means = (sign * gained[own]).groupby([others.loc[own, column] for column in key]).mean()
        parts.append(means.rename("value").reset_index().assign(outcome=name))
    if with_looks and has_looks([run for one in known for run in one.runs]):
        parts.append(_last_looks(known).assign(outcome="format_ratio", n_shots=0))
    table = pd.concat(parts, ignore_index=True).dropna(subset=["value"])
    return table[[*key, "outcome", "value"]]


def _last_looks(known: Sequence[Side]) -> pd.DataFrame:
    seen = looks(known)
    ratios = seen[seen["series"] == "format_ratio"]
    last = ratios["step"] == ratios.groupby(FINE_TUNE)["step"].transform("max")
    return ratios[last].groupby(FINE_TUNE, sort=False)["value"].mean().reset_index()


def chain_outcomes(one: Side, scores: ChainScores) -> pd.DataFrame:
    """AP, BWT and FWT of whole chains, in the rows of `outcomes`; none of paraphrase studies."""
    columns = [*FINE_TUNE, "n_shots", "outcome", "value"]
    if not one.runs[0].is_sequence:
        return pd.DataFrame(columns=columns)
    chains = average_performance(one, scores).assign(name=one.name, stage=0, n_shots=0)
    known = [*FINE_TUNE, "n_shots"]
    return chains.melt(known, list(_CHAIN), "outcome", "value").dropna(subset=["value"])


def _rows(values: pd.DataFrame, one: Side, base: Side, silent: bool) -> Iterator[dict[str, Any]]:
    if values.empty:
        return
    on = [*(key for key in _KEY if key != "prompt_id" or not one.policy), "n_shots", "outcome"]
    mine, theirs = (values[values["name"] == side.name] for side in (one, base))
    both = mine.merge(theirs[[*on, "value"]], on=on, suffixes=("", "_reference"))
    both["difference"] = difference(both["value"], both["value_reference"])
    steps = steps_in_words([one, base])
    for outcome in OUTCOMES:
        of_outcome = both[both["outcome"] == outcome]
        for n_shots, own in of_outcome.groupby("n_shots", sort=True):
            columns = ["difference", "value", "value_reference"]
            units, in_turn = by_unit(own, columns), is_sequence(own)
            found = mean_of(units["difference"], in_turn)
            row = {
                **{"name": one.name, "reference": base.name, "n_shots": n_shots},
                **{"policy": one.policy, "method": one.method, "outcome": outcome},
                **{"value": found.value, "lower": found.lower, "upper": found.upper},
                "own": float(units["value"].mean()),
                "of_reference": float(units["value_reference"].mean()),
                **{"n_units": found.n, **sizes(own)},
                "better": entry(OUTCOMES[outcome]).better,
            }
            if outcome in _CHAIN:  # of whole chains: no one task is the tuned one
                row["n_tasks"] = len(base.runs[0].sequence.tasks)
            row["verdict"] = "" if silent else verdict_of(found, row["better"], row["unit"])
            row["same"] = all_same(found, in_turn)
            yield {**row, "sentence": _sentence(row), "steps": steps}


def difference(one: pd.Series[float], other: pd.Series[float]) -> pd.Series[float]:
    """One − the other. Means of the same scores in another order differ by rounding: by nothing."""
    return (one - other).round(_DIGITS)


def verdict_of(found: Mean, better: str, unit: str) -> str:
    """`better`, `worse`, `unclear` or `too few`, by the interval of a difference.

    Differences that are all the same have no interval: unclear.
    """
    least = MIN_TASKS if unit == "tuned tasks" else LEAST
    if found.n < least or unit not in ("tuned tasks", "orders"):
        return "too few"
    if found.lower > 0 or found.upper < 0:
        return "better" if (found.lower > 0) == (better == "high") else "worse"
    return "unclear"


def _sentence(row: Mapping[str, Any]) -> str:
    """As in `ProMoT − LoRA, forgetting on past tasks: −3.1 points lost (…); lower is better.`."""
    term = entry(OUTCOMES[row["outcome"]])
    digits = 2 if row["outcome"] == "format_ratio" else 1
    role = {"forgetting_past": " on past tasks", "forgetting_retained": " on retained tasks"}
    ends = (
        f"95 % over {row['n_units']} {row['unit']}: {signed(row['lower'], digits)} to"
        f" {signed(row['upper'], digits)}"
        if row["lower"] == row["lower"]
        else "no interval"
    )
    shots = f", {row['n_shots']}-shot" if row["n_shots"] else ""
    unit = {"0 to 100": " points", "share, 0 to 1": ""}.get(term.unit, f" {term.unit}")
    of = f"{term.label}{role.get(row['outcome'], '')}{shots}"
    who = f"{name_in_words(row['name'])} − {name_in_words(row['reference'])}"
    said = f"{who}, {of}: {signed(row['value'], digits)}{unit} ({ends})"
    way = {"high": "higher is better", "low": "lower is better"}[row["better"]]
    return f"{said}; {way}." + (f" {row['verdict'].capitalize()}." if row["verdict"] else "")

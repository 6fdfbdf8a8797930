"""Every policy with every method beside plain LoRA with the original prompt, study by study."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sapo_analysis.analysis.claims import no_verdict
from sapo_analysis.analysis.estimate import plain
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.method_names import name_in_words
from sapo_analysis.analysis.methods_compared.averages import Mean, mean_of
from sapo_analysis.analysis.methods_compared.chain_scores import ChainScores
from sapo_analysis.analysis.methods_compared.costs import (
    RATIOS,
    choosing_ratios,
    relative_costs,
)
from sapo_analysis.analysis.methods_compared.families import run_families
from sapo_analysis.analysis.methods_compared.paired import (
    OUTCOMES,
    chain_outcomes,
    difference,
    outcomes,
    verdict_of,
)
from sapo_analysis.analysis.methods_compared.picks import SIMULATED, picks
from sapo_analysis.analysis.methods_compared.seed_spread import (
    NO_RATIO,
    NO_SPREAD,
    SeedSpread,
    seed_spreads,
    spread_ratio,
    spread_verdict,
)
from sapo_analysis.analysis.methods_compared.sides import Side, sides
from sapo_analysis.analysis.sequences.contrasts import ALPHA, t_test
from sapo_analysis.analysis.sequences.metrics import UNITS
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import Run

REFERENCE = ("original", "lora")
"""Policy and method that every other row is held to."""
NO_REFERENCE = "no plain LoRA with the original prompt in this study"
_ABOUT = [
    *("study", "study_words", "model", "kind", "name", "words", "policy", "method"),
    "is_reference",
]
_COSTS = ["steps", "train_seconds", *RATIOS, "choosing_ratio", "trained_values"]
COMPARISON_COLUMNS = [
    *_ABOUT,
    *("outcome", "better", "value", "difference", "lower", "upper", "p", "p_holm"),
    *("verdict", "verdict_holm", "n_units", "unit", "n_tasks", "n_prompts", "n_seeds", "n_orders"),
    *("seed_sd", "seed_df", "seed_ratio", "seed_ratio_lower", "seed_ratio_upper"),
    *("seed_n_units", "seed_verdict", *_COSTS, "note"),
]
_WHERE = ["tuned_task", "order", "seed", "stage", "outcome"]
_ROW = ["name", "outcome"]


class _Family(NamedTuple):
    """What rows of one study are made of, by (name, outcome) where nothing else is said."""

    rows: dict[str, tuple[Side, str]]  # side and policy by the row's name
    reference: str
    in_sequence: bool
    units: dict[tuple[Hashable, ...], dict[Hashable, float]]
    gaps: dict[tuple[Hashable, ...], dict[Hashable, float]]
    sizes: dict[tuple[Hashable, ...], dict[str, int]]
    paired_sizes: dict[tuple[Hashable, ...], dict[str, int]]
    seeds: dict[tuple[Hashable, ...], SeedSpread]


def comparison(runs: Run | Sequence[Run]) -> pd.DataFrame:
    """One row per (study, policy, method, outcome): its mean, and how it stands to `REFERENCE`.

    A study is a family of `run_families`: same model, data, tasks, training and seeds, other
    methods (or orders). Nothing is pooled over studies; `study` holds its runs' ids, joined by
    ", ". Of a sequence the rows are its strategies. Of a paraphrase study with a method they are
    what `picks` says that each policy would have trained with: nothing is trained again.

    - `value`: mean over prompts, seeds, then `unit` (tuned tasks; orders, or the seeds of one).
    - `difference`: row − reference, on the same tuned task, seed and state (of sequences order,
      stage and seed), each with its own prompts; averaged alike. `lower`, `upper`: 95 %, Student t
      over `n_units`. nan in rows of the reference, and of studies without it (`note`).
    - `verdict`: `better`, `worse`, `unclear` or `too few` by its own interval, not corrected; ""
      where there is none: a run that is not done or of random weights (`note`). `p`: two-sided,
      paired Student t. `p_holm`, `verdict_holm`: Holm corrected over the rows of one study and
      outcome.
    - `seed_sd`, `seed_df`: `seed_spreads` of it. `seed_ratio`: to the reference's, with ends and
      `seed_verdict`; see `spread_ratio`.
    - costs: see `relative_costs`; `choosing_ratio`: what choosing took, in fine-tunes of LoRA.

    Outcomes are those of `OUTCOMES`, without demonstrations. Rows of a study have one order: the
    reference first where there is one.

    Raises:
        RunError: a run is damaged.
        InputError: no run, or imported results.
    """
    opened = as_runs(runs)
    if not opened:
        raise InputError("No run was given. Name at least one; `sapo runs` lists them.")
    for run in opened:
        run.made_here("be compared by method")
        run.table("prompts")  # what families leave out as damaged is an error here
    return joined([study_comparison(family) for family in run_families(opened)])


def comparison_report(runs: Run | Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """The part `comparison` of a report: its rows as plain data; no part where nothing is there."""
    opened = as_runs(runs)
    if any(run.is_imported for run in opened):
        return {}
    found = comparison(opened)
    return {"comparison": plain(found.to_dict("records"))} if len(found) else {}


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The comparisons of several studies under each other."""
    found = [part for part in parts if len(part)]
    return (
        pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COMPARISON_COLUMNS)
    )


def study_comparison(family: Sequence[Run]) -> pd.DataFrame:
    """The rows of one study; `family` as `run_families` gives it. Empty before anything ended."""
    known = sides(family)
    rows, values = _values(known)
    if values.empty:
        return pd.DataFrame(columns=COMPARISON_COLUMNS)
    found = pd.DataFrame(_rows(_family(rows, values, known), family), columns=COMPARISON_COLUMNS)
    return _corrected(found)


def _values(known: Sequence[Side]) -> tuple[dict[str, tuple[Side, str]], pd.DataFrame]:
    """The rows by name, the reference first; and outcomes of fine-tunes, by row."""
    scores = ChainScores()
    measured = _measured(known, scores)
    measured = measured[measured["n_shots"] == 0].drop(columns="n_shots")
    rows: dict[str, tuple[Side, str]] = {}
    parts: list[pd.DataFrame] = []
    for one in known:
        own = measured[measured["name"] == one.name]
        if one.policy:
            rows[one.name] = (one, one.policy)
            parts += [own, chain_outcomes(one, scores).drop(columns="n_shots")]
            continue
        chosen = own.merge(picks(one.runs), on=["tuned_task", "seed", "prompt_id"])
        there = set(chosen["policy"])
        rows |= {f"{p}+{one.name}": (one, str(p)) for p in SIMULATED if p in there}
        parts.append(chosen.assign(name=chosen["policy"] + "+" + chosen["name"]))
    columns = ["name", *_WHERE, "prompt_id", "value"]
    table = pd.concat([part[columns] for part in parts if len(part)] or [pd.DataFrame()])
    there = set(table["name"]) if len(table) else set()
    rows = {name: of for name, of in rows.items() if name in there}
    first = _reference(rows)
    return {name: rows[name] for name in (*([first] if first else []), *rows)}, table


def _measured(known: Sequence[Side], scores: ChainScores) -> pd.DataFrame:
    try:
        return outcomes(known, scores)
    except RunError:
        raise
    except InputError:  # looked at other amounts along the way: the rest is comparable
        return outcomes(known, scores, with_looks=False)


def _reference(rows: dict[str, tuple[Side, str]]) -> str:
    """The name of the reference; "" where it did not take part."""
    return next((n for n, (one, policy) in rows.items() if (policy, one.method) == REFERENCE), "")


def _family(
    rows: dict[str, tuple[Side, str]], values: pd.DataFrame, known: Sequence[Side]
) -> _Family:
    reference = _reference(rows)
    in_sequence = known[0].runs[0].is_sequence
    beside = values.loc[values["name"] == reference, [*_WHERE, "value"]]
    others = values[values["name"] != reference]
    both = others.merge(beside, on=_WHERE, suffixes=("", "_reference"))
    both["gap"] = difference(both["value"], both["value_reference"])
    return _Family(
        rows=rows,
        reference=reference,
        in_sequence=in_sequence,
        units=_by_unit(values, "value", in_sequence),
        gaps=_by_unit(both, "gap", in_sequence),
        sizes=_sizes(values, in_sequence),
        paired_sizes=_sizes(both, in_sequence),
        seeds=seed_spreads(values, _ROW, in_sequence),
    )


def _by_unit(
    values: pd.DataFrame, column: str, in_sequence: bool
) -> dict[tuple[Hashable, ...], dict[Hashable, float]]:
    """By row and outcome: the mean of each independent unit, as `averages.by_unit` takes them."""
    outer = "order" if in_sequence else "tuned_task"
    cells = values.groupby([*_ROW, outer, "seed"], sort=False)[column].mean()
    found: dict[tuple[Hashable, ...], dict[Hashable, dict[Hashable, float]]] = {}
    for (name, outcome, of, seed), value in zip(cells.index.tolist(), cells.tolist(), strict=True):
        found.setdefault((name, outcome), {}).setdefault(of, {})[seed] = float(value)
    return {
        key: dict(next(iter(own.values())))  # of one order its seeds
        if in_sequence and len(own) == 1
        else {of: float(np.mean(list(seeds.values()))) for of, seeds in own.items()}
        for key, own in found.items()
    }


def _sizes(values: pd.DataFrame, in_sequence: bool) -> dict[tuple[Hashable, ...], dict[str, int]]:
    """By row and outcome what stands behind it, as `averages.sizes` counts."""
    tasks = values.groupby([*_ROW, "tuned_task"], sort=False)[["prompt_id", "seed"]].nunique()
    by = tasks.groupby(level=_ROW, sort=False)
    least, n_tasks = by.min(), by.size()
    n_orders = values.groupby(_ROW, sort=False)["order"].nunique()
    return {
        key: {
            "n_tasks": int(n_tasks[key]),
            "n_prompts": int(n_prompts),
            "n_seeds": int(n_seeds),
            "n_orders": int(n_orders[key]) if in_sequence else 0,
        }
        for key, n_prompts, n_seeds in least.itertuples()
    }


def _rows(family: _Family, runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    costs = _costs(family, runs)
    study = {
        "study": ", ".join(run.run_id for run in runs),
        "model": str(runs[0].study.model),
        "study_words": study_words([run.run_id for run in runs]),
        "kind": "sequence" if family.in_sequence else "paraphrase",
    }
    beside = family.rows.get(family.reference)
    for name, (side, policy) in family.rows.items():
        compared = [*side.runs, *(beside[0].runs if beside else ())]
        silent = no_verdict(list(dict.fromkeys(compared)))
        note = silent or (
            "" if family.reference else f"{NO_REFERENCE[:1].upper()}{NO_REFERENCE[1:]}."
        )
        about: dict[str, Any] = {"name": name, "words": name_in_words(name), "policy": policy}
        about["method"] = side.method
        about |= {"is_reference": name == family.reference, "note": note, **costs[name]}
        for outcome in OUTCOMES:
            if (name, outcome) in family.units:
                row = study | about | {"outcome": outcome}
                yield row | _numbers(family, name, outcome, bool(silent))


def study_words(run_ids: Sequence[str]) -> str:
    """A study by its first run: `pocket-1-order-1-5abcd062 and 4 more`."""
    more = f" and {len(run_ids) - 1} more" if len(run_ids) > 1 else ""
    return f"{run_ids[0]}{more}"


def _numbers(family: _Family, name: str, outcome: str, silent: bool) -> dict[str, Any]:
    """What is said of one row and outcome."""
    key, better = (name, outcome), entry(OUTCOMES[outcome]).better
    own = _mean(family.units[key], family.in_sequence)
    gaps = family.gaps.get(key)
    sizes = family.sizes[key] if gaps is None else family.paired_sizes[key]
    n_orders = sizes["n_orders"]
    unit = UNITS["order" if n_orders > 1 else "seed"] if family.in_sequence else "tuned tasks"
    if not family.rows[name][0].runs[0].is_sequence or outcome not in ("ap", "bwt", "fwt"):
        n_tasks = sizes["n_tasks"]
    else:  # of whole chains: no one task is the tuned one
        n_tasks = len(family.rows[name][0].runs[0].sequence.tasks)
    gap = Mean(NAN, NAN, NAN, own.n) if gaps is None else _mean(gaps, family.in_sequence)
    verdict = "" if silent or gaps is None else verdict_of(gap, better, unit)
    is_tested = verdict not in ("", "too few")
    seeds = family.seeds.get(key, NO_SPREAD)
    beside = family.seeds.get((family.reference, outcome), NO_SPREAD)
    ratio = NO_RATIO if gaps is None else spread_ratio(seeds, beside)
    return {
        **{"better": better, "value": own.value, "difference": gap.value},
        **{"lower": gap.lower, "upper": gap.upper, "verdict": verdict, "verdict_holm": verdict},
        "p": t_test(_values_of(gaps)) if gaps is not None and is_tested else NAN,
        **{"p_holm": NAN, "n_units": gap.n, "unit": unit, **sizes, "n_tasks": n_tasks},
        **{"seed_sd": seeds.sd, "seed_df": seeds.df, "seed_ratio": ratio.value},
        **{"seed_ratio_lower": ratio.lower, "seed_ratio_upper": ratio.upper},
        "seed_n_units": ratio.n,
        "seed_verdict": "" if silent else spread_verdict(ratio, unit),
    }


def _values_of(units: dict[Hashable, float]) -> Floats:
    values: Floats = np.asarray(list(units.values()), dtype=np.float64)
    return values


def _mean(units: dict[Hashable, float], in_sequence: bool) -> Mean:
    return mean_of(pd.Series(list(units.values()), dtype=float), in_sequence)


def _costs(family: _Family, runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """By row what it cost: means over its runs."""
    table = relative_costs(runs)
    columns = ["steps", "train_seconds", *RATIOS, "trained_values"]
    choosing = choosing_ratios(runs)
    found: dict[str, dict[str, float]] = {}
    for name, (side, policy) in family.rows.items():
        ids = [run.run_id for run in side.runs]
        own = table[(table["method"] == side.method) & table["run_id"].isin(ids)]
        means = {column: float(own[column].astype(float).mean()) for column in columns}
        found[name] = means | {"choosing_ratio": choosing.get((policy, side.method), NAN)}
    return found


def _corrected(found: pd.DataFrame) -> pd.DataFrame:
    """With Holm's correction over the rows of each outcome."""
    for _, own in found.groupby("outcome", sort=False):
        tested = own["p"].dropna()
        found.loc[list(tested.index), "p_holm"] = holm(tested.to_numpy(dtype=np.float64))
    is_lost = found["verdict"].isin(["better", "worse"]) & ~(found["p_holm"].astype(float) < ALPHA)
    found.loc[is_lost, "verdict_holm"] = "unclear"
    return found


def holm(p: Floats) -> Floats:
    """Holm's step-down correction of several p (1979): the i-th smallest of m times m − i + 1."""
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    corrected: Floats = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected

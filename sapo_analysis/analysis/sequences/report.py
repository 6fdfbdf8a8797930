"""Everything that sequence runs come to, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.estimate import plain
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.sequences.cautions import cautions
from sapo_analysis.analysis.sequences.choices import (
    choices,
    choosing_cost,
    chosen_prompts,
    same_choices,
)
from sapo_analysis.analysis.sequences.contrasts import (
    PRIMARY,
    TESTED,
    contrasts,
    primary_method,
)
from sapo_analysis.analysis.sequences.matrices import (
    TEST_PROMPTS,
    headline_prompts,
    sequence_scores,
)
from sapo_analysis.analysis.sequences.metrics import LEAST, METRICS, chain_metrics, summary
from sapo_analysis.analysis.sequences.tasks import TASK_METRICS, task_metrics
from sapo_analysis.analysis.sequences.verdicts import (
    adaptive_sentence,
    adaptive_verdict,
    primary_sentence,
    primary_verdict,
)
from sapo_analysis.analysis.wording import counted
from sapo_analysis.plan import order_name
from sapo_analysis.spec import MethodName, Strategy
from sapo_analysis.store import Run


def sequence_report(runs: Run | Sequence[Run]) -> dict[str, Any]:
    """Metrics, contrasts, choices and costs of one or several joined sequence runs.

    Raises:
        InputError: a run is no sequence run, or runs cannot be joined.
        RunError: a table is damaged, or a finished stage lacks a score.
    """
    opened = as_runs(runs)
    scores = sequence_scores(opened)
    found = choices(opened)
    metrics = chain_metrics(scores)
    kind = headline_prompts(scores)
    base = scores.query("stage == 0 and test_prompts == @kind and not is_final")
    strategies = [s for run in opened for s in run.learned_in_turn.chosen_strategies]
    method = primary_method(strategies)
    compared = contrasts(metrics, method)
    # What was chosen and spent on the way stands for chains that went all the way.
    chain = ["order", "strategy", "seed"]
    whole = found.merge(metrics[chain].drop_duplicates(), on=chain)
    agreement = [
        {"one": f"sapo+{name}", "other": f"sapo-once+{name}", "same": same, "of": of}
        for name in dict.fromkeys(whole["method"])
        for same, of in [same_choices(whole, f"sapo+{name}", f"sapo-once+{name}")]
        if of
    ]
    silent = _silence(opened)
    return {
        "kind": "sequence",
        "run_id": [run.run_id for run in opened],
        "model": opened[0].provenance.get("model", {}).get("name", opened[0].study.model),
        "test_prompts": kind,
        "tasks": list(opened[0].learned_in_turn.tasks),
        "orders": _named(order_name(o) for run in opened for o in run.learned_in_turn.orders),
        "seeds": sorted({seed for run in opened for seed in run.learned_in_turn.seeds}),
        "n_candidates": _n_candidates(opened[0]),
        "strategies": _named(strategies),
        "sizes": _sizes(opened[0]),
        "about": {run.run_id: run.about for run in opened if run.about},
        "no_verdict": silent,
        "primary": _primary(compared, silent),
        "no_primary": _no_primary(compared, strategies, method),
        "state_adaptive": _state_adaptive(compared, agreement, silent),
        "contrasts": _records(compared),
        "summary": _records(summary(metrics)),
        "base": {str(t): float(v) for t, v in base.groupby("eval_task")["value"].mean().items()},
        "tasks_of_strategies": _records(task_metrics(scores)),
        "chosen": _records(chosen_prompts(whole)),
        "cost": _records(choosing_cost(whole)),
        "regret": _regret(whole),
        "warnings": cautions(opened, metrics),
        "definitions": _definitions(method),
    }


def _definitions(method: MethodName) -> dict[str, str]:
    """What the report's numbers are; `method`: of the primary contrast."""
    return {
        **METRICS,
        **TASK_METRICS,
        "base": "score of the base model by task, original test prompts (0 to 100)",
        "chosen": "per strategy and task, how often each prompt was chosen over orders and"
        " seeds; original and paft choose nothing",
        "test_prompts": ", ".join(TEST_PROMPTS),
        "difference": entry("difference").in_words,
        "p": "Student t, two-sided, uncorrected; a test for the primary contrast alone"
        f" ({PRIMARY[0]} − {PRIMARY[1]} with {method}, {PRIMARY[2]}, {PRIMARY[3]} test"
        " prompts)",
        "p_holm": f"p corrected by Holm over the other contrasts in {', '.join(TESTED)} with"
        f" original test prompts; from {LEAST} orders on",
        **{name: entry(name).in_words for name in ("share", "share_of_texts", "regret")},
    }


def _named(things: Iterable[object]) -> list[str]:
    """Names, each once, in order."""
    return list(dict.fromkeys(map(str, things)))


def _sizes(run: Run) -> dict[str, int]:
    """How much was trained and tested; joined runs have it in common. Empty where imported."""
    if run.is_imported:
        return {}
    study = run.sequence
    return {
        "steps": study.training.steps,
        "batch_size": study.training.batch_size,
        "scored_examples": study.scoring.examples,
        "test_examples": study.evaluation.examples,
        "final_test_examples": study.evaluation.at_the_end,
        "test_only_prompts": study.evaluation.test_only_prompts,
    }


def sizes_in_words(report: Mapping[str, Any]) -> str:
    """How much a report's runs trained, scored and tested, for its head."""
    sizes, pools = report["sizes"], sorted(set(report["n_candidates"].values()))
    several = f"{pools[0]}–{pools[-1]}" if len(pools) > 1 else f"{pools[0]}" if pools else ""
    if not sizes:
        known = [f"{several} candidates a task"] if several else []
        return " · ".join([*known, "settings and seeds not recorded"])
    end = sizes["final_test_examples"]
    at_the_end = f", {end} after the last" if end != sizes["test_examples"] else ""
    found = [
        f"{sizes['steps']} steps of {sizes['batch_size']}",
        f"{sizes['test_examples']} test examples a stage{at_the_end}",
    ]
    if several:  # a run that has hardly begun has no prompts yet
        found.insert(0, f"{several} candidates a task")
    return " · ".join(found)


def _no_primary(compared: pd.DataFrame, strategies: Iterable[Strategy], method: MethodName) -> str:
    """Why there is no primary contrast, if so."""
    if compared["is_primary"].any():
        return ""
    one, other = (f"{policy}+{method}" for policy in PRIMARY[:2])
    contrast = f"No primary contrast, {one} − {other}:"
    if missing := [name for name in (one, other) if name not in _named(strategies)]:
        return f"{contrast} {' and '.join(missing)} did not run."
    return f"{contrast} both are not complete yet in any one order and seed."


def _primary(compared: pd.DataFrame, silent: str) -> dict[str, Any] | None:
    """The primary contrast with its verdict, in words too."""
    rows = _records(compared[compared["is_primary"]])
    if not rows:
        return None
    verdict = None if silent else primary_verdict(rows[0])
    return {
        **rows[0],
        "verdict": verdict,
        "sentence": primary_sentence(rows[0], verdict),
    }


def _state_adaptive(
    compared: pd.DataFrame, agreement: Sequence[dict[str, Any]], silent: str
) -> list[dict[str, Any]]:
    """Per method, sapo − sapo-once in AP with original test prompts, and how often they agree."""
    found = []
    of_ap = compared[(compared["metric"] == "ap") & (compared["test_prompts"] == "original")]
    for same in agreement:
        pair = (of_ap["strategy"] == same["one"]) & (of_ap["reference"] == same["other"])
        for row in _records(of_ap[pair]):
            verdict = None if silent else adaptive_verdict(row)
            said = adaptive_sentence(row, verdict, same["same"], same["of"])
            found.append({**row, **same, "verdict": verdict, "sentence": said})
    return found


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = plain(frame.to_dict("records"))
    return rows


def _n_candidates(run: Run) -> dict[str, int]:
    if run.is_imported:  # every strategy has its own: the most that one of them had scored
        scored = run.table("indicators").groupby(["task", "state_id"], sort=False).size()
        return {str(t): int(n) for t, n in scored.groupby("task", sort=False).max().items()}
    prompts = run.table("prompts").query("not test_only")
    return {str(task): int(n) for task, n in prompts.groupby("task", sort=False).size().items()}


def _regret(found: pd.DataFrame) -> list[dict[str, Any]]:
    known = found[found["regret"].notna()]
    by = known.groupby("strategy", sort=False)["regret"]
    return _records(by.agg(mean="mean", largest="max", n_stages="size").reset_index())


def _silence(runs: Sequence[Run]) -> str:
    """Why nothing is concluded, if so."""
    random = [run.run_id for run in runs if run.has_random_weights]
    if random:
        return f"No verdict: {', '.join(random)} began with random weights and is a control."
    if imported := [run for run in runs if run.is_imported]:
        return _of_imported(imported[0])
    under_way = [run.run_id for run in runs if not run.is_complete]
    if under_way:
        return f"No verdict: {', '.join(under_way)} is not done."
    return ""


def _of_imported(run: Run) -> str:
    """Why imported sequences are described and not judged."""
    known = run.learned_in_turn
    n_orders, n_seeds = len(known.orders), len(known.seeds)
    few = "" if n_orders >= LEAST else f" (an interval over orders needs {LEAST})"
    return (
        f"No verdict: {run.run_id} holds imported outputs of {counted(n_orders, 'order')}{few} and"
        f" {counted(n_seeds, 'chain')} of each strategy on it, whose settings and seeds are not"
        " recorded. Each task is tested with the prompt it was learned with, so that better"
        " training and a better test prompt are not told apart."
    )

"""A report as terminal tables: the claims with both verdicts, then the numbers behind them."""

from __future__ import annotations

from typing import Any

from sapo_analysis.analysis.estimate import FORMS, SCOPES
from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.cli.output import MISSING, number, show, show_table

Report = dict[str, Any]

NOT_MEASURED = "not measured"


def titled(report: Report) -> str:
    """Whose findings they are; how tasks were learned, where it is not by LoRA."""
    ids = report["run_id"] if isinstance(report["run_id"], list) else [report["run_id"]]
    method = report["method"]
    learned = "" if method in (None, "lora") else f", learned with {METHOD_WORDS[method]}"
    return f"Findings of {', '.join(ids)}{learned}"


def show_findings(report: Report) -> None:
    """Every claim in both forms with intervals, n and both verdicts; the noise floor; warnings."""
    if report["verdicts"]:
        show_table(
            titled(report),
            ["claim", "form", "estimate", *_SCOPE_COLUMNS, "n"],
            _claim_rows(report["verdicts"]),
            "claim_1: log ratio of two spreads; the others: r. n: tasks × prompts × seeds.",
        )
    if report["no_verdict"]:
        show(report["no_verdict"])
    for claim, prediction in report["claims"].items():
        missing = report["claims_without_data"].get(claim)
        show(f"{claim}: {prediction}.{f' Not judged: {missing}' if missing else ''}")
    _show_noise_floor(report["noise_floor"])
    if known := {f: v for f, v in report["claim_1_from_the_seed_alone"].items() if v is not None}:
        by_form = ", ".join(
            f"{number(value, sign=True)} in {form}" for form, value in known.items()
        )
        show(f"claim_1 from the seed alone: {by_form}.")
    for warning in report["warnings"]:
        show(f"Warning: {warning}")


def _show_noise_floor(floors: list[Report]) -> None:
    if all(floor["sd"] is None and not floor["numerical_noise"]["n"] for floor in floors):
        if floors:
            show(f"Noise floor: {NOT_MEASURED}; rounding alone: {NOT_MEASURED}.")
        return
    show_table(
        "Noise floor: the same prompt from the same state under other seeds",
        [
            *("outcome", "role", "sd over seeds", "σ", "at most", "noise seeds"),
            *("rounding alone", "unit"),
        ],
        [
            (
                *(floor["quantity"], floor["role"], floor["sd"], *_band(floor["band"])),
                *(_rounding(floor["numerical_noise"]), floor["unit"]),
            )
            for floor in floors
        ],
        "sd over seeds: of one prompt. σ: the part of it that differs between prompts; with one"
        " noise prompt a task an upper bound that has in it what the seed does to all alike. At"
        " most: its 95 % limit. Rough: under 8 seeds. Rounding alone: sd of one trial, from n main"
        " trials repeated in another stack.",
    )


def _band(band: Report | None) -> tuple[float | None, float | None, str | None]:
    if band is None:
        return None, None, None
    pooled = band["pooled"]
    return (
        pooled["sigma"],
        pooled["sigma_upper"],
        f"{pooled['n_noise_seeds']}{', rough' * pooled['dashed']}",
    )


def _rounding(noise: Report) -> str:
    if not noise["n"]:
        return NOT_MEASURED
    # Three decimals would show a small number as a zero.
    ratio = "" if noise["ratio"] is None else f", {noise['ratio']:.2g} σ"
    return f"{noise['sd']:.2g} (n = {noise['n']}{ratio})"


def show_details(report: Report) -> None:
    """The within-task correlations, each task's own, what training did, and definitions."""
    show_table(
        "Pre-update loss against each outcome, within tasks",
        [
            "outcome",
            "role",
            "statistic",
            "estimate",
            "new tasks 95 %",
            "these tasks 95 %",
            "p, these tasks",
            "n",
        ],
        _estimate_rows(report["estimates"]),
        "p: permutation, prompts shuffled within task; it says nothing of new tasks."
        " n: tasks × prompts × seeds.",
    )
    show_table(
        "Each current task: r, and how far prompt and seed move the outcome",
        ["outcome", "role", "task", "r (95 % over prompts)", "σ prompt", "σ seed", "ratio", "unit"],
        [_task_row(row) for row in report["tasks"]],
        "ratio: σ prompt ÷ σ seed with its 95 % interval; needs two seeds.",
    )
    show_table(
        "Every indicator against each outcome, within tasks",
        ["outcome", "role", "indicator", "given", "r", "new tasks 95 %", "these tasks 95 %"],
        [_rival_row(row) for row in report["rivals"]],
        "Many are looked at: the best of them looks better than it is.",
    )
    show_table(
        "What training did",
        ["task", "before", "after", "least gain of a prompt", "in-task sd", "misses"],
        [
            (row["current_task"], row["score_before"], row["score_after"], row["least_gain"])
            + (_ranged(row, "in_task_sd"), row["misses"])
            for row in report["training"]
        ],
        "In points. In-task sd: over prompts, of the final score, seed noise removed.",
    )
    if report["past_gains"]:
        show_table(
            "What the past tasks had gained",
            ["task", "state seed", "before", "after", "gain", "misses"],
            [tuple(row.values()) for row in report["past_gains"]],
            "In points, under the original prompt.",
        )
    show_table(
        "Definitions",
        ["quantity", "meaning", "good when", "score form (points)", "loss form (nats per token)"],
        [
            (name, one["meaning"], one["good_when"], one["score_form"], one["loss_form"])
            for name, one in report["definitions"].items()
        ],
    )


def _task_row(row: Report) -> tuple[Any, ...]:
    interval = _interval(row)
    r = number(row["r"], sign=True) + (f" ({interval})" if interval != MISSING else "")
    outcome = (row["quantity"], row["role"], row["current_task"])
    return (*outcome, r, row["sigma_prompt"], row["sigma_seed"], _ranged(row, "ratio"), row["unit"])


def _rival_row(row: Report) -> tuple[str, ...]:
    these = {"lower": row["these_lower"], "upper": row["these_upper"]}
    names = (row["quantity"], row["role"], row["indicator"], row["given"])
    return (*names, number(row["r"], sign=True), _interval(row), _interval(these))


def _ranged(row: Report, name: str) -> str:
    value, lower, upper = row[name], row[f"{name}_lower"], row[f"{name}_upper"]
    if value is None:
        return NOT_MEASURED
    interval = MISSING if lower is None else f"{number(lower)} to {number(upper)}"
    return f"{number(value)} ({interval})"


_SCOPE_COLUMNS = ["these tasks 95 %", "these tasks", "new tasks 95 %", "new tasks"]


def _claim_rows(verdicts: list[Report]) -> list[list[str]]:
    by_key = {(v["claim"], v["form"], v["scope"]): v for v in verdicts}
    rows = []
    for claim in dict.fromkeys(v["claim"] for v in verdicts):
        for form in FORMS:
            both = {scope: by_key.get((claim, form, scope)) for scope in SCOPES}
            present = next((v for v in both.values() if v is not None), None)
            if present is not None:
                cells = [_judged(both[scope]) for scope in ("these_tasks", "new_tasks")]
                estimate = present["estimate"]
                value = number(estimate["value"], sign=True)
                rows.append([claim, form, value, *cells[0], *cells[1], _n(estimate)])
    return rows


def _judged(verdict: Report | None) -> tuple[str, str]:
    if verdict is None:
        return MISSING, MISSING
    word = "too few tasks" if verdict["verdict"] == "too few" else verdict["verdict"]
    return _interval(verdict["estimate"]), word


def _estimate_rows(estimates: list[Report]) -> list[tuple[str, ...]]:
    within = [e for e in estimates if e["level"] == "within_task"]
    new = [e for e in within if e["scope"] == "new_tasks"]
    these = {(e["y"], e["role"], e["statistic"]): e for e in within if e["scope"] == "these_tasks"}
    rows: list[tuple[str, ...]] = []
    for e in new:
        other = these[e["y"], e["role"], e["statistic"]]
        value, p = number(e["value"], sign=True), number(e["p"], 4)
        intervals = _interval(e), _interval(other)
        rows.append((e["y"], e["role"] or "", e["statistic"], value, *intervals, p, _n(e)))
    return rows


def _interval(estimate: Report) -> str:
    if estimate["lower"] is None or estimate["upper"] is None:
        return MISSING
    return f"{number(estimate['lower'], sign=True)} to {number(estimate['upper'], sign=True)}"


def _n(estimate: Report) -> str:
    return f"{estimate['n_tasks']} × {estimate['n_prompts']} × {estimate['n_seeds']}"

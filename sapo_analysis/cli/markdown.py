"""A report as Markdown tables, for a README or a paper's notes: `sapo report --markdown`.

Score form, but for the claims, which stand in both. The project's own README quotes its shipped
runs with these very tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sapo_analysis.analysis import CHARACTERISTICS
from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.claims import CLAIM_NAMES, predicted_sign
from sapo_analysis.analysis.confounding.matched import NOTE as MATCHED_NOTE
from sapo_analysis.analysis.estimate import FORMS
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.wording import noise_floor
from sapo_analysis.cli.along import along_markdown
from sapo_analysis.cli.findings import titled
from sapo_analysis.cli.markdown_cells import (
    OUTCOMES,
    estimate,
    interval,
    outcome_words,
    signed_or_dash,
    table,
)
from sapo_analysis.cli.markdown_review import BLOCKS
from sapo_analysis.cli.output import MISSING
from sapo_analysis.cli.review import in_words, plans_in_words
from sapo_analysis.figures.outcomes import indicator_name

Report = dict[str, Any]

CLAIMS_CAPTION = (
    "n: tasks × prompts × seeds. Claim 1: natural log of a ratio of spreads; the others: r. Noise"
    " floor, claims 1 and 2: what the estimate would be from the seed alone; claim 3: σ of one"
    " trial's outcome from the seed alone and its upper 95 % limit. Upper bound: with one noise"
    " prompt a task, what the seed does to all prompts alike is in it."
)
OUTCOMES_CAPTION = (
    "r over prompts with 95 %; σ prompt ÷ σ seed needs two seeds. (–): prompts differ even less"
    " than the seed alone would make them."
)
TRAINING_CAPTION = (
    "Points, each prompt under itself; score before: after the past tasks were learned. In-task sd:"
    " over prompts, seed noise removed, 95 %."
)
MATCHED_CAPTION = (
    "r of pre-update loss with the outcome, 95 % for new tasks. Steps and size of the update: mean"
    f" over prompts, least to most. {MATCHED_NOTE}"
)


def markdown(report: Report) -> str:
    """All tables with their captions, the run's ids on top, warnings at the end."""
    about = [f"{run_id}: {text}" for run_id, text in report["about"].items()]
    parts = [titled(report), *about, report["no_verdict"] or ""]
    for one in report["sentences"]:
        parts.append(" ".join((f"{one['claim']}: {one['sentence']}", *one["warnings"])))
    parts += in_words(report)
    for block, caption in (
        (claims_block, CLAIMS_CAPTION),
        (outcomes_block, OUTCOMES_CAPTION),
        (distinguishing_block, "Exploratory: Spearman's ρ over tasks; p is not corrected."),
        (matched_block, MATCHED_CAPTION),
        (rivals_block, "95 % for new tasks. Many are looked at: the best looks better than it is."),
        *BLOCKS,
        (training_block, TRAINING_CAPTION),
        (past_gains_block, "Points, under the original prompt."),
    ):
        if text := block(report):
            parts += [text, caption]
    parts += along_markdown(report)
    parts += [f"Warning: {warning}" for warning in report["warnings"]]
    parts += plans_in_words(report)
    return "\n\n".join(filter(None, parts))


def claims_block(report: Report) -> str:
    """Every claim in both forms, with both intervals and verdicts; nothing without verdicts."""
    by_key = {(v["claim"], v["form"], v["scope"]): v for v in report["verdicts"]}
    rows = []
    for claim, name in CLAIM_NAMES.items():
        for form in FORMS:
            these = by_key.get((claim, form, "these_tasks"))
            new = by_key.get((claim, form, "new_tasks"))
            if these and new:
                predicted = "> 0" if predicted_sign(claim) > 0 else "< 0"
                cells = [f"{interval(v['estimate'])}, {v['verdict']}" for v in (these, new)]
                e = new["estimate"]
                n = " × ".join(str(e[x]) for x in ("n_tasks", "n_prompts", "n_seeds"))
                floor = _noise_floor(report, claim, form)
                rows.append([name, predicted, form, signed_or_dash(e["value"]), *cells, n, floor])
    head = ["claim", "predicted", "form", "estimate", "these tasks, 95 %", "new tasks, 95 %"]
    return table([*head, "n", "noise floor"], rows)


def outcomes_block(report: Report) -> str:
    """Per current task and outcome: r, and σ prompt ÷ σ seed."""
    found = _by_outcome(report["tasks"], "current_task")
    rows = [
        [task, *(cell for o in OUTCOMES for cell in _r_and_ratio(row.get(o)))]
        for task, row in found.items()
    ]
    head = [
        "task",
        *(f"{outcome_words(o)}: {x}" for o in OUTCOMES for x in ("r", "σ prompt ÷ σ seed")),
    ]
    return table(head, rows)


def distinguishing_block(report: Report) -> str:
    """Per characteristic of a task and outcome: ρ with how well the claim holds, and its p."""
    found = _by_outcome(report["distinguishing"], "characteristic")
    rows = [
        [CHARACTERISTICS[name], *(_rho(row.get(o)) for o in OUTCOMES)]
        for name, row in found.items()
        if any(row[o]["rho"] is not None for o in row)
    ]
    return table(["of the task", *(f"{outcome_words(o)}: ρ (p)" for o in OUTCOMES)], rows)


def matched_block(report: Report) -> str:
    """Pre-update loss with each outcome, by step and at equal dev loss; needs checkpoints."""
    if "matched" not in report:
        return ""
    matched = report["matched"]
    found = {
        (row["quantity"], row["role"]): row
        for row in matched["outcomes"]
        if row["scope"] == "new_tasks"
    }
    shown = [found.get(outcome) for outcome in OUTCOMES]
    steps = [row["step"] for row in matched["outcomes"][0]["equal_steps"]]
    last = _along(matched["progress"], "equal_steps")
    rows = [
        [
            f"equal steps: {step}",
            *(estimate(row and row["equal_steps"][i]["estimate"]) for row in shown),
            str(step),
            last[1] if step == steps[-1] else MISSING,
        ]
        for i, step in enumerate(steps)
    ]
    at_loss = [estimate(row and row["equal_loss"]) for row in shown]
    rows.append(["equal dev loss", *at_loss, *_along(matched["progress"], "equal_loss")])
    return table(["compared at", *(outcome_words(o) for o in OUTCOMES), "steps", "‖ΔW‖"], rows)


def rivals_block(report: Report) -> str:
    """Per indicator, and per indicator given others: r with each outcome, 95 % for new tasks."""
    found: dict[str, dict[tuple[str, str], Report]] = {}
    for row in report["rivals"]:
        given = " and ".join(indicator_name(x) for x in row["given"].split(" and ") if x)
        name = indicator_name(row["indicator"]) + (f", given {given}" if given else "")
        found.setdefault(name, {})[row["quantity"], row["role"]] = row
    rows = [[name, *(_r(row.get(o)) for o in OUTCOMES)] for name, row in found.items()]
    return table(["indicator", *(outcome_words(o) for o in OUTCOMES)], rows)


def training_block(report: Report) -> str:
    """Per current task: what training did, and which bound it misses."""
    rows = [
        [
            row["current_task"],
            *(_one(row[x]) for x in ("score_before", "score_after", "least_gain")),
            _ranged(row, "in_task_sd"),
            row["misses"] or MISSING,
        ]
        for row in report["training"]
    ]
    head = ["task", "score before", "final score", "least gain of a prompt", "in-task sd", "misses"]
    return table(head, rows)


def past_gains_block(report: Report) -> str:
    """What each past task had gained before the current ones were trained, per state seed."""
    rows = [
        [
            *(row["past_task"], str(row["state_seed"])),
            *(_one(row[name]) for name in ("score_before", "score_after", "gain")),
            row["misses"] or MISSING,
        ]
        for row in report["past_gains"]
    ]
    head = ["past task", "seed", "score before", "final score", "gain", "misses"]
    return table(head, rows) if rows else ""


def _noise_floor(report: Report, claim: str, form: str) -> str:
    """What the seed alone does: to claim 1's estimate, or to one trial's outcome, if measured."""
    if claim == "claim_1":
        return signed_or_dash(report["claim_1_from_the_seed_alone"].get(form))
    if claim == "claim_2":
        return signed_or_dash(report["structure"][form]["seed_alone"])
    name, role = CLAIM_OUTCOMES[claim]
    for floor in report["noise_floor"]:
        if (floor["quantity"], floor["role"]) == (in_form(name, form), role) and floor["band"]:
            pooled = floor["band"]["pooled"]
            return noise_floor(
                pooled["sigma"], pooled["sigma_upper"], floor["unit"], pooled["label"]
            )
    return MISSING


def _by_outcome(rows: Iterable[Report], name: str) -> dict[str, dict[tuple[str, str], Report]]:
    found: dict[str, dict[tuple[str, str], Report]] = {}
    for row in rows:
        if (row["quantity"], row["role"]) in OUTCOMES:
            found.setdefault(row[name], {})[row["quantity"], row["role"]] = row
    return found


def _r(row: Report | None) -> str:
    return MISSING if row is None else f"{signed_or_dash(row['r'])} ({interval(row)})"


def _along(progress: Sequence[Report], side: str) -> tuple[str, str]:
    """Steps taken and size of the update over all prompts: mean, least to most."""
    spans = []
    for column, digits in (("steps_taken", 1), ("delta_norm", 2)):
        values = [row[f"{column}_at_{side}"] for row in progress]
        mean = sum(values) / len(values)
        spans.append(f"{mean:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})")
    return spans[0], spans[1]


def _r_and_ratio(row: Report | None) -> tuple[str, str]:
    return (MISSING, MISSING) if row is None else (_r(row), _ranged(row, "ratio"))


def _rho(row: Report | None) -> str:
    if row is None or row["rho"] is None:
        return MISSING
    p = "< 0.01" if row["p"] < 0.005 else f"{row['p']:.2f}"
    return f"{signed_or_dash(row['rho'])} ({p})"


def _ranged(row: Report, name: str) -> str:
    if row[name] is None:
        return MISSING
    lower, upper = row[f"{name}_lower"], row[f"{name}_upper"]
    return f"{_one(row[name])} ({MISSING if lower is None else f'{_one(lower)} to {_one(upper)}'})"


def _one(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1f}"

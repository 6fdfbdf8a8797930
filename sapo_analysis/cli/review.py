"""The rest of a report as terminal tables: how far its headline can be trusted, and what next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sapo_analysis.cli.output import MISSING, number, show, show_table

Report = dict[str, Any]
BEST = 3
"""Indicators shown of each outcome, beside pre-update loss; all are in the JSON."""


def show_sentences(report: Report) -> None:
    """What readers should know, a sentence per claim with its warnings, and what else is asked.

    Warnings of the report are said once, below its findings.
    """
    for run_id, text in report["about"].items():
        show(f"{run_id}: {text}")
    for one in report["sentences"]:
        show(f"{one['claim']}: {one['sentence']}")
        for warning in one["warnings"]:
            if warning not in report["warnings"]:
                show(f"  Warning: {warning}")
    for line in in_words(report):
        show(line)


def in_words(report: Report) -> list[str]:
    """What is asked beside the claims, in score form: a sentence each, with its outcome."""
    lines = [f"Between tasks: {report['structure']['score']['sentence']}"]
    for section, name in (("indicator_board", "Indicators"), ("selection_value", "The rule")):
        for one in report[section]:
            if not one["y"].endswith("_loss"):
                lines.append(f"{name} ({one['y']}, {one['role']}): {one['sentence']}")
    return lines


def plans_in_words(report: Report) -> list[str]:
    """How large a next study has to be, by outcome, and what that takes for granted."""
    lines: list[str] = []
    assumed: dict[str, None] = {}
    for plan in report["planning"]:
        what = f"{plan['quantity']}, {plan['role']}"
        sentences = f"{plan['for_width']['sentence']} {plan['for_power']['sentence']}"
        lines.append(f"Next study ({what}): {sentences}")
        assumed |= dict.fromkeys(plan["for_width"]["assumptions"])
    return [*lines, *assumed]


def show_review(report: Report) -> None:
    """Noise, claim 2's parts, indicators, what else differs, single points, worth, next study."""
    _show_noise(report)
    _show_structure(report)
    _show_board(report["indicator_board"])
    _show_held_fixed(report["partial"])
    _show_left_out(report["influence"])
    _show_worth(report["selection_value"])
    for line in plans_in_words(report):
        show(line)


def _show_noise(report: Report) -> None:
    show_table(
        "How much of it is noise: prompts' share of one trial's variance, reliability of the mean",
        ["quantity", "role", "share", "95 %", "reliability", "95 %", "tasks", "seeds", "note"],
        [
            (
                *(row["quantity"], row["role"] or MISSING),
                *(number(row["share"]), _span(row, "share_", sign=False)),
                *(number(row["reliability"]), _span(row, "reliability_", sign=False)),
                *(row["n_tasks"], row["n_seeds"], row["note"]),
            )
            for row in report["variance_components"]
            if row["current_task"] is None
        ],
        "Over tasks. Share: of one trial's variance between prompts, the rest is the seed's.",
    )
    show_table(
        "Claim 1 as shares of variance: prompts in-task against on other tasks",
        ["form", "in-task", "other tasks", "difference", "new tasks 95 %", "tasks", "note"],
        [
            (
                *(row["form"], number(row["share_in_task"]), number(row["share_cross_task"])),
                *(number(row["difference"], sign=True), _span(row)),
                *(row["n_tasks"], row["note"]),
            )
            for row in report["claim_1_shares"]
        ],
        "Predicted above 0. A share can lie a little below 0 by chance.",
    )
    show_table(
        "The correlation without seed noise, beside the raw one",
        [
            *("outcome", "role", "raw r", "plain mean of r", "corrected r", "new tasks 95 %"),
            *("from the seed", "reliability of loss", "of outcome"),
        ],
        [
            (
                *(row["y"], row["role"]),
                *(number(row[name], sign=True) for name in ("raw", "mean_r", "value")),
                _span(row),
                number(row["from_seed"], sign=True),
                *(number(row["reliability_x"]), number(row["reliability_y"])),
            )
            for row in report["corrected"]
        ],
        "Raw r averages Fisher's z over tasks, the corrected one r itself: compare it with the"
        " plain mean. From the seed: the part of that which loss and outcome share by their seed"
        " alone. Takes two seeds.",
    )


def _show_structure(report: Report) -> None:
    rows = []
    for form, found in report["structure"].items():
        new, these = (found["prompt"][scope] for scope in ("new_tasks", "these_tasks"))
        null = {"lower": found["null_lower"], "upper": found["null_upper"]}
        rows.append(
            (
                *(form, number(found["raw"]["new_tasks"]["value"], sign=True)),
                *(number(new["value"], sign=True), _span(new), _span(these)),
                number(found["seed"]["new_tasks"]["value"], sign=True),
                *(_span(null), number(new["p"], 4), number(found["seed_alone"], sign=True)),
            )
        )
    show_table(
        "Claim 2 in two parts: r of impacts on different tasks = prompts' part + seed's part",
        [
            *("form", "r", "prompts' part", "new tasks 95 %", "these tasks 95 %"),
            *("seed's part", "null 95 %", "p, these tasks", "r of the seed alone"),
        ],
        rows,
        "Plain means of r, over which the parts add: claim 2 averages Fisher's z. The prompts' part"
        " is from different seeds for the two tasks, so noise that a trial's tasks share cannot"
        " make it. Takes two seeds.",
    )


def _show_board(boards: list[Report]) -> None:
    rows = []
    for board in boards:
        for row in board["rows"]:
            if row["indicator"] == board["x"] or (row["rank"] is not None and row["rank"] <= BEST):
                difference = number(row["difference"], sign=True)
                rows.append(
                    (
                        *(board["y"], board["role"], row["rank"], row["indicator"]),
                        *(number(row["r"], sign=True), number(row["p_adjusted"], 4)),
                        *(number(row["strength"], sign=True), _span(row, "strength_")),
                        f"{difference} ({_span(row, 'difference_')})",
                    )
                )
    show_table(
        "Which indicator predicts best: the first three, and pre-update loss",
        [
            *("outcome", "role", "rank", "indicator", "r", "p, corrected for all tried"),
            *("strength", "new tasks 95 %", "strength − that of the loss, in z"),
        ],
        rows,
        "Strength: r with the sign that the other tasks give it. All indicators: --json.",
    )
    show_table(
        "The best indicator, judged on tasks that did not choose it",
        ["outcome", "role", "chosen", "r", "new tasks 95 %", "p", "of all tasks it looks like"],
        [
            (
                *(board["y"], board["role"], _chosen(board["winner"])),
                *(number(board["winner"]["r"], sign=True), _span(board["winner"])),
                *(number(board["winner"]["p"], 4), number(board["winner"]["overall_r"])),
            )
            for board in boards
        ],
        "Chosen: by how many of the choices.",
    )


def _chosen(winner: Report) -> str:
    chosen = winner["chosen"]
    return ", ".join(f"{name} {n}" for name, n in chosen.items()) or winner["note"] or MISSING


def _show_held_fixed(partial: list[Report]) -> None:
    show_table(
        "With other properties of a prompt held fixed (Pearson)",
        ["outcome", "role", "held fixed", "raw r", "r", "new tasks 95 %", "p, these tasks"],
        [
            (
                *(one["estimate"]["y"], one["estimate"]["role"]),
                ", ".join(one["given"]) + " (descriptive)" * one["descriptive"],
                *(number(one[r]["value"], sign=True) for r in ("raw", "estimate")),
                _span(one["estimate"]),
                number(one["estimate"]["p"], 4),
            )
            for one in partial
            if one["estimate"]["statistic"] == "partial_pearson"
            and one["estimate"]["scope"] == "new_tasks"
        ],
        "Descriptive: an in-task result comes out of training, and may lie on the way from loss to"
        " outcome.",
    )


def _show_left_out(found: list[Report]) -> None:
    show_table(
        "r without any one prompt, and without any one task",
        ["outcome", "role", "r", "without one prompt", "without one task", "moves it most"],
        [
            (
                *(one["quantity"], one["role"], number(one["leave_one_out"]["value"], sign=True)),
                *(_range(one["leave_one_out"][which]) for which in ("one_prompt", "one_task")),
                _most(one["points"]),
            )
            for one in found
        ],
    )


def _range(found: Report) -> str:
    if found["lowest"] is None or found["highest"] is None:
        return MISSING
    return _span({"lower": found["lowest"]["value"], "upper": found["highest"]["value"]})


def _most(points: list[Report]) -> str:
    if not points:
        return MISSING
    first = points[0]
    return f"{first['prompt_id']} of {first['current_task']}, {number(first['shift'], sign=True)}"


def _show_worth(values: list[Report]) -> None:
    show_table(
        "Does the rule pay: picking by lowest pre-update loss, valued on existing trials",
        [
            *("outcome", "role", "picked", "gain over", "gain", "new tasks 95 %"),
            *("these tasks 95 %", "tasks better", "unit"),
        ],
        list(_gains(values)),
        "Gain: positive where the rule is better. The hindsight best is chosen on other seeds and"
        " valued on the one left out.",
    )
    show_table(
        "How near the pick comes to the best",
        ["outcome", "role", "regret", "95 %", "hit rate", "at random", "rank", "95 %"],
        [
            (
                *(one["y"], one["role"], number(one["regret"]["value"]), _span(one["regret"])),
                *(number(one["hit_rate"]["value"]), number(one["hit_rate"]["at_random"])),
                *(number(one["rank"]["value"]), _span(one["rank"], sign=False)),
            )
            for one in values
        ],
        "Rank: share of the other prompts that did better, 0.5 at random. New tasks.",
    )


def _gains(values: list[Report]) -> Iterator[tuple[object, ...]]:
    for one in values:
        picked = {row["rule"]: row["value"] for row in one["rules"]}
        for row in one["contrasts"]:
            these = {"lower": row["these_lower"], "upper": row["these_upper"]}
            yield (
                *(one["y"], one["role"], number(picked["lowest_loss"]), row["against"]),
                *(row["note"] or number(row["gain"], sign=True), _span(row), _span(these)),
                *(f"{row['tasks_better']} of {row['n_tasks']}", row["unit"]),
            )


def _span(row: Report, prefix: str = "", sign: bool = True) -> str:
    lower, upper = row[f"{prefix}lower"], row[f"{prefix}upper"]
    if lower is None or upper is None:
        return MISSING
    return f"{number(lower, sign=sign)} to {number(upper, sign=sign)}"

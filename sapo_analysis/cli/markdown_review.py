"""The reviewer's part of a report as Markdown tables, beside `markdown`: in score form, no p."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli.markdown_cells import (
    OUTCOMES,
    estimate,
    interval,
    outcome_words,
    signed_or_dash,
    table,
)
from sapo_analysis.cli.output import MISSING
from sapo_analysis.figures.outcomes import indicator_name

Report = dict[str, Any]

NOISE_CAPTION = (
    "Share: of one trial's variance that lies between prompts, mean over tasks; reliability: of"
    " the mean over the seeds. In brackets 95 %, of the difference for new tasks."
)
CORRECTED_CAPTION = (
    "r without seed noise, from different seeds for loss and outcome, beside the plain mean over"
    " tasks of r, which it corrects; 95 % for new tasks."
)
STRUCTURE_CAPTION = (
    "Plain mean over current tasks and pairs of other tasks of r of their impacts = prompts' part,"
    " from different seeds for the two tasks, + seed's part; 95 % for new tasks. r of the seed"
    " alone: what it would be if prompts did nothing."
)
BOARD_CAPTION = (
    "The best of all indicators, chosen anew without each task and judged on that task; r counted"
    " positive where it predicts, 95 % for new tasks. Differences to pre-update loss: how many of"
    " the other indicators differ at 5 %, Holm corrected."
)
PAYOFF_CAPTION = (
    "Picking the prompt with the lowest pre-update loss, valued on the trials that are there:"
    " gain over another pick (positive: better), 95 % for new tasks. The hindsight best is chosen"
    " on other seeds. Hit: how often the two are one prompt, and at random. In the outcome's unit:"
    " points, or standard deviations over prompts where metrics differ."
)


def noise_block(report: Report) -> str:
    """Claim 1 as shares of variance, and the reliability of each outcome."""
    rows = [
        [
            f"share in {row['form']}",
            *(_two(row[name]) for name in ("share_in_task", "share_cross_task")),
            estimate({**row, "value": row["difference"]}),
        ]
        for row in report["claim_1_shares"]
        if row["difference"] is not None
    ]
    by_key = {
        (row["quantity"], row["role"]): row
        for row in report["variance_components"]
        if row["current_task"] is None and row["reliability"] is not None
    }
    for form, ending in (("score", ""), ("loss", "_loss")):
        own, other = by_key.get((f"{form}_after", "current")), by_key.get((f"impact{ending}", None))
        if own and other and rows:
            rows.append([f"reliability in {form}", *map(_reliability, (own, other)), MISSING])
    return table(["number", "in-task result", "impact on other tasks", "difference"], rows)


def corrected_block(report: Report) -> str:
    """Each outcome's r without seed noise, beside what it corrects."""
    found = _by_outcome(report["corrected"])
    if not any(row["value"] is not None for row in found.values()):
        return ""
    rows = [
        ["plain mean of r", *_cells(found, lambda row: signed_or_dash(row["mean_r"]))],
        ["without seed noise", *_cells(found, estimate)],
        ["from the shared seed", *_cells(found, lambda row: signed_or_dash(row["from_seed"]))],
        ["reliability of the loss", *_cells(found, lambda row: _two(row["reliability_x"]))],
        ["reliability of the outcome", *_cells(found, lambda row: _two(row["reliability_y"]))],
    ]
    return table(["number", *map(outcome_words, OUTCOMES)], rows)


def structure_block(report: Report) -> str:
    """Claim 2 taken apart."""
    rows = [
        [
            form,
            signed_or_dash(found["raw"]["new_tasks"]["value"]),
            estimate(found["prompt"]["new_tasks"]),
            signed_or_dash(found["seed"]["new_tasks"]["value"]),
            signed_or_dash(found["seed_alone"]),
        ]
        for form, found in report["structure"].items()
        if found["prompt"]["new_tasks"]["value"] is not None
    ]
    return table(["form", "r", "prompts' part", "seed's part", "r of the seed alone"], rows)


def board_block(report: Report) -> str:
    """The best indicator judged on tasks left out, and whether any differs from pre-update loss."""
    rows = []
    for board in _by_outcome(report["indicator_board"]).values():
        winner = board["winner"]
        if winner["r"] is None:
            continue
        tested = [row["difference_p_adjusted"] for row in board["rows"]]
        tested = [p for p in tested if p is not None]
        chosen = "; ".join(f"{n} × {indicator_name(name)}" for name, n in winner["chosen"].items())
        rows.append(
            [
                outcome_words((board["y"], board["role"])),
                chosen,
                estimate({**winner, "value": winner["r"]}),
                f"{sum(p < 0.05 for p in tested)} of {len(tested)}",
            ]
        )
    return table(["outcome", "chosen", "r on tasks left out", "differ from the loss"], rows)


def payoff_block(report: Report) -> str:
    """What picking by lowest pre-update loss is worth."""
    found = _by_outcome(report["selection_value"])
    gains = {
        outcome: {row["against"]: row for row in one["contrasts"]} for outcome, one in found.items()
    }
    rows = [
        [
            f"over {words}",
            *(_gain(gains[outcome][rule]) if outcome in gains else MISSING for outcome in OUTCOMES),
        ]
        for rule, words in (
            ("random", "a random prompt"),
            ("original", "the original"),
            ("hindsight_best", "the hindsight best"),
            ("highest_loss", "the highest loss"),
        )
    ]
    rows.append(["hit (at random)", *_cells(found, _hit)])
    known = any(cell != MISSING for row in rows for cell in row[1:])
    return table(["gain", *map(outcome_words, OUTCOMES)], rows) if known else ""


BLOCKS: tuple[tuple[Callable[[Report], str], str], ...] = (
    (noise_block, NOISE_CAPTION),
    (corrected_block, CORRECTED_CAPTION),
    (structure_block, STRUCTURE_CAPTION),
    (board_block, BOARD_CAPTION),
    (payoff_block, PAYOFF_CAPTION),
)


def _by_outcome(rows: Iterable[Report]) -> dict[tuple[str, str], Report]:
    found = {(row["y"], row["role"]): row for row in rows}
    return {outcome: found[outcome] for outcome in OUTCOMES if outcome in found}


def _cells(found: dict[tuple[str, str], Report], cell: Callable[[Report], str]) -> list[str]:
    return [cell(found[outcome]) if outcome in found else MISSING for outcome in OUTCOMES]


def _gain(row: Report) -> str:
    return MISSING if row["gain"] is None else f"{signed(row['gain'])} ({interval(row)})"


def _hit(one: Report) -> str:
    hit = one["hit_rate"]
    return MISSING if hit["value"] is None else f"{hit['value']:.2f} ({hit['at_random']:.2f})"


def _reliability(row: Report) -> str:
    bounds = row["reliability_lower"], row["reliability_upper"]
    span = MISSING if bounds[0] is None else f"{_two(bounds[0])} to {_two(bounds[1])}"
    return f"{_two(row['reliability'])} ({span})"


def _two(value: float | None) -> str:
    return MISSING if value is None else signed(value).lstrip("+")

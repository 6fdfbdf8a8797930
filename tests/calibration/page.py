"""`cached_runs/CALIBRATION.md`: what was simulated, the rates, and what misses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sapo_analysis.analysis.claims import MIN_PROMPTS_THESE_TASKS, MIN_TASKS
from sapo_analysis.analysis.estimate import SCOPES
from sapo_analysis.analysis.levels.correlation import STATISTICS
from tests.calibration.cells import (
    NULL,
    PAIRS,
    PARTS,
    PROMISED,
    SHARES,
    SMALL,
    TAILS,
    VERDICTS,
    Cell,
)
from tests.calibration.coverage import Coverage
from tests.calibration.results import Count, Results

TEMPLATE = Path(__file__).with_name("page.md")
PATH = Path(__file__).resolve().parents[2] / "cached_runs" / "CALIBRATION.md"
COVERED, REJECTED = (92.0, 98.0), (3.0, 7.0)
"""Promised, in %."""
TESTS = ("within/pearson", "within/spearman", "pooled/pearson")
NAMES = {"pearson": "Pearson", "spearman": "Spearman", "new_tasks": "new", "these_tasks": "these"}


def page(results: Results) -> str:
    """The page, of all cells: `page.md` with its tables."""
    made_on = sorted({count.made_on for counts in results.values() for count in counts.values()})
    return TEMPLATE.read_text(encoding="utf-8").format(
        made_on="; ".join(made_on),
        coverage=coverage_table(results, PROMISED),
        misses=missed(results),
        small=coverage_table(results, SMALL, said=True),
        tails=coverage_table(results, TAILS),
        permutations=permutations_table(results),
        claim_3=claims_table(results, "claim_3_forgetting_past", "r"),
        claim_1=claims_table(results, "claim_1", "log ratio"),
        claim_2=pairs_table(results),
        parts=parts_table(results),
        shares=shares_table(results),
    )


def counts_of(of: Results, cell: Cell) -> dict[str, Count]:
    """What was counted in a cell."""
    return of[cell.part, cell.name]


def coverage_table(of: Results, cells: Sequence[Coverage], said: bool = False) -> str:
    """Coverage by statistic and scope; `said`: with what the verdict rule says there."""
    measured = counts_of(of, cells[0])
    kinds = [(a, b) for a in STATISTICS for b in SCOPES if f"{a}/{b}/covered" in measured]
    head = ["n", "τ", *(f"{NAMES[a]}, {NAMES[b]} tasks" for a, b in kinds)]
    rows = []
    for cell in cells:
        counts = counts_of(of, cell)
        rates = [marked(counts[f"{a}/{b}/covered"], COVERED) for a, b in kinds]
        rows.append([str(cell.design), f"{cell.tau:g}", *rates])
        if said:
            rows[-1].append(withheld(cell))
    return table([*head, *(["verdict"] if said else [])], rows)


def withheld(cell: Coverage) -> str:
    """Of which tasks `claims()` gives no verdict on a design."""
    found = []
    if cell.design.tasks < MIN_TASKS:
        found.append("new tasks: too few")
    if cell.design.prompts < MIN_PROMPTS_THESE_TASKS:
        found.append("these tasks: unclear")
    return "; ".join(found)


def misses(of: Results) -> list[str]:
    """Every promise that is not kept, with its rate."""
    found = []
    for cell in PROMISED:
        for name, count in counts_of(of, cell).items():
            if name.endswith("/covered") and not COVERED[0] <= count.rate <= COVERED[1]:
                statistic, scope, _ = name.split("/")
                low = counts_of(of, cell)[name.replace("covered", "too low")]
                found.append(
                    f"{NAMES[statistic]}, {NAMES[scope]} tasks, {cell.name}: {count} %"
                    f" ({low} % too low)"
                )
    for null in NULL:
        for name in TESTS:
            count = counts_of(of, null)[name]
            if not REJECTED[0] <= count.rate <= REJECTED[1]:
                found.append(f"Permutation test, {name}, {null.name}: {count} %")
    return found


def missed(of: Results) -> str:
    """The list of misses."""
    found = misses(of)
    if not found:
        return "No cell misses."
    return "Misses:\n\n" + "\n".join(f"- {line}" for line in found)


def permutations_table(of: Results) -> str:
    """Rejections under the null."""
    head = ["n", "within tasks, Pearson", "within tasks, Spearman", "over all points, shuffled"]
    rows = [
        [
            str(cell.design),
            *(marked(counts_of(of, cell)[name], REJECTED) for name in TESTS),
            str(counts_of(of, cell)["pooled/interval above 0"]),
        ]
        for cell in NULL
    ]
    return table([*head, "over all points, interval above 0"], rows)


def claims_table(of: Results, claim: str, effect: str) -> str:
    """What is said of claim 1 or 3 in score form."""
    head = ["n", effect, "τ", *SAID, "these: wrong"]
    rows = [
        [
            str(cell.design),
            f"{cell.effect:g}",
            f"{cell.tau:g}",
            *(str(count) for count in said(counts_of(of, cell), claim)),
            str(counts_of(of, cell)[f"{claim}/score/these_tasks/wrong"]),
        ]
        for cell in VERDICTS
    ]
    return table(head, rows)


def pairs_table(of: Results) -> str:
    """What is said of claim 2 in score form, and how often the interval alone would say it."""
    head = ["n", "prompt's r", "seed's r", "observed r"]
    for scope in SCOPES:
        head += [f"{NAMES[scope]}: {what}" for what in ("above 0", "supported", "contradicted")]
    rows = []
    for cell in PAIRS:
        counts = counts_of(of, cell)
        row = [str(cell.design), f"{cell.effect:g}", f"{cell.noise:g}", f"{cell.observed:.2f}"]
        for scope in SCOPES:
            name = f"claim_2/score/{scope}"
            row += [str(counts[f"{name}/{w}"]) for w in ("above 0", "supported", "contradicted")]
        rows.append(row)
    return table(head, rows)


def parts_table(of: Results) -> str:
    """Of the prompts' part of claim 2: coverage and test."""
    head = ["n", "prompt's r", "seed's r", "prompts' part", "new tasks", "these tasks"]
    measures = ("new_tasks/covered", "these_tasks/covered")
    rows = [
        [
            str(cell.of.design),
            f"{cell.of.effect:g}",
            f"{cell.of.noise:g}",
            f"{cell.of.prompts:.2f}",
            *(marked(counts_of(of, cell)[measure], COVERED) for measure in measures),
            str(counts_of(of, cell)["rejected"]),
        ]
        for cell in PARTS
    ]
    return table([*head, "test rejects"], rows)


def shares_table(of: Results) -> str:
    """Of what is left without seed noise: coverage where there is an interval."""
    head = ["n", "mean share", "share, new tasks", "share, one task", "reliability, these tasks"]
    kinds = ("share/new_tasks", "share/one task", "reliability", "corrected/new_tasks")
    rows = []
    for cell in SHARES:
        counts = counts_of(of, cell)
        rates = [counts[f"{k}/covered"].among(counts[f"{k}/none"]) for k in kinds]
        shown = [marked(rate, COVERED) for rate in rates]
        none = str(counts["corrected/new_tasks/none"])
        rows.append([str(cell.design), f"{cell.share:g}", *shown, none])
    return table([*head, "corrected r, new tasks", "corrected r, no interval"], rows)


SAID = tuple(
    f"{NAMES[scope]}: {what}" for scope in SCOPES for what in ("supported", "contradicted")
)


def said(counts: dict[str, Count], claim: str) -> list[Count]:
    """The counts of `SAID`."""
    decisions = ("supported", "contradicted")
    return [counts[f"{claim}/score/{scope}/{what}"] for scope in SCOPES for what in decisions]


def marked(count: Count, bounds: tuple[float, float]) -> str:
    """A rate, in bold where it misses what was promised."""
    return str(count) if bounds[0] <= count.rate <= bounds[1] else f"**{count}**"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """As Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

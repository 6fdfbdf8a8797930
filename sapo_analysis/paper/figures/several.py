"""The figures of paraphrase studies that cannot be joined: beside each other, never pooled."""

from __future__ import annotations

from dataclasses import replace

from sapo_analysis.figures import FigureSpec, runs_forest
from sapo_analysis.paper.figures.kind import FigureKind
from sapo_analysis.paper.numbers.several import SeveralNumbers
from sapo_analysis.paper.options import Options


def _runs_forest(numbers: SeveralNumbers, options: Options) -> FigureSpec:
    outcome = numbers.outcome(options)
    asked = replace(options, outcome=outcome.name)
    return runs_forest(
        numbers.means(asked),
        predicted=outcome.predicted if options.x == "pre_update_loss" else 0,
        unfinished=numbers.unfinished,
    )


def _claimed(numbers: SeveralNumbers) -> list[Options]:
    return [Options(outcome=o.name) for o in numbers.outcomes if o.claim is not None]


SEVERAL_FIGURES = (
    FigureKind(
        "runs_forest",
        "r per run",
        "The correlation within tasks of each run with both intervals, a row per run.",
        "several",
        ("outcome", "form", "x", "statistic"),
        _runs_forest,
        _claimed,
    ),
)

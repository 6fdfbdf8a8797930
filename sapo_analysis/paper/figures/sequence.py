"""The figures of sequence studies."""

from __future__ import annotations

from sapo_analysis.analysis.sequences import candidates_along
from sapo_analysis.figures import (
    FigureSpec,
    choices_along,
    stage_matrix,
    strategy_intervals,
    strategy_race,
)
from sapo_analysis.paper.figures.kind import FigureKind, once
from sapo_analysis.paper.numbers import SequenceNumbers
from sapo_analysis.paper.options import Options


def _intervals(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    return strategy_intervals(
        numbers.summary,
        test_prompts=numbers.test_prompts(options),
        hollow=bool(numbers.silent),
    )


def _matrices(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    return stage_matrix(
        numbers.scores,
        numbers.strategies(numbers.method(options)),
        test_prompts=numbers.test_prompts(options),
        order=options.order or None,
    )


def _race(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    return strategy_race(
        numbers.race, test_prompts=numbers.test_prompts(options), method=numbers.method(options)
    )


def _choices(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    run, order, strategy, seed = numbers.chain(options)
    return choices_along(candidates_along(run, order, strategy, seed), strategy=strategy)


def _methods(numbers: SequenceNumbers) -> list[Options]:
    return [Options(method=method) for method in numbers.methods]


SEQUENCE_FIGURES = (
    FigureKind(
        "strategy_intervals",
        "AP, BWT and FWT",
        "Each strategy's metrics with intervals.",
        "sequence",
        ("test_prompts",),
        _intervals,
        once,
    ),
    FigureKind(
        "stage_matrix",
        "Task × stage",
        "What each strategy knew when: scores by stage and task.",
        "sequence",
        ("test_prompts", "method", "order"),
        _matrices,
        _methods,
    ),
    FigureKind(
        "strategy_race",
        "The race",
        "Mean score on the tasks learned so far, by stage.",
        "sequence",
        ("test_prompts", "method"),
        _race,
        _methods,
    ),
    FigureKind(
        "choices_along",
        "Choices along a sequence",
        "Every candidate's pre-update loss by stage, and what was chosen.",
        "sequence",
        ("method", "strategy", "order"),
        _choices,
        once,
    ),
)

"""The figures of sequence studies."""

from __future__ import annotations

from sapo_analysis.analysis.sequences import candidates_along
from sapo_analysis.figures import (
    FigureSpec,
    choices_along,
    stage_curves,
    stage_matrix,
    strategy_contrasts,
    strategy_intervals,
    strategy_race,
)
from sapo_analysis.paper.figures.kind import FigureKind, once
from sapo_analysis.paper.numbers import SequenceNumbers
from sapo_analysis.paper.options import Options

_METRICS = ("lopezpaz2017gem", "shi2026sapo", "student1908")
_MATRICES_ACROSS = 4
"""Panels side by side where the page is wide enough."""


def _intervals(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    return strategy_intervals(
        numbers.summary,
        test_prompts=numbers.test_prompts(options),
        hollow=not numbers.is_complete,
    )


def _contrasts(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    return strategy_contrasts(
        numbers.contrasts,
        method=numbers.method(options),
        test_prompts=numbers.test_prompts(options),
        hollow=not numbers.is_complete,
        judged=not numbers.silent,
    )


def _matrices(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    return stage_matrix(
        numbers.scores,
        numbers.strategies(numbers.method(options)),
        test_prompts=numbers.test_prompts(options),
        order=options.order or None,
        columns=_MATRICES_ACROSS,
    )


def _race(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    return strategy_race(
        numbers.race, test_prompts=numbers.test_prompts(options), method=numbers.method(options)
    )


def _choices(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    run, order, strategy, seed = numbers.chain(options)
    table = candidates_along(run, order, strategy, seed)
    return choices_along(table, strategy=strategy, order=order, seed=seed)


def _training(numbers: SequenceNumbers, options: Options) -> FigureSpec:
    order = numbers.order(options)
    table = numbers.training(order)
    return stage_curves(table, method=numbers.method(options), order=order)


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
        _METRICS,
    ),
    FigureKind(
        "strategy_contrasts",
        "AP, BWT and FWT, paired",
        "Paired differences between strategies in the metrics, with intervals and tests.",
        "sequence",
        ("test_prompts", "method"),
        _contrasts,
        _methods,
        (*_METRICS, "holm1979"),
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
        ("shi2026sapo",),
    ),
    FigureKind(
        "stage_curves",
        "Training curves by stage",
        "Training loss by step in each stage, a line per policy.",
        "sequence",
        ("method", "order"),
        _training,
        _methods,
    ),
)

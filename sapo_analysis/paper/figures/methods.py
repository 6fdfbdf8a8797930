"""The figures of methods beside each other, of any kind of study."""

from __future__ import annotations

from sapo_analysis.figures import (
    FigureSpec,
    format_specialization,
    gradient_alignment,
    persistence_diagram,
    topology,
    trade_off_scatter,
)
from sapo_analysis.paper.figures.kind import FigureKind, once
from sapo_analysis.paper.kinds import ANY
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options

_SOURCES = ("wang2024promot", "student1908")
_TOPOLOGY = ("huang2026tsloss", "student1908")
_NEEDS = (
    "It is drawn from what a study looks at along its fine-tunes (diagnostics.every above 0), of"
    " runs that can be compared."
)
_NEEDS_SOFT = (
    "It is drawn from soft prompts that a study looks at along its fine-tunes: a method that trains"
    " one, and diagnostics.every above 0."
)


def _format(numbers: Numbers, options: Options) -> FigureSpec:
    return format_specialization(numbers.compared.format_curves, numbers.compared.steps)


def _gradients(numbers: Numbers, options: Options) -> FigureSpec:
    return gradient_alignment(numbers.compared.alignment_curves)


def _topology(numbers: Numbers, options: Options) -> FigureSpec:
    return topology(numbers.compared.topology_curves, numbers.compared.steps)


def _diagram(numbers: Numbers, options: Options) -> FigureSpec:
    return persistence_diagram(numbers.compared.diagram(options.task))


def _trade_off(numbers: Numbers, options: Options) -> FigureSpec:
    return trade_off_scatter(numbers.compared.trade_off, numbers.compared.steps)


def _has_looks(numbers: Numbers) -> bool:
    return numbers.compared.has_looks


def _has_soft_prompts(numbers: Numbers) -> bool:
    return numbers.compared.has_soft_prompts


def _has_points(numbers: Numbers) -> bool:
    return numbers.compared.has_looks or numbers.compared.is_of_methods


METHOD_FIGURES = (
    FigureKind(
        "format_specialization",
        "Format specialization",
        "Tuned score, and how many answers to other tasks are in the tuned task's format, by step.",
        ANY,
        (),
        _format,
        once,
        _SOURCES,
        _has_looks,
        _NEEDS,
    ),
    FigureKind(
        "gradient_alignment",
        "Gradient alignment",
        "How much of a training step changes the format alone, by step and module.",
        ANY,
        (),
        _gradients,
        once,
        _SOURCES,
        _has_looks,
        _NEEDS,
    ),
    FigureKind(
        "topology",
        "Topology of soft prompts",
        "Total H0 and H1 persistence and compactness of a soft prompt's virtual tokens, by step.",
        ANY,
        (),
        _topology,
        once,
        _TOPOLOGY,
        _has_soft_prompts,
        _NEEDS_SOFT,
    ),
    FigureKind(
        "persistence_diagram",
        "Persistence diagram",
        "When components and loops of a soft prompt's virtual tokens begin and end, before and"
        " after the first fine-tune of a task, or of each.",
        ANY,
        ("task",),
        _diagram,
        once,
        _TOPOLOGY,
        _has_soft_prompts,
        _NEEDS_SOFT,
    ),
    FigureKind(
        "trade_off",
        "Trade-off",
        "Score on the tuned task against the mean of the others, by method and checkpoint.",
        ANY,
        (),
        _trade_off,
        once,
        _SOURCES,
        _has_points,
        f"Of one method alone: {_NEEDS[:1].lower()}{_NEEDS[1:]}",
    ),
)

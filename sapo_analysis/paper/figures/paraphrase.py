"""The figures of paraphrase studies."""

from __future__ import annotations

from sapo_analysis.figures import (
    FigureSpec,
    impact_heatmap,
    impact_scatter,
    indicator_forest,
    pool_curve,
    selection_bars,
    task_forest,
    training_curves,
)
from sapo_analysis.paper.figures.kind import FigureKind, once
from sapo_analysis.paper.numbers import ParaphraseNumbers
from sapo_analysis.paper.options import Options


def _scatter(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    outcome = numbers.outcome(options)
    return impact_scatter(
        numbers.df,
        outcome=outcome.name,
        form=options.form,
        x=options.x,
        view=options.view,
        eval_task=options.eval_task or None,
        prompts=numbers.prompts,
        noise=numbers.noise(options),
        estimates=numbers.tasks(options),
        hollow=bool(numbers.silent),
    )


def _views(numbers: ParaphraseNumbers) -> list[Options]:
    return [
        Options(outcome=outcome.name, view=view)
        for outcome in numbers.outcomes
        for view in ("centred", "panels")
    ]


def _task_forest(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    predicted = numbers.outcome(options).predicted
    return task_forest(
        numbers.tasks(options),
        numbers.means(options),
        predicted=predicted if options.x == "pre_update_loss" else 0,
        hollow=bool(numbers.silent),
    )


def _heatmap(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return impact_heatmap(numbers.between_tasks(options.form))


def _indicators(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return indicator_forest(numbers.board(options))


def _selection(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return selection_bars(numbers.worth(options), hollow=bool(numbers.silent))


def _pool_curve(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return pool_curve(numbers.worth(options))


def _training(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return training_curves(numbers.curves)


def _claimed(numbers: ParaphraseNumbers) -> list[Options]:
    """One figure per outcome that a published claim speaks of."""
    return [Options(outcome=o.name) for o in numbers.outcomes if o.claim is not None]


_ASKED = ("outcome", "form", "x", "eval_task")

PARAPHRASE_FIGURES = (
    FigureKind(
        "impact_scatter",
        "Impact scatter",
        "Pre-update loss against what training changed, a point per prompt.",
        "paraphrase",
        (*_ASKED, "view", "statistic"),
        _scatter,
        _views,
    ),
    FigureKind(
        "task_forest",
        "r per task",
        "The correlation within each task with its interval, and the mean over tasks.",
        "paraphrase",
        (*_ASKED, "statistic"),
        _task_forest,
        _claimed,
    ),
    FigureKind(
        "impact_heatmap",
        "Between tasks",
        "Whether prompts that are good for one other task are good for the others.",
        "paraphrase",
        ("form",),
        _heatmap,
        once,
    ),
    FigureKind(
        "indicator_forest",
        "Indicators",
        "Every indicator known before the update, and what the best is worth on tasks left out.",
        "paraphrase",
        ("outcome", "form"),
        _indicators,
        _claimed,
    ),
    FigureKind(
        "selection_bars",
        "What the rule is worth",
        "The outcome of each way of picking a prompt, and the gain of the lowest loss over it.",
        "paraphrase",
        _ASKED,
        _selection,
        _claimed,
    ),
    FigureKind(
        "pool_curve",
        "Outcome by number of prompts",
        "The expected outcome of a pick by the number of prompts that it is picked from.",
        "paraphrase",
        _ASKED,
        _pool_curve,
        _claimed,
    ),
    FigureKind(
        "training_curves",
        "Training curves",
        "Training loss by step of the trials that ended last.",
        "paraphrase",
        (),
        _training,
        once,
    ),
)

"""The figures of paraphrase studies."""

from __future__ import annotations

from sapo_analysis.analysis.estimate import FORMS
from sapo_analysis.analysis.impacts import HEADLINE_INDICATOR
from sapo_analysis.analysis.indicators.board import AVERAGINGS
from sapo_analysis.figures import (
    FigureSpec,
    claim_1_spread,
    impact_heatmap,
    impact_scatter,
    indicator_forest,
    pool_curve,
    regret_curve,
    selection_bars,
    task_forest,
    training_by_task,
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
        means=numbers.means(options),
        pooled=numbers.pooled(options) if options.view == "raw" else None,
        hollow=not numbers.is_complete,
    )


def _views(numbers: ParaphraseNumbers) -> list[Options]:
    return [
        Options(outcome=outcome.name, view=view)
        for outcome in numbers.outcomes
        for view in ("centred", "panels")
    ]


def _task_forest(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    # Of one sign in both forms: forgetting grows where generalization shrinks. Of other averagings
    # of pre-update loss the claims say the same, of other indicators nothing.
    predicted = numbers.outcome(options).predicted
    return task_forest(
        numbers.tasks(options),
        numbers.means(options),
        pooled=numbers.pooled(options),
        predicted=predicted if options.x in (HEADLINE_INDICATOR, *AVERAGINGS) else 0,
        eval_task=options.eval_task or None,
        hollow=not numbers.is_complete,
    )


def _spread(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    spreads, means, seed_alone = numbers.claim_1(options.form)
    return claim_1_spread(spreads, means, seed_alone=seed_alone, hollow=not numbers.is_complete)


def _both_forms(numbers: ParaphraseNumbers) -> list[Options]:
    return [Options(form=form) for form in FORMS]


def _heatmap(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return impact_heatmap(numbers.between_tasks(options.form), form=options.form)


def _indicators(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return indicator_forest(numbers.board(options), hollow=not numbers.is_complete)


def _selection(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return selection_bars(numbers.worth(options), hollow=not numbers.is_complete)


def _pool_curve(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return pool_curve(numbers.worth(options), hollow=not numbers.is_complete)


def _regret(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return regret_curve(numbers.worth(options), hollow=not numbers.is_complete)


def _training(numbers: ParaphraseNumbers, options: Options) -> FigureSpec:
    return training_by_task(numbers.training)


def _claimed(numbers: ParaphraseNumbers) -> list[Options]:
    """One figure per outcome that a published claim speaks of."""
    return [Options(outcome=o.name) for o in numbers.outcomes if o.claim is not None]


CLAIMS = "shi2026sapo"
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
        (CLAIMS, "fisher1921", "student1908", "phipson2010"),
    ),
    FigureKind(
        "task_forest",
        "r per task",
        "The correlation within each task with its interval, and the mean over tasks.",
        "paraphrase",
        (*_ASKED, "statistic"),
        _task_forest,
        _claimed,
        (CLAIMS, "fisher1921", "student1908", "phipson2010"),
    ),
    FigureKind(
        "claim_1_spread",
        "Alike in-task, unlike elsewhere",
        "How far prompts move each task's own result, and how far they move other tasks.",
        "paraphrase",
        ("form",),
        _spread,
        _both_forms,
        (CLAIMS, "student1908"),
    ),
    FigureKind(
        "impact_heatmap",
        "Between tasks",
        "Whether prompts that are good for one other task are good for the others.",
        "paraphrase",
        ("form",),
        _heatmap,
        once,
        (CLAIMS, "fisher1921"),
    ),
    FigureKind(
        "indicator_forest",
        "Indicators",
        "Every indicator known before the update, and what the best is worth on tasks left out.",
        "paraphrase",
        ("outcome", "form"),
        _indicators,
        _claimed,
        (CLAIMS, "fisher1921", "student1908", "westfall1993", "holm1979"),
    ),
    FigureKind(
        "selection_bars",
        "What the rule is worth",
        "The outcome of each way of picking a prompt, and the gain of the lowest loss over it.",
        "paraphrase",
        _ASKED,
        _selection,
        _claimed,
        (CLAIMS, "student1908", "nadeau2003"),
    ),
    FigureKind(
        "pool_curve",
        "Outcome by number of prompts",
        "The expected outcome of a pick by the number of prompts that it is picked from.",
        "paraphrase",
        _ASKED,
        _pool_curve,
        _claimed,
        (CLAIMS, "student1908"),
    ),
    FigureKind(
        "regret_curve",
        "Regret by number of prompts",
        "What a pick loses against the best in hindsight, by the number of prompts to pick from.",
        "paraphrase",
        _ASKED,
        _regret,
        _claimed,
        (CLAIMS, "student1908"),
    ),
    FigureKind(
        "training_curves",
        "Training curves",
        "Training loss by step in each task: SAPO's pick, the original, all prompts.",
        "paraphrase",
        (),
        _training,
        once,
    ),
)

"""Does the wording of a training prompt decide what a language model forgets?

Everything in `__all__` may be relied on. It is loaded when first asked for, so that
`import sapo_analysis` stays light and never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sapo_analysis import figures as figures
    from sapo_analysis.analysis import Estimate as Estimate
    from sapo_analysis.analysis import continual_metrics as continual_metrics
    from sapo_analysis.analysis import few_shot_scores as few_shot_scores
    from sapo_analysis.analysis import indicator_board as indicator_board
    from sapo_analysis.analysis import matched_comparison as matched_comparison
    from sapo_analysis.analysis import partial_correlation as partial_correlation
    from sapo_analysis.analysis import plan_study as plan_study
    from sapo_analysis.analysis import report as report
    from sapo_analysis.analysis import selection_value as selection_value
    from sapo_analysis.analysis import sequence_report as sequence_report
    from sapo_analysis.analysis import sequence_scores as sequence_scores
    from sapo_analysis.analysis import variance_components as variance_components
    from sapo_analysis.analysis import within_task_correlation as within_task_correlation
    from sapo_analysis.api import Run as Run
    from sapo_analysis.api import export as export
    from sapo_analysis.api import figure as figure
    from sapo_analysis.api import import_released as import_released
    from sapo_analysis.api import import_results as import_results
    from sapo_analysis.api import open_run as open_run
    from sapo_analysis.api import run as run
    from sapo_analysis.api import table as table
    from sapo_analysis.errors import InputError as InputError
    from sapo_analysis.errors import RunError as RunError
    from sapo_analysis.errors import WorkError as WorkError
    from sapo_analysis.spec import ParaphraseStudy as ParaphraseStudy
    from sapo_analysis.spec import SequenceStudy as SequenceStudy

__all__ = [
    "Estimate",
    "InputError",
    "ParaphraseStudy",
    "Run",
    "RunError",
    "SequenceStudy",
    "WorkError",
    "continual_metrics",
    "export",
    "few_shot_scores",
    "figure",
    "figures",
    "import_released",
    "import_results",
    "indicator_board",
    "matched_comparison",
    "open_run",
    "partial_correlation",
    "plan_study",
    "report",
    "run",
    "selection_value",
    "sequence_report",
    "sequence_scores",
    "table",
    "variance_components",
    "within_task_correlation",
]

_HOMES = {
    "Estimate": "sapo_analysis.analysis",
    "InputError": "sapo_analysis.errors",
    "ParaphraseStudy": "sapo_analysis.spec",
    "Run": "sapo_analysis.api",
    "RunError": "sapo_analysis.errors",
    "SequenceStudy": "sapo_analysis.spec",
    "WorkError": "sapo_analysis.errors",
    "continual_metrics": "sapo_analysis.analysis",
    "export": "sapo_analysis.api",
    "figure": "sapo_analysis.api",
    "import_released": "sapo_analysis.api",
    "import_results": "sapo_analysis.api",
    "few_shot_scores": "sapo_analysis.analysis",
    "indicator_board": "sapo_analysis.analysis",
    "matched_comparison": "sapo_analysis.analysis",
    "open_run": "sapo_analysis.api",
    "partial_correlation": "sapo_analysis.analysis",
    "plan_study": "sapo_analysis.analysis",
    "report": "sapo_analysis.analysis",
    "run": "sapo_analysis.api",
    "selection_value": "sapo_analysis.analysis",
    "sequence_report": "sapo_analysis.analysis",
    "sequence_scores": "sapo_analysis.analysis",
    "table": "sapo_analysis.api",
    "variance_components": "sapo_analysis.analysis",
    "within_task_correlation": "sapo_analysis.analysis",
}


def __getattr__(name: str) -> Any:
    if name == "figures":
        return import_module("sapo_analysis.figures")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sapo_analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

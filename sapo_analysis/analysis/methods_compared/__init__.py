"""Methods beside each other: what each learned, what it kept of other tasks, what was published."""

from sapo_analysis.analysis.methods_compared.curves import alignment_curves, format_curves
from sapo_analysis.analysis.methods_compared.looks import has_looks
from sapo_analysis.analysis.methods_compared.outputs import side_by_side
from sapo_analysis.analysis.methods_compared.paired import OUTCOMES, paired_difference
from sapo_analysis.analysis.methods_compared.published import (
    MARK,
    SOURCE,
    normalized_average,
    published,
    published_averages,
)
from sapo_analysis.analysis.methods_compared.sides import BASE, Side, sides
from sapo_analysis.analysis.methods_compared.table import (
    MEASURES,
    OVER_TASKS,
    method_table,
    method_tasks,
)
from sapo_analysis.analysis.methods_compared.trade_off import trade_off

__all__ = [
    "BASE",
    "MARK",
    "MEASURES",
    "OUTCOMES",
    "OVER_TASKS",
    "SOURCE",
    "Side",
    "alignment_curves",
    "format_curves",
    "has_looks",
    "method_table",
    "method_tasks",
    "normalized_average",
    "paired_difference",
    "published",
    "published_averages",
    "side_by_side",
    "sides",
    "trade_off",
]

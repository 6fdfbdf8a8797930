"""Methods beside each other: what each learned, what it kept of other tasks, what was published."""

from sapo_analysis.analysis.methods_compared.along import along
from sapo_analysis.analysis.methods_compared.averages import counts_in_words, same_in_words
from sapo_analysis.analysis.methods_compared.comparison import (
    comparison,
    comparison_report,
    joined,
    study_comparison,
)
from sapo_analysis.analysis.methods_compared.costs import fine_tune_costs, relative_costs
from sapo_analysis.analysis.methods_compared.curves import alignment_curves, format_curves
from sapo_analysis.analysis.methods_compared.families import comparable_families, run_families
from sapo_analysis.analysis.methods_compared.looks import NO_LOOKS, has_looks
from sapo_analysis.analysis.methods_compared.outputs import (
    NO_OUTPUTS,
    side_by_side,
    telling_examples,
)
from sapo_analysis.analysis.methods_compared.paired import OUTCOMES, paired_difference
from sapo_analysis.analysis.methods_compared.persistence_pairs import (
    chosen_pairs,
    fine_tunes_of,
    persistence_pairs,
)
from sapo_analysis.analysis.methods_compared.published import (
    MARK,
    SOURCE,
    normalized_average,
    published,
    published_averages,
)
from sapo_analysis.analysis.methods_compared.rise import format_rise
from sapo_analysis.analysis.methods_compared.said import said_of_methods
from sapo_analysis.analysis.methods_compared.sides import BASE, Side, sides
from sapo_analysis.analysis.methods_compared.steps import unequal_steps
from sapo_analysis.analysis.methods_compared.table import (
    MEASURES,
    OVER_TASKS,
    method_table,
    method_tasks,
)
from sapo_analysis.analysis.methods_compared.topology import (
    has_topology,
    topology_change,
    topology_curves,
    trains_soft_prompts,
)
from sapo_analysis.analysis.methods_compared.topology_association import topology_associations
from sapo_analysis.analysis.methods_compared.trade_off import trade_off

__all__ = [
    "BASE",
    "MARK",
    "MEASURES",
    "NO_LOOKS",
    "NO_OUTPUTS",
    "OUTCOMES",
    "OVER_TASKS",
    "SOURCE",
    "Side",
    "along",
    "alignment_curves",
    "chosen_pairs",
    "comparable_families",
    "comparison",
    "comparison_report",
    "counts_in_words",
    "fine_tune_costs",
    "fine_tunes_of",
    "format_curves",
    "format_rise",
    "has_looks",
    "has_topology",
    "joined",
    "method_table",
    "method_tasks",
    "normalized_average",
    "paired_difference",
    "persistence_pairs",
    "published",
    "published_averages",
    "relative_costs",
    "run_families",
    "said_of_methods",
    "same_in_words",
    "side_by_side",
    "sides",
    "study_comparison",
    "telling_examples",
    "topology_associations",
    "topology_change",
    "topology_curves",
    "trade_off",
    "trains_soft_prompts",
    "unequal_steps",
]

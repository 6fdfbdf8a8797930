"""What can be asked of a figure or table: the same on the terminal, in the app and in Python."""

from __future__ import annotations

from dataclasses import dataclass

from sapo_analysis.analysis.estimate import Form
from sapo_analysis.analysis.levels.correlation import Statistic


@dataclass(frozen=True)
class Options:
    """What to show; each figure and table obeys those that it names in `uses`.

    An empty text stands for what the runs suggest: the first outcome that they measured, the
    headline's test prompts, the first method, SAPO where it took part, all orders together.

    Attributes:
        outcome: a name of `sapo_analysis.figures.OUTCOMES`.
        form: `score` or `loss`.
        x: column of the indicator.
        view: of the scatter: `centred`, `panels` or `raw`.
        statistic: `pearson` or `spearman`.
        eval_task: one evaluated task instead of the mean over its role.
        test_prompts: of a sequence: `original`, `training` or `test-only`.
        method: of a sequence: whose strategies are compared.
        strategy: of a sequence: whose choices are shown.
        order: of a sequence: one order of tasks.
    """

    outcome: str = ""
    form: Form = "score"
    x: str = "pre_update_loss"
    view: str = "centred"
    statistic: Statistic = "pearson"
    eval_task: str = ""
    test_prompts: str = ""
    method: str = ""
    strategy: str = ""
    order: str = ""

"""What can be asked of a figure or table: the same on the terminal, in the app and in Python."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sapo_analysis.analysis.estimate import FORMS, Form
from sapo_analysis.analysis.levels.correlation import Statistic
from sapo_analysis.analysis.sequences import TEST_PROMPTS
from sapo_analysis.errors import unknown
from sapo_analysis.figures import OUTCOMES


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
        task: of a table of prompts: one current task instead of all; of outputs and persistence
            diagrams: what was learned.
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
    task: str = ""


OPTIONS = tuple(field.name for field in fields(Options))
"""What can be asked for by name."""
VIEWS = ("centred", "panels", "raw")
STATISTICS = ("pearson", "spearman")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "outcome": tuple(OUTCOMES),
    "form": FORMS,
    "view": VIEWS,
    "statistic": STATISTICS,
    "test_prompts": tuple(TEST_PROMPTS),
}
"""Options whose values hang on no run."""
_LONGEST_STEM = 120
"""Characters of a file's name without its ending: file systems take 255 bytes."""


def check_asked(asked: Mapping[str, Any]) -> None:
    """Refuse a name that is no option's, and a value that no runs can have.

    Raises:
        InputError: name or value is unknown; all known are listed.
    """
    for name, value in asked.items():
        if name not in OPTIONS:
            raise unknown("option of figures and tables", name, OPTIONS)
        if name in CHOICES and value not in CHOICES[name]:
            raise unknown(name.replace("_", " "), value, CHOICES[name])


def with_asked(
    variants: Sequence[Options], uses: Sequence[str], asked: Mapping[str, Any]
) -> list[Options]:
    """The variants with what was asked for by name in each; two that become alike are one.

    Args:
        variants: what "all" stands for.
        uses: the options that are obeyed; others stay as they are.
        asked: by name of the option.
    """
    fixed = {name: value for name, value in asked.items() if name in uses}
    return list(dict.fromkeys(replace(one, **fixed) for one in variants))


def stem(name: str, uses: Sequence[str], options: Options) -> str:
    """The name of a file without its ending: what it shows, and what was asked beyond the usual.

    A task of imported results is called anything, so other characters than Latin letters, digits
    and `_+-` give way, and what keeps such names apart is a mark of the text itself.
    """
    usual = Options()
    asked = [str(getattr(options, use)) for use in uses if vars(options)[use] != vars(usual)[use]]
    text = "-".join([name, *asked]).replace(" > ", "-").replace(" ", "_")
    plain = re.sub(r"[^A-Za-z0-9_+-]+", "_", text)
    if plain == text and len(plain) <= _LONGEST_STEM:
        return plain
    return f"{plain[:_LONGEST_STEM]}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"

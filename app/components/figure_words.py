"""How the options of figures and tables are called in the URL, and how their values are shown."""

from __future__ import annotations

from collections.abc import Callable

from sapo_analysis.app.components.controls import ALL_TASKS, EVERY, FORMS, VIEWS
from sapo_analysis.figures import OUTCOMES
from sapo_analysis.figures.outcomes import indicator_words

EVERY_ORDER = "all orders"
_WORDS: dict[str, Callable[[str], str]] = {
    "outcome": lambda name: OUTCOMES[name].label,
    "form": lambda name: FORMS[name],
    "x": indicator_words,
    "view": lambda name: VIEWS[name],
    "statistic": str.capitalize,
    "eval_task": lambda name: name or EVERY,
    "order": lambda name: name or EVERY_ORDER,
    "task": lambda name: name or ALL_TASKS,
}


def key_of(field: str) -> str:
    """The key and query parameter of an option: others than those of the page it is linked from."""
    return f"fig-{field.replace('_', '-')}"


def words_of(field: str, value: str) -> str:
    """How a value of an option is shown, and stands in the URL."""
    return _WORDS.get(field, str)(value)

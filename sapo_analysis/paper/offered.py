"""What can be asked of some runs: the values that each option can take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sapo_analysis.analysis.impacts import COLUMNS
from sapo_analysis.analysis.sequences import TEST_PROMPTS
from sapo_analysis.errors import InputError
from sapo_analysis.paper.kinds import Kind
from sapo_analysis.paper.numbers import (
    Numbers,
    ParaphraseNumbers,
    SequenceNumbers,
    SeveralNumbers,
)
from sapo_analysis.paper.options import CHOICES, Options

_ALWAYS = ("form", "view", "statistic")
"""Options whose every value can be asked of any runs."""


def offered(numbers: Numbers, field: str, options: Options) -> list[str]:
    """The values that one option can take, the first is what the runs suggest.

    Args:
        numbers: of the runs.
        field: a field of `Options`.
        options: the options chosen before it: which tasks were evaluated hangs on the outcome,
            which strategies took part on the method.

    Returns:
        Values; "" where all of something is shown together. None where the runs have nothing.

    Raises:
        InputError: no trial or stage has ended yet.
    """
    if field in _ALWAYS:
        return list(CHOICES[field])
    if field == "task" and not isinstance(numbers, ParaphraseNumbers):
        has_any = numbers.compared.has_outputs or numbers.compared.has_soft_prompts
        tasks = numbers.compared.tuned_tasks if has_any else []
        return [] if len(tasks) < 2 else ["", *tasks]
    if isinstance(numbers, ParaphraseNumbers):
        return _of_paraphrase(numbers, field, options)
    if isinstance(numbers, SeveralNumbers):
        return _of_several(numbers, field, options)
    return _of_sequence(numbers, field, options)


def asked(numbers: Numbers, kind: Kind[Any], chosen: Mapping[str, Any]) -> Options:
    """Options with what was chosen, in the words of "all": the same figure has one name.

    Args:
        numbers: of the runs.
        kind: of figure or table.
        chosen: values of the fields that the kind uses; the first that is offered counts as "".
    """
    wanted = Options(**chosen)
    try:
        usual = kind.variants(numbers)
    except InputError:
        return wanted
    for options in usual:
        if all(
            (getattr(options, name) or (offered(numbers, name, options) or [""])[0]) == value
            for name, value in chosen.items()
        ):
            return options
    return wanted


def _of_paraphrase(numbers: ParaphraseNumbers, field: str, options: Options) -> list[str]:
    if field == "outcome":
        return [outcome.name for outcome in numbers.outcomes]
    main = numbers.df[numbers.df["purpose"] == "main"]
    if field == "x":
        others = [c for c in main.columns if c not in COLUMNS and _answers(main[c])]
        return ["pre_update_loss", *map(str, others)]
    if field == "task":
        tasks = sorted(map(str, main["current_task"].unique()))
        return [] if len(tasks) < 2 else ["", *tasks]
    if field == "eval_task":
        role = numbers.outcome(options).role
        tasks = sorted(map(str, main.loc[main["role"] == role, "eval_task"].unique()))
        # What is learned is always the current task itself.
        return [""] if role == "current" or len(tasks) < 2 else ["", *tasks]
    return []


def _of_several(numbers: SeveralNumbers, field: str, options: Options) -> list[str]:
    if field == "outcome":
        return [outcome.name for outcome in numbers.outcomes]
    if field == "x":
        first, *others = (_of_paraphrase(own, field, options) for own in numbers.each.values())
        return [name for name in first if all(name in own for own in others)]
    return []


def _answers(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and values.nunique() > 1


def _of_sequence(numbers: SequenceNumbers, field: str, options: Options) -> list[str]:
    if field == "test_prompts":
        first = numbers.test_prompts(Options())
        known = set(numbers.scores["test_prompts"])
        return [first, *(name for name in TEST_PROMPTS if name in known and name != first)]
    if field == "method":
        return list(numbers.methods)
    if field == "strategy":
        method = numbers.method(options)
        chosen = dict.fromkeys(map(str, numbers.choices["strategy"]))
        own = [name for name in chosen if name.partition("+")[2] == method]
        return sorted(own, key=lambda name: name != f"sapo+{method}")
    if field == "order":
        orders = list(dict.fromkeys(map(str, numbers.scores["order"])))
        return [""] if len(orders) < 2 else ["", *orders]
    return []

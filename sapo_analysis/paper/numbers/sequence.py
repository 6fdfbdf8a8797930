"""Numbers of sequence studies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from sapo_analysis.analysis import sequences
from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.paper.numbers.methods import MethodNumbers
from sapo_analysis.paper.numbers.once import asked_once
from sapo_analysis.paper.options import Options
from sapo_analysis.store import Run


@dataclass(frozen=True, eq=False)
class SequenceNumbers:
    """The answers to what figures and tables ask of one sequence study, in one order or several.

    Attributes:
        runs: the runs, which can be joined.
    """

    runs: tuple[Run, ...]
    study: ClassVar = "sequence"

    def __post_init__(self) -> None:
        check_joinable(self.runs)

    @cached_property
    def compared(self) -> MethodNumbers:
        """The methods of these runs beside each other."""
        return MethodNumbers(self.runs)

    @cached_property
    def report(self) -> dict[str, Any]:
        """The whole report."""
        return sequences.sequence_report(list(self.runs))

    @property
    def is_complete(self) -> bool:
        """Whether the numbers are final: every planned trial has ended."""
        return all(run.is_complete for run in self.runs)

    @cached_property
    def silent(self) -> str:
        """Why there is no verdict; "" where there may be one."""
        return self.report["no_verdict"] or ""

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Every chain's scores by stage and task.

        Raises:
            InputError: no stage has ended yet.
        """
        table = sequences.sequence_scores(list(self.runs))
        if table.empty:
            raise InputError("No stage of these runs has ended yet: there is nothing to show.")
        return table

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Each strategy's metrics with intervals."""
        table = pd.DataFrame(self.report["summary"], columns=sequences.SUMMARY_COLUMNS)
        return table.astype(dict.fromkeys(("value", "lower", "upper"), float))

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """Paired differences of strategies, as the report has them."""
        table = pd.DataFrame(self.report["contrasts"], columns=sequences.CONTRAST_COLUMNS)
        return table.astype(dict.fromkeys(("value", "lower", "upper", "p", "p_holm"), float))

    @cached_property
    def race(self) -> pd.DataFrame:
        """Mean score on learned tasks by stage."""
        return sequences.stage_means(self.scores)

    @asked_once
    def training(self, order: str) -> pd.DataFrame:
        """Training losses by stage and step, of one order or (with "") of all.

        Raises:
            InputError: no chain of it is complete and has training losses.
        """
        return sequences.losses_by_stage(list(self.runs), order)

    @cached_property
    def choices(self) -> pd.DataFrame:
        """What every chain chose."""
        return sequences.choices(list(self.runs))

    @cached_property
    def methods(self) -> list[str]:
        """The methods that took part."""
        return list(dict.fromkeys(self.scores["method"]))

    def method(self, options: Options) -> str:
        """The method that is asked for, or the first that took part.

        Raises:
            InputError: it did not take part.
        """
        if options.method and options.method not in self.methods:
            raise unknown("method", options.method, self.methods)
        return options.method or self.methods[0]

    def strategies(self, method: str) -> list[str]:
        """The strategies of a method, in the study's order."""
        found = dict.fromkeys(self.scores.loc[self.scores["method"] == method, "strategy"])
        return list(found)

    def test_prompts(self, options: Options) -> str:
        """The test prompts that are asked for, or the headline's.

        Raises:
            InputError: nothing was tested with them.
        """
        known = list(dict.fromkeys(self.scores["test_prompts"]))
        if options.test_prompts and options.test_prompts not in known:
            raise unknown("kind of test prompts", options.test_prompts, known)
        return options.test_prompts or str(self.report["test_prompts"])

    def order(self, options: Options) -> str:
        """The order that is asked for; "": all of them.

        Raises:
            InputError: the runs have no such order.
        """
        orders = list(dict.fromkeys(self.scores["order"]))
        if options.order and options.order not in orders:
            raise unknown("order", options.order, orders)
        return options.order

    def chain(self, options: Options) -> tuple[Run, str, str, int]:
        """Run, order, strategy and seed of the chain whose choices are shown: the first there is.

        Raises:
            InputError: no such strategy or order, or no stage of it has ended.
        """
        found = self.choices
        known = list(dict.fromkeys(found["strategy"]))
        method = self.method(options)
        strategy = options.strategy or f"sapo+{method}"
        if strategy not in known:
            if options.strategy:
                raise unknown("strategy", strategy, known)
            raise InputError(f"SAPO did not take part with {method}: it chose nothing here.")
        orders = list(dict.fromkeys(found["order"]))
        if options.order and options.order not in orders:
            raise unknown("order", options.order, orders)
        own = found[found["strategy"] == strategy]
        if options.order:
            own = own[own["order"] == options.order]
        if own.empty:
            raise InputError(f"No stage of {strategy} has ended in this order.")
        first = own.iloc[0]
        run = next(run for run in self.runs if run.run_id == first["run_id"])
        return run, str(first["order"]), strategy, int(first["seed"])

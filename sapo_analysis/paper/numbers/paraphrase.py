"""Numbers of paraphrase studies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from sapo_analysis import analysis
from sapo_analysis.analysis.cautions import claim_1_warnings, run_warnings
from sapo_analysis.analysis.claim_values import CLAIM_OUTCOMES
from sapo_analysis.analysis.claims import without_data
from sapo_analysis.analysis.estimate import FORMS, SCOPES, Estimate, Form, Verdict
from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.analysis.levels.correlation import STATISTICS
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.training_losses import losses_by_prompt
from sapo_analysis.errors import InputError
from sapo_analysis.figures import OUTCOMES, Outcome
from sapo_analysis.paper.numbers.methods import MethodNumbers
from sapo_analysis.paper.numbers.once import asked_once
from sapo_analysis.paper.options import Options
from sapo_analysis.store import Run


@dataclass(frozen=True, eq=False)
class ParaphraseNumbers:
    """The answers to what figures and tables ask of one paraphrase study or several joined.

    Attributes:
        runs: the runs, which can be joined.
    """

    runs: tuple[Run, ...]
    study: ClassVar = "paraphrase"

    def __post_init__(self) -> None:
        check_joinable(self.runs)

    @cached_property
    def compared(self) -> MethodNumbers:
        """The methods of these runs beside each other."""
        return MethodNumbers(self.runs)

    @property
    def df(self) -> pd.DataFrame:
        """The impacts table.

        Raises:
            InputError: no main trial has ended yet.
        """
        if not (self._table["purpose"] == "main").any():
            raise InputError("No trial of these runs has ended yet: there is nothing to show.")
        return self._table

    @cached_property
    def _table(self) -> pd.DataFrame:
        return analysis.impacts(self.runs)

    @cached_property
    def prompts(self) -> pd.DataFrame:
        """Every prompt of the runs, each once."""
        table = pd.concat([run.table("prompts") for run in self.runs], ignore_index=True)
        return table.drop_duplicates(["task", "prompt_id"], ignore_index=True)

    @property
    def is_complete(self) -> bool:
        """Whether the numbers are final: every planned trial has ended."""
        return all(run.is_complete for run in self.runs)

    @cached_property
    def silent(self) -> str:
        """Why there is no verdict; "" where there may be one."""
        return analysis.no_verdict(list(self.runs)) or ""

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes that the runs measured; of the published claims first."""
        roles = set(self.df["role"])
        return tuple(outcome for outcome in OUTCOMES.values() if outcome.role in roles)

    def outcome(self, options: Options) -> Outcome:
        """The outcome that is asked for, or the first that the runs measured.

        Raises:
            InputError: the runs did not measure it, or measured none.
        """
        if not options.outcome:
            if not self.outcomes:
                raise InputError("These runs evaluated no task: there is no outcome to show.")
            return self.outcomes[0]
        for outcome in self.outcomes:
            if outcome.name == options.outcome:
                return outcome
        names = ", ".join(outcome.name for outcome in self.outcomes)
        raise InputError(
            f"These runs did not measure the outcome {options.outcome!r}. They have: {names}."
        )

    def _of(self, options: Options) -> dict[str, Any]:
        outcome = self.outcome(options)
        return {
            "y": outcome.column(options.form),
            "role": outcome.role,
            "eval_task": options.eval_task or None,
        }

    @asked_once
    def noise(self, options: Options) -> analysis.NoiseBand:
        """The noise band of an outcome."""
        return analysis.noise_band(self.df, **self._of(options))

    @asked_once
    def tasks(self, options: Options) -> list[Estimate]:
        """The correlation of each current task."""
        return analysis.task_correlations(
            self.df,
            x=options.x,
            statistic=options.statistic,
            **self._of(options),
        )

    @asked_once
    def means(self, options: Options) -> tuple[Estimate, Estimate]:
        """The mean over tasks: for new tasks, and for these tasks."""
        new, these = (
            analysis.within_task_correlation(
                self.df,
                x=options.x,
                statistic=options.statistic,
                scope=scope,
                **self._of(options),
            )
            for scope in SCOPES
        )
        return new, these

    @asked_once
    def pooled(self, options: Options) -> Estimate:
        """The correlation over all points, whatever their task."""
        return analysis.pooled_correlation(
            self.df,
            x=options.x,
            statistic=options.statistic,
            **self._of(options),
        )

    @asked_once
    def board(self, options: Options) -> analysis.Board:
        """Every indicator with an outcome."""
        of = self._of(options)
        return analysis.indicator_board(self.df, of["y"], of["role"])

    @asked_once
    def worth(self, options: Options) -> analysis.SelectionValue:
        """What picking by lowest pre-update loss comes to.

        Raises:
            InputError: the outcome is the in-task result, which all picks are to leave alike.
        """
        if self.outcome(options).role == "current":
            raise InputError(
                "What a pick is worth is told of forgetting and generalization."
                " Ask for one of these outcomes."
            )
        originals = analysis.original_prompts(list(self.runs))
        return analysis.selection_value(
            self.df, x=options.x, original=originals, **self._of(options)
        )

    @asked_once
    def between_tasks(self, form: Form) -> pd.DataFrame:
        """The correlation of impacts for every pair of other tasks."""
        return analysis.impact_correlation(self.df, form=form)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Every claim, in both forms and scopes; none while the runs have no verdict."""
        return [] if self.silent else analysis.claims(self.df)

    @asked_once
    def claim_1(self, form: Form) -> tuple[analysis.Spreads, list[Estimate], float]:
        """Claim 1: both spreads of each task, its estimate in both scopes, and the seed's alone.

        Raises:
            InputError: the runs evaluated no other task, or not the current one.
        """
        reason = without_data(self.df, "claim_1")
        if reason:
            raise InputError(f"There are no spreads to compare. {reason}")
        own = [v for v in self.unjudged if (v.claim, v.form) == ("claim_1", form)]
        spreads = analysis.claim_1_spreads(self.df, form)
        alone = analysis.claim_1_from_the_seed_alone(self.df)[form]
        return spreads, [verdict.estimate for verdict in own], alone

    @cached_property
    def unjudged(self) -> list[Verdict]:
        """The numbers of every claim, also where nothing may be concluded from them; without p."""
        return self.verdicts or analysis.claims(self.df, n_permutations=0)

    @cached_property
    def warnings(self) -> list[str]:
        """What to know of the runs before believing their numbers, as the report has it."""
        main = self.df[self.df["purpose"] == "main"]
        measured = set(main["role"])
        estimates = [
            analysis.within_task_correlation(
                self.df, y=in_form(name, form), role=role, statistic=statistic, n_permutations=0
            )
            for name, role in CLAIM_OUTCOMES.values()
            if role in measured
            for form in FORMS
            for statistic in STATISTICS
        ]
        by_chance = analysis.claim_1_from_the_seed_alone(self.df) if "current" in measured else {}
        return [
            *run_warnings(list(self.runs), main, estimates),
            *claim_1_warnings(self.verdicts, by_chance),
        ]

    @asked_once
    def points(self, options: Options) -> pd.DataFrame:
        """A row per prompt: an indicator and an outcome, means over the seeds that all share."""
        of = self._of(options)
        return analysis.prompts_table(self.df, of["y"], of["role"], options.x, of["eval_task"])

    @cached_property
    def training(self) -> pd.DataFrame:
        """Training losses by step of each task: SAPO's pick, the original, all prompts.

        Raises:
            InputError: no trial with training losses has ended.
        """
        return losses_by_prompt(self.runs)

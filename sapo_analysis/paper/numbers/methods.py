"""Numbers of methods beside each other, of whatever kind of study."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from sapo_analysis.analysis import methods_compared
from sapo_analysis.analysis.method_names import methods_of
from sapo_analysis.methods import find_method
from sapo_analysis.methods.facts import PROMOT
from sapo_analysis.paper.numbers.once import asked_once
from sapo_analysis.store import Run

IN_OTHER_TABLES = ("lora", "lora-inc", "o-lora", "ewc", "replay")
"""Methods of sequences whose comparison is in the tables of strategies already."""

PLAIN = ("original+lora", "lora", "original+full", "full")
"""Plain fine-tuning, which others are held to."""


@dataclass(frozen=True, eq=False)
class MethodNumbers:
    """The answers to what figures and tables ask of methods.

    Attributes:
        runs: of one kind of study; whether they can be compared is asked when a number is.
    """

    runs: tuple[Run, ...]

    @property
    def is_of_methods(self) -> bool:
        """Whether there is something to say of methods that no other table says.

        Several methods, one that is not lora, or a study that also tested behind demonstrations.
        Whether the runs can be compared shows when a number is asked for.
        """
        if not self._are_compared:
            return False
        methods = {method for run in self.runs for method in methods_of(run)}
        if not self.runs[0].is_sequence:
            shots = any(run.paraphrase.evaluation.n_shots != (0,) for run in self.runs)
            return len(methods) > 1 or methods != {"lora"} or shots
        return len(methods) > 1 and not methods <= set(IN_OTHER_TABLES)

    @property
    def are_several(self) -> bool:
        """Whether there is a method to hold to another one."""
        names = {name for run in self.runs for name in _names_of(run)}
        return self.is_of_methods and len(names) > 1

    @property
    def has_comparison(self) -> bool:
        """Whether several methods took part, which are held to plain LoRA study by study."""
        if any(run.is_imported for run in self.runs):
            return False
        return len({method for run in self.runs for method in methods_of(run)}) > 1

    @property
    def has_promot(self) -> bool:
        """Whether ProMoT took part, or a part of it that its paper compares with."""
        methods = {method for run in self.runs for method in methods_of(run)}
        return any(find_method(name).facts.family == PROMOT for name in methods)

    @property
    def has_looks(self) -> bool:
        """Whether fine-tunes were looked at along the way."""
        return self._are_compared and methods_compared.has_looks(self.runs)

    @cached_property
    def has_soft_prompts(self) -> bool:
        """Whether fine-tunes' soft prompts were looked at along the way."""
        return self._are_compared and methods_compared.has_topology(self.runs)

    @property
    def has_outputs(self) -> bool:
        """Whether methods are compared whose outputs were kept."""
        return self.is_of_methods and all(
            run.made_here("be shown").evaluation.n_predictions_kept for run in self.runs
        )

    @property
    def _are_compared(self) -> bool:
        """Whether these runs may be compared as far as their studies tell at a glance."""
        made_here = not any(run.is_imported for run in self.runs)
        return made_here and len({run.study.model for run in self.runs}) == 1

    @cached_property
    def table(self) -> pd.DataFrame:
        """The methods table."""
        return methods_compared.method_table(list(self.runs))

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Paired differences of every method to plain fine-tuning, or to the first."""
        runs = list(self.runs)
        names = [one.name for one in methods_compared.sides(runs)]
        plain = [name for name in PLAIN if name in names]
        return methods_compared.paired_difference(runs, (plain or names)[0])

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Every policy with every method beside plain LoRA with the original prompt."""
        return methods_compared.comparison(list(self.runs))

    @cached_property
    def steps(self) -> str:
        """Where methods took unequal optimizer steps, which; else ""."""
        return methods_compared.unequal_steps(list(self.runs))

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """Scores by method and evaluated task."""
        return methods_compared.method_tasks(list(self.runs))

    @cached_property
    def format_curves(self) -> pd.DataFrame:
        """Tuned score and format ratio by step."""
        return methods_compared.format_curves(list(self.runs))

    @cached_property
    def alignment_curves(self) -> pd.DataFrame:
        """Gradient alignment by step and module."""
        return methods_compared.alignment_curves(list(self.runs))

    @cached_property
    def topology_curves(self) -> pd.DataFrame:
        """Total persistence and compactness of soft prompts by step."""
        return methods_compared.topology_curves(list(self.runs))

    @asked_once
    def diagram(self, tuned_task: str) -> pd.DataFrame:
        """Persistence diagrams at start and end of the first fine-tune of a task; "": of each."""
        pairs = methods_compared.persistence_pairs(list(self.runs))
        parts = [
            methods_compared.chosen_pairs(
                pairs, task=task, fine_tune=methods_compared.fine_tunes_of(pairs, task)[0]
            )
            for task in ([tuned_task] if tuned_task else dict.fromkeys(pairs["tuned_task"]))
        ]
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def trade_off(self) -> pd.DataFrame:
        """Tuned score against the others, by checkpoint."""
        return methods_compared.trade_off(list(self.runs))

    @asked_once
    def outputs(self, tuned_task: str) -> pd.DataFrame:
        """Outputs of every method to the same inputs; "": of the first tuned task."""
        return methods_compared.side_by_side(list(self.runs), tuned_task)

    @cached_property
    def tuned_tasks(self) -> list[str]:
        """The tasks that fine-tunes learned, in the runs' order."""
        first = self.runs[0]
        named = first.sequence.tasks if first.is_sequence else first.paraphrase.current
        return list(named)


def _names_of(run: Run) -> list[str]:
    """The methods of a run, or of a sequence its strategies."""
    return list(run.sequence.strategies if run.is_sequence else methods_of(run))

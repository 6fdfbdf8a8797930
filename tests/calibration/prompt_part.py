"""How often the prompts' part of claim 2 is held by its interval and found by its test.

The tables are those of claim 2: what trial noise makes of r is known too.
"""

from __future__ import annotations

from dataclasses import dataclass

from sapo_analysis.analysis.between_tasks.structure import cross_task_structure
from sapo_analysis.analysis.estimate import SCOPES
from tests.calibration.coverage import Measures, judged
from tests.calibration.permutations import LEVEL
from tests.calibration.verdicts import Claim2

N_SHUFFLES = 199


@dataclass(frozen=True)
class PromptPart:
    """A cell, of the tables of one of claim 2."""

    of: Claim2
    part = "prompts' part"

    @property
    def name(self) -> str:
        """Of the cell, in the results."""
        return self.of.name

    def measure(self, i: int) -> Measures:
        """What table `i` says."""
        df = self.of.table(i)
        structure = cross_task_structure(df, n_permutations=N_SHUFFLES)
        found: Measures = {}
        for scope in SCOPES:
            found |= judged(scope, structure.prompt[scope], self.of.prompts)
        p = structure.prompt["these_tasks"].p
        found["rejected"] = p <= LEVEL, p
        return found

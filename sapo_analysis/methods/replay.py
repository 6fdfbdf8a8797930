"""Method `replay`: sequential LoRA that goes on seeing rows of earlier tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sapo_analysis.methods.base import Learned
from sapo_analysis.methods.facts import CONTINUAL, MethodFacts
from sapo_analysis.methods.lora import Lora

if TYPE_CHECKING:
    from sapo_analysis.learning.members import Replay
    from sapo_analysis.spec import SequenceStudy


class ReplayRows(Lora):
    """Uniform experience replay: rows drawn evenly from the training rows of all earlier tasks.

    They come under the prompts that stand for how they were learned (of `paft` the original), and
    join the current task's rows: each step sees as many of those as without replay.
    """

    name = "replay"
    facts = MethodFacts(
        words="LoRA with replay",
        trains="as LoRA, with rows of earlier tasks in every batch",
        changes="parameters",
        family=CONTINUAL,
        cites=("hu2022lora",),
    )
    settings = ("replay",)
    one_task = False
    stacks_with_lora = False

    def __init__(self, study: SequenceStudy):
        super().__init__(study)
        self._rows, self._ratio = study.replayed_rows, study.replay.ratio

    def replay(self, past: Sequence[Learned]) -> Replay | None:
        """See `Method.replay`."""
        if not past:
            return None
        from sapo_analysis.learning.members import Replay

        return Replay([row for stage in past for row in stage.rows], self._rows)

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return None if n_past == 0 else [self.name, self._ratio]

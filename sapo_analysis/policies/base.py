"""What a policy is asked, and what it may look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import PolicyName


@dataclass(frozen=True)
class Situation:
    """One stage of a sequence, before its task is learned.

    Attributes:
        state_id: the state that the chain has reached.
        task: the task to be learned.
        learned: the tasks learned so far, in order.
        seed: of the chain.
        candidates: the prompts to choose from, the original first.
        n_tokens: length of each candidate (tokens).
        losses: pre-update loss of each candidate at the state the policy scores at (nats per
            token); of one that was dropped early a lower bound, above the lowest. None where the
            policy scores nowhere.
    """

    state_id: str
    task: str
    learned: tuple[str, ...]
    seed: int
    candidates: Sequence[Prompt]
    n_tokens: Sequence[int]
    losses: Sequence[float] | None


class Policy(ABC):
    """Chooses the training prompt of the next task.

    Attributes:
        name: as a study names it.
        scores_at: the state at which the candidates' losses are wanted, if any.
        needs: whether all losses count or the lowest alone, which is found with less work.
        draws: whether prompts are drawn from the candidates while training; the chosen one then
            stands for the policy wherever a single prompt is asked for.
    """

    name: ClassVar[PolicyName]
    scores_at: ClassVar[Literal["nowhere", "current state", "theta-0"]] = "nowhere"
    needs: ClassVar[Literal["lowest", "all"]] = "lowest"
    draws: ClassVar[bool] = False

    @abstractmethod
    def choose(self, at: Situation) -> int:
        """The number of the chosen candidate."""

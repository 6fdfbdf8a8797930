"""Policy `random`: one prompt per task, drawn from the same candidates as SAPO has."""

from __future__ import annotations

from random import Random

from sapo_analysis.policies.base import Policy, Situation


class RandomPrompt(Policy):
    """SAPO's fair rival: the same pool, the original included, without looking at losses."""

    name = "random"

    def choose(self, at: Situation) -> int:
        """See `Policy.choose`."""
        # By what was learned before, not by the strategy: every method draws the same prompts.
        draw = Random(f"random prompt {at.seed} {list(at.learned)} {at.task}")
        return draw.randrange(len(at.candidates))

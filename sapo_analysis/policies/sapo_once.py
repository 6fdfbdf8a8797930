"""Policy `sapo-once`: the lowest pre-update loss at the base model."""

from __future__ import annotations

from sapo_analysis.policies.base import Policy, Situation
from sapo_analysis.policies.sapo import lowest


class SapoOnce(Policy):
    """Tests the first word of State-Adaptive: it never looks at the state that training reached."""

    name = "sapo-once"
    scores_at = "theta-0"

    def choose(self, at: Situation) -> int:
        """See `Policy.choose`."""
        return lowest(at)

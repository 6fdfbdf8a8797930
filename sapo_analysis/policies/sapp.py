"""Policy `sapp`: the highest pre-update loss at the current state, the inverse control."""

from __future__ import annotations

from sapo_analysis.policies.base import Policy, Situation


class Sapp(Policy):
    """If choosing by loss matters, choosing the worst has to hurt; ties keep the first."""

    name = "sapp"
    scores_at = "current state"
    needs = "all"

    def choose(self, at: Situation) -> int:
        """See `Policy.choose`."""
        assert at.losses is not None, "this policy asked for losses"
        return max(range(len(at.losses)), key=at.losses.__getitem__)

"""Policy `sapo`: the lowest pre-update loss at the current state (arXiv 2606.01967)."""

from __future__ import annotations

from sapo_analysis.policies.base import Policy, Situation


class Sapo(Policy):
    """The method itself; of equal losses the first, so ties keep the original."""

    name = "sapo"
    scores_at = "current state"

    def choose(self, at: Situation) -> int:
        """See `Policy.choose`."""
        return lowest(at)


def lowest(at: Situation) -> int:
    """The candidate with the lowest loss: a later one has to be strictly lower."""
    assert at.losses is not None, "this policy asked for losses"
    return min(range(len(at.losses)), key=at.losses.__getitem__)

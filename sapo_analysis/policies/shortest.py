"""Policy `shortest`: the candidate with the fewest tokens."""

from __future__ import annotations

from sapo_analysis.policies.base import Policy, Situation


class Shortest(Policy):
    """Whether length alone would do; ties keep the first."""

    name = "shortest"

    def choose(self, at: Situation) -> int:
        """See `Policy.choose`."""
        return min(range(len(at.n_tokens)), key=at.n_tokens.__getitem__)

"""Policy `paft`: a new prompt every few steps while training (arXiv 2502.12859)."""

from __future__ import annotations

from sapo_analysis.policies.base import Policy, Situation


class Paft(Policy):
    """Many prompts instead of a good one; it stands for itself with the original."""

    name = "paft"
    draws = True

    def choose(self, at: Situation) -> int:
        """See `Policy.choose`."""
        return 0

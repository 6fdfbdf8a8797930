"""Policy `original`: the prompt the task came with."""

from __future__ import annotations

from sapo_analysis.policies.base import Policy, Situation


class Original(Policy):
    """No choice at all: what fine-tuning papers do."""

    name = "original"

    def choose(self, at: Situation) -> int:
        """See `Policy.choose`."""
        return 0

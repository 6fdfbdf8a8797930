"""TokenDrop: each time a row is met, it does not see some of the virtual tokens before it.

Context Tuning (arXiv 2507.04221, methods §9). What is dropped is hidden from the whole row: it is
not there, and all other tokens keep their positions. The paper puts 0 into the attention mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sapo_analysis.models.encoding import Encoded


@dataclass(frozen=True)
class TokenDrop:
    """A `RowChange` that hides virtual tokens at random, each by itself.

    Attributes:
        first: the first id of a virtual token; all from there on are.
        share: probability that one is dropped (1).
    """

    first: int
    share: float

    def at(self, row: Encoded, seed: int, step: int, place: int) -> Encoded:
        """See `RowChange.at`."""
        drawn = Random(f"token drop {seed} {step} {place}")
        return row.without(
            {
                i
                for i, token in enumerate(row.ids)
                if token >= self.first and drawn.random() < self.share
            }
        )

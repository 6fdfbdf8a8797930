"""A task's texts under each of its candidate prompts, found from the text under any of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sapo_analysis.learning.format_gradient import answered
from sapo_analysis.models.encoding import Encoded

Context = tuple[int, ...]


def context_of(row: Encoded) -> Context:
    """What a row reads before it answers, as a key."""
    return tuple(row.context)


class Candidates:
    """The candidate prompts of one task, by number, and its texts under them.

    Attributes:
        prompt_ids: of the candidates, in order.
    """

    def __init__(
        self, prompt_ids: Sequence[str], texts: Iterable[Sequence[Sequence[Encoded]]]
    ) -> None:
        """`texts`: sets of examples; of each set, the rows under every candidate, in order."""
        self.prompt_ids = tuple(prompt_ids)
        self._found: dict[Context, tuple[tuple[Encoded, ...], int]] = {}
        for variants in texts:
            for same in zip(*variants, strict=True):
                for c, row in enumerate(same):
                    self._found.setdefault(context_of(row), (same, c))

    def __len__(self) -> int:
        return len(self.prompt_ids)

    def knows(self, row: Encoded) -> bool:
        """Whether a row is of this task, under one of the candidates."""
        return context_of(row) in self._found

    def place(self, row: Encoded) -> int:
        """Under which candidate a row is."""
        return self._found[context_of(row)][1]

    def under(self, row: Encoded, candidate: int) -> Encoded:
        """The row's text under a candidate, with the row's own answer."""
        return answered(self._found[context_of(row)][0][candidate], row)

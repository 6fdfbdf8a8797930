"""Random tokens in place of some of a text's own.

The models here only look back and have no mask token of their own, and what a model makes of an
unknown token or of padding, which nothing taught it to read, differs from model to model. Any
ordinary token of the vocabulary can stand in another's place.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from sapo_analysis.models.encoding import Encoded


def masked(row: Encoded, ordinary: Sequence[int], share: float, seed: int) -> Encoded:
    """A row with a share of the text before the answer replaced.

    Of its n ordinary tokens the nearest whole number to share · n is drawn without repetition, and
    each of them becomes another ordinary token, all equally likely. Control tokens, virtual ones
    and the answer stay.

    Args:
        row: what is read.
        ordinary: all tokens that are text, ascending.
        share: of the text's tokens (0 to 1).
        seed: of what is drawn.
    """
    places = [t for t, token in enumerate(row.context) if _is_in(ordinary, token)]
    draw = Random(seed)
    ids = list(row.ids)
    for t in draw.sample(places, int(share * len(places) + 0.5)):
        own = bisect_left(ordinary, ids[t])
        other = draw.randrange(len(ordinary) - 1)
        ids[t] = ordinary[other + (other >= own)]
    return replace(row, ids=ids)


def _is_in(ascending: Sequence[int], token: int) -> bool:
    at = bisect_left(ascending, token)
    return at < len(ascending) and ascending[at] == token

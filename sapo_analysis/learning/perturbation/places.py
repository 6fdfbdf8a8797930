"""Which tokens are perturbed, and where they stand in a pass.

Those that are read before the answer and stand for text: no virtual tokens, whose embeddings are
what is trained, no tokens of the answer, no padding. Control tokens of the layout count as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from sapo_analysis.models.encoding import Encoded


class Met(NamedTuple):
    """One example in one pass.

    Attributes:
        row: as it is read.
        seed: of what is drawn for it, wherever the pass has its tokens; see `drawing`.
        places: where each of its tokens stands in the ids of the pass, row after row.
    """

    row: Encoded
    seed: int
    places: Sequence[int]


def met_in_padded_rows(batch: Sequence[Encoded], seed: int, step: int) -> list[Met]:
    """A member's batch at one step, an example a row, padded to the longest."""
    longest = max(row.span for row in batch)
    return [
        Met(row, drawing(seed, step, i), [i * longest + place for place in row.places])
        for i, row in enumerate(batch)
    ]


def met_in_packed_rows(
    batches: Sequence[Sequence[Encoded]], seeds: Sequence[int], step: int
) -> list[Met]:
    """The batches of several members at one step: each a row without gaps, padded at its end."""
    width = max(sum(len(row.ids) for row in batch) for batch in batches)
    found = []
    for k, (batch, seed) in enumerate(zip(batches, seeds, strict=True)):
        at = k * width
        for i, row in enumerate(batch):
            end = at + len(row.ids)
            found.append(Met(row, drawing(seed, step, i), range(at, end)))
            at = end
    return found


def drawing(seed: int, step: int, place: int) -> int:
    """The seed of all that is drawn for an example: of a member's seed, a step, a batch's place."""
    # Torch's generator takes a seed's low 32 bits alone.
    return Random(f"perturbed {seed} {step} {place}").getrandbits(32)


def text_tokens(row: Encoded, embedded: int) -> list[int]:
    """The tokens of a row that are perturbed, by their number in it.

    `embedded`: how many tokens the model itself embeds; ids from there on are virtual.
    """
    return [t for t, token in enumerate(row.context) if token < embedded]


def places_of(met: Sequence[Met], embedded: int, device: torch.device) -> Tensor:
    """Where all tokens that are perturbed stand in the ids of a pass, row after row [n]."""
    places = [one.places[t] for one in met for t in text_tokens(one.row, embedded)]
    return torch.tensor(places, dtype=torch.long, device=device)

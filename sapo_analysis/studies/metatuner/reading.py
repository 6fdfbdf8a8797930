"""What the actor reads of a text once MetaTuner's parts are trained, and with which weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from sapo_analysis.learning.batching import Around, nothing_around
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.studies.metatuner.candidates import Candidates, context_of
from sapo_analysis.studies.metatuner.encoder import MetaEncoder
from sapo_analysis.studies.metatuner.parts import Parts


@dataclass(frozen=True)
class Reading:
    """Rows as the actor reads them.

    Attributes:
        rows: of each text, that under the chosen prompt.
        around: puts each row's LoRA into the model for a pass.
        tokens: what was read to choose and to write; passed through half the layers, a token is
            half a token.
        chosen: id of the prompt chosen for each row; none where there was no choice.
    """

    rows: Sequence[Encoded]
    around: Around
    tokens: int
    chosen: tuple[str, ...]


def reading(parts: Parts, candidates: Candidates, rows: Sequence[Encoded]) -> Reading:
    """How the actor reads rows; each is under its initial prompt p̃.

    A task that was not learned has no candidates, so its rows are read as they are, with the LoRA
    that is written from them.
    """
    # Looks read one text with several answers; what is before them is the same.
    different = {context_of(row): row for row in rows}
    place = {context: i for i, context in enumerate(different)}
    places = [place[context_of(row)] for row in rows]

    def states_of(encoder: MetaEncoder) -> Tensor:
        return parts.states(encoder, list(different.values()))[places]

    states = states_of(parts.writing) if parts.writing is not None else None
    n_read = 1 if states is not None else 0
    read: Sequence[Encoded] = rows
    ids: tuple[str, ...] = ()
    if parts.choosing is not None and candidates.knows(rows[0]):
        asked = states
        if asked is None or parts.choosing is not parts.writing:
            asked, n_read = states_of(parts.choosing), n_read + 1
        chosen = parts.chosen(parts.head.detach(), asked, [candidates.place(row) for row in rows])
        read = [candidates.under(row, c) for row, c in zip(rows, chosen, strict=True)]
        ids = tuple(candidates.prompt_ids[c] for c in chosen)
    around = nothing_around if states is None else inside(parts, states, read)
    depth = parts.depth / len(parts.encoders) * n_read
    tokens = round(depth * sum(row.target_start for row in different.values()))
    return Reading(read, around, tokens, ids)


def inside(parts: Parts, states: Tensor, rows: Sequence[Encoded]) -> Around:
    """Puts into the model for a pass the LoRA written from each row's state [rows, size].

    A row is known by what it reads before it answers; answers can differ.
    """
    places = {context_of(row): i for i, row in enumerate(rows)}

    @torch.no_grad()
    def around(batch: Sequence[Encoded]) -> AbstractContextManager[object]:
        return parts.written(states[[places[context_of(row)] for row in batch]])

    return around

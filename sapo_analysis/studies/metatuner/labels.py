"""The supervision of MetaTuner's policy (D2): the best candidate of each labelled text."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel

from sapo_analysis.learning.scoring import ExampleLoss, example_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.studies.metatuner.candidates import Candidates
from sapo_analysis.studies.metatuner.parts import Parts
from sapo_analysis.studies.metatuner.reading import inside

_ROWS_AT_ONCE = 64


def best_candidates(losses: Sequence[Sequence[ExampleLoss]]) -> list[int]:
    """p* of each example: the candidate with the lowest loss per target token; ties: the first.

    `losses[c]` are all examples' under candidate c.
    """
    means = [[one.nll_sum / one.n_tokens for one in own] for own in losses]
    return [min(range(len(means)), key=lambda c: means[c][i]) for i in range(len(means[0]))]


def labels_now(
    model: PreTrainedModel,
    parts: Parts,
    candidates: Candidates,
    rows: Sequence[Encoded],
    pad_id: int,
) -> list[int]:
    """p* of each row for the actor with the LoRA that is written from it at this moment."""
    states = None if parts.writing is None else parts.states(parts.writing, rows)
    found = []
    for c in range(len(candidates)):
        read = [candidates.under(row, c) for row in rows]
        if states is None:
            losses = example_losses(model, read, _ROWS_AT_ONCE, pad_id)
        else:
            around = inside(parts, states, read)
            losses = example_losses(model, read, _ROWS_AT_ONCE, pad_id, around)
        found.append(losses)
    return best_candidates(found)

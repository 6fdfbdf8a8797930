"""Passes over perturbed texts, whichever loop lays them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.learning.perturbation.adversary import ascend
from sapo_analysis.learning.perturbation.described import Perturbation
from sapo_analysis.learning.perturbation.embedding import added, mean_norm
from sapo_analysis.learning.perturbation.masking import masked
from sapo_analysis.learning.perturbation.noise import noise
from sapo_analysis.learning.perturbation.places import Met, drawing, places_of
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.spread import reading_device


class Perturber:
    """Lets a model read perturbed texts.

    What is added to an embedding is measured in the mean norm of the model's own embeddings: that
    is how long it is at strength 1.

    Attributes:
        share: weight γ / (1 + γ) of the perturbed loss; that of the clean one is 1 − share.
    """

    def __init__(self, model: PreTrainedModel, perturbation: Perturbation):
        untyped: Any = model
        self._model, self._how = model, perturbation.how
        self._ordinary = perturbation.ordinary
        self.share = self._how.weight / (1 + self._how.weight)
        weight: Tensor = untyped.get_input_embeddings().weight
        self._embedded, self._size = weight.shape
        self._dtype = torch.promote_types(weight.dtype, torch.float32)
        in_embeddings = self._how.by != "masking"
        self._length = self._how.strength * mean_norm(model) if in_embeddings else 0.0

    def rows(self, batch: Sequence[Encoded], seed: int, step: int) -> list[Encoded]:
        """A member's batch as a perturbed pass reads it: with other tokens if some are masked."""
        if self._how.by != "masking":
            return list(batch)
        share = self._how.strength
        return [
            masked(row, self._ordinary, share, drawing(seed, step, i))
            for i, row in enumerate(batch)
        ]

    @contextmanager
    def reading(self, met: Sequence[Met], loss: Callable[[], Tensor]) -> Iterator[None]:
        """Inside the block the embeddings of these examples, laid out like this, are perturbed.

        Args:
            met: the examples of the pass; no two of them share a token.
            loss: reads them and gives the sum of their members' losses: what an adversary raises.
        """
        if self._how.by == "masking":
            yield
            return
        with added(self._model, *self._found(met, loss)):
            yield

    def _found(self, met: Sequence[Met], loss: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
        """Places of the tokens that are perturbed [n], and what is added to each [n, size]."""
        device = reading_device(self._model)
        places = places_of(met, self._embedded, device)
        if self._how.by == "noise":
            return places, noise(met, self._embedded, self._size, self._length, device)

        def at(delta: Tensor) -> Tensor:
            with added(self._model, places, delta):
                return loss()

        start = torch.zeros(len(places), self._size, dtype=self._dtype, device=device)
        return places, ascend(at, start, self._length, self._how.steps)

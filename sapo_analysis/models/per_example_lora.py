"""LoRA whose weights differ from example to example of a batch, by forward hooks.

For row i of a batch and a frozen linear layer W: y_i = W x_i + scale · (x_i A_iᵀ) B_iᵀ, with A_i
[r, in] and B_i [out, r]. All rows of a layer are one batched product. peft keeps one pair per layer
and cannot do this. A pair by itself, [1, r, in] and [1, out, r], serves every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sapo_analysis.errors import InputError
from sapo_analysis.models.checkpointing import Again

PairsOfRows = Mapping[str, tuple[Tensor, Tensor]]
"""A [rows or 1, r, in] and B [rows or 1, out, r] by the name of the layer that they change."""


@dataclass(frozen=True)
class _On:
    weights: PairsOfRows
    scale: float
    dropout: float


class PerExampleLora:
    """Hooks on some layers of a model, for as long as its block lasts; off until `on`."""

    def __init__(self, model: nn.Module, names: Iterable[str]):
        """Get ready for the linear layers of these names."""
        self._layers = {name: model.get_submodule(name) for name in names}
        self._on: _On | None = None
        self._hooks: list[Any] = []

    def __enter__(self) -> PerExampleLora:
        self._hooks = [
            layer.register_forward_hook(partial(self._add, name))
            for name, layer in self._layers.items()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    @contextmanager
    def on(self, weights: PairsOfRows, scale: float, dropout: float = 0.0) -> Iterator[None]:
        """Inside the block passes of as many rows as the weights have read with these weights.

        `dropout` on the input of A: masks are drawn from torch's own random numbers.
        """
        with self._set(_On(weights, scale, dropout)):
            yield

    def again(self) -> Again:
        """What is on at this moment, for layers that are computed again; see `checkpointing`."""
        return partial(self._set, self._on)

    @contextmanager
    def _set(self, on: _On | None) -> Iterator[None]:
        before, self._on = self._on, on
        try:
            yield
        finally:
            self._on = before

    def _add(
        self, name: str, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor
    ) -> Tensor | None:
        """What a layer gives, with the update of each row.

        Raises:
            InputError: the layer does not read row by row.
        """
        on, x = self._on, inputs[0]
        if on is None or name not in on.weights:
            return None
        a, b = (weight.to(x.device) for weight in on.weights[name])
        if len(a) > 1 and (x.ndim != 3 or len(x) != len(a)):
            raise InputError(
                f"Layer {name!r} reads {tuple(x.shape)} where {len(a)} examples are read, so it"
                " cannot have weights of each example. Leave it out of metatuner.target_modules."
            )
        dropped = nn.functional.dropout(x.to(a.dtype), on.dropout)
        update = on.scale * torch.matmul(torch.matmul(dropped, a.mT), b.mT)
        return output + update.to(output.dtype)

"""Weights of K fine-tunes of one form in one tensor, so that one optimizer step serves a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sapo_analysis.errors import InputError
from sapo_analysis.models.stacked_lora import Dropout


class FlatWeights:
    """K times the same named weights: `values` [K, n] holds them all, `leaves` are views of it.

    Attributes:
        values: all weights, row k those of fine-tune k.
        leaves: by name [K, *shape], in the order in which a row holds them.
        dropout: none; training asks.
    """

    def __init__(
        self,
        shapes: Mapping[str, Sequence[int]],
        k: int,
        dtype: torch.dtype,
        device: torch.device,
    ):
        sizes = {name: torch.Size(shape).numel() for name, shape in shapes.items()}
        self.values = torch.zeros(k, sum(sizes.values()), dtype=dtype, device=device)
        self.dropout = Dropout(0.0)
        self.leaves: dict[str, Tensor] = {}
        at = 0
        for name, shape in shapes.items():
            places = self.values[:, at : at + sizes[name]]
            self.leaves[name] = places.view(k, *shape).requires_grad_()
            at += sizes[name]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def tensors(self) -> list[Tensor]:
        """The leaves, in the order in which a row holds them."""
        return list(self.leaves.values())

    def gradients(self, loss: Tensor) -> Tensor:
        """Gradient of a scalar by all weights, in the places of `values` [K, n]."""
        found = torch.autograd.grad(loss, self.tensors)
        return torch.cat([gradient.flatten(1) for gradient in found], dim=1)

    @torch.no_grad()
    def fill(self, k: int, weights: Mapping[str, Tensor]) -> None:
        """Set the weights of fine-tune k."""
        for name in self.leaves:
            self.own(k, name).copy_(weights[name])

    def own(self, k: int, name: str) -> Tensor:
        """What belongs to fine-tune k of a leaf; what is left over of it is never used."""
        return self.leaves[name][k]

    def of(self, k: int) -> dict[str, Tensor]:
        """Copies of the weights of fine-tune k, by name, on the CPU."""
        return {name: self.own(k, name).detach().cpu().clone() for name in self.leaves}

    def vector(self, k: int) -> Tensor:
        """A copy of the weights of fine-tune k as one vector, on the CPU."""
        return torch.cat([weight.flatten() for weight in self.of(k).values()])

    def save(self, k: int, file: Path) -> None:
        """Write the weights of fine-tune k as safetensors."""
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: w.contiguous() for name, w in self.of(k).items()}, file)

    def load(self, k: int, file: Path) -> None:
        """Read the weights of fine-tune k.

        Raises:
            InputError: the file is missing, or its weights have another form.
        """
        if not file.is_file():
            raise InputError(
                f"The weights of an earlier stage are missing (file {file}), so its run cannot be"
                " continued. Run its spec.json again."
            )
        found = load_file(file)
        shapes = {name: list(weight.shape) for name, weight in found.items()}
        wanted = {name: list(self.own(k, name).shape) for name in self.leaves}
        if shapes != wanted:
            raise InputError(
                f"{file} holds weights of the form {shapes}, and the study wants {wanted}."
                " Use the model and the settings that they were trained with."
            )
        self.fill(k, found)

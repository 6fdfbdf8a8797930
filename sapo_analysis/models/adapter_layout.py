"""Where each matrix of an adapter stands when all its weights are one vector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AdapterLayout:
    """The shapes of A [r, in] and B [out, r] by module, in the vector's order: A, then B."""

    shapes: Mapping[str, tuple[torch.Size, torch.Size]]

    def modules_by_input(self) -> Iterable[list[str]]:
        """Modules whose A have one shape, together."""
        found: dict[torch.Size, list[str]] = {}
        for name, (a, _) in self.shapes.items():
            found.setdefault(a, []).append(name)
        return found.values()

    def places_of_a(self, module: str) -> Tensor:
        """Places [r, in] in the vector of one module's A."""
        shape = self.shapes[module][0]
        return self._starts[module] + torch.arange(shape.numel()).view(shape)

    @property
    def _starts(self) -> dict[str, int]:
        return dict(self._offsets())

    def _offsets(self) -> Iterator[tuple[str, int]]:
        at = 0
        for name, (a, b) in self.shapes.items():
            yield name, at
            at += a.numel() + b.numel()

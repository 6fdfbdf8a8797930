"""Greedy decoding from where a packed pass left off, for many examples of many adapters at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from sapo_analysis.models.packed import PackedModel
from sapo_analysis.models.packing import KeysValues, Pack, to_heads


@dataclass(frozen=True)
class Start:
    """Where one answer goes on by itself.

    Attributes:
        row: the pack's row, which is the adapter.
        example: the example's number in that row.
        position: position of `token` in the example (tokens).
        token: the first token of its own; what stands before it is in the pack.
        limit: most tokens to write, `token` included.
    """

    row: int
    example: int
    position: int
    token: int
    limit: int


def continue_greedy(
    reader: PackedModel, pack: Pack, starts: Sequence[Start], stop_ids: Sequence[int]
) -> list[list[int]]:
    """The tokens each start goes on with, its own first token included, a stop token last.

    The pack must have kept its keys and values; they are taken out of it.
    """
    written = [[start.token] for start in starts]
    alive = _unfinished(range(len(starts)), starts, written, stop_ids)
    if not alive:
        return written
    cache = _Cache(pack, [starts[i] for i in alive])
    pack.kept.clear()
    while alive:
        tokens = [written[i][-1] for i in alive]
        positions = [starts[i].position + len(written[i]) - 1 for i in alive]
        cache.feed(tokens, positions)
        logits = reader.logits(cache)
        for i, token in zip(alive, cache.of_starts(logits).argmax(dim=-1).tolist(), strict=True):
            written[i].append(token)
        still = _unfinished(alive, starts, written, stop_ids)
        if len(still) < len(alive):
            cache.keep([alive.index(i) for i in still], [starts[i] for i in still])
        alive = still
    return written


def _unfinished(
    places: Sequence[int],
    starts: Sequence[Start],
    written: Sequence[Sequence[int]],
    stop_ids: Sequence[int],
) -> list[int]:
    return [
        i for i in places if written[i][-1] not in stop_ids and len(written[i]) < starts[i].limit
    ]


class _Cache:
    """Keys and values of the answers being written; a `Layout` of one token per answer."""

    ids: Tensor
    positions: Tensor
    wanted: Tensor

    def __init__(self, pack: Pack, starts: Sequence[Start]):
        self._device = pack.ids.device
        self._n_rows = pack.n_rows
        rows = torch.tensor([start.row for start in starts], device=self._device)
        examples = rows * pack.n_examples + torch.tensor(
            [start.example for start in starts], device=self._device
        )
        self._memory: dict[int, KeysValues] = {
            layer: (
                torch.cat([prefix_k[rows], suffix_k[examples]], dim=2),
                torch.cat([prefix_v[rows], suffix_v[examples]], dim=2),
            )
            for layer, ((prefix_k, prefix_v), (suffix_k, suffix_v)) in pack.kept.items()
        }
        prefixes = torch.tensor([pack.prefixes[start.row] for start in starts])
        known = torch.tensor([start.position for start in starts]) - prefixes
        self._seen = torch.cat(
            [
                prefixes[:, None] > torch.arange(pack.prefix),
                known[:, None] > torch.arange(pack.suffix),
            ],
            dim=1,
        ).to(self._device)
        self._place(starts)

    def _place(self, starts: Sequence[Start]) -> None:
        """Give each answer a place in its adapter's row."""
        used = [0] * self._n_rows
        slots = []
        for start in starts:
            slots.append(used[start.row])
            used[start.row] += 1
        self._width = max(used)
        self._rows = torch.tensor([start.row for start in starts], device=self._device)
        self._slots = torch.tensor(slots, device=self._device)

    def feed(self, tokens: Sequence[int], positions: Sequence[int]) -> None:
        """Set the next token of each answer."""
        self.ids = self._table(tokens)
        self.positions = self._table(positions)
        self.wanted = torch.arange(self._width, device=self._device).expand(self._n_rows, -1)
        new = torch.ones(len(self._seen), 1, dtype=torch.bool, device=self._device)
        self._seen = torch.cat([self._seen, new], dim=1)

    def _table(self, values: Sequence[int]) -> Tensor:
        table = torch.zeros(self._n_rows, self._width, dtype=torch.long, device=self._device)
        table[self._rows, self._slots] = torch.tensor(values, device=self._device)
        return table

    def keep(self, places: Sequence[int], starts: Sequence[Start]) -> None:
        """Forget all answers but those at `places`."""
        if not places:
            return
        kept = torch.tensor(places, device=self._device)
        self._memory = {layer: (k[kept], v[kept]) for layer, (k, v) in self._memory.items()}
        self._seen = self._seen[kept]
        self._place(starts)

    def of_starts(self, x: Tensor) -> Tensor:
        """[rows, width, …] to one entry per answer."""
        return x[self._rows, self._slots]

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scaling: float) -> Tensor:
        """Each new token sees its own answer's past and itself; see `Layout`."""
        heads, size = q.shape[1], q.shape[3]
        q, k, v = (self.of_starts(x.transpose(1, 2))[:, :, None] for x in (q, k, v))
        past_k, past_v = self._memory[layer]
        keys, values = torch.cat([past_k, k], dim=2), torch.cat([past_v, v], dim=2)
        self._memory[layer] = (keys, values)
        found = scaled_dot_product_attention(
            q,
            to_heads(keys, heads),
            to_heads(values, heads),
            attn_mask=self._seen[:, None, None, :],
            scale=scaling,
        )
        table = torch.zeros(
            self._n_rows, self._width, heads, size, dtype=found.dtype, device=self._device
        )
        table[self._rows, self._slots] = found[:, :, 0]
        return table

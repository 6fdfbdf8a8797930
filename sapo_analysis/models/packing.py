"""Many examples as a few long rows of tokens: shared prefixes once, no padding between examples.

A row belongs to one adapter (or one prompt) and reads: the prefix its examples share, then what is
left of each example. All that works token by token (projections, norms, the MLP) runs on these
rows as they are; attention alone has to know where an example begins, and `Pack.attend` does it: a
suffix sees the prefix and itself. Positions count as if each example stood alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from os.path import commonprefix
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from sapo_analysis.models.encoding import Encoded

IGNORED = -100
KeysValues = tuple[Tensor, Tensor]


class Layout(Protocol):
    """What a model needs to read rows in which attention follows a layout of its own.

    `ids` and `positions` are [rows, tokens]; `wanted` [rows, n] names the tokens whose logits are
    asked for.
    """

    ids: Tensor
    positions: Tensor
    wanted: Tensor

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scaling: float) -> Tensor:
        """Attention of one layer: q, k, v [rows, heads, tokens, size] to [rows, tokens, …]."""
        ...


def shared_prefix(rows: Sequence[Encoded]) -> int:
    """Length of the longest token prefix that all examples share (tokens).

    The token before each target stays outside: it predicts the target's first token. Whole texts
    were tokenised and only then compared, so no merge across the boundary is lost.
    """
    common = len(commonprefix([row.ids for row in rows]))
    return min([common, *(row.target_start - 1 for row in rows)])


class Pack:
    """Rows of examples for one pass.

    Attributes:
        ids: token ids [rows, tokens], padded at the end.
        positions: position of each token in its own example [rows, tokens].
        wanted: places of the tokens that predict a target token [rows, n]; padding points at 0.
        labels: the target tokens [rows, n]; -100 is padding.
        example: which example of its row each label belongs to [rows, n].
        row_tokens: tokens read in each row, padding left out.
        kept: keys and values by layer, if `keep`: of the prefixes [rows, heads, prefix, size] and
            of the suffixes [rows · examples, heads, suffix, size].
    """

    def __init__(
        self,
        rows: Sequence[Sequence[Encoded]],
        prefixes: Sequence[int],
        pad_id: int,
        device: torch.device,
        keep: bool = False,
        prefix_cache: dict[int, KeysValues] | None = None,
    ):
        """Lay out rows of examples.

        Args:
            rows: the examples of each row; rows may differ in number of examples.
            prefixes: for each row, how many first tokens its examples share (0: none shared).
            pad_id: token that fills rows up.
            device: where the tensors go.
            keep: whether to keep keys and values for decoding.
            prefix_cache: keys and values of the prefixes by layer, from a pack that kept them; then
                this pack's rows hold the suffixes alone.
        """
        self.keep, self.kept = keep, dict[int, tuple[KeysValues, KeysValues]]()
        self.prefixes = list(prefixes)
        self._prefix_cache = prefix_cache
        in_rows = [0] * len(rows) if prefix_cache is not None else self.prefixes
        self.n_rows = len(rows)
        self.n_examples = max(map(len, rows))
        self.prefix = max(self.prefixes)
        suffixes = [
            [row.ids[p:] for row in examples]
            for examples, p in zip(rows, self.prefixes, strict=True)
        ]
        self.suffix = max(len(s) for s in chain.from_iterable(suffixes))
        lengths = [p + sum(map(len, s)) for p, s in zip(in_rows, suffixes, strict=True)]
        self.row_tokens = lengths
        self._build(rows, suffixes, in_rows, max(lengths), pad_id, device)

    def _build(
        self,
        rows: Sequence[Sequence[Encoded]],
        suffixes: Sequence[Sequence[list[int]]],
        in_rows: Sequence[int],
        width: int,
        pad_id: int,
        device: torch.device,
    ) -> None:
        n, b, u = self.n_rows, self.n_examples, self.suffix
        p_slots = 0 if self._prefix_cache is not None else self.prefix
        ids = np.full((n, width), pad_id)
        positions = np.zeros((n, width), dtype=np.int64)
        # `slots`: packed token of each place of the padded form (prefixes, then suffixes).
        prefix_slots = np.zeros((n, p_slots), dtype=np.int64)
        suffix_slots = np.zeros((n, b, u), dtype=np.int64)
        place = np.zeros((n, width), dtype=np.int64)  # the other way round
        present = np.zeros((n, width), dtype=bool)
        wanted: list[np.ndarray] = []
        labels: list[list[int]] = []
        owners: list[np.ndarray] = []
        for r, (examples, parts, head) in enumerate(zip(rows, suffixes, in_rows, strict=True)):
            first = r * width
            prefix_slots[r] = first
            suffix_slots[r] = first
            lengths = np.array([len(part) for part in parts], dtype=np.int64)
            starts = head + np.cumsum(lengths) - lengths
            total = head + int(lengths.sum())
            if not examples:
                wanted.append(np.zeros(0, dtype=np.int64))
                labels.append([])
                owners.append(np.zeros(0, dtype=np.int64))
                continue
            ids[r, :total] = [*examples[0].ids[:head], *chain.from_iterable(parts)]
            present[r, :total] = True
            which = np.repeat(np.arange(len(parts)), lengths)
            inside = np.arange(total - head) - np.repeat(starts - head, lengths)
            positions[r, :head] = np.arange(head)
            positions[r, head:total] = self.prefixes[r] + inside
            prefix_slots[r, :head] = first + np.arange(head)
            suffix_slots[r, which, inside] = first + head + np.arange(total - head)
            place[r, :head] = r * p_slots + np.arange(head)
            place[r, head:total] = n * p_slots + (r * b + which) * u + inside
            n_targets = np.array([row.n_target for row in examples])
            before = starts + np.array([row.target_start for row in examples]) - self.prefixes[r]
            step = np.arange(n_targets.sum()) - np.repeat(
                np.cumsum(n_targets) - n_targets, n_targets
            )
            wanted.append(np.repeat(before - 1, n_targets) + step)
            owners.append(np.repeat(np.arange(len(parts)), n_targets))
            labels.append(list(chain.from_iterable(row.ids[row.target_start :] for row in examples)))
        most = max(map(len, labels))

        def filled(parts: Sequence[Sequence[int] | np.ndarray], value: int) -> Tensor:
            table = np.full((n, most), value, dtype=np.int64)
            for r, part in enumerate(parts):
                table[r, : len(part)] = part
            return torch.from_numpy(table).to(device)

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(device)

        self.ids, self.positions = tensor(ids), tensor(positions)
        self.wanted, self.labels = filled(wanted, 0), filled(labels, IGNORED)
        self.example = filled(owners, 0)
        slots = np.concatenate([prefix_slots.ravel(), suffix_slots.ravel()])
        empty = np.ones(len(slots), dtype=bool)
        empty[place[present]] = False
        self._slots, self._place = tensor(slots), tensor(place.ravel())
        self._absent, self._empty = (
            tensor(np.flatnonzero(~present.ravel())),
            tensor(np.flatnonzero(empty)),
        )
        self._mask = self._suffix_mask(device) if self.prefix else None

    def _suffix_mask(self, device: torch.device) -> Tensor:
        """[rows · examples, 1, suffix, prefix + suffix]: a suffix sees its prefix and, causally,
        itself; every token sees at least itself, so no row of the softmax is empty.
        """
        known = torch.tensor(self.prefixes)[:, None] > torch.arange(self.prefix)
        n, b, u = self.n_rows, self.n_examples, self.suffix
        causal = torch.ones(u, u, dtype=torch.bool).tril()
        parts = [
            known[:, None, None, :].expand(n, b, u, self.prefix),
            causal.expand(n, b, u, u),
        ]
        return torch.cat(parts, dim=-1).reshape(n * b, 1, u, -1).to(device)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scaling: float) -> Tensor:
        """Attention within examples; see `Layout`."""
        heads, size = q.shape[1], q.shape[3]
        (prefix_q, suffix_q), keys, values = self._unpack(q), self._unpack(k), self._unpack(v)
        prefix_k, suffix_k = keys
        prefix_v, suffix_v = values
        if self._prefix_cache is not None:
            prefix_k, prefix_v = self._prefix_cache[layer]
        if self.keep:
            self.kept[layer] = ((prefix_k, prefix_v), (suffix_k, suffix_v))
        parts = []
        if self.prefix and self._prefix_cache is None:
            k_all, v_all = to_heads(prefix_k, heads), to_heads(prefix_v, heads)
            found = scaled_dot_product_attention(
                prefix_q, k_all, v_all, is_causal=True, scale=scaling
            )
            parts.append(found.transpose(1, 2).reshape(-1, heads * size))
        if self.prefix:
            suffix_k = torch.cat([self._per_example(prefix_k), suffix_k], dim=2)
            suffix_v = torch.cat([self._per_example(prefix_v), suffix_v], dim=2)
        found = scaled_dot_product_attention(
            suffix_q,
            to_heads(suffix_k, heads),
            to_heads(suffix_v, heads),
            attn_mask=self._mask,
            is_causal=self._mask is None,
            scale=scaling,
        )
        parts.append(found.transpose(1, 2).reshape(-1, heads * size))
        packed = _Take.apply(torch.cat(parts), self._place, self._slots, self._empty)
        return packed.view(self.n_rows, -1, heads, size)

    def _unpack(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[rows, heads, tokens, size] to padded prefixes [rows, heads, prefix, size] and suffixes
        [rows · examples, heads, suffix, size].
        """
        n, heads, width, size = x.shape
        flat = x.transpose(1, 2).reshape(n * width, heads * size)
        padded = _Take.apply(flat, self._slots, self._place, self._absent)
        n_prefix = len(self._slots) - n * self.n_examples * self.suffix
        prefixes, suffixes = padded.split([n_prefix, len(self._slots) - n_prefix])
        return (
            prefixes.view(n, -1, heads, size).transpose(1, 2),
            suffixes.view(n * self.n_examples, self.suffix, heads, size).transpose(1, 2),
        )

    def _per_example(self, x: Tensor) -> Tensor:
        """A row's prefix, once for each of its examples."""
        return x[:, None].expand(-1, self.n_examples, -1, -1, -1).flatten(0, 1)


def to_heads(x: Tensor, heads: int) -> Tensor:
    """Keys or values [n, fewer heads, tokens, size] repeated to `heads` (grouped-query models)."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], dim=1)


class _Take(torch.autograd.Function):
    """Rows of a matrix by number, where each is taken at most once, padding apart.

    Its gradient is the inverse selection, many times faster than the general scatter; rows never
    taken (`absent`) get zero.
    """

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, x: Tensor, index: Tensor, inverse: Tensor, absent: Tensor
    ) -> Tensor:
        ctx.save_for_backward(inverse, absent)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]
        inverse, absent = ctx.saved_tensors
        found = gradients[0].index_select(0, inverse)
        return found.index_fill_(0, absent, 0.0), None, None, None

"""Many examples as a few long rows of tokens: shared prefixes once, no padding between examples.

A row belongs to one adapter (or one prompt) and reads: the prefix its examples share, then what is
left of each example. All that works token by token (projections, norms, the MLP) runs on these
rows as they are; attention alone has to know where an example begins, and `Pack.attend` does it: a
suffix sees the prefix and itself. Positions count as if each example stood alone, and are its own
where it has some: what is hidden from an example is not there.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from os.path import commonprefix
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from sapo_analysis.models.encoding import IGNORED, Encoded

Ints = NDArray[np.int64]
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
    """Length of the longest prefix of tokens at the same positions that all share (tokens).

    The token before each target stays outside: it predicts the target's first token. Whole texts
    were tokenised and only then compared, so no merge across the boundary is lost.
    """
    common = len(commonprefix([row.ids for row in rows]))
    if any(row.positions is not None for row in rows):
        common = len(commonprefix([list(row.places[:common]) for row in rows]))
    return min([common, *(row.target_start - 1 for row in rows)])


@dataclass(frozen=True)
class _Row:
    """One row's numbers: its tokens, and where each stands.

    `which` and `inside` say of each suffix token which example it belongs to and how far into the
    suffix it is; `wanted`, `labels` and `owners` list the row's target tokens. `seen` says which
    prefix tokens each example sees [examples, prefix]; None: all.
    """

    ids: list[int]
    positions: Ints
    head: int
    which: Ints
    inside: Ints
    wanted: Ints
    labels: list[int]
    owners: Ints
    seen: NDArray[np.bool_] | None

    @classmethod
    def of(cls, examples: Sequence[Encoded], prefix: int, head: int) -> _Row:
        """Lay out examples that share `prefix` tokens, of which `head` (all or none) are here."""
        # Of a text with hidden tokens fewer than all of the prefix are its own.
        own = [
            prefix if row.positions is None else bisect(row.positions, prefix - 1)
            for row in examples
        ]
        suffixes = [row.ids[n:] for row, n in zip(examples, own, strict=True)]
        lengths = np.array([len(suffix) for suffix in suffixes], dtype=np.int64)
        starts = head + np.cumsum(lengths) - lengths
        which = np.repeat(np.arange(len(examples)), lengths)
        inside = _counting(lengths)
        n_targets = np.array([row.n_target for row in examples], dtype=np.int64)
        targets = np.array([row.target_start for row in examples], dtype=np.int64)
        before = starts + targets - np.array(own, dtype=np.int64) - 1
        positions, begin, seen = prefix + inside, examples[0].ids[:head] if examples else [], None
        if any(row.positions is not None for row in examples):
            found = [row.places[n:] for row, n in zip(examples, own, strict=True)]
            positions = np.fromiter(chain.from_iterable(found), dtype=np.int64)
            begin, seen = _joined(examples, own, prefix)
            begin = begin[:head]
        return cls(
            ids=[*begin, *chain.from_iterable(suffixes)],
            positions=np.concatenate([np.arange(len(begin)), positions]),
            head=len(begin),
            which=which,
            inside=inside,
            wanted=np.repeat(before, n_targets) + _counting(n_targets),
            labels=list(chain.from_iterable(row.ids[row.target_start :] for row in examples)),
            owners=np.repeat(np.arange(len(examples)), n_targets),
            seen=seen,
        )


def _joined(
    examples: Sequence[Encoded], own: Sequence[int], prefix: int
) -> tuple[list[int], NDArray[np.bool_]]:
    """(the prefix of which every example has a part, which of it each one sees [n, prefix])."""
    ids = [0] * prefix  # where no example sees a token any other does as well
    seen = np.zeros((len(examples), prefix), dtype=bool)
    for i, (row, n) in enumerate(zip(examples, own, strict=True)):
        for place, token in zip(row.places[:n], row.ids[:n], strict=True):
            ids[place] = token
        seen[i, list(row.places[:n])] = True
    return ids, seen


def _counting(lengths: Ints) -> Ints:
    """0, 1, … up to each length, one run after the other."""
    ends = np.cumsum(lengths)
    return np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)


class Pack:
    """Rows of examples for one pass.

    Attributes:
        ids: token ids [rows, tokens], padded at the end.
        positions: position of each token in its own example [rows, tokens].
        wanted: places of the tokens that predict a target token [rows, n]; padding points at 0.
        labels: the target tokens [rows, n]; -100 is padding.
        prefixes: shared tokens of each row; `prefix` is the longest, `suffix` the longest rest.
        row_tokens: tokens read in each row, padding left out.
        row_labels: labels in each row, padding left out.
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
            rows: the examples of each row; rows may differ in number of examples, and be empty.
            prefixes: for each row, how many first tokens its examples share (0: none shared).
                Examples with positions of their own can lack some of these tokens, and then do not
                see them; other tokens of the prefix do.
            pad_id: token that fills rows up.
            device: where the tensors go.
            keep: whether to keep keys and values for decoding.
            prefix_cache: keys and values of the prefixes by layer, from a pack that kept them; then
                this pack's rows hold the suffixes alone.
        """
        self.keep, self.kept = keep, dict[int, tuple[KeysValues, KeysValues]]()
        self._prefix_cache = prefix_cache
        self.prefixes = list(prefixes)
        self.prefix = max(self.prefixes)
        self.n_rows = len(rows)
        self.n_examples = max(map(len, rows))
        laid = [
            _Row.of(examples, prefix, head=0 if prefix_cache is not None else prefix)
            for examples, prefix in zip(rows, self.prefixes, strict=True)
        ]
        self.suffix = max(int(row.inside.max(initial=-1)) + 1 for row in laid)
        self.row_tokens = [len(row.ids) for row in laid]
        self.row_labels = [len(row.labels) for row in laid]

        def table(parts: Sequence[Sequence[int] | Ints], fill: int) -> Tensor:
            filled = np.full((self.n_rows, max(map(len, parts))), fill, dtype=np.int64)
            for r, part in enumerate(parts):
                filled[r, : len(part)] = part
            return torch.from_numpy(filled).to(device)

        self.ids = table([row.ids for row in laid], pad_id)
        self.positions = table([row.positions for row in laid], 0)
        self.wanted = table([row.wanted for row in laid], 0)
        self.labels = table([row.labels for row in laid], IGNORED)
        self._index(laid, device)
        self._mask = self._suffix_mask(laid, device) if self.prefix else None

    def _index(self, rows: Sequence[_Row], device: torch.device) -> None:
        """Between packed tokens and the padded form that attention needs: prefixes, suffixes.

        `slots`: the packed token of each padded place; `place`: the padded place of each packed
        token; `absent` and `empty`: those without a counterpart.
        """
        width = self.ids.shape[1]
        n_prefix = 0 if self._prefix_cache is not None else self.prefix
        prefix_slots = np.zeros((self.n_rows, n_prefix), dtype=np.int64)
        suffix_slots = np.zeros((self.n_rows, self.n_examples, self.suffix), dtype=np.int64)
        place = np.zeros((self.n_rows, width), dtype=np.int64)
        present = np.zeros((self.n_rows, width), dtype=bool)
        for r, row in enumerate(rows):
            # Padding points into its own row: nothing passes between adapters, not even a NaN.
            prefix_slots[r] = suffix_slots[r] = r * width
            place[r] = self.n_rows * n_prefix + r * self.n_examples * self.suffix
            tokens = r * width + np.arange(len(row.ids))
            prefix_slots[r, : row.head] = tokens[: row.head]
            suffix_slots[r, row.which, row.inside] = tokens[row.head :]
            place[r, : row.head] = r * n_prefix + np.arange(row.head)
            example = r * self.n_examples + row.which
            place[r, row.head : len(row.ids)] = (
                self.n_rows * n_prefix + example * self.suffix + row.inside
            )
            present[r, : len(row.ids)] = True
        slots = np.concatenate([prefix_slots.ravel(), suffix_slots.ravel()])
        empty = np.ones(len(slots), dtype=bool)
        empty[place[present]] = False
        self._n_prefix_slots = prefix_slots.size
        self._slots, self._place, self._absent, self._empty = (
            torch.from_numpy(numbers).to(device)
            for numbers in (
                slots,
                place.ravel(),
                np.flatnonzero(~present.ravel()),
                np.flatnonzero(empty),
            )
        )

    def _suffix_mask(self, rows: Sequence[_Row], device: torch.device) -> Tensor:
        """Who sees whom [rows · examples, 1, suffix, prefix + suffix]: its prefix, causally itself.

        Every token sees at least itself, so no row of the softmax is empty.
        """
        known = torch.tensor(self.prefixes)[:, None] > torch.arange(self.prefix)
        n, b, u = self.n_rows, self.n_examples, self.suffix
        causal = torch.ones(u, u, dtype=torch.bool).tril()
        seen = known[:, None, :].repeat(1, b, 1)
        for r, row in enumerate(rows):
            if row.seen is not None:
                seen[r, : len(row.seen), : row.seen.shape[1]] &= torch.from_numpy(row.seen)
        parts = [
            seen[:, :, None, :].expand(n, b, u, self.prefix),
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
        packed = _take(torch.cat(parts), self._place, self._slots, self._empty)
        return packed.view(self.n_rows, -1, heads, size)

    def _unpack(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Packed tokens [rows, heads, tokens, size] as padded prefixes and suffixes.

        They are [rows, heads, prefix, size] and [rows · examples, heads, suffix, size].
        """
        n, heads, width, size = x.shape
        flat = x.transpose(1, 2).reshape(n * width, heads * size)
        padded = _take(flat, self._slots, self._place, self._absent)
        n_prefix = self._n_prefix_slots
        prefixes, suffixes = torch.split(padded, [n_prefix, len(padded) - n_prefix])
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


def _take(x: Tensor, index: Tensor, inverse: Tensor, absent: Tensor) -> Tensor:
    apply: Any = _Take.apply  # torch leaves it untyped
    taken: Tensor = apply(x, index, inverse, absent)
    return taken


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

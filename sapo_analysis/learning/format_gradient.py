"""The gradient of the last decoder layer's weights, and how much of it is the answers' format.

ProMoT (methods §5) compares the gradient g of a batch with g_format, that of the same texts with
labels shuffled among them: what the two share cannot be about which label is right. Gradients are
by the model's own weight matrices W, with whatever adapters stand on them; one cosine is taken per
matrix. Sums are in float32 (float64 for a model in float64), dropout is off.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.pytorch_utils import Conv1D

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import (
    Around,
    bounded_batches,
    collate,
    in_halves_when_full,
    label_losses,
    nothing_around,
    token_losses,
)
from sapo_analysis.models.encoding import IGNORED, Encoded
from sapo_analysis.models.packed import packed as reading_packed
from sapo_analysis.models.packing import Pack, shared_prefix
from sapo_analysis.models.room import most_kept_tokens, most_logits
from sapo_analysis.models.spread import reading_device

_ROWS_AT_ONCE = 64
"""Rows of one adapter in a pass; a matter of speed and memory alone."""
_WRAPPED = ("base", "base_layer")
"""Where an adapter's layer keeps the model's own: in a stack, in peft."""


@dataclass(frozen=True)
class LayerGradients:
    """Gradients of one model's mean loss over some rows, and what they took.

    Attributes:
        by_module: by the name of each linear layer of the last decoder layer, of its weight's shape
            (nats per target token, per unit of weight).
        examples: different rows read.
        tokens: tokens read, padding left out.
        logits: tokens at which the head was computed.
    """

    by_module: Mapping[str, Tensor]
    examples: int
    tokens: int
    logits: int


def last_layer_gradients(
    model: PreTrainedModel,
    rows: Sequence[Sequence[Encoded]],
    packed: bool,
    pad_id: int,
    around: Around = nothing_around,
) -> list[LayerGradients]:
    """Gradient of each adapter's loss, nats per target token over all its rows.

    Args:
        model: with K adapters of a stack on it, or a single one, or none.
        rows: `rows[k]` are the rows of adapter k; a row that is there several times is read once.
        packed: whether to read packed rows, of K adapters at once; else padded ones of the only
            adapter.
        pad_id: token that fills rows up.
        around: what each pass of padded rows takes place inside.

    One backward pass gives all: hooks keep each layer's inputs x and the gradient of its outputs,
    and adapter k's gradient by W is the sum of their products over its own tokens. Nothing of the
    model, of its gradients or of torch's random numbers changes.

    Raises:
        InputError: the model's layers are not known, or the last one has no linear layer.
        ValueError: an adapter has no rows, or there are several and rows are not packed.
    """
    if not all(rows):
        raise ValueError("no rows: the gradient of a mean over nothing is not defined")
    if len(rows) > 1 and not packed:
        raise ValueError(f"{len(rows)} adapters cannot read padded rows at once")
    reading = [_Reading(own) for own in rows]
    watched = last_layer_modules(model)
    with _in_eval_mode(model), _Probes(watched) as probes:
        if packed:
            _read_packed(model, reading, probes, pad_id)
        else:
            _read_padded(model, reading[0], probes, pad_id, around)
    return [
        LayerGradients(
            {name: total[k] for name, total in probes.totals.items()},
            len(own.rows),
            own.tokens,
            own.logits,
        )
        for k, own in enumerate(reading)
    ]


def last_layer_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The linear layers of the last decoder layer, without adapters around them, by name.

    A name is the path in the layer; that of the attention block is left out: `q_proj`,
    `mlp.down_proj`.

    Raises:
        InputError: the model's layers are not known, or the last one has no linear layer.
    """
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    paths = dict(_linear_layers(layers[-1], "")) if layers else {}
    if not paths:
        raise InputError(
            f"The last layer of {type(model).__name__} has no linear layers that are known, so"
            " there is no gradient alignment. Set diagnostics.every to 0."
        )
    short = {path: _without_attention(path) for path in paths}
    n = Counter(short.values())
    return {short[path] if n[short[path]] == 1 else path: own for path, own in paths.items()}


def _linear_layers(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    for name in _WRAPPED:
        inner = getattr(module, name, None)
        if isinstance(inner, nn.Module):
            yield from _linear_layers(inner, path)
            return
    if isinstance(module, nn.Linear | Conv1D):
        yield path, module
        return
    for name, child in module.named_children():
        yield from _linear_layers(child, f"{path}.{name}" if path else name)


def _without_attention(path: str) -> str:
    block, _, rest = path.partition(".")
    return rest if rest and ("attn" in block or "attention" in block) else path


class _Reading:
    """One adapter's different rows, shortest first, and how often each is there."""

    def __init__(self, rows: Sequence[Encoded]):
        found = {(tuple(row.ids), row.target_start): row for row in rows}
        counts = Counter((tuple(row.ids), row.target_start) for row in rows)
        order = sorted(found, key=lambda key: len(key[0]))
        self.rows = [found[key] for key in order]
        n_tokens = sum(row.n_target for row in rows)
        self._weights = [counts[key] / n_tokens for key in order]
        self.tokens = self.logits = 0

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, places: Sequence[int]) -> tuple[list[Encoded], list[float]]:
        """Rows at some places, as far as there are so many, and each target token's weight."""
        own = [i for i in places if i < len(self.rows)]
        return [self.rows[i] for i in own], [
            self._weights[i] for i in own for _ in range(self.rows[i].n_target)
        ]


class _Probes:
    """Hooks on some layers, and the gradients by their weights that passes add up.

    A zero is added to each layer's output; its gradient is that of the output, also where neither
    the layer nor what is before it has one. Gradients are kept track of from the first layer on.
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        self._modules = modules
        self._seen: list[tuple[str, Tensor, Tensor]] = []
        self.totals: dict[str, Tensor] = {}

    def __enter__(self) -> _Probes:
        self._hooks = [
            module.register_forward_hook(_hook(name, self._seen))
            for name, module in self._modules.items()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around a pass: what comes before the first layer is computed without gradients."""
        self._seen.clear()
        try:
            with torch.no_grad():
                yield
        finally:
            self._seen.clear()

    def add(self, loss: Tensor, n: int, widths: Sequence[int]) -> None:
        """Add the gradients of a loss that was computed in this pass.

        Args:
            loss: a number, summed over the n adapters.
            n: number of adapters.
            widths: tokens per adapter that a layer may read; a layer that reads others (an expert
                that some tokens are sent to) does not say whose they are and is left out.
        """
        seen = list(self._seen)
        parts = torch.autograd.grad(loss, [probe for *_, probe in seen], materialize_grads=True)
        found: dict[str, Tensor] = {}
        for (name, x, _), part in zip(seen, parts, strict=True):
            if n > 1 and x.numel() // x.shape[-1] not in [n * width for width in widths]:
                continue
            gradient = _product(x, part, n)
            if isinstance(self._modules[name], Conv1D):  # holds its weight transposed
                gradient = gradient.mT
            found[name] = found[name] + gradient if name in found else gradient
        for name, gradient in found.items():
            self.totals[name] = (
                self.totals[name].add_(gradient) if name in self.totals else gradient
            )


def _hook(name: str, seen: list[tuple[str, Tensor, Tensor]]):  # type: ignore[no-untyped-def]
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        torch.set_grad_enabled(True)
        probe = torch.zeros_like(output).requires_grad_()
        seen.append((name, inputs[0].detach(), probe))
        return output + probe

    return hook


def _product(x: Tensor, gradient: Tensor, n: int) -> Tensor:
    """Σ over tokens of gradient · xᵀ, for each of n adapters: [n, out, in]."""
    precise = torch.promote_types(x.dtype, torch.float32)
    rows = x.reshape(n, -1, x.shape[-1]).to(precise)
    return torch.bmm(gradient.reshape(n, -1, gradient.shape[-1]).to(precise).mT, rows)


def _read_packed(
    model: PreTrainedModel, reading: Sequence[_Reading], probes: _Probes, pad_id: int
) -> None:
    prefixes = [shared_prefix(own.rows) for own in reading]
    with reading_packed(model) as reader:

        def read(places: Sequence[int]) -> None:
            parts = [own.part(places) for own in reading]
            pack = Pack([rows for rows, _ in parts], prefixes, pad_id, reader.device)
            with probes.reading():
                losses = label_losses(reader.logits(pack), pack.labels)
                weights = torch.zeros_like(losses)
                for k, (_, per_token) in enumerate(parts):
                    weights[k, : len(per_token)] = weights.new_tensor(per_token)
                widths = pack.ids.shape[1], pack.wanted.shape[1]
                probes.add((losses * weights).sum(), len(reading), widths)
            for k, own in enumerate(reading):
                own.tokens += pack.row_tokens[k]
                own.logits += pack.row_labels[k]

        def length(i: int) -> int:
            return max(len(own.rows[i].ids) for own in reading if i < len(own))

        most = most_kept_tokens(model) // len(reading)
        every = range(max(map(len, reading)))
        for places in bounded_batches(every, _ROWS_AT_ONCE, length, most):
            in_halves_when_full(read, places)


def _read_padded(
    model: PreTrainedModel, reading: _Reading, probes: _Probes, pad_id: int, around: Around
) -> None:
    def read(places: Sequence[int]) -> None:
        rows, weights = reading.part(places)
        inputs, labels = collate(rows, pad_id, reading_device(model))
        with probes.reading():
            with around(rows):
                logits = model(**inputs, use_cache=False).logits
            losses = token_losses(logits, labels)
            # Row by row, as labels are: those of padding and context have a loss of zero.
            at = labels[:, 1:] != IGNORED
            loss = (losses[at] * losses.new_tensor(weights)).sum()
            probes.add(loss, 1, ())
        reading.tokens += sum(len(row.ids) for row in rows)
        reading.logits += sum(len(row.ids) for row in rows)

    def length(i: int) -> int:
        return len(reading.rows[i].ids)

    for places in bounded_batches(range(len(reading)), _ROWS_AT_ONCE, length, most_logits(model)):
        in_halves_when_full(read, places)


@contextmanager
def _in_eval_mode(model: PreTrainedModel) -> Iterator[None]:
    """Every module without dropout of its own; afterwards each is in the mode it was in."""
    training = [module for module in model.modules() if module.training]
    model.train(False)
    try:
        yield
    finally:
        for module in training:
            module.training = True


@dataclass(frozen=True)
class Alignment:
    """How far a batch's gradient is that of its labels shuffled.

    Attributes:
        by_module: cosine of the two gradients by layer, −1 to 1; nan where one is zero.
        floor: what the labels that shuffles happen to keep give by themselves; see
            `alignment_floor`.
    """

    by_module: Mapping[str, float]
    floor: float


class Shuffled:
    """A batch, and its labels shuffled several times: the same at every look."""

    def __init__(self, n: int, shuffles: int):
        """`n` rows, shuffled `shuffles` times."""
        draw = random.Random(0)
        self._orders = [draw.sample(range(n), n) for _ in range(shuffles)]

    def rows(self, rows: Sequence[Encoded]) -> list[Encoded]:
        """All shuffles one after the other: each row's context with another row's answer."""
        return [
            answered(row, rows[i])
            for order in self._orders
            for row, i in zip(rows, order, strict=True)
        ]

    def kept(self, rows: Sequence[Encoded]) -> float:
        """Share of rows, over all shuffles, whose answer is the same as before (0 to 1)."""
        targets = [row.ids[row.target_start :] for row in rows]
        same = [
            targets[i] == own
            for order in self._orders
            for own, i in zip(targets, order, strict=True)
        ]
        return sum(same) / len(same)


def answered(row: Encoded, other: Encoded) -> Encoded:
    """A row's context with the answer of another, end-of-turn tokens included."""
    start = row.target_start
    end = start + other.content_end - other.target_start
    return Encoded([*row.context, *other.ids[other.target_start :]], start, end)


def alignment_floor(kept: float) -> float:
    """The cosine that labels which shuffles keep would give alone: q / √(q² + (1 − q)²).

    `kept` is q, the share of rows whose label a shuffle keeps (two balanced labels: about a half,
    so 0.71). Their gradient is that of the batch; it is supposed that wrong labels give a gradient
    orthogonal to it and of equal size. Wrong labels that oppose g push the cosine below the floor:
    it is no bound, but the size that says nothing about format.
    """
    return kept / math.hypot(kept, 1 - kept)


def cosines(one: LayerGradients, other: LayerGradients) -> dict[str, float]:
    """Cosine of two gradients by layer, −1 to 1; nan where a gradient is zero or not finite."""
    found = {}
    for name, a in one.by_module.items():
        b = other.by_module[name]
        lengths = float(a.double().norm() * b.double().norm())
        found[name] = float((a.double() * b).sum()) / lengths if lengths > 0 else math.nan
    return found

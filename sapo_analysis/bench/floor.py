"""The time that no program can undercut: the floating point operations an exact one needs.

As in the usual counting: 2 per weight and token forward, 2 more for the gradient of a frozen
layer's input, 6 for a trained weight. Waste (padding, repeated prefixes, logits that nobody reads)
is not counted, so it lowers the fraction of the floor that an engine reaches.

One thing is counted that an exact program can leave out: the last layer's work at tokens that
predict nothing. Our engine's shortened last layer leaves out its MLP there, in models of the Llama
form, and so does less than is counted: for it the floor is no strict bound. `last_layer_share` is
the most that this can come to, as a share of the forward operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.bench.harness import settle
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packing import shared_prefix

_GEMM = {"cpu": 2048, "cuda": 8192}
_TRIAD = {"cpu": 1 << 25, "cuda": 1 << 28}
_TRIES = 5
_ATTENTION_TRAINED = 3.5
"""Attention forward and backward: two products forward, five backward."""


@dataclass(frozen=True)
class Sizes:
    """What a model's operations are counted from.

    Attributes:
        body: weights of the linear layers, the head left out.
        head: weights of the head, hidden size · vocabulary.
        attention: heads · head size, over all layers.
        last: weights of the last layer that only asked-for tokens need: all but keys and values.
        weight_bytes: bytes of body and head.
    """

    body: int
    head: int
    attention: int
    last: int
    weight_bytes: int


@dataclass(frozen=True)
class Reading:
    """Texts under one prompt as an exact program has to read them.

    Attributes:
        tokens: those read, a shared prefix once.
        targets: tokens that are predicted and scored.
        pairs: (token, earlier token or itself) pairs of attention.
    """

    tokens: int
    targets: int
    pairs: int


@dataclass(frozen=True)
class Peak:
    """What the device does at best, measured in the same run.

    Attributes:
        flops: floating point operations per second, of a large matrix product on all threads.
        bandwidth: bytes per second, of a triad into memory that is already there.
    """

    flops: float
    bandwidth: float


def sizes_of(model: PreTrainedModel) -> Sizes:
    """Count a model's weights by what they do."""
    config: Any = model.config
    typed: Any = model  # transformers leaves the next call untyped
    head = typed.get_output_embeddings()
    linear = {
        name: module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    n_layers = config.num_hidden_layers
    last = sum(
        n
        for name, n in linear.items()
        if f".{n_layers - 1}." in name and not name.endswith(("k_proj", "v_proj", "key_value"))
    )
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    body = sum(linear.values())
    return Sizes(
        body=body,
        head=head.weight.numel(),
        attention=config.num_attention_heads * size * n_layers,
        last=last,
        weight_bytes=(body + head.weight.numel()) * head.weight.element_size(),
    )


def reading(rows: Sequence[Encoded], shared: bool) -> Reading:
    """What reading some texts takes; with `shared`, their common prefix is read once."""
    prefix = shared_prefix(rows) if shared else 0
    rest = [len(row.ids) - prefix for row in rows]
    return Reading(
        tokens=prefix + sum(rest),
        targets=sum(row.n_target for row in rows),
        pairs=_triangle(prefix) + sum(n * prefix + _triangle(n) for n in rest),
    )


def forward_flops(sizes: Sizes, read: Reading) -> float:
    """To score texts or to check answers: F = 2 P_b · tokens + 2 d V · targets + attention."""
    return (
        2.0 * sizes.body * read.tokens
        + 2.0 * sizes.head * read.targets
        + 4.0 * sizes.attention * read.pairs
    )


def training_flops(sizes: Sizes, read: Reading, n_lora: int) -> float:
    """One step of one adapter: F = 4 P_b · tokens + 6 p · tokens + 4 d V · targets + attention."""
    return (
        4.0 * sizes.body * read.tokens
        + 6.0 * n_lora * read.tokens
        + 4.0 * sizes.head * read.targets
        + _ATTENTION_TRAINED * 4.0 * sizes.attention * read.pairs
    )


def decoding_seconds(sizes: Sizes, peak: Peak, left: Sequence[int]) -> float:
    """To write answers on: `left` tokens for each, all answers in one batch.

    Each step costs its operations or, if longer, reading every weight once.
    """
    total = 0.0
    for step in range(max(left, default=0)):
        n = sum(count > step for count in left)
        operations = 2.0 * (sizes.body + sizes.head) * n
        total += max(operations / peak.flops, sizes.weight_bytes / peak.bandwidth)
    return total


def last_layer_share(sizes: Sizes, read: Reading) -> float:
    """Share of the forward operations that could be left out of the count above.

    They are the last layer's at tokens that predict nothing. An engine that leaves them out has
    that much less to do than the floor says.
    """
    return 2.0 * sizes.last * (read.tokens - read.targets) / forward_flops(sizes, read)


def measure_peak(device: str, dtype: torch.dtype) -> Peak:
    """The device's best, with the threads torch has now."""
    n = _GEMM[device]
    a = torch.ones(n, n, dtype=dtype, device=device)
    b, out = a.clone(), a.clone()
    flops = 2.0 * n**3 / _quickest(lambda: torch.mm(a, b, out=out))
    x = torch.ones(_TRIAD[device], device=device)
    y, z = x.clone(), x.clone()
    moved = 3.0 * x.numel() * x.element_size()
    return Peak(flops, moved / _quickest(lambda: torch.add(x, y, alpha=2.0, out=z)))


def _quickest(work: Callable[[], Tensor]) -> float:
    work()
    times = []
    for _ in range(_TRIES):
        settle()
        started = time.perf_counter()
        work()
        settle()
        times.append(time.perf_counter() - started)
    return min(times)


def _triangle(n: int) -> int:
    return n * (n + 1) // 2

"""What a model makes of a task's prompt before any update: gradients, one small step, the text.

Everything is measured in eval mode, dropout off. Gradients are with respect to the weight matrices
that adapters would change, W, not to an adapter's A and B: at B = 0 the gradient of A vanishes, and
that of B depends on the draw of A. Sums over matrices and batches are in float32 (float64 for a
model in float64); the passes are in the model's own type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sapo_analysis.learning.batching import collate, in_batches
from sapo_analysis.models.encoding import Encoded

Nll = Callable[[PreTrainedModel, Sequence[Encoded]], Tensor]
"""−log p summed over all target tokens of some rows (nats), as a tensor that gradients flow from:
`scoring.total_nll`, or `packed_scoring.packed_nll`."""
Gradient = Mapping[str, Tensor]
"""A gradient by layer name, each of its weight's shape; nats per token, per unit of weight."""

STEP = 1e-3
"""Length of the small step, as a share of the norm of all targeted weights together (1).

On the shipped model the loss falls by a tenth to a third, within a fifth of what the gradient
promises. In bfloat16 rounding takes about a tenth of the step away.
"""


def layer_weight(model: PreTrainedModel, layer: str) -> nn.Parameter:
    """The weight matrix of a layer by its name."""
    weight = model.get_submodule(layer).weight
    assert isinstance(weight, nn.Parameter)
    return weight


def loss_gradient(
    model: PreTrainedModel, layers: Sequence[str], nll: Nll, rows: Sequence[Encoded], size: int
) -> Gradient:
    """Gradient of the loss, nats per target token over all rows, by the weights of some layers.

    Rows are read `size` at a time and summed by tokens, so `size` affects speed and memory alone.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("no rows: the gradient of a mean over nothing is not defined")
    weights = [layer_weight(model, name) for name in layers]
    n_tokens = sum(row.n_target for row in rows)
    found = [torch.zeros_like(w, dtype=_sum_type(w)) for w in weights]
    with _differentiable(model, weights):
        for batch in in_batches(rows, size):
            # An expert that no token chose has no part in the loss: zero, not an error.
            parts = torch.autograd.grad(nll(model, batch), weights, materialize_grads=True)
            for total, part in zip(found, parts, strict=True):
                total += part
    return {name: total.div_(n_tokens) for name, total in zip(layers, found, strict=True)}


def gradient_norm(gradient: Gradient) -> float:
    """Frobenius norm over all matrices together (nats per token, per unit of weight)."""
    return math.sqrt(_dot(gradient, gradient))


def cosine(one: Gradient, other: Gradient) -> float:
    """Cosine of two gradients of the same layers, all matrices as one vector; −1 to 1.

    Positive: a small step down one loss lowers the other too. NaN where a gradient is zero.
    """
    lengths = gradient_norm(one) * gradient_norm(other)
    return _dot(one, other) / lengths if lengths else math.nan


def loss_after_step(
    model: PreTrainedModel, gradient: Gradient, nll: Nll, rows: Sequence[Encoded], size: int
) -> float:
    """The token-mean loss over some rows after one small step (nats per token); see `stepped`.

    Read `size` rows at a time, as `loss_gradient` does. The weights are then what they were.
    """
    with stepped(model, gradient), _in_eval_mode(model), torch.no_grad():
        total = sum(float(nll(model, batch)) for batch in in_batches(rows, size))
    return total / sum(row.n_target for row in rows)


@contextmanager
def stepped(model: PreTrainedModel, gradient: Gradient, share: float = STEP) -> Iterator[None]:
    """Inside the block the layers' weights are one step of plain gradient descent further.

    The step has the length `share` · ‖W‖ along −gradient, W all weights of the gradient's layers as
    one vector, so that prompts are compared at one distance. The weights' own memory is set aside,
    not written to: after the block, and after an exception, they are the same bit for bit.

    Raises:
        ValueError: the gradient is zero or not finite, so it has no direction.
    """
    length = gradient_norm(gradient)
    if not (0 < length < math.inf):
        raise ValueError(f"a gradient of norm {length} has no direction")
    weights = {name: layer_weight(model, name) for name in gradient}
    own = {name: weight.data for name, weight in weights.items()}
    scale = share * gradient_norm(own) / length
    try:
        for name, weight in weights.items():
            precise = own[name].to(gradient[name].dtype)
            weight.data = torch.sub(precise, gradient[name], alpha=scale).to(weight.dtype)
        yield
    finally:
        for name, weight in weights.items():
            weight.data = own[name]


@torch.no_grad()
def representations(
    model: PreTrainedModel, rows: Sequence[Encoded], size: int, pad_id: int
) -> Tensor:
    """What the head would read, meaned over each row's target tokens: [rows, hidden size].

    With a prompt's own text as the target (`encode_prompt`) this stands for the prompt.
    """
    found = []
    with _in_eval_mode(model):
        for batch in in_batches(rows, size):
            inputs, _ = collate(batch, pad_id, model.device)
            hidden = model.base_model(**inputs, use_cache=False).last_hidden_state
            for row, states in zip(batch, hidden, strict=True):
                own = states[row.target_start : len(row.ids)]
                found.append(own.to(_sum_type(own)).mean(dim=0))
    return torch.stack(found)


def largest_cosine(vector: Tensor, others: Tensor) -> float:
    """The largest cosine of a vector [n] with the rows of a table [rows, n]; −1 to 1."""
    return float(torch.cosine_similarity(vector[None], others, dim=1).max())


def _sum_type(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _dot(one: Gradient, other: Gradient) -> float:
    parts = [torch.dot(a.flatten(), other[name].flatten()) for name, a in one.items()]
    return float(torch.stack(parts).double().sum())


@contextmanager
def _differentiable(model: PreTrainedModel, weights: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let a frozen model's weights have gradients; afterwards they are frozen as before."""
    before = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        with _in_eval_mode(model):
            yield
    finally:
        for weight, required in zip(weights, before, strict=True):
            weight.requires_grad_(required)


@contextmanager
def _in_eval_mode(model: PreTrainedModel) -> Iterator[None]:
    was_training = model.training
    model.train(False)
    try:
        yield
    finally:
        model.train(was_training)

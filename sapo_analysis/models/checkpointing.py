"""Gradient checkpointing: of each layer its input is kept, the rest is computed a second time.

transformers checkpoints in training mode alone, where its own dropout would act; here the base
model is in eval mode throughout, so layers are wrapped without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from sapo_analysis.errors import InputError

Again = Callable[[], AbstractContextManager[object]]
"""Asked before a layer is computed; what it gives puts things back as they were for the second
time: torch's own random numbers and autocasting are put back anyway."""


@contextmanager
def checkpointed(model: nn.Module, *again: Callable[[], Again]) -> Iterator[None]:
    """Inside the block a pass with gradients keeps the inputs of the model's layers alone.

    Args:
        model: whose layers.
        again: each is called when a layer is computed first; what it returns is entered when that
            layer is computed again.

    Raises:
        InputError: the model's layers are not known.
    """
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    if not layers:
        raise InputError(
            f"The layers of {type(model).__name__} cannot be computed twice. Set"
            " memory.gradient_checkpointing to false, or lower training.batch_size."
        )
    # accelerate gives layers a forward pass of their own too.
    own = [vars(layer).get("forward") for layer in layers]
    for layer in layers:
        untyped: Any = layer
        untyped.forward = _Twice(layer.forward, again)
    try:
        yield
    finally:
        for layer, forward in zip(layers, own, strict=True):
            untyped = layer
            if forward is None:
                del untyped.forward
            else:
                untyped.forward = forward


class _Twice:
    """A layer's forward pass under a checkpoint, where gradients are wanted."""

    def __init__(self, forward: Callable[..., Any], again: tuple[Callable[[], Again], ...]):
        self._forward, self._again = forward, again

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        if not torch.is_grad_enabled():
            return self._forward(*inputs, **settings)
        return checkpoint(
            self._forward, *inputs, use_reentrant=False, context_fn=self._contexts, **settings
        )

    def _contexts(self) -> tuple[AbstractContextManager[object], AbstractContextManager[object]]:
        """Around the first computation, and around the second."""
        second = [make() for make in self._again]
        return ExitStack(), _all_of(second)


@contextmanager
def _all_of(parts: list[Again]) -> Iterator[None]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part())
        yield

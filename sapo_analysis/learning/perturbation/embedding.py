"""A model's input embedding: how long its vectors are, and numbers added to what it gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sapo_analysis.models.soft_prompt import SoftEmbedding
from sapo_analysis.models.spread import reading_device

_AT_ONCE = 4096
"""Tokens looked up together."""


@torch.no_grad()
def mean_norm(model: PreTrainedModel) -> float:
    """Mean Euclidean norm of what the input embedding gives, over all tokens the model embeds.

    Looked up rather than read off the weights: some models scale what they look up.
    """
    untyped: Any = model
    embedding: nn.Module = untyped.get_input_embeddings()
    while isinstance(embedding, SoftEmbedding):
        embedding = embedding.base
    ids = torch.arange(untyped.get_input_embeddings().weight.shape[0], device=reading_device(model))
    total = 0.0
    for some in torch.split(ids, _AT_ONCE):
        found: Tensor = embedding(some[None])
        precise = torch.promote_types(found.dtype, torch.float32)
        total += float(torch.linalg.vector_norm(found, dim=-1, dtype=precise).sum())
    return total / len(ids)


@contextmanager
def added(model: PreTrainedModel, places: Tensor, delta: Tensor) -> Iterator[None]:
    """Inside the block δ [n, size] is added to the embeddings at n places of a pass's ids.

    Gradients flow to δ. `places` count the ids row after row.
    """
    untyped: Any = model
    embedding: nn.Module = untyped.get_input_embeddings()
    handle = embedding.register_forward_hook(partial(_add, places, delta))
    try:
        yield
    finally:
        handle.remove()


def _add(
    places: Tensor, delta: Tensor, module: nn.Module, inputs: tuple[Any, ...], output: Tensor
) -> Tensor:
    flat = output.reshape(-1, output.shape[-1])
    return flat.index_add(0, places.to(output.device), delta.to(output)).view_as(output)

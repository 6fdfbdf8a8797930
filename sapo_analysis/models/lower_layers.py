"""The first decoder layers of a model, and what comes out of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from sapo_analysis.errors import InputError


class _Reached(Exception):
    """The last layer that is wanted has been computed."""


def decoder_layers(model: nn.Module) -> dict[str, nn.Module]:
    """A model's decoder layers by name, in order.

    Raises:
        InputError: they are not known.
    """
    found: dict[str, nn.Module] = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, GradientCheckpointingLayer)
    }
    if not found:
        raise InputError(
            f"The layers of {type(model).__name__} are not known, so its first ones cannot be told"
            " from the others. Choose another model, or another method."
        )
    return found


def lower_layers(model: nn.Module, share: float) -> dict[str, nn.Module]:
    """The first layers of a model, by name: this share of all, rounded, at least one.

    Raises:
        InputError: as `decoder_layers`.
    """
    layers = list(decoder_layers(model).items())
    return dict(layers[: max(1, round(share * len(layers)))])


def hidden_after(model: PreTrainedModel, layer: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """Hidden states [rows, tokens, size] after a decoder layer; those behind it do not work."""
    seen: list[Tensor] = []

    def stop(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        seen.append(output if isinstance(output, Tensor) else output[0])
        raise _Reached

    hook = layer.register_forward_hook(stop)
    try:
        model(**inputs, use_cache=False)
    except _Reached:
        pass
    finally:
        hook.remove()
    return seen[0]


def mean_state(hidden: Tensor, mask: Tensor) -> Tensor:
    """One vector per row [rows, size]: the mean over its tokens, of root mean square 1.

    Layers of one model, and models, differ in how large their hidden states are by orders of
    magnitude, and what reads this vector is trained by one learning rate. Padding (0 in `mask`
    [rows, tokens]) is left out. In float32 at least.
    """
    precise = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    kept = mask.to(precise.device, precise.dtype)[:, :, None]
    mean = (precise * kept).sum(dim=1) / kept.sum(dim=1)
    return mean * torch.rsqrt(mean.pow(2).mean(dim=-1, keepdim=True) + 1e-12)

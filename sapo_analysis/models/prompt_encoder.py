"""P-tuning: K soft prompts that each come out of a small trained network (Liu et al. 2021).

GPT Understands, Too, arXiv 2103.10385. As peft's `PromptEncoder` of the form MLP: an embedding
[length, size], then three linear layers with ReLU between them. Weights have peft's names, so a
saved file is the state of peft's module. Trained, only what comes out of the network is needed: a
soft prompt like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft import PromptEncoder, PromptEncoderConfig
from torch import Tensor
from torch.nn.functional import relu
from transformers import PreTrainedModel

from sapo_analysis.models.soft_prompt import TrainedPrompts, embeddings_of

_LAYERS = ("mlp_head.0", "mlp_head.2", "mlp_head.4")


class PromptEncoders(TrainedPrompts):
    """A trained prompt encoder per fine-tune; what it gives is slot 0, as of `SoftPrompts`."""

    def __init__(
        self,
        model: PreTrainedModel,
        length: int,
        hidden: int,
        seeds: Sequence[int],
        frozen: Sequence[Sequence[Tensor]] = (),
    ):
        """K fresh encoders.

        Args:
            model: what the soft prompts stand before.
            length: virtual tokens.
            hidden: hidden units of the network.
            seeds: of each encoder; its weights are those that peft draws after
                `torch.manual_seed(seed)`.
            frozen: for each fine-tune, soft prompts of this length that do not change.
        """
        size = embeddings_of(model).shape[1]
        starts = {seed: _drawn(length, size, hidden, seed) for seed in dict.fromkeys(seeds)}
        super().__init__(model, length, [starts[seed] for seed in seeds], frozen)

    def prompts(self) -> Tensor:
        """What the encoders give [K, length, size]."""
        found = self.leaves["embedding.weight"]
        for i, layer in enumerate(_LAYERS):
            weight, bias = self.leaves[f"{layer}.weight"], self.leaves[f"{layer}.bias"]
            found = torch.baddbmm(bias[:, None], relu(found) if i else found, weight.mT)
        return found


def _drawn(length: int, size: int, hidden: int, seed: int) -> dict[str, Tensor]:
    """Weights as peft draws them, by its names."""
    config = PromptEncoderConfig(
        num_virtual_tokens=length,
        token_dim=size,
        encoder_hidden_size=hidden,
        num_transformer_submodules=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        make: Any = PromptEncoder  # peft leaves it untyped
        state: dict[str, Tensor] = make(config).state_dict()
    return state

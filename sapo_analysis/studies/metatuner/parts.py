"""What MetaTuner (small) trains: meta-encoder, policy head and parameter decoder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from sapo_analysis.errors import InputError
from sapo_analysis.methods.meta_tuning import MetaTuning
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.fresh_start import fresh_start
from sapo_analysis.models.lower_layers import decoder_layers, lower_layers
from sapo_analysis.models.parameter_decoder import ParameterDecoder, Shapes
from sapo_analysis.models.per_example_lora import PerExampleLora
from sapo_analysis.models.spread import reading_device
from sapo_analysis.spec import LoraSettings, MetaTunerSettings
from sapo_analysis.studies.metatuner.encoder import MetaEncoder


class Parts:
    """The parts of one fine-tune on a frozen model.

    Attributes:
        hooks: where adapters and written LoRA act; they work inside its block alone.
        choosing: the encoder that the policy stands on; None: there is no policy.
        writing: the encoder that the decoder stands on, the same one where they share it; None:
            there is no decoder.
        head: the policy φ_p [candidates, size + 1], biases last; all zero at the start, and then
            nothing is chosen.
        asked: the frozen copy of the head, which chooses in the main loss.
        decoder: the parameter decoder φ_q, or None.
        depth: layers that a text passes through before it is answered, as a share of the model's.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        made: MetaTuning,
        lora: LoraSettings,
        n_candidates: int,
        seed: int,
        pad_id: int,
    ):
        """Fresh parts: a function of the seed and the model's shapes alone.

        Raises:
            InputError: the model's layers are not known, or do not have the settings' names.
        """
        settings, config = made.settings, _text_config(model)
        size: int = config.hidden_size
        dtype, device = torch.promote_types(model.dtype, torch.float32), reading_device(model)
        layers = lower_layers(model, settings.share)
        self.made, self._dropout = made, lora.lora_dropout
        self.choosing: MetaEncoder | None = None
        self.writing: MetaEncoder | None = None
        self.decoder: ParameterDecoder | None = None
        if made.parameters:
            self.writing = MetaEncoder(model, layers, lora, seed, pad_id)
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                shapes = _written(model, settings)
                self.decoder = ParameterDecoder(shapes, size, settings.hidden, dtype, device)
        if made.policy:
            shared = made.shared and self.writing is not None
            own = self.writing if shared else MetaEncoder(model, layers, lora, seed, pad_id)
            self.choosing = own
        head = torch.zeros(n_candidates, size + 1, dtype=dtype, device=device)
        self.head = head.requires_grad_()
        self.asked = self.head.detach().clone()
        self._mean, self._spread = torch.zeros(size, dtype=dtype, device=device), head.new_ones(())
        self.depth = len(self.encoders) * len(layers) / len(decoder_layers(model))
        written = self.decoder.shapes if self.decoder is not None else {}
        self.hooks = PerExampleLora(model, {*self.encoders[0].names, *written})
        self.per_token = sum(w.numel() for own in self.encoders for w in own.weights.values())
        self.per_token += sum(a.numel() + b.numel() for a, b in written.values())

    @property
    def encoders(self) -> list[MetaEncoder]:
        """Every encoder once."""
        both = [one for one in (self.writing, self.choosing) if one is not None]
        return both[:1] if both[0] is both[-1] else both

    def named(self) -> dict[str, Tensor]:
        """What is trained, by name."""
        found: dict[str, Tensor] = {}
        if self.writing is not None and self.decoder is not None:
            found |= {f"encoder.{name}": w for name, w in self.writing.weights.items()}
            found |= {f"decoder.{name}": w for name, w in self.decoder.weights.items()}
        if self.choosing is not None:
            if self.choosing is not self.writing:
                own = self.choosing.weights.items()
                found |= {f"policy_encoder.{name}": w for name, w in own}
            found["policy_head"] = self.head
        return found

    def states(
        self, encoder: MetaEncoder, rows: Sequence[Encoded], training: bool = False
    ) -> Tensor:
        """One vector per row [rows, size]; in training in one pass, with gradients and dropout."""
        if training:
            return encoder.states(self.hooks, rows, self._dropout)
        return encoder.all_states(self.hooks, rows)

    def settle(self, rows: Sequence[Encoded]) -> None:
        """Let the policy read states as they differ from their mean over some rows, now.

        What all texts of a task have in common is most of a state: it would drown what a choice can
        hang on.
        """
        assert self.choosing is not None, "there is a policy"
        states = self.states(self.choosing, rows)
        self._mean = states.mean(dim=0)
        spread = (states - self._mean).square().mean().sqrt()
        self._spread = torch.where(spread > 0, spread, torch.ones_like(spread))

    def settled(self) -> dict[str, Tensor]:
        """What `settle` left, by name; nothing where there is no policy."""
        if self.choosing is None:
            return {}
        return {"policy_mean": self._mean, "policy_spread": self._spread}

    def scores(self, head: Tensor, states: Tensor) -> Tensor:
        """A head's logits of the candidates [rows, candidates]."""
        return (states - self._mean) / self._spread @ head[:, :-1].mT + head[:, -1]

    def chosen(self, head: Tensor, states: Tensor, initial: Sequence[int]) -> list[int]:
        """The candidate that a head chooses for each row; where none is better, the initial one."""
        scores = self.scores(head, states)
        first = torch.tensor(initial, device=scores.device)
        best, place = scores.max(dim=1)
        is_tied = scores.gather(1, first[:, None])[:, 0] == best
        found: list[int] = torch.where(is_tied, first, place).tolist()
        return found

    def written(self, states: Tensor, training: bool = False) -> AbstractContextManager[object]:
        """Inside the block a pass over as many rows reads with the LoRA of each."""
        if self.decoder is None:
            return nullcontext()
        pairs, dropout = self.decoder.pairs(states), self._dropout if training else 0.0
        return self.hooks.on(pairs, self.made.settings.scale, dropout)

    def sync(self) -> None:
        """Bring the frozen copy of the head up to date."""
        self.asked = self.head.detach().clone()


def _written(model: PreTrainedModel, settings: MetaTunerSettings) -> Shapes:
    """Shapes of what the decoder writes, by layer.

    Raises:
        InputError: no layer has such a name.
    """
    wanted = settings.target_modules
    like = LoraSettings(r=settings.r, target_modules=wanted)
    try:
        weights = fresh_start(model, like, seed=0).weights
    except InputError as error:
        known = sorted(
            {
                name.split(".")[-1]
                for layer in decoder_layers(model).values()
                for name, module in layer.named_modules()
                if isinstance(module, nn.Linear | Conv1D)
            }
        )
        raise InputError(
            f"metatuner.target_modules is {wanted!r}, on which {type(model).__name__} takes no"
            f" LoRA. Name some of its linear layers, {', '.join(known)}, or all-linear."
        ) from error
    return {name: (a.shape, b.shape) for name, (a, b) in weights.items()}


def _text_config(model: PreTrainedModel) -> Any:
    config: Any = model.config
    return config.get_text_config()

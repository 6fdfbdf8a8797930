"""The meta-encoder φ_s: the first layers of a model, with adapters that are on while it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import bounded_batches, collate
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.fresh_start import fresh_start
from sapo_analysis.models.lower_layers import hidden_after, mean_state
from sapo_analysis.models.per_example_lora import PerExampleLora
from sapo_analysis.models.room import most_kept_tokens
from sapo_analysis.models.spread import reading_device
from sapo_analysis.spec import LoraSettings

_ROWS_AT_ONCE = 64
"""Of a pass without gradients; a matter of speed and memory alone."""


def contexts(rows: Sequence[Encoded]) -> list[Encoded]:
    """Rows up to the answer."""
    return [Encoded(row.context, row.target_start, row.target_start) for row in rows]


class MetaEncoder:
    """Adapters on the first layers of a model, and what these make of texts.

    Attributes:
        weights: `LAYER.a` [1, r, in] and `LAYER.b` [1, out, r], by layer inside the first ones.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        layers: Mapping[str, nn.Module],
        settings: LoraSettings,
        seed: int,
        pad_id: int,
    ):
        """As fresh adapters of the study start, as far as they are in `layers`, the first ones.

        Raises:
            InputError: peft cannot adapt such a model, or not with these settings; no adapter is
                inside the first layers.
        """
        self._model, self._settings, self._pad_id = model, settings, pad_id
        self._last = list(layers.values())[-1]
        self.names: list[str] = []
        self.weights: dict[str, Tensor] = {}
        for name, pair in fresh_start(model, settings, seed).weights.items():
            if any(name.startswith(f"{layer}.") for layer in layers):
                self.names.append(name)
                for half, weight in zip("ab", pair, strict=True):
                    own = weight[None].to(reading_device(model), copy=True)
                    self.weights[f"{name}.{half}"] = own.requires_grad_()
        if not self.names:
            raise InputError(
                f"lora.target_modules reaches nothing in the first {len(layers)} decoder layers of"
                f" {type(model).__name__}, where the meta-encoder is. Set it to all-linear, or"
                " raise metatuner.share."
            )

    def states(
        self, hooks: PerExampleLora, rows: Sequence[Encoded], dropout: float = 0.0
    ) -> Tensor:
        """One vector per row [rows, size], of what it reads before the answer, in one pass."""
        inputs, _ = collate(contexts(rows), self._pad_id, reading_device(self._model))
        pairs = {n: (self.weights[f"{n}.a"], self.weights[f"{n}.b"]) for n in self.names}
        scale = self._settings.lora_alpha / self._settings.r
        with hooks.on(pairs, scale, dropout):
            hidden = hidden_after(self._model, self._last, inputs)
        return mean_state(hidden, inputs["attention_mask"])

    @torch.no_grad()
    def all_states(self, hooks: PerExampleLora, rows: Sequence[Encoded]) -> Tensor:
        """`states` of as many rows as there are, without gradients."""
        order = sorted(range(len(rows)), key=lambda i: rows[i].target_start)
        found: list[Tensor] = []
        most = most_kept_tokens(self._model)
        for places in bounded_batches(order, _ROWS_AT_ONCE, lambda i: rows[i].target_start, most):
            found.append(self.states(hooks, [rows[i] for i in places]))
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(found)[back.to(found[0].device)]

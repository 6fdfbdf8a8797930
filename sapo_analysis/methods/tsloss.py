"""TSLoss: prompt tuning with a loss on the topology of the prompt, its ablations and controls.

The rows of a soft prompt are a point cloud. The loss asks its components (H0) to be joined evenly
and its loops (H1) to be short (Huang et al. 2026, arXiv 2602.16500; methods §7). A reconstruction:
the authors' weights and constants were not found. `prompt-tuning` is the same without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from sapo_analysis.methods.base import Learned
from sapo_analysis.methods.facts import SOFT, MethodFacts
from sapo_analysis.methods.soft import PromptTuning

if TYPE_CHECKING:
    from torch import Tensor

    from sapo_analysis.learning.penalties import Penalty
    from sapo_analysis.models.adapter_layout import AdapterLayout

    Loss = Callable[[Tensor], Tensor]

_SETTINGS = ("h0", "h1", "surrogate_h0", "surrogate_h1", "alpha", "l2", "distance")


def _facts(words: str, loss: str) -> MethodFacts:
    return MethodFacts(
        words=words,
        trains=f"virtual tokens before each text, with a loss on {loss}; the model is frozen",
        changes="prompt",
        size="m · d",
        family=SOFT,
        reference="Huang et al. 2026, reconstructed",
        cites=("lester2021prompt", "huang2026tsloss"),
        caveat="a reconstruction: weights and constants of the paper were not found",
    )


def _all_but(*used: str) -> tuple[str, ...]:
    """What decides nothing where these settings of `ts_loss` do."""
    rest = (f"ts_loss.{name}" for name in _SETTINGS if name not in used)
    return ("soft_prompt.encoder_hidden_size", *rest)


class TsLoss(PromptTuning):
    """Both terms, by exact persistent homology."""

    name: ClassVar[str] = "tsloss"
    facts: ClassVar[MethodFacts] = _facts("TSLoss", "their topology")
    settings: ClassVar[tuple[str, ...]] = ("soft_prompt", "ts_loss")
    uses: ClassVar[tuple[str, ...]] = ("h0", "h1")
    """The settings of `ts_loss` that decide."""
    idle: ClassVar[tuple[str, ...]] = _all_but(*uses)

    def used(self) -> dict[str, float]:
        """The settings of `ts_loss` that decide, by name."""
        return self.study.ts_loss.model_dump(include=set(self.uses))

    def loss(self) -> Loss:
        """What joins the loss, of the points of a soft prompt [tokens, size] (nats/token)."""
        from sapo_analysis.learning.topology import topology_loss

        used = self.used()
        return partial(topology_loss, h0=used.get("h0", 0.0), h1=used.get("h1", 0.0))

    def penalty(self, past: Sequence[Learned], layout: AdapterLayout) -> Penalty:
        """See `Method.penalty`."""
        from sapo_analysis.learning.topology import CloudPenalty

        return CloudPenalty(self.study.soft_prompt.virtual_tokens, self.loss())

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [super().decides(n_past), self.used()]


class TsLossH0(TsLoss):
    """Ablation: connectivity alone."""

    name = "tsloss-h0"
    facts = _facts("TSLoss, H0 alone", "their connectivity alone")
    uses = ("h0",)
    idle = _all_but(*uses)


class TsLossH1(TsLoss):
    """Ablation: redundancy alone."""

    name = "tsloss-h1"
    facts = _facts("TSLoss, H1 alone", "their loops alone")
    uses = ("h1",)
    idle = _all_but(*uses)


class TsLossSurrogate(TsLoss):
    """The soft substitutes that the authors are told to train on."""

    name = "tsloss-surrogate"
    facts = _facts("TSLoss, surrogate", "soft substitutes of their topology")
    uses = ("surrogate_h0", "surrogate_h1", "alpha")
    idle = _all_but(*uses)

    def loss(self) -> Loss:
        """See `TsLoss.loss`."""
        from sapo_analysis.learning.topology import surrogate_loss

        own = self.study.ts_loss
        weights = own.surrogate_h0, own.surrogate_h1
        return lambda points: surrogate_loss(points, *weights, own.alpha)


class TsLossL2(TsLoss):
    """Control: how large the virtual tokens are, in place of their topology."""

    name = "tsloss-l2"
    facts = _facts("TSLoss control, L2", "their norm alone")
    uses = ("l2",)
    idle = _all_but(*uses)

    def loss(self) -> Loss:
        """See `TsLoss.loss`."""
        from sapo_analysis.learning.topology import mean_square_norm

        weight = self.study.ts_loss.l2
        return lambda points: weight * mean_square_norm(points)


class TsLossDistance(TsLoss):
    """Control: how far apart the virtual tokens are, in place of their topology."""

    name = "tsloss-distance"
    facts = _facts("TSLoss control, distance", "their mean distance alone")
    uses = ("distance",)
    idle = _all_but(*uses)

    def loss(self) -> Loss:
        """See `TsLoss.loss`."""
        from sapo_analysis.learning.topology import mean_distance

        weight = self.study.ts_loss.distance
        return lambda points: weight * mean_distance(points)

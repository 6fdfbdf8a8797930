"""PTP: prompt tuning on texts as they are and perturbed, so that the loss gets less steep.

Perturbation-based regularization of prompt tuning (Chen et al., EMNLP 2023, arXiv 2305.02423;
methods §10). Its abstract names random noise and an adversary, in embeddings and in the text. The
objective and all constants are a reconstruction; `sapo_analysis.learning.perturbation` has them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, ClassVar

from sapo_analysis.methods.facts import SOFT, MethodFacts
from sapo_analysis.methods.recipe import Perturbed, Recipe
from sapo_analysis.methods.soft import PromptTuning

_FACTS = MethodFacts(
    words="PTP",
    trains="virtual tokens before each text, on clean and perturbed texts; the model is frozen",
    changes="prompt",
    size="m · d",
    family=SOFT,
    reference="Chen et al. 2023, reconstructed",
    cites=("lester2021prompt", "chen2023ptp"),
    caveat="a reconstruction: objective and constants of the paper were not found",
)


class _Ptp(PromptTuning):
    """Prompt tuning in which each batch is read a second time, perturbed."""

    settings: ClassVar[tuple[str, ...]] = ("soft_prompt", "ptp")

    @abstractmethod
    def perturbed(self) -> Perturbed:
        """The second reading, as the study's `ptp` says."""

    def recipe(self, n_past: int) -> Recipe:
        """See `Method.recipe`."""
        recipe, how = super().recipe(n_past), self.perturbed()
        phases = tuple(replace(phase, perturbed=how) for phase in recipe.phases)
        return replace(recipe, phases=phases)

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [super().decides(n_past), asdict(self.perturbed())]


class PtpNoise(_Ptp):
    """PTP-RN in embeddings: Gaussian noise at the tokens of the text."""

    name: ClassVar[str] = "ptp-noise"
    facts: ClassVar[MethodFacts] = replace(
        _FACTS,
        words="PTP, noise",
        trains="virtual tokens before each text, on clean texts and on texts with noise in their"
        " embeddings; the model is frozen",
    )
    idle = (
        "soft_prompt.encoder_hidden_size",
        "ptp.adversarial_strength",
        "ptp.adversarial_steps",
        "ptp.mask_share",
    )

    def perturbed(self) -> Perturbed:
        """See `_Ptp.perturbed`."""
        settings = self.study.ptp
        return Perturbed("noise", settings.noise_strength, settings.weight)


class PtpMasking(_Ptp):
    """PTP-RN in the text: some of its tokens are replaced by others."""

    name: ClassVar[str] = "ptp-masking"
    facts: ClassVar[MethodFacts] = replace(
        _FACTS,
        words="PTP, masking",
        trains="virtual tokens before each text, on clean texts and on texts with some tokens"
        " replaced; the model is frozen",
    )
    idle = (
        "soft_prompt.encoder_hidden_size",
        "ptp.noise_strength",
        "ptp.adversarial_strength",
        "ptp.adversarial_steps",
    )

    def perturbed(self) -> Perturbed:
        """See `_Ptp.perturbed`."""
        return Perturbed("masking", self.study.ptp.mask_share, self.study.ptp.weight)


class PtpAdversarial(_Ptp):
    """PTP-ADV in embeddings: what raises the loss most within a distance, by gradient ascent."""

    name: ClassVar[str] = "ptp-adversarial"
    facts: ClassVar[MethodFacts] = replace(
        _FACTS,
        words="PTP, adversarial",
        trains="virtual tokens before each text, on clean texts and on texts whose embeddings are"
        " changed against the model; the model is frozen",
    )
    idle = ("soft_prompt.encoder_hidden_size", "ptp.noise_strength", "ptp.mask_share")
    smoke: ClassVar[Mapping[str, Any]] = {"ptp": {"adversarial_steps": 2}}

    def perturbed(self) -> Perturbed:
        """See `_Ptp.perturbed`."""
        settings = self.study.ptp
        steps = settings.adversarial_steps
        return Perturbed("adversarial", settings.adversarial_strength, settings.weight, steps)

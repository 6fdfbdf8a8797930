"""Methods that train something small and always on in LoRA's place, carried from task to task."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sapo_analysis.methods.facts import EFFICIENT, MethodFacts
from sapo_analysis.methods.lora import Lora
from sapo_analysis.methods.recipe import PartName, Phase, Recipe

if TYPE_CHECKING:
    from sapo_analysis.spec import TrainingSettings


class _Carried(Lora):
    """One part, trained on by each task; where nothing was learned yet the state is the model."""

    settings: ClassVar[tuple[str, ...]] = ("soft_prompt",)
    idle: ClassVar[tuple[str, ...]] = ("soft_prompt.encoder_hidden_size",)
    stacks_with_lora: ClassVar[bool] = False
    part: ClassVar[PartName]

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`."""
        rate = self.study.soft_prompt.learning_rate
        return self.study.training.model_copy(update={"learning_rate": rate})

    def recipe(self, n_past: int) -> Recipe:
        """See `Method.recipe`."""
        phase = Phase((self.part,), self.training(n_past))
        return Recipe((self.part,), (phase,), always_on=True)

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [self.name, self.study.soft_prompt.model_dump(mode="json")]


class PromptTuning(_Carried):
    """Prompt tuning (Lester et al. 2021): embeddings of virtual tokens before each text."""

    name: ClassVar[str] = "prompt-tuning"
    facts: ClassVar[MethodFacts] = MethodFacts(
        words="prompt tuning",
        trains="virtual tokens before each text; the model is frozen",
        changes="prompt",
        size="m · d",
        family=EFFICIENT,
        reference="Lester et al. 2021",
        cites=("lester2021prompt",),
    )
    part = "soft-prompt"


class PTuning(_Carried):
    """P-tuning (Liu et al. 2021): virtual tokens that a small network gives (methods §11)."""

    name: ClassVar[str] = "p-tuning"
    facts = MethodFacts(
        words="P-tuning",
        trains="a small network that gives the virtual tokens; the model is frozen",
        changes="prompt",
        size="m · d and a small network",
        family=EFFICIENT,
        reference="Liu, Zheng et al. 2021",
        cites=("liu2021gpt",),
    )
    idle = ("soft_prompt.init", "soft_prompt.init_text")
    part = "prompt-encoder"


class PrefixTuning(_Carried):
    """Prefix tuning (Li and Liang 2021): keys and values of virtual tokens in every layer."""

    name: ClassVar[str] = "prefix-tuning"
    facts: ClassVar[MethodFacts] = MethodFacts(
        words="prefix tuning",
        trains="keys and values of virtual tokens in every layer; the model is frozen",
        changes="prompt",
        size="m · (keys + values), per layer",
        family=EFFICIENT,
        reference="Li and Liang 2021",
        cites=("li2021prefix",),
    )
    part = "prefix"


class Ia3(_Carried):
    """(IA)³ (Liu et al. 2022): keys, values and inner activations of the MLP are scaled."""

    name: ClassVar[str] = "ia3"
    facts = MethodFacts(
        words="IA3",
        trains="factors that scale keys, values and the MLP's inner activations",
        changes="parameters",
        size="keys + values + MLP width, per layer",
        family=EFFICIENT,
        reference="Liu, Tam et al. 2022",
        cites=("liu2022tfew",),
    )
    settings = ("ia3",)
    part = "ia3"

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`."""
        rate = self.study.ia3.learning_rate
        return self.study.training.model_copy(update={"learning_rate": rate})

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [self.name, self.study.ia3.learning_rate]

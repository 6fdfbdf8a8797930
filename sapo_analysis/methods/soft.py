"""Methods that train something small and always on in LoRA's place, carried from task to task."""

from __future__ import annotations

from typing import ClassVar

from sapo_analysis.methods.lora import Lora
from sapo_analysis.methods.recipe import PartName, Phase, Recipe
from sapo_analysis.spec import MethodName, TrainingSettings


class _Carried(Lora):
    """One part, trained on by each task; where nothing was learned yet the state is the model."""

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

    name: ClassVar[MethodName] = "prompt-tuning"
    part = "soft-prompt"


class PTuning(_Carried):
    """P-tuning (Liu et al. 2021): virtual tokens that a small network gives (methods §11)."""

    name: ClassVar[MethodName] = "p-tuning"
    part = "prompt-encoder"


class PrefixTuning(_Carried):
    """Prefix tuning (Li and Liang 2021): keys and values of virtual tokens in every layer."""

    name: ClassVar[MethodName] = "prefix-tuning"
    part = "prefix"


class Ia3(_Carried):
    """(IA)³ (Liu et al. 2022): keys, values and inner activations of the MLP are scaled."""

    name: ClassVar[MethodName] = "ia3"
    part = "ia3"

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`."""
        rate = self.study.ia3.learning_rate
        return self.study.training.model_copy(update={"learning_rate": rate})

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [self.name, self.study.ia3.learning_rate]

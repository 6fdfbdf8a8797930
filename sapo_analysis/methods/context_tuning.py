"""Context Tuning: what stands before a text starts as demonstrations of its task, then is trained.

Lu et al. 2025 (arXiv 2507.04221, methods §9). The model is frozen. Before the first step a text is
read as in in-context learning with the same demonstrations; a demonstration that is trained on does
not see its own slice (leave-one-out), and of the rest each row misses some tokens (TokenDrop).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.facts import SOFT, MethodFacts
from sapo_analysis.methods.recipe import Context, PartName, Phase, Recipe

if TYPE_CHECKING:
    from sapo_analysis.spec import TrainingSettings

_ON = "always; in a sequence on its own task"
_CAVEAT = (
    "trains on all training rows of the study; the paper trains on the demonstrations themselves"
    " (training.examples as many as demonstrations)"
)


class _ContextTuning(Method):
    """One context per task.

    In a paraphrase study it is always on; in a sequence each learned task has its own, on for that
    task alone, so the model is never changed and no task forgets.
    """

    settings: ClassVar[tuple[str, ...]] = ("context_tuning",)
    smoke: ClassVar[Mapping[str, Any]] = {"context_tuning": {"demonstrations": 2}}
    part: ClassVar[PartName]

    def start(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.start`: beside the contexts of earlier tasks."""
        return AdapterStart(seed, removable=past[-1].folder if past else None)

    def standing(self, seed: int, past: Sequence[Learned]) -> AdapterStart:
        """See `Method.standing`: before a new task no context is on, so it is the model itself."""
        return AdapterStart(seed)

    def training(self, n_past: int) -> TrainingSettings:
        """See `Method.training`."""
        rate = self.study.context_tuning.learning_rate
        return self.study.training.model_copy(update={"learning_rate": rate})

    def recipe(self, n_past: int) -> Recipe:
        """See `Method.recipe`."""
        own = self.study.context_tuning
        return Recipe(
            (self.part,),
            (Phase((self.part,), self.training(n_past)),),
            always_on=self.study.kind == "paraphrase",
            context=Context(own.demonstrations, own.leave_one_out, own.token_drop),
        )

    def decides(self, n_past: int) -> object:
        """See `Method.decides`."""
        return [self.name, self.study.context_tuning.model_dump(mode="json")]


class ContextPrompt(_ContextTuning):
    """CT-Prompt: a soft prompt whose virtual tokens start as the demonstrations' embeddings."""

    name: ClassVar[str] = "ct-prompt"
    facts = MethodFacts(
        words="CT-Prompt",
        trains="virtual tokens that start as demonstrations; the model is frozen",
        changes="prompt",
        size="(tokens of the demonstrations) · d",
        when_on=_ON,
        family=SOFT,
        reference="Lu et al. 2025",
        cites=("lu2025context",),
        caveat=_CAVEAT,
    )
    part = "soft-prompt"


class ContextKeysValues(_ContextTuning):
    """CT-KV: a prefix that starts as the demonstrations' keys and values in every layer."""

    name: ClassVar[str] = "ct-kv"
    facts = MethodFacts(
        words="CT-KV",
        trains="keys and values in every layer that start as those of demonstrations; the model is"
        " frozen",
        changes="prompt",
        size="(tokens of the demonstrations) · (keys + values), per layer",
        when_on=_ON,
        family=SOFT,
        reference="Lu et al. 2025",
        cites=("lu2025context",),
        caveat=_CAVEAT,
    )
    part = "prefix"

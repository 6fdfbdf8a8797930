"""Methods by the names that readers know them by, and what their fine-tunes are made of."""

from __future__ import annotations

from collections.abc import Mapping

from sapo_analysis.spec import MethodName, SequenceStudy
from sapo_analysis.spec.methods import TWO_STAGES
from sapo_analysis.store import Run

METHOD_WORDS: Mapping[str, str] = {
    "lora": "LoRA",
    "lora-inc": "LoRAInc",
    "o-lora": "O-LoRA",
    "ewc": "EWC",
    "replay": "LoRA with replay",
    "full": "full fine-tuning",
    "ia3": "IA3",
    "prompt-tuning": "prompt tuning",
    "p-tuning": "P-tuning",
    "prefix-tuning": "prefix tuning",
    "promot": "ProMoT",
    "promot-1-shot": "ProMoT + 1-shot",
    "promot-lora-first": "ProMoT with LoRA first",
    "promot-joint": "joint ProMoT",
    "promot-random": "ProMoT with a random prompt",
    "promot-multi-task": "multi-task ProMoT",
    "multi-task": "multi-task LoRA",
    "lora-1-shot": "LoRA + 1-shot",
}
"""Every method of `spec.METHODS` in words."""

PROMOT: tuple[MethodName, ...] = (*(*TWO_STAGES, "promot-joint", "promot-random", "lora-1-shot"),)
"""ProMoT, its variants and its ablations."""


def strategy_words(strategy: str) -> str:
    """A method, or policy+method, in words: `sapo, ProMoT`."""
    policy, plus, method = strategy.partition("+")
    if not plus:
        return METHOD_WORDS.get(policy, policy)
    return f"{policy}, {METHOD_WORDS.get(method, method)}"


def methods_of(run: Run) -> tuple[str, ...]:
    """The methods of a run's study, each once; none of imported results."""
    study = run.study
    if run.is_imported:
        return ()
    if isinstance(study, SequenceStudy):
        return tuple(dict.fromkeys(one.method for one in study.chosen_strategies))
    return (run.paraphrase.method,)

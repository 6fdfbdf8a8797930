"""The methods as a form offers them: in groups, with what each trains and which settings it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.app.launching.choices import pair_of
from sapo_analysis.spec import METHODS, ONE_TASK_METHODS
from sapo_analysis.spec.methods import PROMOT_METHODS

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Continual learning": ("lora", "lora-inc", "o-lora", "ewc", "replay", "multi-task"),
    "Full and parameter-efficient": ("full", "ia3", "prompt-tuning", "p-tuning", "prefix-tuning"),
    "ProMoT and its ablations": (
        *("promot", "promot-1-shot", "promot-multi-task", "promot-lora-first"),
        *("promot-joint", "promot-random", "lora-1-shot"),
    ),
}
"""Every method once, by what it is compared for."""
TRAINS: Mapping[str, str] = {
    "lora": "an adapter of low rank on the model's linear layers; a sequence carries it on",
    "lora-inc": "a fresh adapter per task; earlier ones are frozen and stay on",
    "o-lora": "as LoRAInc, with a penalty that keeps new adapters orthogonal to earlier ones",
    "ewc": "as LoRA, with a penalty that holds what mattered to earlier tasks",
    "replay": "as LoRA, with rows of earlier tasks in every batch",
    "multi-task": "at each stage a fresh adapter on all tasks so far, evenly mixed",
    "full": "all weights of the model, one fine-tune at a time",
    "ia3": "factors that scale keys, values and the MLP's inner activations",
    "prompt-tuning": "virtual tokens before each text; the model is frozen",
    "p-tuning": "a small network that gives the virtual tokens; the model is frozen",
    "prefix-tuning": "keys and values of virtual tokens in every layer; the model is frozen",
    "promot": "first a soft prompt, which takes up the format of the answers, then the model behind"
    " it; the soft prompt is on for its own task and off for all others",
    "promot-1-shot": "as ProMoT, with one solved example before each training input",
    "promot-multi-task": "a soft prompt per task; then at each stage a fresh update on all tasks so"
    " far, each behind its own soft prompt",
    "promot-lora-first": "as ProMoT, with a removable adapter of low rank in place of the soft"
    " prompt",
    "promot-joint": "soft prompt and model together, in one stage",
    "promot-random": "the model behind a fixed soft prompt of random numbers",
    "lora-1-shot": "as LoRA, with one solved example before each training input",
}
"""What each method trains, as the end of a sentence."""
_ALWAYS_ON = ("prompt-tuning", "p-tuning", "prefix-tuning")
_BEHIND_ONE = tuple(name for name in PROMOT_METHODS if name != "promot-lora-first")
_STAGE_1 = ("promot", "promot-1-shot", "promot-multi-task")
_USED_BY: Mapping[str, tuple[str, ...]] = {
    "paft": ("paft",),
    "o_lora": ("o-lora",),
    "ewc": ("ewc",),
    "replay": ("replay",),
    "full": ("full",),
    "ia3": ("ia3",),
    "soft_prompt": (*_ALWAYS_ON, *_BEHIND_ONE),
    "soft_prompt.learning_rate": (*_ALWAYS_ON, *_STAGE_1),
    "soft_prompt.init": ("prompt-tuning", "prefix-tuning", "promot-joint", *_STAGE_1),
    "soft_prompt.init_text": ("prompt-tuning", "prefix-tuning", "promot-joint", *_STAGE_1),
    "soft_prompt.encoder_hidden_size": ("p-tuning",),
    "promot": PROMOT_METHODS,
    "promot.steps": (*_STAGE_1, "promot-lora-first"),
    "promot.first_rank": ("promot-lora-first",),
}
"""Sections and single settings that matter to some policies or methods alone."""


def title(method: str) -> str:
    """A method by its name in words and in a spec."""
    words = METHOD_WORDS[method]
    begun = words[:1].upper() + words[1:]
    return begun if words.replace(" ", "-").lower() == method else f"{begun} ({method})"


def one_task_methods() -> list[str]:
    """The methods of a paraphrase study, group by group."""
    return [m for own in GROUPS.values() for m in own if m in ONE_TASK_METHODS]


def in_order(chosen: Iterable[str]) -> list[str]:
    """Methods in the order of the spec."""
    wanted = set(chosen)
    return [method for method in METHODS if method in wanted]


def chosen_in(question: str, method: object, strategies: Iterable[str]) -> set[str]:
    """The policies and methods of a form, by name."""
    if question == "sequence":
        return {part for name in strategies for part in pair_of(name) if part}
    return {str(method)}


def is_needed(name: str, chosen: set[str], update: object) -> bool:
    """Whether a section or a setting matters to the policies and methods that are chosen.

    `update` is promot.update: stage 2 of ProMoT may train all weights, with that method's rate.
    """
    if name == "full" and update == "full" and chosen & set(PROMOT_METHODS):
        return True
    return name not in _USED_BY or bool(chosen & set(_USED_BY[name]))

"""Which prompts of a task a study trains with: the original, then the chosen paraphrases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.prompts.base import Prompt


def select_prompts(
    available: Sequence[Prompt],
    choice: int | Sequence[str] | Mapping[str, int],
    own: Sequence[str] = (),
) -> list[Prompt]:
    """The prompts of one task that a study trains with.

    Args:
        available: all prompts of the task, the original first.
        choice: a number of paraphrases, a list of prompt ids, or a number per source; numbers are
            spread evenly over the pretraining frequency, so that few prompts still span familiar to
            novel.
        own: further paraphrases by their text; they get the ids `own-01`, `own-02`, ...

    Raises:
        InputError: an unknown or test-only id, an unknown source, or more prompts than there are.
    """
    original, *rest = available
    offered = [prompt for prompt in rest if not prompt.test_only]
    if isinstance(choice, int):
        chosen = _spread(offered, choice, f"paraphrases of task {original.task!r}")
    elif isinstance(choice, Mapping):
        chosen = []
        for source, n in choice.items():
            of_source = [prompt for prompt in offered if prompt.source == source]
            if not of_source:
                raise unknown(
                    f"prompt source for task {original.task!r}:",
                    source,
                    sorted({p.source for p in offered}),
                )
            chosen += _spread(of_source, n, f"{source} paraphrases of task {original.task!r}")
    else:
        chosen = [
            _by_id(available, prompt_id) for prompt_id in choice if prompt_id != original.prompt_id
        ]
    added = [
        Prompt(original.task, f"own-{i:02d}", text, "own") for i, text in enumerate(own, start=1)
    ]
    return [original, *chosen, *added]


def _spread(prompts: list[Prompt], n: int, what: str) -> list[Prompt]:
    if n > len(prompts):
        raise InputError(
            f"{n} {what} were asked for, {len(prompts)} are offered for training."
            " Ask for at most that many."
        )
    by_frequency = sorted(prompts, key=lambda p: (-(p.frequency or 0), p.prompt_id))
    if n == 1:
        return [by_frequency[len(by_frequency) // 2]]
    return [by_frequency[round(i * (len(by_frequency) - 1) / (n - 1))] for i in range(n)]


def _by_id(available: Sequence[Prompt], prompt_id: str) -> Prompt:
    for prompt in available:
        if prompt.prompt_id == prompt_id:
            if prompt.test_only:
                raise InputError(
                    f"Prompt {prompt_id!r} of task {prompt.task!r} is test-only"
                    " and is never trained with. Choose another; `sapo prompts` lists them."
                )
            return prompt
    known = [p.prompt_id for p in available if not p.test_only]
    raise unknown(f"prompt of task {available[0].task!r}:", prompt_id, known)

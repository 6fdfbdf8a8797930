"""The prompts that a study trains its tasks with."""

from __future__ import annotations

from collections.abc import Mapping

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.model_files import ModelFiles
from sapo_analysis.prompts import get_prompts
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.prompts.select import select_prompts
from sapo_analysis.prompts.validate import check_prompts
from sapo_analysis.spec import Study
from sapo_analysis.tasks.base import Task


def prompt_bank(task: Task, model: ModelFiles) -> list[Prompt]:
    """A task's prompts, with their pretraining frequencies where the model came with them."""
    return get_prompts(task, model.pretrained_folder)


def chosen_prompts(study: Study, banks: Mapping[str, list[Prompt]]) -> dict[str, list[Prompt]]:
    """The prompts each task of `banks` is trained with, checked; the original first.

    Raises:
        InputError: a prompt or source is unknown, test-only, empty or there twice.
    """
    if isinstance(study.prompts, tuple):
        known = [prompt.prompt_id for bank in banks.values() for prompt in bank]
        for i, prompt_id in enumerate(study.prompts):
            if prompt_id in study.prompts[:i]:
                raise InputError(f"`prompts` names {prompt_id!r} twice. Name each prompt once.")
            if prompt_id not in known:
                raise unknown("prompt id", prompt_id, known, "`sapo prompts TASK` lists them.")
    found = {}
    for name, bank in banks.items():
        choice = study.prompts
        if isinstance(choice, tuple):  # ids name their task; each task takes its own
            choice = tuple(p.prompt_id for p in bank if p.prompt_id in choice)
        found[name] = select_prompts(bank, choice, study.own_prompts.get(name, ()))
        check_prompts([p.text for p in found[name]], [p.prompt_id for p in found[name]])
        hidden = {p.text: p.prompt_id for p in bank if p.test_only}
        for text in study.own_prompts.get(name, ()):
            if text in hidden:
                raise InputError(
                    f"own_prompts of task {name!r} has the text of {hidden[text]!r}, which is"
                    f" test-only: nothing may be trained with it. Leave {text!r} out."
                )
    return found

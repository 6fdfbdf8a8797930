"""What the pocket model is pretrained on: an endless seeded stream of short conversations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

from sapo_analysis.pretraining.settings import PretrainSettings
from sapo_analysis.prompts import Prompt, get_prompts
from sapo_analysis.tasks import SPLITS, Example, list_tasks
from sapo_analysis.tasks.pocket import pocket_task, task_names


@dataclass(frozen=True)
class Draw:
    """One conversation: examples of one task under one prompt.

    All but the last are its demonstrations.
    """

    task: str
    prompt: Prompt
    examples: tuple[Example, ...]


def seen_prompts(task: str) -> list[Prompt]:
    """The prompts pretraining shows, most frequent first: the original, then the `seen` ones."""
    prompts = get_prompts(task, model_folder=None)
    return [prompt for prompt in prompts if prompt.source in ("original", "seen")]


def prompt_weights(task: str, zipf_exponent: float) -> dict[str, float]:
    """How likely each seen prompt is, by id: Zipf's law over its rank, the sum is 1."""
    weights = [(rank + 1) ** -zipf_exponent for rank in range(len(seen_prompts(task)))]
    return {
        prompt.prompt_id: weight / sum(weights)
        for prompt, weight in zip(seen_prompts(task), weights, strict=True)
    }


def pretraining_stream(settings: PretrainSettings) -> Iterator[Draw]:
    """Draw a task by its share, a prompt by its weight, then as many examples as there are turns.

    Inputs come from the pretraining pool alone, which shares none with train, dev and test, and use
    only the facts that the task declares known.
    """
    rng = Random(f"pretraining/{settings.seed}")
    names = task_names()
    shares = [pocket_task(name).file.share for name in names]
    examples = {name: pocket_task(name).stream("pretraining", settings.seed) for name in names}
    prompts = {name: seen_prompts(name) for name in names}
    weights = {name: list(prompt_weights(name, settings.zipf_exponent).values()) for name in names}
    while True:
        name = rng.choices(names, shares)[0]
        prompt = rng.choices(prompts[name], weights[name])[0]
        turns = 1
        if rng.random() < settings.demonstrated:
            turns += rng.randint(1, settings.max_demonstrations)
        yield Draw(name, prompt, tuple(islice(examples[name], turns)))


def mixture(settings: PretrainSettings, tasks: Sequence[str]) -> dict[str, Any]:
    """The mixture as data: each task's probability, facts shown, and each prompt's probability."""
    files = {name: pocket_task(name).file for name in tasks}
    total = sum(file.share for file in files.values())
    return {
        "demonstrated": settings.demonstrated,
        "max_demonstrations": settings.max_demonstrations,
        "tasks": {
            name: {
                "probability": round(file.share / total, 6),
                "facts_shown": list(pocket_task(name).known_facts()),
                "facts": len(pocket_task(name).facts),
                "prompts": {
                    prompt_id: round(weight, 6)
                    for prompt_id, weight in prompt_weights(name, settings.zipf_exponent).items()
                },
            }
            for name, file in files.items()
        },
    }


def mixture_fingerprint(settings: PretrainSettings, tasks: Sequence[str]) -> str:
    """Digest (sha256) of the mixture: shares, facts shown and prompts, which decide every draw."""
    return hashlib.sha256(json.dumps(mixture(settings, tasks)).encode("utf-8")).hexdigest()


def suite_fingerprints(tasks: Sequence[str]) -> dict[str, str]:
    """sha256 over the tasks' examples (data seed 0) and over their prompts."""
    examples, prompts = hashlib.sha256(), hashlib.sha256()
    for task in (task for task in list_tasks() if task.name in tasks):
        for split in SPLITS:
            for example in task.examples(split):
                line = [task.name, split, example.input, example.target]
                examples.update(json.dumps(line).encode("utf-8"))
        for prompt in get_prompts(task.name, model_folder=None):
            prompts.update(json.dumps([prompt.prompt_id, prompt.text]).encode("utf-8"))
    return {"suite": examples.hexdigest(), "prompts": prompts.hexdigest()}

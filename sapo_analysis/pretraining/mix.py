"""What the pocket model is pretrained on: an endless seeded stream of (task, prompt, example)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from sapo_analysis.prompts import Prompt, get_prompts
from sapo_analysis.tasks import Example
from sapo_analysis.tasks.pocket import POCKET


@dataclass(frozen=True)
class Draw:
    """One pretraining example: which task, under which prompt."""

    task: str
    prompt: Prompt
    example: Example


def seen_prompts(task: str) -> list[Prompt]:
    """The prompts pretraining shows, most frequent first: the original, then the `seen` ones."""
    return [prompt for prompt in get_prompts(task) if prompt.source in ("original", "seen")]


def pretraining_stream(seed: int, zipf_exponent: float) -> Iterator[Draw]:
    """Draw a task by its share, a prompt by Zipf's law over its rank, an example in turn.

    Inputs come from the pretraining pool alone, which shares none with train, dev and test, and use
    only the facts that the task declares known.
    """
    rng = Random(f"pretraining/{seed}")
    names = list(POCKET)
    shares = [POCKET[name].share for name in names]
    examples = {
        name: task.stream("pretraining", seed, task.known_facts()) for name, task in POCKET.items()
    }
    prompts = {name: seen_prompts(name) for name in names}
    weights = {
        name: [1.0 / (rank + 1) ** zipf_exponent for rank in range(len(listed))]
        for name, listed in prompts.items()
    }
    while True:
        name = rng.choices(names, shares)[0]
        prompt = rng.choices(prompts[name], weights[name])[0]
        yield Draw(name, prompt, next(examples[name]))

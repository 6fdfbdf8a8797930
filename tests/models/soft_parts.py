"""The soft parts that fine-tunes train, by name, each away from its start: for tests of all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.prefix import Prefixes, initial_prefix, prefix_before
from sapo_analysis.models.prompt_encoder import PromptEncoders
from sapo_analysis.models.soft_prompt import SoftPrompts, standing_before
from sapo_analysis.models.soft_prompt_start import at_random
from sapo_analysis.models.stacked_ia3 import StackedIa3, scaled_by

LENGTH = 4
PARTS = ("soft prompt", "prompt encoder", "prefix", "ia3")


@contextmanager
def working(name: str, model, seeds: Sequence[int]) -> Iterator:
    """A part of K fine-tunes at work in the model; what each has depends on its seed alone."""
    starts = [at_random(model, LENGTH, seed) for seed in seeds]
    if name == "soft prompt":
        part, enter = SoftPrompts(model, starts), standing_before
    elif name == "prompt encoder":
        part, enter = PromptEncoders(model, LENGTH, 8, seeds), standing_before
    elif name == "prefix":
        part = Prefixes(model, [initial_prefix(model, start) for start in starts])
        enter = prefix_before
    else:
        part, enter = StackedIa3(model, len(seeds)), scaled_by
    with torch.no_grad():
        for row, seed in zip(part.values, seeds, strict=True):
            drawn = torch.randn(row.shape, generator=torch.Generator().manual_seed(seed))
            row += 0.1 * drawn
    with enter(model, part):
        yield part


def behind(part, rows: Sequence[Encoded]) -> list[Encoded]:
    """Rows as they are read with a part: behind its virtual tokens, if it has any."""
    return list(rows) if isinstance(part, StackedIa3) else part.tokens.before(rows)


def some_rows(n: int, seed: int, shared: int = 3) -> list[Encoded]:
    """Rows of different lengths with a shared beginning and one to three target tokens."""
    drawn = random.Random(seed)
    beginning = [drawn.randrange(5, 90) for _ in range(shared)]
    found = []
    for i in range(n):
        ids = beginning + [drawn.randrange(5, 90) for _ in range(4 + 3 * i)]
        found.append(Encoded(ids, len(ids) - 1 - i % 3, len(ids)))
    return found

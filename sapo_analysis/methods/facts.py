"""What is true of a method in every study, told once, beside the method itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Changes = Literal["prompt", "parameters", "both"]

CONTINUAL = "Continual learning"
EFFICIENT = "Full and parameter-efficient"
PROMOT = "ProMoT and its ablations"
SOFT = "Soft prompts, trained otherwise"
GENERATED = "Generated prompts and parameters"
OWN = "Own methods"
FAMILIES = (CONTINUAL, EFFICIENT, PROMOT, SOFT, GENERATED, OWN)
"""What methods are compared for, in the order in which they are shown."""
ADAPTER = "r · (inputs + outputs) per matrix"
"""How many values an adapter of low rank has."""


@dataclass(frozen=True)
class MethodFacts:
    """How a method is told to readers.

    Attributes:
        words: the name that readers know it by.
        trains: what it trains, as the end of a sentence.
        changes: `prompt` (what stands before a text, on a frozen model), `parameters` (weights, an
            adapter or factors), or `both`.
        size: how many values are trained (r: rank, m: virtual tokens, d: hidden size).
        when_on: when what was trained takes part in an answer.
        family: one of `FAMILIES`.
        reference: authors and year; "" where it is a plain baseline of no one paper.
        cites: keys of `data/references.bib` that its use is cited by, its own paper last.
        caveat: what a reader has to know beside the name: a reconstruction, an experiment; "".
    """

    words: str
    trains: str
    changes: Changes
    size: str = ADAPTER
    when_on: str = "always"
    family: str = OWN
    reference: str = ""
    cites: tuple[str, ...] = ()
    caveat: str = ""

"""Everything that is simulated."""

from __future__ import annotations

from typing import Protocol

from tests.calibration.coverage import Coverage, Measures
from tests.calibration.nested import Design
from tests.calibration.permutations import Permutations
from tests.calibration.prompt_part import PromptPart
from tests.calibration.seed_noise import SeedNoise
from tests.calibration.verdicts import Claim2, Claims13

N_TABLES = 2000
"""Of each cell."""
TASKS, PROMPTS, TAUS = (4, 6, 12), (12, 24), (0.0, 0.3, 0.65)
EFFECTS = (0.0, 0.3, 0.5)


class Cell(Protocol):
    """Tables of one kind; what each says is counted."""

    @property
    def part(self) -> str:
        """Which question the cell belongs to."""

    @property
    def name(self) -> str:
        """Names the cell among those of its part, and seeds its tables."""

    def measure(self, i: int) -> Measures:
        """What table `i` says."""


PROMISED = tuple(Coverage(Design(k, n), tau) for k in TASKS for n in PROMPTS for tau in TAUS)
"""Intervals that are to cover in 92 to 98 %."""
SMALL = tuple(
    Coverage(design, tau)
    for design in (Design(2, 12), Design(3, 12), Design(4, 6), Design(12, 6))
    for tau in (0.0, 0.65)
)
"""Designs of too few tasks or prompts for one of the verdicts."""
TAILS = tuple(Coverage(Design(k, n), 0.3, tails=8) for k, n in ((4, 12), (12, 12), (12, 24)))
"""Values with more extreme ones among them than the normal has."""
NULL = tuple(Permutations(Design(k, n)) for k in TASKS for n in PROMPTS)

MAIN, TUNING, GAINS = Design(11, 13), Design(5, 13), Design(7, 21, seeds=1)
"""Shipped: `*-main` and `*-seen`; `tuning`; `tuning-gains`."""
OTHERS = {MAIN: 22, TUNING: 16, GAINS: 6}
"""Other tasks that each trial of them is evaluated on."""
VERDICTS = (
    *(Claims13(MAIN, effect, tau) for effect in EFFECTS for tau in TAUS),
    Claims13(MAIN, 0.6, 0.9),  # about what the main studies found
    *(Claims13(design, effect, 0.3) for design in (TUNING, GAINS) for effect in EFFECTS),
)
AS_SEEN = 0.1
"""Correlation of what one seed does to two tasks, in the shipped main studies."""
PAIRS = (
    Claim2(MAIN, OTHERS[MAIN], 0.0, 0.0),
    *(Claim2(MAIN, OTHERS[MAIN], 0.0, noise) for noise in (AS_SEEN, 0.5)),
    *(Claim2(MAIN, OTHERS[MAIN], effect, AS_SEEN) for effect in EFFECTS[1:]),
    *(Claim2(TUNING, OTHERS[TUNING], effect, AS_SEEN) for effect in EFFECTS),
    *(Claim2(GAINS, OTHERS[GAINS], effect, AS_SEEN) for effect in (0.0, 0.5)),
)
PARTS = (
    *(PromptPart(Claim2(MAIN, OTHERS[MAIN], 0.0, noise)) for noise in (AS_SEEN, 0.5)),
    PromptPart(Claim2(MAIN, OTHERS[MAIN], 0.3, AS_SEEN)),
    PromptPart(Claim2(TUNING, OTHERS[TUNING], 0.0, 0.5)),
    PromptPart(Claim2(TUNING, OTHERS[TUNING], 0.3, AS_SEEN)),
)
SHARES = tuple(
    SeedNoise(Design(k, n), share)
    for k, n in ((4, 12), (12, 12), (12, 24))
    for share in (0.2, 0.5, 0.8)
)
CELLS: tuple[Cell, ...] = (*PROMISED, *NULL, *VERDICTS, *PAIRS, *SMALL, *TAILS, *SHARES, *PARTS)

"""How often `claims()` says *supported* and *contradicted*, where what is true is known.

Claims 1 and 3 see of a trial's impacts only their mean over the other tasks of a role: it is
simulated as the impact on one other task. Claim 2 sees pairs, so there all other tasks are
simulated, each with a part common to all, the prompt's, a part of its own, and the trial's noise,
of which a part is common too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from sapo_analysis.analysis.claims import claims
from sapo_analysis.analysis.estimate import Verdict
from tests.calibration.coverage import Measures
from tests.calibration.nested import (
    Design,
    Floats,
    Population,
    generator,
    in_forms,
    keys,
    named,
    nested,
)

ALONE = 0.25
"""Share of the prompt in the variance over prompts of a single trial's impact on one task."""
FORMS = ("", "_loss")


@dataclass(frozen=True)
class Claims13:
    """A cell for claim 3 with correlation `effect`, and claim 1 with log ratio `effect`.

    `tau` is the sd over tasks of Fisher's z (claim 3) and of the log ratio (claim 1).
    """

    design: Design
    effect: float
    tau: float
    part = "claims 1 and 3"

    @property
    def name(self) -> str:
        """Of the cell, in the results."""
        return f"{self.design}, effect {self.effect}, τ {self.tau}"

    def measure(self, i: int) -> Measures:
        """What table `i` says."""
        df, truths = self.table(i)
        verdicts = claims(df, n_permutations=0)
        return counted(verdicts, {claim: float(np.mean(own)) for claim, own in truths.items()})

    def table(self, i: int) -> tuple[pd.DataFrame, dict[str, Floats]]:
        """An impacts table, and each claim's true values by task."""
        rng = generator(self.name, i)
        z = Population(math.atanh(self.effect), self.tau)
        values = nested(self.design, z, rng, n_forms=2)
        ratios = Population(self.effect, self.tau).draw(self.design.tasks, rng)
        in_task = in_forms(values.x.shape, rng, 2) * math.sqrt(self.design.seeds)
        in_task *= np.exp(-ratios)[:, np.newaxis, np.newaxis]
        blank = np.full(values.x.size, np.nan)
        columns = {"pre_update_loss": np.tile(values.x.ravel(), 2)}
        for form, y, after in zip(FORMS, values.y, in_task, strict=True):
            columns[f"forgetting{form}"] = np.concatenate([y.ravel(), blank])
            columns[f"impact{form}"] = np.concatenate([-y.ravel(), blank])
            name = "loss_after" if form else "score_after"
            columns[name] = np.concatenate([blank, after.ravel()])
        df = two_rows(self.design).assign(**columns)
        return df, {"claim_1": ratios, "claim_3_forgetting_past": values.z}


@lru_cache(maxsize=8)
def two_rows(design: Design) -> pd.DataFrame:
    """The keys of every trial's two evaluated tasks: a past one, and below all these its own."""
    both = pd.concat([keys(design)] * 2, ignore_index=True)
    which = np.repeat([0, 1], len(both) // 2)
    role = pd.Categorical.from_codes(which, ["past", "current"])
    return both.assign(eval_task=named(which, "evaluated", 2), role=role)


@dataclass(frozen=True)
class Claim2:
    """A cell for claim 2.

    `effect`: correlation, over prompts, of the prompt's own effects on two tasks. `noise`: the same
    of what the seed does to them.
    """

    design: Design
    others: int
    effect: float
    noise: float
    part = "claim 2"

    @property
    def name(self) -> str:
        """Of the cell, in the results."""
        return f"{self.design}, effect {self.effect}, noise {self.noise}"

    @property
    def reliability(self) -> float:
        """Of a seed-averaged impact: the prompt's share in its variance."""
        s = self.design.seeds
        return s * ALONE / (s * ALONE + 1 - ALONE)

    @property
    def prompts(self) -> float:
        """The prompts' part of the correlation of two seed-averaged impacts."""
        return self.effect * self.reliability

    @property
    def observed(self) -> float:
        """That correlation."""
        return self.prompts + self.noise * (1 - self.reliability)

    def measure(self, i: int) -> Measures:
        """What table `i` says."""
        verdicts = claims(self.table(i), n_permutations=0)
        found = counted(verdicts, {"claim_2": self.effect})
        for v in verdicts:
            if v.claim == "claim_2":
                e = v.estimate
                found[f"claim_2/{v.form}/{v.scope}/above 0"] = e.lower > 0, e.lower
        return found

    def table(self, i: int) -> pd.DataFrame:
        """An impacts table; all other tasks are unseen ones."""
        rng = generator(self.name, i)
        k, n, s, m = self.design.tasks, self.design.prompts, self.design.seeds, self.others
        own = shared_in_part((k, n, 1), m, self.effect, rng)
        noise = shared_in_part((k, n, s), m, self.noise, rng)
        impacts = math.sqrt(ALONE) * own + math.sqrt(1 - ALONE) * noise
        columns = {"pre_update_loss": np.repeat(rng.standard_normal((k, n)), s * m)}
        for form, values in zip(FORMS, impacts, strict=True):
            columns[f"impact{form}"] = columns[f"generalization{form}"] = values.ravel()
        return each_other(self.design, m).assign(**columns)


def shared_in_part(
    shape: tuple[int, ...], m: int, share: float, rng: np.random.Generator
) -> Floats:
    """Two forms of unit variance, `m` values each, correlated by `share` with one another."""
    common = in_forms((*shape, 1), rng, 2)
    own = in_forms((*shape, m), rng, 2)
    return math.sqrt(share) * common + math.sqrt(1 - share) * own


@lru_cache(maxsize=8)
def each_other(design: Design, m: int) -> pd.DataFrame:
    """The keys of every trial's `m` other tasks, one trial's below one another."""
    trials = keys(design)
    df = trials.loc[np.repeat(trials.index, m)].reset_index(drop=True)
    other = np.tile(np.arange(m), len(trials))
    role = pd.Categorical.from_codes(np.zeros(len(df), dtype=int), ["unseen"])
    return df.assign(eval_task=named(other, "other", m), role=role)


def counted(verdicts: Iterable[Verdict], truths: dict[str, float]) -> Measures:
    """What was said of each claim whose truth is given.

    The truth is that of the tasks at hand: what is said of these tasks is wrong where it is zero or
    lies on the other side. Of new tasks a cell's effect itself tells what is wrong.
    """
    found: Measures = {}
    for v in verdicts:
        if v.claim not in truths:
            continue
        truth, value = truths[v.claim], v.estimate.value
        name = f"{v.claim}/{v.form}/{v.scope}"
        supported, contradicted = v.verdict == "supported", v.verdict == "contradicted"
        found[f"{name}/supported"] = supported, value
        found[f"{name}/contradicted"] = contradicted, value
        if v.scope == "these_tasks":
            wrong = (supported and not truth > 0) or (contradicted and not truth < 0)
            found[f"{name}/wrong"] = wrong, value
    return found

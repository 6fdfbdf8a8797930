"""The noise band: how far a point of the scatter would move if only the seed were another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Z_95, plain
from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.analysis.noise.variance import Component, same_prompt, seed_cells, two_way
from sapo_analysis.analysis.prompt_means import prompt_means

SOLID_FROM_SEEDS = 8
COMPONENT_LABEL = "prompt × seed component"
UPPER_BOUND_LABEL = "upper bound: includes seed effects common to all prompts"


@dataclass(frozen=True)
class NoiseFacet:
    """The band of one current task, or (`current_task` None) of all, their means taken off.

    Attributes:
        current_task: Name, or None for the pooled band.
        centre: Mean of y over the task's points; 0 for the pooled band.
        lower: centre - half_width.
        upper: centre + half_width.
        half_width: 1.96 · σ / √seeds_averaged, in the unit of y; with a dashed band σ's upper limit
            stands for σ. 0, a line for a band, where noise trials do not differ at all, as few of
            a coarse score may by chance.
        sigma: Standard deviation of one trial's y over seeds, in the unit of y.
        sigma_upper: Upper end of σ's 95 % chi-square interval; nan where σ is 0.
        df: Degrees of freedom of σ.
        n_noise_seeds: Noise seeds of a prompt (the smallest number of any task for the pooled
            band).
        n_noise_prompts: Prompts repeated under noise seeds.
        seeds_averaged: Main seeds that each point is a mean of.
        dashed: Fewer than eight noise seeds: the band is drawn dashed, at σ's upper limit.
        label: Which component σ is.
    """

    current_task: str | None
    centre: float
    lower: float
    upper: float
    half_width: float
    sigma: float
    sigma_upper: float
    df: int
    n_noise_seeds: int
    n_noise_prompts: int
    seeds_averaged: int
    dashed: bool
    label: str


@dataclass(frozen=True)
class NoiseBand:
    """Bands of y for one role: a facet per current task with noise trials, and the pooled one.

    Without noise trials there are no facets and `pooled` is None.
    """

    y: str
    role: str | None
    unit: str
    facets: tuple[NoiseFacet, ...]
    pooled: NoiseFacet | None

    def to_frame(self) -> pd.DataFrame:
        """One row per facet, columns as `NoiseFacet`; the pooled band is not in it."""
        columns = list(NoiseFacet.__dataclass_fields__)
        return pd.DataFrame([asdict(facet) for facet in self.facets], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {key: plain(value) for key, value in asdict(self).items()}


def noise_band(
    df: pd.DataFrame,
    y: str,
    role: str | None = None,
    eval_task: str | None = None,
    task: str = "current_task",
) -> NoiseBand:
    """The noise band of y: facet mean ± 1.96 · σ / √(main seeds that a point averages).

    σ is the prompt × seed component of a two-way layout (`variance.two_way`) where at least two
    prompts share noise seeds; else the same-prompt sd over seeds, which is labelled as an upper
    bound. The pooled σ is the root of the mean of the tasks' σ², weighted by degrees of freedom.
    Below eight noise seeds the band is dashed, at σ's upper 95 % limit. Noise trials only enter
    here, never a correlation.

    Args:
        df: An impacts table.
        y: Outcome column.
        role: Role of the evaluated tasks.
        eval_task: Only this evaluated task.
        task: Column that names the current task.

    Raises:
        InputError: as `prompts_table`.
    """
    means = prompt_means(df, y, role=role, x=None, eval_task=eval_task, task=task)
    unit = means.unit if means.tasks else ""
    if "purpose" not in df or not (df["purpose"] == "noise").any():
        return NoiseBand(y, means.role, unit, (), None)
    cells = seed_cells(df, y, means, role=role, purpose="noise", eval_task=eval_task, task=task)
    facets, components = [], []
    for name, table in sorted(cells.items()):
        component = two_way(table) or same_prompt(table)
        if component is None:
            continue
        points = means.tasks[name]
        components.append(component)
        facets.append(_facet(name, float(points.y.mean()), component, points.n_seeds))
    return NoiseBand(y, means.role, unit, tuple(facets), _pooled(facets, components))


def _facet(
    name: str | None, centre: float, component: Component, seeds_averaged: int
) -> NoiseFacet:
    dashed = component.n_seeds < SOLID_FROM_SEEDS
    upper = component.upper if component.sigma > 0 else NAN
    reach = upper if dashed and component.sigma > 0 else component.sigma
    half = Z_95 * reach / float(np.sqrt(seeds_averaged))
    return NoiseFacet(
        current_task=name,
        centre=centre,
        lower=centre - half,
        upper=centre + half,
        half_width=half,
        sigma=component.sigma,
        sigma_upper=upper,
        df=component.df,
        n_noise_seeds=component.n_seeds,
        n_noise_prompts=component.n_prompts,
        seeds_averaged=seeds_averaged,
        dashed=dashed,
        label=COMPONENT_LABEL if component.kind == "prompt x seed" else UPPER_BOUND_LABEL,
    )


def pool(components: list[Component]) -> Component | None:
    """One σ of several tasks: σ² weighted by degrees of freedom; a bound if any of them is."""
    df = sum(c.df for c in components)
    if df == 0:
        return None
    sigma = float(np.sqrt(sum(c.df * c.sigma**2 for c in components) / df))
    bound = any(c.kind == "same-prompt seed" for c in components)
    return Component(
        sigma,
        df,
        min(c.n_seeds for c in components),
        min(c.n_prompts for c in components),
        "same-prompt seed" if bound else "prompt x seed",
    )


def _pooled(facets: list[NoiseFacet], components: list[Component]) -> NoiseFacet | None:
    whole = pool(components)
    return (
        None if whole is None else _facet(None, 0.0, whole, min(f.seeds_averaged for f in facets))
    )

"""Fisher's z of several indicators with one outcome per task, as seen and in shared shuffles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from sapo_analysis.analysis.intervals import Floats, fisher_z
from sapo_analysis.analysis.levels.correlation import points_of
from sapo_analysis.analysis.levels.permutation import shuffled
from sapo_analysis.analysis.prompt_means import TaskMeans, prompt_means

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class IndicatorZ:
    """Fisher's z of Pearson's r over prompts, per current task and indicator.

    Attributes:
        tasks: Current tasks in which some indicator enters, k of them in order of name.
        names: Indicators, J of them in the order given.
        z: k x J x (1 + m): as seen, then in each of m shuffles; 0 where an indicator does not
            enter. Shuffle i moves the outcomes of a task's prompts alike for all indicators.
        n: k x J: prompts; 0 where an indicator does not enter.
        left_out: Per indicator, which tasks and prompts it lacks and why; empty when none.
        role: Role of the evaluated tasks; None where there are none.
    """

    tasks: tuple[str, ...]
    names: tuple[str, ...]
    z: Floats
    n: Ints
    left_out: tuple[str, ...]
    role: str | None

    @property
    def variances(self) -> Floats:
        """Variance of z over prompts, 1 / (n - 3) [k, J]; 0 where an indicator does not enter."""
        return np.divide(1.0, self.n - 3, out=np.zeros(self.n.shape), where=self.n > 0)

    def only(self, kept: Iterable[int]) -> IndicatorZ:
        """The same of some indicators, by place."""
        places = list(kept)
        return replace(
            self,
            names=tuple(self.names[j] for j in places),
            z=self.z[:, places],
            n=self.n[:, places],
            left_out=tuple(self.left_out[j] for j in places),
        )


def indicator_z(
    df: pd.DataFrame,
    y: str,
    names: Sequence[str],
    role: str | None,
    task: str,
    eval_task: str | None,
    n_permutations: int,
    seed: int,
) -> IndicatorZ:
    """Correlate each indicator with y over the prompts of each current task.

    An indicator enters in a task as in `within_task_correlation`: where at least four prompts have
    a value of it, and neither it nor y is the same for all of them. Where every indicator enters
    in every task with every prompt, shuffles are those of `within_task_correlation` too.

    Args:
        df: As `prompts_table`.
        y: Column of the outcome.
        names: Columns of the indicators.
        role: Role of the evaluated tasks.
        task: Column that names the current task.
        eval_task: Only this evaluated task.
        n_permutations: m, the shuffles.
        seed: Seed of the shuffles.

    Raises:
        InputError: as `prompts_table`.
    """
    if "prompt_id" not in df:
        # A row is a prompt, and has to be the same one for all indicators.
        df = df.sort_values([*names, y], kind="stable")
        df = df.assign(prompt_id=[f"row {i:06d}" for i in range(len(df))])
    entering: dict[str, dict[int, TaskMeans]] = {}
    left_out: list[str] = []
    found: str | None = None
    for j, name in enumerate(names):
        means = prompt_means(df, y, role=role, x=name, eval_task=eval_task, task=task)
        points = points_of(means, "pearson")
        for own in points.tasks:
            entering.setdefault(own.name, {})[j] = means.tasks[own.name]
        left_out.append(points.left_out.removeprefix(". "))
        found = found or points.role
    tasks = tuple(sorted(entering))
    z = np.zeros((len(tasks), len(names), 1 + n_permutations))
    n = np.zeros((len(tasks), len(names)), dtype=np.intp)
    for i, one in enumerate(tasks):
        for j, own_means in entering[one].items():
            n[i, j] = len(own_means.prompts)
        _fill(z[i], entering[one], seed, i)
    return IndicatorZ(tasks, tuple(names), z, n, tuple(left_out), found)


def _fill(z: Floats, entering: Mapping[int, TaskMeans], seed: int, stream: int) -> None:
    """Write one task's z [indicators, 1 + shuffles] in place."""
    every = sorted({prompt for own in entering.values() for prompt in own.prompts})
    m = z.shape[1] - 1
    # Indicators with values of the same prompts at the same seeds have the same outcomes.
    alike: dict[tuple[object, ...], list[int]] = {}
    for j, own in entering.items():
        alike.setdefault((*own.prompts, own.y.tobytes()), []).append(j)
    for places in alike.values():
        first = entering[places[0]]
        x = _standardised(np.array([entering[j].x for j in places]))
        y = _standardised(first.y)
        z[places, 0] = fisher_z(x @ y)
        if not m:
            continue
        if len(first.prompts) == len(every):
            shuffles = shuffled(y, m, seed, stream)
        else:
            # The order that the shuffles of all prompts put these into.
            orders = shuffled(np.arange(len(every), dtype=float), m, seed, stream)
            own_orders = orders[:, np.searchsorted(every, list(first.prompts))]
            shuffles = y[own_orders.argsort(axis=1).argsort(axis=1)]
        z[places, 1:] = fisher_z(x @ shuffles.T)


def _standardised(values: Floats) -> Floats:
    """Rows of mean 0 and length 1, whose products are correlations."""
    centred = values - values.mean(axis=-1, keepdims=True)
    standardised: Floats = centred / np.linalg.norm(centred, axis=-1, keepdims=True)
    return standardised

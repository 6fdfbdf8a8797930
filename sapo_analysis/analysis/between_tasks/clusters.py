"""Which other tasks move together: clustering of a table of pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sapo_analysis.analysis.estimate import plain
from sapo_analysis.analysis.intervals import Floats
from sapo_analysis.analysis.selection import Names


@dataclass(frozen=True)
class Clusters:
    """Average linkage on 1 - r.

    Attributes:
        merges: Clusters from the closest on: `members` and `height` (mean 1 - r between the two
            parts, 0 to 2). The last one holds all tasks.
        order: The tasks such that every cluster stands together, as under a dendrogram.
        left_out: Tasks that lack r with another one.
    """

    merges: list[dict[str, Any]]
    order: list[str]
    left_out: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {key: plain(value) for key, value in asdict(self).items()}


def clusters_of(names: Names, r: Floats) -> Clusters:
    """Clusters of tasks, of which each has r with all others.

    Args:
        names: The tasks.
        r: Tasks x tasks, symmetric; nan where a pair was never seen. The task with most of these is
            left out, then the next, until none is left; of equals the first.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    kept, left_out = np.arange(len(names)), []
    while True:
        missing = np.isnan(r[np.ix_(kept, kept)])
        np.fill_diagonal(missing, False)
        if not missing.any():
            break
        worst = int(np.argmax(missing.sum(axis=1)))
        left_out.append(str(names[kept[worst]]))
        kept = np.delete(kept, worst)
    tasks = [str(name) for name in names[kept]]
    if len(tasks) < 2:
        return Clusters([], tasks, left_out)
    i, j = np.triu_indices(len(kept), k=1)
    tree = linkage(np.maximum(1 - r[kept[i], kept[j]], 0), method="average")
    members = [[name] for name in tasks]
    merges = []
    for one, other, height, _ in tree.tolist():
        members.append(sorted(members[int(one)] + members[int(other)]))
        merges.append({"members": members[-1], "height": height})
    return Clusters(merges, [tasks[leaf] for leaf in leaves_list(tree)], left_out)

"""What ProMoT's authors report: Tables 3 and 4 of the paper (ICLR 2024), for other models.

Reference to read our own runs beside. Nothing here is pooled, compared or tested with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from sapo_analysis.errors import InputError, unknown

MARK = "published, for other models"
"""Stands wherever such a number is shown."""
SOURCE = "Wang et al., ICLR 2024, Tables 3 and 4"
PUBLISHED_METHODS = ("pretrained", "fine-tuning", "promot", "promot+1-shot")
COLUMNS = ("table", "model", "tuned_task", "eval_task", "n_shots", "method", "score")
_FILE = Path(__file__).resolve().parents[2] / "data" / "published" / "promot.csv"


@cache
def _rows() -> pd.DataFrame:
    return pd.read_csv(_FILE, comment="#")[list(COLUMNS)]


def published() -> pd.DataFrame:
    """One row per published score.

    Columns: `table` (3 or 4), `model`, `tuned_task`, `eval_task` (none is the tuned one),
    `n_shots` (1 or 4), `method` (one of `PUBLISHED_METHODS`), `score` (0 to 100: accuracy, exact
    match, BLEU or ROUGE-2, as the evaluated task has it).
    """
    return _rows().copy()


def normalized_average(scores: Iterable[float]) -> float:
    """The paper's "Norm. Avg.": the plain mean of task metrics that run from 0 to 100.

    Nothing is subtracted for chance, and tasks count alike (methods §1).

    Raises:
        InputError: there is no score, or one is beyond 0 to 100.
    """
    given = [float(score) for score in scores]
    if not given:
        raise InputError("There is no score to average. Give one per task.")
    for score in given:
        if not 0 <= score <= 100:  # nan too
            raise InputError(f"A score is {score:g}; task metrics run from 0 to 100. Scale it.")
    return math.fsum(given) / len(given)


def published_averages(n_shots: int = 1) -> pd.DataFrame:
    """The normalized average of each method over the evaluated tasks, recomputed from the rows.

    Columns: `table`, `model`, `tuned_task`, `method`, `normalized_average` (0 to 100), `to_base`
    (points: it − that of the pretrained model), `n_tasks`.

    Raises:
        InputError: nothing was published with so many demonstrations.
    """
    rows = published()
    known = sorted(set(rows["n_shots"]))
    if n_shots not in known:
        raise unknown("number of demonstrations", str(n_shots), list(map(str, known)))
    own = rows[rows["n_shots"] == n_shots]
    keys = ["table", "model", "tuned_task", "method"]
    found = (
        own.groupby(keys, sort=False)["score"]
        .agg(normalized_average=normalized_average, n_tasks="size")
        .reset_index()
    )
    base = found[found["method"] == "pretrained"].set_index(keys[:3])["normalized_average"]
    at = pd.MultiIndex.from_frame(found[keys[:3]])
    found["to_base"] = found["normalized_average"] - base.reindex(at).to_numpy(dtype=float)
    return found[[*keys, "normalized_average", "to_base", "n_tasks"]]

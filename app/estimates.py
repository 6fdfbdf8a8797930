"""Cached calls into `sapo_analysis.analysis`: one function per question the page asks.

Every key begins with path and version (`data.version`) of the chosen runs, so a run that grows is
read anew and a finished one is computed once. Several runs are joined. Nothing is computed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.between_tasks.structure import cross_task_structure
from sapo_analysis.analysis.cautions import UnequalLearning
from sapo_analysis.analysis.cautions import unequal_learning as found_unequal
from sapo_analysis.analysis.confounding.matched import MatchedComparison, matched_by_scope
from sapo_analysis.analysis.confounding.trajectories import has_checkpoints
from sapo_analysis.analysis.estimate import FORMS, Estimate, Scope, Verdict
from sapo_analysis.analysis.excluded import Exclusion, Pair, with_and_without
from sapo_analysis.analysis.impacts import COLUMNS, CurrentTest
from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.analysis.noise.band import NoiseBand
from sapo_analysis.analysis.noise.numerical_noise import NumericalNoise
from sapo_analysis.analysis.trust import Check
from sapo_analysis.analysis.trust import trust as trust_checks
from sapo_analysis.analysis.wording import noise_floor, signed
from sapo_analysis.app.data import Keys, opened
from sapo_analysis.app.state import Asked
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures import OUTCOMES


@dataclass(frozen=True)
class Facts:
    """What the main trials of the runs hold.

    Attributes:
        tasks: Current tasks.
        evaluated: Evaluated tasks by role.
        indicators: Those that differ between trials; pre-update loss first.
        n_prompts: Of a current task, least and most.
        n_seeds: Main seeds.
        missing: By claim, why there is no number for it.
        points: Every (task, prompt_id).
    """

    tasks: tuple[str, ...]
    evaluated: dict[str, tuple[str, ...]]
    indicators: tuple[str, ...]
    n_prompts: tuple[int, int]
    n_seeds: int
    missing: dict[str, str]
    points: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Correlations:
    """One outcome: r per task, over tasks in both scopes, and over all points."""

    tasks: list[Estimate]
    new_tasks: Estimate
    these_tasks: Estimate
    pooled: Estimate


def impacts(keys: Keys, test_prompt: CurrentTest = "training") -> pd.DataFrame:
    """The runs' impacts table; `test_prompt`: what the current task is tested with."""
    # Pandas copies on write: a shallow copy is safe, and costs nothing at 100,000 rows.
    return _impacts(keys, test_prompt).copy(deep=False)


@st.cache_resource(max_entries=12, show_spinner="Comparing before and after …")
def _impacts(keys: Keys, test_prompt: CurrentTest) -> pd.DataFrame:
    return analysis.impacts(opened(keys), current_test=test_prompt)


@st.cache_data(max_entries=12, show_spinner=False)
def facts(keys: Keys) -> Facts:
    """What controls and badges say of the runs."""
    df = impacts(keys)
    main = df[df["purpose"] == "main"]
    by_role = main.groupby("role")["eval_task"].unique()
    pairs = main[["current_task", "prompt_id"]].drop_duplicates()
    n_prompts = pairs.groupby("current_task").size()
    indicators = [c for c in df.columns if c not in COLUMNS]
    return Facts(
        tasks=tuple(sorted(main["current_task"].unique())),
        evaluated={str(role): tuple(sorted(names)) for role, names in by_role.items()},
        indicators=("pre_update_loss", *(c for c in indicators if _answers(main, c))),
        n_prompts=(int(n_prompts.min()), int(n_prompts.max())) if len(n_prompts) else (0, 0),
        n_seeds=main[["state_seed", "seed"]].drop_duplicates().shape[0],
        missing=analysis.claims_without_data(df) if len(main) else {},
        points=frozenset(pairs.itertuples(index=False, name=None)),
    )


def facts_of_each(keys: Keys) -> Facts:
    """Of runs that are not joined: what any of them has, and the indicators that all have."""
    each = [facts((key,)) for key in keys]
    roles = sorted({role for one in each for role in one.evaluated})
    return Facts(
        tasks=tuple(sorted({task for one in each for task in one.tasks})),
        evaluated={
            role: tuple(sorted({name for one in each for name in one.evaluated.get(role, ())}))
            for role in roles
        },
        indicators=tuple(x for x in each[0].indicators if all(x in one.indicators for one in each)),
        n_prompts=(min(one.n_prompts[0] for one in each), max(one.n_prompts[1] for one in each)),
        n_seeds=max(one.n_seeds for one in each),
        missing={},
        points=frozenset().union(*(one.points for one in each)),
    )


def _answers(main: pd.DataFrame, column: str) -> bool:
    return pd.api.types.is_numeric_dtype(main[column]) and main[column].nunique() > 1


@st.cache_data(max_entries=12, show_spinner=False)
def test_prompts(keys: Keys) -> tuple[CurrentTest, ...]:
    """The prompts that the current tasks were tested with."""
    return analysis.current_tests(opened(keys))


@st.cache_data(max_entries=12, show_spinner=False)
def prompts(keys: Keys) -> pd.DataFrame:
    """Every prompt of the runs, each once."""
    table = pd.concat([run.table("prompts") for run in opened(keys)], ignore_index=True)
    return table.drop_duplicates(["task", "prompt_id"], ignore_index=True)


@st.cache_data(max_entries=12, show_spinner="Comparing the runs' settings …")
def refusal(keys: Keys) -> tuple[str, pd.DataFrame]:
    """Why the runs cannot be joined, and the keys in which they differ; "" if they can."""
    runs = opened(keys)
    try:
        check_joinable(runs)
    except RunError:
        raise
    except InputError as error:
        return str(error), analysis.differing_keys(runs)
    return "", pd.DataFrame()


@st.cache_data(max_entries=12, show_spinner="Judging the claims …")
def verdicts(keys: Keys) -> list[Verdict]:
    """Verdicts on all claims, in both forms and both scopes."""
    return analysis.claims(impacts(keys), n_permutations=0)


@st.cache_data(max_entries=12, show_spinner=False)
def claims_table(keys: Keys) -> pd.DataFrame:
    """Every claim in both forms with both verdicts."""
    return analysis.claims_table(verdicts(keys))


@st.cache_data(max_entries=12, show_spinner=False)
def noise_floors(keys: Keys) -> dict[tuple[str, str], str]:
    """What the seed alone does, by claim and form, where it was measured.

    σ of one trial and its upper limit; for claims 1 and 2 what their estimate would be.
    """
    df, found = impacts(keys), {}
    for form in FORMS:
        if "claim_2" not in facts(keys).missing:
            alone = cross_task_structure(df, form, n_permutations=0).seed_alone
            if not math.isnan(alone):
                found["claim_2", form] = f"{signed(alone)} from the seed alone"
    if (df["role"] == "current").any():
        for form, value in analysis.claim_1_from_the_seed_alone(df).items():
            if not math.isnan(value):
                found["claim_1", form] = f"{signed(value)} from the seed alone"
    for o in OUTCOMES.values():
        for form in ("score", "loss"):
            if o.claim is None or not o.predicted or o.role not in set(df["role"]):
                continue
            band = noise(keys, Asked(o.column(form), o.role))
            if band.pooled is not None:
                pooled = band.pooled
                found[o.claim, form] = noise_floor(
                    pooled.sigma, pooled.sigma_upper, band.unit, pooled.label
                )
    return found


@st.cache_data(max_entries=32, show_spinner="Comparing tasks …")
def tasks_table(keys: Keys, outcome: str, form: str) -> pd.DataFrame:
    """Each current task: r of one outcome, and what to hold it to."""
    o = OUTCOMES[outcome]
    return analysis.tasks_table(impacts(keys), o.column(form), o.role, o.predicted)


@st.cache_data(max_entries=32, show_spinner=False)
def distinguishing(keys: Keys, outcome: str, form: str) -> pd.DataFrame:
    """What goes with how well the claim about one outcome holds on a task."""
    table = tasks_table(keys, outcome, form)
    return analysis.distinguishing(table, OUTCOMES[outcome].predicted)


@st.cache_data(max_entries=32, show_spinner="Comparing indicators …")
def rivals(keys: Keys, outcome: str, form: str) -> pd.DataFrame:
    """Every indicator with one outcome, and pre-update loss given familiarity."""
    o = OUTCOMES[outcome]
    return analysis.rivals(impacts(keys), o.column(form), o.role)


@st.cache_data(max_entries=32, show_spinner="Comparing prompts that learned equally much …")
def matched(keys: Keys, outcome: str, form: str) -> dict[Scope, MatchedComparison]:
    """One outcome at equal steps and at equal dev loss, by scope; nothing without checkpoints."""
    runs, o = opened(keys), OUTCOMES[outcome]
    if not all(has_checkpoints(run) for run in runs):
        return {}
    return matched_by_scope(runs, o.column(form), o.role, n_permutations=0)


@st.cache_data(max_entries=12, show_spinner=False)
def past_gains(keys: Keys) -> pd.DataFrame:
    """Each past task's score before and after it was learned."""
    return analysis.past_gains(opened(keys))


@st.cache_data(max_entries=64, show_spinner=False)
def points(keys: Keys, asked: Asked) -> pd.DataFrame:
    """The points of a scatter, with pre-update loss even when another indicator is on x."""
    df, of = impacts(keys, asked.test_prompt), (asked.y, asked.role)
    table = analysis.prompts_table(df, *of, asked.x, asked.eval_task)
    if asked.x == "pre_update_loss":
        return table
    losses = analysis.prompts_table(df, *of, "pre_update_loss", asked.eval_task)
    names = ["current_task", "prompt_id"]
    return table.merge(losses[[*names, "pre_update_loss"]], on=names, how="left")


@st.cache_data(max_entries=16, show_spinner=False)
def seeds(keys: Keys, asked: Asked) -> pd.DataFrame:
    """The same seed by seed."""
    df = impacts(keys, asked.test_prompt)
    return analysis.seeds_table(df, asked.y, asked.role, asked.x, asked.eval_task)


@st.cache_data(max_entries=64, show_spinner="Correlating …")
def correlations(keys: Keys, asked: Asked, statistic: str) -> Correlations:
    """The correlation of one outcome at every level."""
    df, chosen = impacts(keys, asked.test_prompt), _settings(asked, statistic)
    return Correlations(
        analysis.task_correlations(df, **chosen),
        analysis.within_task_correlation(df, **chosen, scope="new_tasks"),
        analysis.within_task_correlation(df, **chosen, scope="these_tasks"),
        analysis.pooled_correlation(df, **chosen),
    )


def _settings(asked: Asked, statistic: str) -> dict[str, Any]:
    return {
        "x": asked.x,
        "y": asked.y,
        "role": asked.role,
        "eval_task": asked.eval_task,
        "statistic": statistic,
        "n_permutations": 0,  # no page shows a p of these
    }


@st.cache_data(max_entries=16, show_spinner=False)
def exclusion(
    keys: Keys, asked: Asked, statistic: str, scope: Scope, marked: tuple[Pair, ...]
) -> Exclusion:
    """The headline's correlation with the prompts marked as not equivalent, and without them."""
    df, chosen = impacts(keys, asked.test_prompt), _settings(asked, statistic)
    return with_and_without(df, marked, **chosen, scope=scope)


@st.cache_data(max_entries=64, show_spinner=False)
def noise(keys: Keys, asked: Asked) -> NoiseBand:
    """The noise band of one outcome."""
    df = impacts(keys, asked.test_prompt)
    return analysis.noise_band(df, asked.y, asked.role, asked.eval_task)


@st.cache_data(max_entries=64, show_spinner=False)
def numerical_noise(keys: Keys, asked: Asked) -> NumericalNoise:
    """What rounding alone does to one outcome."""
    differences = analysis.repeat_differences(opened(keys), asked.test_prompt)
    df = impacts(keys, asked.test_prompt)
    return analysis.numerical_noise(df, differences, asked.y, asked.role, asked.eval_task)


@st.cache_data(max_entries=16, show_spinner="Comparing tasks …")
def between_tasks(keys: Keys, form: str, current_task: str | None) -> pd.DataFrame:
    """Correlation of impacts for every pair of other tasks."""
    return analysis.impact_correlation(impacts(keys), current_task, form)  # type: ignore[arg-type]


@st.cache_data(max_entries=16, show_spinner=False)
def pair(keys: Keys, form: str, task_i: str, task_j: str, current_task: str | None) -> pd.DataFrame:
    """The points behind one pair of other tasks."""
    return analysis.impact_pairs(impacts(keys), task_i, task_j, current_task, form)  # type: ignore[arg-type]


@st.cache_data(max_entries=32, show_spinner="Checking …")
def trust(keys: Keys, outcome: str, form: str, asked: Asked) -> list[Check]:
    """What to look at before believing the headline."""
    o, df = OUTCOMES[outcome], impacts(keys, asked.test_prompt)
    chosen = asked.x, asked.eval_task, asked.test_prompt
    return trust_checks(opened(keys), df, o.score, o.loss, o.role, form, *chosen)


@st.cache_data(max_entries=32, show_spinner=False)
def unequal_learning(keys: Keys, role: str) -> UnequalLearning:
    """On which tasks prompts that forgot less of one role also learned less."""
    df = impacts(keys)
    return found_unequal(df[df["purpose"] == "main"], role)


@st.cache_data(max_entries=128, show_spinner=False)
def changes(keys: Keys, current_task: str, prompt_id: str) -> pd.DataFrame:
    """After minus before on every evaluated task for one prompt."""
    return analysis.task_changes(impacts(keys), current_task, prompt_id)


@st.cache_data(max_entries=128, show_spinner="Looking for forgotten examples …")
def forgotten(keys: Keys, current_task: str, prompt_id: str) -> pd.DataFrame:
    """The kept test examples that one prompt hurt most."""
    runs, table = opened(keys), impacts(keys)
    return analysis.worst_forgotten(runs, current_task, prompt_id, table=table)

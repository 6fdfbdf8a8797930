"""Every public statistic, fed with every kind of table that a real study may come to."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sapo_analysis.analysis import (
    Estimate,
    Pilot,
    claim_1_shares,
    claim_sentences,
    claims,
    claims_without_data,
    confounders,
    corrected_correlation,
    cross_task_structure,
    impact_correlation,
    indicator_board,
    influence,
    leave_one_out,
    noise_band,
    partial_correlation,
    plan_study,
    pooled_correlation,
    prompt_effects,
    prompts_table,
    repeated_measures_correlation,
    seeds_table,
    selection_value,
    task_correlations,
    task_slopes,
    theil_sen,
    variance_components,
    within_task_correlation,
)
from sapo_analysis.analysis.estimate import Verdict
from sapo_analysis.analysis.impacts import with_changes
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.errors import InputError

M = 19
X, Y = "pre_update_loss", "forgetting"
PAST = {"role": "past"}


def correlations(statistic: str) -> dict[str, Callable[[pd.DataFrame], Any]]:
    kind = {"statistic": statistic, "n_permutations": M, **PAST}
    return {
        f"within {statistic}": lambda df: within_task_correlation(df, **kind),
        f"per task {statistic}": lambda df: task_correlations(df, **kind),
        f"pooled {statistic}": lambda df: pooled_correlation(df, **kind),
    }


def judged(df: pd.DataFrame) -> Any:
    verdicts = claims(df, n_permutations=M)
    return [*verdicts, *claim_sentences(verdicts, df)]


ASKED: dict[str, Callable[[pd.DataFrame], Any]] = {
    **correlations("pearson"),
    **correlations("spearman"),
    **correlations("kendall"),
    "within, these": lambda df: within_task_correlation(
        df, scope="these_tasks", n_permutations=M, **PAST
    ),
    "theil_sen": lambda df: theil_sen(df, **PAST),
    "task_slopes": lambda df: task_slopes(df, **PAST),
    "repeated measures": lambda df: repeated_measures_correlation(df, **PAST),
    "partial": lambda df: partial_correlation(df, n_permutations=M, **PAST),
    "confounders": lambda df: confounders(df, n_permutations=M, **PAST),
    "variance_components": variance_components,
    "claim_1_shares": claim_1_shares,
    "corrected": lambda df: corrected_correlation(df, **PAST),
    "structure": lambda df: cross_task_structure(df, n_permutations=M),
    "impact_correlation": impact_correlation,
    "claims_without_data": claims_without_data,
    "claims and sentences": judged,
    "board": lambda df: indicator_board(df, n_permutations=M, **PAST),
    "selection_value": lambda df: selection_value(
        df, original={"task-0": "p0", "task-1": "p1"}, **PAST
    ),
    "influence": lambda df: influence(df, **PAST),
    "leave_one_out": lambda df: leave_one_out(df, statistic="spearman", **PAST),
    "plan_study": lambda df: plan_study(df, half_width=0.3, **PAST),
    "pilot": lambda df: Pilot.of(df, **PAST),
    "noise_band": lambda df: noise_band(df, Y, "past"),
    "prompt_effects": lambda df: prompt_effects(df, Y, "past"),
    "prompts_table": lambda df: prompts_table(df, Y, "past"),
    "seeds_table": lambda df: seeds_table(df, Y, "past"),
}


def table(n_tasks=4, n_prompts=6, n_seeds=2, noise=2, seed=0) -> pd.DataFrame:
    """An impacts table with everything: two unseen tasks, one past, one retained, noise trials."""
    rng = np.random.default_rng(seed)
    rows = []
    for t in range(n_tasks):
        harm = rng.normal(size=n_prompts)
        for purpose, count, prompts in (("main", n_seeds, n_prompts), ("noise", noise, 2)):
            for s in range(count):
                for p in range(min(prompts, n_prompts)):
                    key = {
                        "trial_id": f"{t}-{p}-{purpose}-{s}",
                        "current_task": f"task-{t}",
                        "prompt_id": f"p{p}",
                        "state_seed": s if purpose == "main" else 0,
                        "seed": s if purpose == "main" else 100 + s,
                        "purpose": purpose,
                        "metric": "label_accuracy",
                        X: 2 + harm[p] + rng.normal(0, 0.3),
                        "prompt_length": float(rng.integers(5, 30)),
                        "prompt_perplexity": float(rng.uniform(5, 30)),
                    }
                    for name, role, move in (
                        (f"task-{t}", "current", 30.0),
                        ("past-0", "past", -6.0),
                        ("unseen-0", "unseen", 2.0),
                        ("unseen-1", "unseen", 1.0),
                        ("kept-0", "retained", -3.0),
                    ):
                        change = move - 2 * harm[p] + rng.normal(0, 2)
                        rows.append(
                            {
                                **key,
                                "eval_task": name,
                                "role": role,
                                "score_before": 50.0,
                                "score_after": 50.0 + change,
                                "loss_before": 1.5,
                                "loss_after": 1.5 - change / 50,
                            }
                        )
    return with_changes(pd.DataFrame(rows))


BASE = table()
OUTCOMES = [
    name
    for name in BASE
    if name.startswith(("forgetting", "generalization", "learning", "impact", "score_", "loss_"))
]


def put(column, value, where=lambda df: np.ones(len(df), dtype=bool)):
    """The base table with a value in some rows of one column or several."""

    def make():
        df = BASE.copy()
        for name in [column] if isinstance(column, str) else column:
            df.loc[where(df), name] = value
        return df

    return make


def scores(change, **more):
    """The base table with other scores and losses after training."""

    def make():
        df = BASE.copy()
        df["score_after"] = change(df)
        df["loss_after"] = 3 - df["score_after"] / 100
        return with_changes(df.assign(**more))

    return make


def drop(*columns):
    return lambda: BASE.drop(columns=list(columns))


def only(where):
    return lambda: BASE[where(BASE)]


def cast(kind, *columns):
    return lambda: BASE.assign(**{name: BASE[name].astype(kind) for name in columns})


def rename_values(column, change):
    return lambda: BASE.assign(**{column: BASE[column].map(change)})


def is_prompt(*names):
    return lambda df: df["prompt_id"].isin(names)


def is_task(*names):
    return lambda df: df["current_task"].isin(names)


def both(*conditions):
    return lambda df: np.logical_and.reduce([condition(df) for condition in conditions])


NAMES = ["current_task", "prompt_id", "eval_task", "role", "purpose", "metric", "trial_id"]
NUMBERS = [X, *OUTCOMES]
LONG = "a very long name " * 200
CASES: dict[str, Callable[[], pd.DataFrame]] = {
    "as it should be": BASE.copy,
    "no rows": lambda: BASE.iloc[:0],
    "no rows, no types": lambda: pd.DataFrame(columns=BASE.columns),
    "no columns": pd.DataFrame,
    "one row": lambda: BASE.iloc[:1],
    "one trial": lambda: BASE[BASE["trial_id"] == "0-0-main-0"],
    "one task": lambda: table(n_tasks=1),
    "three tasks": lambda: table(n_tasks=3),
    "one prompt": lambda: table(n_prompts=1),
    "two prompts": lambda: table(n_prompts=2),
    "three prompts": lambda: table(n_prompts=3),
    "four prompts": lambda: table(n_prompts=4),
    "one seed": lambda: table(n_seeds=1),
    "one of everything": lambda: table(1, 1, 1, 0),
    "one task, four prompts": lambda: table(1, 4, 2, 0),
    "no noise trials": lambda: table(noise=0),
    "only noise trials": only(lambda df: df["purpose"] == "noise"),
    "only current": only(lambda df: df["role"] == "current"),
    "no current": only(lambda df: df["role"] != "current"),
    "constant x": put(X, 2.0),
    "x constant in one task": put(X, 2.0, is_task("task-0")),
    "constant y": scores(lambda df: 50.0),
    "constant y, not before": scores(lambda df: 0.1 + 0.2, score_before=BASE["seed"] / 10),
    "y constant in one task": scores(
        lambda df: df["score_after"].where(df["current_task"] != "task-0", 50.0)
    ),
    "one prompt moves": scores(lambda df: 50.0 + 7 * (df["prompt_id"] == "p3")),
    "no noise": scores(lambda df: 40.0 + df["prompt_id"].str[1:].astype(int)),
    "prompts alike, seeds not": scores(lambda df: 40.0 + df["seed"]),
    "x = y": lambda: BASE.assign(**{X: BASE[Y], Y: BASE[Y]}),
    "x = score after": lambda: BASE.assign(**{X: BASE["score_after"]}),
    "y on a line of x": scores(lambda df: 80 - df[X]),
    "x the same as length": lambda: BASE.assign(prompt_length=BASE[X]),
    "constant length": put("prompt_length", 7.0),
    "all indicators constant": put([X, "prompt_length", "prompt_perplexity"], 1.0),
    "x missing for a prompt": put(X, np.nan, is_prompt("p1")),
    "x missing for a prompt of a task": put(X, np.nan, both(is_prompt("p1"), is_task("task-0"))),
    "x missing for a seed": put(X, np.nan, lambda df: df["seed"] == 1),
    "x missing for a seed of a prompt": put(
        X, np.nan, both(is_prompt("p1"), lambda df: df["seed"] == 1)
    ),
    "x missing": put(X, np.nan),
    "y missing for a prompt": put(OUTCOMES, np.nan, is_prompt("p1")),
    "y missing for a seed of a prompt": put(
        OUTCOMES, np.nan, both(is_prompt("p1"), lambda df: df["seed"] == 1)
    ),
    "y missing for a task": put(OUTCOMES, np.nan, is_task("task-0")),
    "y missing at crossed seeds": put(
        OUTCOMES,
        np.nan,
        lambda df: (df["seed"] == 1) == df["prompt_id"].isin(["p0", "p2"]),
    ),
    "y missing": put(OUTCOMES, np.nan),
    "losses missing": put([name for name in OUTCOMES if "loss" in name], np.nan),
    "scores missing": put([name for name in OUTCOMES if "loss" not in name], np.nan),
    "length missing": put("prompt_length", np.nan),
    "length missing for a prompt": put("prompt_length", np.nan, is_prompt("p1")),
    "all numbers missing": put([*OUTCOMES, X, "prompt_length", "prompt_perplexity"], np.nan),
    "an outcome missing for one evaluated task": put(
        OUTCOMES, np.nan, both(lambda df: df["eval_task"] == "past-0", is_prompt("p2"))
    ),
    "x infinite": put(X, np.inf, is_prompt("p1")),
    "y infinite": put(OUTCOMES, np.inf, is_prompt("p1")),
    "y minus infinite in one row": put(OUTCOMES, -np.inf, lambda df: np.arange(len(df)) == 11),
    "length infinite": put("prompt_length", np.inf, is_prompt("p1")),
    "rows twice": lambda: pd.concat([BASE, BASE]),
    "one row twice": lambda: pd.concat([BASE, BASE.iloc[[1]]]),
    "a task with one prompt": only(
        lambda df: (df["current_task"] != "task-0") | (df["prompt_id"] == "p0")
    ),
    "tasks with one prompt, but one": only(
        lambda df: (df["current_task"] == "task-0") | (df["prompt_id"] == "p0")
    ),
    "a prompt with one seed": only(lambda df: (df["prompt_id"] != "p1") | (df["seed"] == 0)),
    "a task with one seed": only(lambda df: (df["current_task"] != "task-1") | (df["seed"] == 0)),
    "a task without past": only(
        lambda df: (df["current_task"] != "task-1") | (df["role"] != "past")
    ),
    **{
        f"without {name}": drop(name)
        for name in (
            *("role", "eval_task", "purpose", "seed", "state_seed", "prompt_id", "metric"),
            *("trial_id", "current_task", X, Y, "impact", "score_after", "loss_after"),
            *("loss_change", "prompt_length", "impact_loss", "forgetting_loss"),
        )
    },
    "without both seeds": drop("seed", "state_seed"),
    "bare": lambda: BASE[BASE["role"] == "past"][["current_task", "prompt_id", "seed", X, Y]],
    "barest": lambda: BASE[(BASE["role"] == "past") & (BASE["purpose"] == "main")][
        ["current_task", X, Y]
    ],
    "float32": cast("float32", *NUMBERS),
    "Float64": cast("Float64", *NUMBERS),
    "Float64 with a gap": lambda: put(NUMBERS, np.nan, is_prompt("p1"))().astype(
        dict.fromkeys(NUMBERS, "Float64")
    ),
    "arrow numbers": cast("double[pyarrow]", *NUMBERS),
    "whole numbers": lambda: BASE.assign(
        **{name: (100 * BASE[name].fillna(0)).astype(int) for name in NUMBERS}
    ),
    "Int64": lambda: BASE.assign(
        **{name: (100 * BASE[name]).round().astype("Int64") for name in NUMBERS}
    ),
    "small integers": lambda: BASE.assign(
        **{name: BASE[name].fillna(0).round().astype("int8") for name in NUMBERS}
    ),
    "truth values": lambda: BASE.assign(**{name: BASE[name] > 0 for name in NUMBERS}),
    "x truth values": lambda: BASE.assign(**{X: BASE[X] > 2}),
    "boolean with a gap": lambda: BASE.assign(
        **{X: (BASE[X] > 2).astype("boolean").mask(BASE["prompt_id"] == "p1")}
    ),
    "numbers as objects": cast(object, *NUMBERS),
    "numbers as text": cast(str, X, Y),
    "numbers complex": cast(complex, X, Y),
    "categories": cast("category", *NAMES),
    "arrow names": cast("string[pyarrow]", *NAMES),
    "unused categories": lambda: BASE.assign(
        **{name: BASE[name].astype("category").cat.add_categories(["never"]) for name in NAMES}
    ),
    "seeds as text": cast(str, "seed", "state_seed"),
    "seeds as floats": cast(float, "seed", "state_seed"),
    "seeds missing": put(["seed", "state_seed"], np.nan),
    "huge": scores(lambda df: df["score_after"] * 1e298),
    "huge x": lambda: BASE.assign(**{X: BASE[X] * 1e300}),
    "as large as floats get": scores(lambda df: 1.7e308 * np.sign(df["score_after"] - 50)),
    "huge beside small": scores(lambda df: df["score_after"].where(df["prompt_id"] != "p1", 1e300)),
    "tiny": lambda: BASE.assign(**{name: BASE[name] * 1e-300 for name in NUMBERS}),
    "small": lambda: BASE.assign(**{name: BASE[name] * 1e-100 for name in NUMBERS}),
    "small x": lambda: BASE.assign(**{X: BASE[X] * 1e-200}),
    "far from zero": lambda: BASE.assign(**{X: BASE[X] + 1e15}),
    "negative zero": put(NUMBERS, -0.0),
    "prompts are numbers": rename_values("prompt_id", lambda name: int(name[1:])),
    "prompts are numbers with a gap": rename_values(
        "prompt_id", {f"p{i}": float(i) for i in range(6)}
    ),
    "prompts are tuples": rename_values("prompt_id", lambda name: (name, 1)),
    "prompts are of mixed type": rename_values(
        "prompt_id", lambda name: int(name[1:]) if name > "p2" else name
    ),
    "tasks are numbers": rename_values("current_task", lambda name: int(name[5:])),
    "task with markup": rename_values("current_task", lambda name: f"<b>{name}</b> [x](y) | `$`"),
    "task with line breaks": rename_values("current_task", lambda name: f"{name}\nand\r\n\tmore\0"),
    "long names": rename_values("current_task", lambda name: LONG + name),
    "empty name": rename_values("current_task", lambda name: "" if name == "task-0" else name),
    "names that look missing": rename_values(
        "current_task",
        {f"task-{i}": name for i, name in enumerate(("none", "nan", "None", "", "0"))},
    ),
    "task without a name": rename_values(
        "current_task", lambda name: None if name == "task-0" else name
    ),
    "tasks without names": put("current_task", None),
    "prompts without names": put("prompt_id", None),
    "evaluated tasks without names": put("eval_task", None),
    "no role named": put("role", None),
    "no purpose named": put("purpose", None),
    "roles unknown": put("role", "sideways"),
    "no metric named": put("metric", None),
    "metrics differ": lambda: BASE.assign(metric=BASE["eval_task"]),
    "metrics differ, one constant": lambda: scores(
        lambda df: df["score_after"].where(df["eval_task"] != "past-0", 50.0)
    )().assign(metric=BASE["eval_task"]),
    "odd columns": lambda: BASE.assign(
        **{
            "<script>": 1.0,
            "": 2.0,
            "a\nb": BASE[X],
            "index": 3.0,
            "level_0": 4.0,
            "n_seeds": 5.0,
            "unit": "x",
            "__class__": 6.0,
        }
    ),
    "columns that are no text": lambda: pd.concat(
        [BASE, pd.DataFrame({0: BASE[X], None: 1.0, ("a", "b"): BASE[X] ** 2})], axis=1
    ),
    "x twice": lambda: pd.concat([BASE, BASE[[X]]], axis=1),
    "y twice": lambda: pd.concat([BASE, BASE[[Y]]], axis=1),
    "task twice": lambda: pd.concat([BASE, BASE[["current_task"]]], axis=1),
    "length twice": lambda: pd.concat([BASE, BASE[["prompt_length"]]], axis=1),
    "ties": scores(lambda df: df["score_after"].round(-1)),
    "ties everywhere": lambda: scores(lambda df: df["score_after"].round(-1))().assign(
        **{X: BASE[X].round()}
    ),
    "two values of y": scores(lambda df: 50.0 + 10 * (df["prompt_id"] < "p3")),
    "two values of x": lambda: BASE.assign(**{X: 1.0 * (BASE["prompt_id"] < "p3")}),
    "one index for all": lambda: BASE.set_axis([0] * len(BASE)),
    "index named as a column": lambda: BASE.rename_axis("current_task"),
    "trial ids twice": put("trial_id", "t"),
    "in-task row missing": only(lambda df: (df["role"] != "current") | (df["prompt_id"] != "p1")),
    "in-task score missing": put(
        ["score_after", "loss_after"],
        np.nan,
        lambda df: (df["role"] == "current") & (df["prompt_id"] == "p1"),
    ),
}


def wrong_with(found: Any) -> list[str]:
    """What no result may hold: infinities, intervals without width or value, impossible r or p."""
    if isinstance(found, pd.DataFrame):
        said = [] if found.columns.is_unique else ["columns twice"]
        return said + [w for row in found.to_dict("records") for w in wrong_in(row)]
    if isinstance(found, list | tuple):
        return [w for one in found for w in wrong_with(one)]
    if isinstance(found, dict):
        return wrong_in(found)
    wrong = wrong_in(asdict(found)) if is_dataclass(found) else [f"a {type(found)}"]
    if hasattr(found, "to_dict"):
        json.dumps(found.to_dict(), allow_nan=False)
    if isinstance(found, Verdict):
        return wrong + wrong_with(found.estimate)
    if isinstance(found, Estimate):
        wrong += wrong_estimate(found)
    return wrong


CORRELATIONS = ("pearson", "spearman", "kendall", "repeated_measures")


def wrong_estimate(one: Estimate) -> list[str]:
    wrong = []
    if one.statistic.removeprefix("partial_") in CORRELATIONS and abs(one.value) > 1:
        wrong.append(f"r = {one.value}")
    if one.p <= 0 or one.p > 1:
        wrong.append(f"p = {one.p}")
    silent = one.n_tasks == 0 or "; no value: " in one.method
    if math.isnan(one.value) != silent:
        wrong.append(f"{one.value} of {one.n_tasks} tasks")
    if math.isfinite(one.value) and one.level != "pooled" and one.n_prompts < 4:
        wrong.append(f"{one.value} of {one.n_prompts} prompts")
    if one.n_tasks == 1 and one.scope == "new_tasks" and math.isfinite(one.lower):
        wrong.append("an interval for new tasks of one")
    return wrong


def wrong_in(row: Any) -> list[str]:
    if isinstance(row, list | tuple):
        return [w for one in row for w in wrong_in(one)]
    if not isinstance(row, dict):
        number = isinstance(row, float | np.floating)
        return ["infinite"] if number and math.isinf(row) else []
    # A ratio to a noise of 0 is infinite.
    told = {key: value for key, value in row.items() if not str(key).startswith("ratio")}
    wrong = [f"{key}: {w}" for key, value in told.items() for w in wrong_in(value)]
    for key in [str(key) for key in row if str(key).endswith("lower")]:
        lower, upper = row[key], row.get(key[:-5] + "upper", math.nan)
        stem = key[:-6] if key != "lower" else "value"
        value = row.get(stem, math.nan)
        if not all(isinstance(n, float | int) for n in (lower, upper, value)):
            continue
        if math.isfinite(lower) != math.isfinite(upper) and key[:-5] + "upper" in row:
            wrong.append(f"half an interval at {key}: {lower} to {upper}")
        if lower == upper and math.isfinite(lower) and "sigma" not in row:
            wrong.append(f"no width at {key}: {lower}")
        if lower > value or upper < value:
            wrong.append(f"{value} outside {lower} to {upper} at {key}")
    if {"half_width", "sigma"} <= row.keys() and (row["half_width"] > 0) != (row["sigma"] > 0):
        wrong.append(f"a half width of {row['half_width']}")
    for key in ("p", "p_adjusted", "difference_p"):
        if isinstance(row.get(key), float) and not math.isnan(row[key]) and not 0 < row[key] <= 1:
            wrong.append(f"{key} = {row[key]}")
    return wrong


def answer(ask: Callable[[pd.DataFrame], Any], df: pd.DataFrame) -> tuple[str, Any]:
    try:
        return "found", ask(df)
    except InputError as error:
        return "refused", str(error)
    except Exception as error:
        return "broke", f"{type(error).__name__}: {error}"


def problems(df: pd.DataFrame) -> dict[str, str]:
    """What is wrong with the answers to every question about a table, by question."""
    before, found = df.copy(), {}
    with remembering():
        for name, ask in ASKED.items():
            kind, result = answer(ask, df)
            if kind == "broke":
                found[name] = result
            elif kind == "refused":
                # A sentence, with a next step or what is known.
                if not result.endswith(".") or not re.search(r"'.+'|table|trial", result):
                    found[name] = f"says {result!r}"
            elif wrong := wrong_with(result):
                found[name] = "; ".join(dict.fromkeys(wrong))
    pd.testing.assert_frame_equal(df, before)
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_table_gives_numbers_that_exist_or_a_named_error(case):
    assert problems(CASES[case]()) == {}


def answers(df: pd.DataFrame) -> dict[str, Any]:
    """All answers as plain data, numbers to the last bit."""
    with remembering():
        found = {name: answer(ask, df) for name, ask in ASKED.items()}
    return {name: (kind, raw(result)) for name, (kind, result) in found.items()}


def raw(found: Any) -> Any:
    if isinstance(found, pd.DataFrame):
        return found.to_dict("records")
    if isinstance(found, list):
        return [raw(one) for one in found]
    return asdict(found) if is_dataclass(found) and not isinstance(found, type) else found


def unlike(one: Any, other: Any, close: float = 0.0) -> list[str]:
    """Where two answers differ."""
    if isinstance(one, pd.DataFrame):
        one, other = one.to_dict("records"), other.to_dict("records")
    if isinstance(one, dict) and one.keys() == other.keys():
        return [f"{k}: {w}" for k in one for w in unlike(one[k], other[k], close)]
    if isinstance(one, list | tuple) and len(one) == len(other):
        return [w for a, b in zip(one, other, strict=True) for w in unlike(a, b, close)]
    if isinstance(one, np.ndarray):
        return unlike(one.tolist(), other.tolist(), close)
    if isinstance(one, float) and isinstance(other, float):
        same = one == other or (math.isnan(one) and math.isnan(other))
        return [] if same or abs(one - other) <= close * max(1, abs(one)) else [f"{one}, {other}"]
    return [] if one is other or one == other else [f"{one!r}, {other!r}"]


def test_the_same_table_gives_the_same_numbers_to_the_last_bit():
    assert unlike(answers(BASE), answers(BASE.copy())) == []


UNORDERED = {
    "rows in another order": lambda df: df.sample(frac=1, random_state=1),
    "index in another order": lambda df: df.set_axis(np.random.default_rng(0).permutation(len(df))),
    "columns in another order": lambda df: df[df.columns[::-1]],
    "seeds as text": lambda df: df.astype({"seed": str, "state_seed": str}),
    "names as categories": lambda df: df.astype(dict.fromkeys(NAMES, "category")),
    "numbers of another kind": lambda df: df.astype(dict.fromkeys(NUMBERS, "Float64")),
}


@pytest.mark.parametrize("case", ["as it should be", "ties everywhere"])
def test_what_means_the_same_gives_the_same_numbers(case):
    df = CASES[case]()
    as_it_is = answers(df)
    for name, change in UNORDERED.items():
        assert (name, unlike(as_it_is, answers(change(df)), 1e-12)) == (name, [])


NUMBER = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 10.0, 50.0, math.nan, 1e-3, 1e20, -1e-20]),
    st.floats(-1e3, 1e3),
    st.integers(0, 10).map(lambda n: 10.0 * n),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tasks=st.lists(st.sampled_from([1, 2, 4, 5, 6]), min_size=1, max_size=5),
    n_seeds=st.integers(1, 3),
    pool=st.lists(NUMBER, min_size=1, max_size=40),
    gaps=st.sampled_from([0.0, 0.0, 0.1, 0.5]),
    seed=st.integers(0, 10**6),
)
def test_any_table_gives_numbers_that_exist_or_a_named_error(tasks, n_seeds, pool, gaps, seed):
    rng = np.random.default_rng(seed)
    whole = table(len(tasks), max(tasks), n_seeds, noise=int(rng.integers(0, 3)), seed=seed)
    most = whole["current_task"].map({f"task-{i}": n for i, n in enumerate(tasks)})
    df = whole[whole["prompt_id"].str[1:].astype(int) < most].copy()
    for column in (X, "score_after", "loss_after", "prompt_length"):
        df[column] = rng.choice(pool, len(df))
    df = with_changes(df)
    df = df[rng.uniform(size=len(df)) >= gaps].sample(frac=1, random_state=0)
    assert problems(df) == {}

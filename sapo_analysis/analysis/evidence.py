"""What stands behind one point: the wording, the evaluated tasks, the examples forgotten."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal

import pandas as pd

from sapo_analysis.analysis.impacts import impacts
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.errors import RunError, unknown
from sapo_analysis.store import Run

Op = Literal["equal", "delete", "insert"]
FORGOTTEN_COLUMNS = [
    *("eval_task", "role", "example", "input", "gold", "before", "after"),
    *("n_forgotten", "n_seeds", "forgotten", "loss_change"),
]


def word_diff(original: str, text: str) -> list[tuple[Op, str]]:
    """Word by word, how a paraphrase differs from the original.

    Returns:
        (op, words) in reading order: `equal`, `delete` (only in the original), `insert` (only in
        the text). Joining the words of `equal` and `insert` gives the text with white space
        normalised.
    """
    a, b = original.split(), text.split()
    parts: list[tuple[Op, str]] = []
    for tag, i, i_end, j, j_end in difflib.SequenceMatcher(
        None, a, b, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            parts.append(("equal", " ".join(a[i:i_end])))
            continue
        if i_end > i:
            parts.append(("delete", " ".join(a[i:i_end])))
        if j_end > j:
            parts.append(("insert", " ".join(b[j:j_end])))
    return parts


def task_changes(df: pd.DataFrame, current_task: str, prompt_id: str) -> pd.DataFrame:
    """What training on one prompt did to each evaluated task: after - before, mean over main seeds.

    Args:
        df: An impacts table.
        current_task: The task learned.
        prompt_id: The prompt it was learned with.

    Returns:
        eval_task, role, metric, score_before, score_after, score_change, score_change_sd (over
        seeds; nan for one seed), loss_before, loss_after, loss_change, loss_change_sd, n_seeds; the
        current task first, then by role.

    Raises:
        InputError: the task or the prompt is unknown; the known ones are named.
    """
    rows = _of_prompt(df, current_task, prompt_id)
    groups = rows.groupby(["eval_task", "role", "metric"])
    means = groups[
        ["score_before", "score_after", "score_change", "loss_before", "loss_after", "loss_change"]
    ].mean()
    means["score_change_sd"] = groups["score_change"].std(ddof=1)
    means["loss_change_sd"] = groups["loss_change"].std(ddof=1)
    means["n_seeds"] = groups.size()
    means = means.reset_index()
    order = means["role"].map({"current": 0, "past": 1, "unseen": 2, "retained": 3})
    means = means.assign(_order=order).sort_values(["_order", "eval_task"], ignore_index=True)
    columns = [
        "eval_task",
        "role",
        "metric",
        "score_before",
        "score_after",
        "score_change",
        "score_change_sd",
    ]
    return means[
        [*columns, "loss_before", "loss_after", "loss_change", "loss_change_sd", "n_seeds"]
    ]


def worst_forgotten(
    runs: Run | Sequence[Run],
    current_task: str,
    prompt_id: str,
    n: int = 10,
    roles: Sequence[str] = ("past", "retained"),
    eval_task: str | None = None,
    table: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The kept test examples that training on one prompt hurt most.

    An example is forgotten in a seed when the parent state answered it right and the trial wrong.
    Sorted by how many main seeds forgot it, then by the mean rise of its loss; where nothing was
    forgotten the greatest rises stand.

    Args:
        runs: One run, or several that may be joined.
        current_task: The task learned.
        prompt_id: The prompt it was learned with.
        n: Rows at most.
        roles: Roles of the evaluated tasks.
        eval_task: Only this evaluated task.
        table: Their impacts table, where it is at hand already.

    Returns:
        eval_task, role, example, input, gold, before and after (outputs of the first seed that
        forgot it, else of the first seed), n_forgotten, n_seeds, forgotten ("forgotten in 2 of 3
        seeds"), loss_change (mean over seeds, nats per target token). Empty when no outputs were
        kept.

    Raises:
        InputError: the task or the prompt is unknown.
        RunError: a kept output has no output of the parent state, or no example, to stand beside.
    """
    several = as_runs(runs)
    table = impacts(several) if table is None else table
    trials = _of_prompt(table, current_task, prompt_id)
    trials = trials[trials["role"].isin(list(roles))]
    if eval_task is not None:
        if eval_task not in set(trials["eval_task"]):
            raise unknown("evaluated task", eval_task, sorted(trials["eval_task"].unique()))
        trials = trials[trials["eval_task"] == eval_task]
    found = [_outputs(run, trials[trials["run_id"] == run.run_id]) for run in several]
    parts = [part for part in found if len(part)]
    if not parts:
        return pd.DataFrame(columns=FORGOTTEN_COLUMNS)
    outputs = pd.concat(parts, ignore_index=True)
    worst = worst_first(outputs, ["eval_task", "role", "example"], ["state_seed", "seed"], "seed")
    return worst.rename(columns={"n": "n_seeds"})[FORGOTTEN_COLUMNS].head(n)


def worst_first(
    outputs: pd.DataFrame, example: list[str], replicate: list[str], unit: str
) -> pd.DataFrame:
    """Examples by how many replicates forgot them, then by the mean rise of their loss.

    Args:
        outputs: A row per replicate and example, as `beside` gives them.
        example: Columns that name an example.
        replicate: Columns that order the replicates: of equal ones the first is shown.
        unit: What a replicate is called.

    Returns:
        The columns of `example`, input, gold, before and after (outputs of the first replicate that
        forgot it, else of the first), n_right_before, n_right_after, n_forgotten, n, forgotten
        ("forgotten in 2 of 3 seeds"), loss_change (mean, nats per target token).
    """
    lost = outputs["correct_before"] & ~outputs["correct"]
    change = outputs["loss"] - outputs["loss_before"]
    rows = outputs.assign(lost=lost, loss_change=change).sort_values(
        ["lost", *replicate], ascending=[False, *[True] * len(replicate)], kind="stable"
    )
    worst = (
        rows.groupby(example, sort=False)
        .agg(
            before=("output_before", "first"),
            after=("output", "first"),
            input=("input", "first"),
            gold=("target", "first"),
            n_right_before=("correct_before", "sum"),
            n_right_after=("correct", "sum"),
            n_forgotten=("lost", "sum"),
            n=("lost", "size"),
            loss_change=("loss_change", "mean"),
        )
        .reset_index()
    )
    worst["forgotten"] = [
        f"forgotten in {k} of {m} {unit}{'' if m == 1 else 's'}"
        for k, m in zip(worst["n_forgotten"], worst["n"], strict=True)
    ]
    return worst.sort_values(
        ["n_forgotten", "loss_change", "eval_task", "example"],
        ascending=[False, False, True, True],
        ignore_index=True,
    )


def _outputs(run: Run, trials: pd.DataFrame) -> pd.DataFrame:
    """One row per (trial, evaluated task, example): outputs after and before, and the example."""
    kept = run.table("predictions")
    kept = kept[kept["n_shots"] == 0]
    values = ["example", "output", "loss", "correct"]
    keys = ["state_id", "eval_task", "test_prompt"]
    mine = kept[kept["trial_id"].isin(trials["trial_id"])]
    mine = mine[mine["step"] == mine.groupby("trial_id")["step"].transform("max")]
    after = trials[["trial_id", *keys, "role", "seed", "state_seed"]].merge(
        mine[["trial_id", "eval_task", "test_prompt", *values]],
        on=["trial_id", "eval_task", "test_prompt"],
    )
    before = kept[kept["trial_id"].isna() & (kept["step"] == 0)][[*keys, *values]]
    return beside(run, after, before, "the parent state", on=keys, named="trial_id")


def beside(
    run: Run, after: pd.DataFrame, before: pd.DataFrame, of: str, *, on: list[str], named: str
) -> pd.DataFrame:
    """Outputs after with those before, and the example, beside them.

    Args:
        run: The run they are of.
        after: A row per output, with example, output, loss, correct, `eval_task` and `on`.
        before: The same.
        of: What gave the outputs before, as an error calls it.
        on: Columns that an output shares with the one before it, beside `example`.
        named: The column of `after` that an error names it by: `trial_id` or `state_id`.

    Returns:
        `after` with output_before, loss_before, correct_before, input and target.

    Raises:
        RunError: there is no output before, or no example, to stand beside one.
    """
    values = ["output", "loss", "correct"]
    earlier = before[[*on, "example", *values]]
    earlier = earlier.rename(columns={name: f"{name}_before" for name in values})
    examples = run.table("examples")
    examples = examples[examples["split"] == "test"].rename(columns={"task": "eval_task"})
    both = after.merge(earlier, on=[*on, "example"], how="left").merge(
        examples[["eval_task", "example", "input", "target"]],
        on=["eval_task", "example"],
        how="left",
    )
    for column, what in (("output_before", f"output of {of}"), ("target", "example")):
        for row in both[both[column].isna()].to_dict("records"):
            raise RunError(
                f"Run {run.run_id}: {named.removesuffix('_id')} {row[named]} has an output for"
                f" example {row['example']} of {row['eval_task']!r}, but there is no {what} beside"
                " it. Copy the run folder in again, or run its spec.json again."
            )
    return both.astype({"correct_before": bool, "correct": bool})


def _of_prompt(df: pd.DataFrame, current_task: str, prompt_id: str) -> pd.DataFrame:
    main = df["purpose"] == "main"
    own = main & (df["current_task"] == current_task)
    if not own.any():
        raise unknown("current task", current_task, sorted(df.loc[main, "current_task"].unique()))
    rows = df[own & (df["prompt_id"] == prompt_id)]
    if rows.empty:
        known = sorted(df.loc[own, "prompt_id"].unique())
        raise unknown(f"prompt of task {current_task!r}", prompt_id, known)
    return rows

"""What was answered to the same inputs: by the base model, and after each method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sapo_analysis.analysis.methods_compared.sides import BASE, Side, sides
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.plan import BASE_STATE, tasks_in
from sapo_analysis.store import Run
from sapo_analysis.tasks.formats import Format

OUTPUT_COLUMNS = [
    *("tuned_task", "prompt_id", "order", "seed", "stage", "eval_task", "role", "example"),
    *("input", "gold", "name", "output", "correct", "in_format", "gold_in_format"),
]
NO_OUTPUTS = "These runs kept no outputs. Run the study with evaluation.n_predictions_kept above 0."
_TUNED = ["tuned_task", "prompt_id", "order", "seed", "stage"]


def side_by_side(
    runs: Run | Sequence[Run],
    tuned_task: str = "",
    eval_task: str = "",
    seed: int | None = None,
    n: int = 0,
) -> pd.DataFrame:
    """One row per (evaluated task, example, who answers): outputs to the same input and prompt.

    One fine-tune of each side is shown, with the original prompt where it was trained with that
    (of sequences: with what its policy chose, in the first order). `name` is "base model" or a
    side's. Every task is tested with its own original prompt and without demonstrations. `correct`:
    as its metric says; `in_format`: whether the output has the tuned task's format, of other tasks
    alone (else None) and None where the run kept no targets to tell it from; `gold_in_format`: the
    same of the gold answer, which then is no sign of format specialization.

    Args:
        runs: that can be compared; see `sides`.
        tuned_task: what was learned; "": the first task that was.
        eval_task: one evaluated task; "": all.
        seed: of the fine-tunes; None: the first.
        n: examples of a task, the first; 0: all that were kept.

    Raises:
        InputError: the runs cannot be compared, kept no outputs, or have no such task or seed.
    """
    known = sides(runs)
    shown = [(one, *_chosen(one, tuned_task, seed)) for one in known]
    parts = [_of_state(known[0].runs[0], BASE, shown[0][2], {"state_id": BASE_STATE})]
    parts += [_of_state(run, one.name, tune, tune) for one, run, tune in shown]
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        raise InputError(NO_OUTPUTS)
    tasks = sorted(set(table["eval_task"]))
    if eval_task and eval_task not in tasks:
        raise unknown("evaluated task of these runs", eval_task, tasks)
    own = table[table["eval_task"] == eval_task] if eval_task else table
    own = own[own["example"] < n] if n else own
    return _with_formats(_with_examples(own, [run for _, run, _ in shown]), shown[0])


def telling_examples(outputs: pd.DataFrame) -> pd.DataFrame:
    """One row per (evaluated task, example), those at which methods differ most first.

    Columns: `eval_task`, `example`, `input`, `n_in_format` (outputs in the tuned task's format
    where the right answer is not), `n_outputs` (different ones). In the order of these two, larger
    first, then as the outputs stand.

    Args:
        outputs: as `side_by_side` gives them.
    """
    flagged = outputs["in_format"].eq(True) & ~outputs["gold_in_format"].eq(True)
    by = outputs.assign(flagged=flagged).groupby(["eval_task", "example"], sort=False)
    found = by.agg(
        input=("input", "first"), n_in_format=("flagged", "sum"), n_outputs=("output", "nunique")
    ).reset_index()
    return found.sort_values(
        ["n_in_format", "n_outputs"], ascending=False, kind="stable", ignore_index=True
    )


def _chosen(one: Side, tuned_task: str, seed: int | None) -> tuple[Run, dict[str, Any]]:
    """The run and the fine-tune of a side that is shown."""
    parts = []
    for i, run in enumerate(one.runs):
        own = _tunes(run, one)
        parts.append(own.assign(nth=i))
    tunes = pd.concat(parts, ignore_index=True)
    if tunes.empty:
        raise InputError(f"No fine-tune of {one.name} has ended yet: it has no outputs to show.")
    tasks = list(dict.fromkeys(tunes["tuned_task"]))
    if tuned_task and tuned_task not in tasks:
        raise unknown("tuned task of these runs", tuned_task, tasks)
    own = tunes[tunes["tuned_task"] == (tuned_task or tasks[0])]
    seeds = sorted(set(map(int, own["seed"])))
    if seed is not None and seed not in seeds:
        raise unknown("seed of these runs", str(seed), list(map(str, seeds)))
    own = own[own["seed"] == (seeds[0] if seed is None else seed)]
    first = own.sort_values("is_original", ascending=False, kind="stable").iloc[0]
    return one.runs[int(first["nth"])], {str(key): value for key, value in first.items()}


def _tunes(run: Run, one: Side) -> pd.DataFrame:
    prompts = run.table("prompts")
    originals = set(
        prompts.loc[prompts["source"] == "original", ["task", "prompt_id"]].itertuples(
            index=False, name=None
        )
    )
    if run.is_sequence:
        chains = run.table("chains").rename(columns={"task": "tuned_task"})
        mine = (chains["policy"] == one.policy) & (chains["method"] == one.method)
        done = chains["result_state_id"].map(lambda state: isinstance(state, str)).astype(bool)
        tunes = chains[mine & done].assign(trial_id=None)
        tunes["parent_id"], tunes["state_id"] = tunes["state_id"], tunes["result_state_id"]
    else:
        trials = run.table("trials").rename(columns={"current_task": "tuned_task"})
        main = (trials["purpose"] == "main") & (trials["status"] == "done")
        tunes = trials[main].assign(order="", stage=0)
    pairs = zip(tunes["tuned_task"], tunes["prompt_id"], strict=True)
    tunes["is_original"] = [pair in originals for pair in pairs]
    found: pd.DataFrame = tunes[["trial_id", "state_id", *_TUNED, "is_original"]]
    return found


def _of_state(run: Run, name: str, tune: dict[str, Any], of: dict[str, Any]) -> pd.DataFrame:
    """Outputs of a state or fine-tune to each task's original prompt, without demonstrations."""
    kept = run.table("predictions")
    own = kept[(kept["n_shots"] == 0) & (kept["state_id"] == of["state_id"])]
    if isinstance(trial_id := of.get("trial_id"), str):
        own = own[own["trial_id"] == trial_id]
        own = own[own["step"] == own["step"].max()]  # the others are checkpoints
    else:
        own = own[own["trial_id"].isna() & (own["step"] == 0)]
    prompts = run.table("prompts")
    original = prompts.loc[prompts["source"] == "original", ["task", "prompt_id"]]
    original = original.set_axis(["eval_task", "test_prompt"], axis=1)
    own = own.merge(original, on=["eval_task", "test_prompt"])
    about = {key: tune[key] for key in _TUNED}
    found: pd.DataFrame = own[["eval_task", "example", "output", "correct"]]
    return found.assign(name=name, **about)


def _with_examples(table: pd.DataFrame, runs: Sequence[Run]) -> pd.DataFrame:
    parts = [run.table("examples") for run in runs]
    known = pd.concat(parts).query("split == 'test'").drop_duplicates(["task", "example"])
    named = known.rename(columns={"task": "eval_task", "target": "gold"})
    return table.merge(
        named[["eval_task", "example", "input", "gold"]], on=["eval_task", "example"], how="left"
    )


def _with_formats(table: pd.DataFrame, shown: tuple[Side, Run, dict[str, Any]]) -> pd.DataFrame:
    _, run, tune = shown
    tuned = str(tune["tuned_task"])
    form = format_in(run, tuned)
    others = (table["eval_task"] != tuned).to_numpy()
    for column, texts in (("in_format", table["output"]), ("gold_in_format", table["gold"])):
        table[column] = [
            form.fits(text) if form is not None and other and isinstance(text, str) else None
            for text, other in zip(texts, others, strict=True)
        ]
    table["role"] = _roles(run, tune, list(table["eval_task"]))
    order = {name: i for i, name in enumerate(dict.fromkeys(table["name"]))}
    place = table["name"].map(order)
    at = ["eval_task", "example", "place"]
    return table.assign(place=place).sort_values(at, kind="stable", ignore_index=True)[
        OUTPUT_COLUMNS
    ]


def format_in(run: Run, task: str) -> Format | None:
    """The answer format of a task as a run's own tables tell it; None: it kept no targets.

    From the targets it was trained on where they are kept, else from those that it was tested on.
    Labels are those of the targets where the task is scored by label accuracy.
    """
    examples = run.table("examples").query("task == @task")
    train = examples[examples["split"] == "train"]
    targets = list(dict.fromkeys((train if len(train) else examples)["target"]))
    if not targets:
        return None
    scores = run.table("scores")
    metrics = set(scores.loc[scores["eval_task"] == task, "metric"])
    labels = tuple(sorted(set(examples["target"]))) if metrics == {"label_accuracy"} else ()
    return Format.from_targets(task, labels, targets)


def _roles(run: Run, tune: dict[str, Any], tasks: list[str]) -> list[str]:
    if run.is_sequence:
        order = tasks_in(str(tune["order"]))
        at = {task: position for position, task in enumerate(order, start=1)}
        stage = int(tune["stage"])
        known = {
            task: "current" if p == stage else "past" if p < stage else "unseen"
            for task, p in at.items()
        }
    else:
        scores = run.table("scores")
        own = scores[scores["trial_id"] == tune["trial_id"]]
        known = dict(zip(own["eval_task"], own["role"], strict=True))
    return [str(known.get(task, "")) for task in tasks]

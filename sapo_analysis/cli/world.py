"""What can be studied: `sapo tasks`, `sapo prompts`."""

from __future__ import annotations

from typing import Annotated

import typer

from sapo_analysis import model_files
from sapo_analysis.cli.options import DEFAULT_RUNS, JsonOption
from sapo_analysis.cli.output import say, show_json, show_table
from sapo_analysis.cli.task_options import FromOption, TaskRunsOption, sources_of
from sapo_analysis.errors import InputError
from sapo_analysis.prompts import Prompt, get_prompts
from sapo_analysis.store.own_prompts import read_own_prompts
from sapo_analysis.tasks import Task, get_task, left_out_of, list_tasks
from sapo_analysis.tasks.shipped_cards import card_names
from sapo_analysis.tasks.sources import tasks_in


def tasks(
    from_: FromOption = None, runs: TaskRunsOption = DEFAULT_RUNS, as_json: JsonOption = False
) -> None:
    """List the tasks: the pocket suite's and those added to the runs folder, or those of --from."""
    sources = sources_of(from_, runs)
    try:
        left_out = left_out_of(sources)
    except InputError as error:
        if from_:
            raise
        # The pocket suite is there all the same.
        say(f"Warning: {error}")
        sources, left_out = (), {}
    found = list(tasks_in(sources).values()) if from_ else list_tasks(sources=sources)
    for name, reason in left_out.items():
        say(f"Warning: {name} is left out: {reason}.")
    rows = [_row(task) for task in found]
    if as_json:
        show_json(rows)
        return
    columns = ["name", "family", "suite", "metric", "role", "n_train", "n_dev", "n_test"]
    columns += ["n_prompts", "title"]
    new = [name for name in card_names() if name not in {task.name for task in found}]
    note = f"Cards whose rows `sapo add-task NAME` fetches: {', '.join(new)}" if new else ""
    show_table(
        "Tasks",
        columns,
        [[row[column] for column in columns] for row in rows],
        "" if from_ else note,
    )
    noted: dict[str, list[str]] = {}
    for task in found:
        for remark in task.notes:
            noted.setdefault(remark, []).append(task.name)
    for remark, names in noted.items():
        say(f"Note on {', '.join(names)}: {remark}.")


def _row(task: Task) -> dict[str, object]:
    return {
        "name": task.name,
        "title": task.title,
        "family": task.family,
        "suite": task.suite,
        "metric": task.metric,
        "role": task.role,
        "labels": list(task.labels),
        **{f"n_{split}": n for split, n in task.sizes.items()},
        "n_prompts": len(task.wordings),
        "notes": list(task.notes),
    }


def prompts(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="A task's name; `sapo tasks` lists them.")
    ],
    model: Annotated[
        str, typer.Option(help="The model whose pretraining frequencies are shown.")
    ] = "pocket",
    from_: FromOption = None,
    runs: TaskRunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """List a task's prompts: the original first, then its paraphrases, then those you kept."""
    found_task = get_task(task, sources=sources_of(from_, runs, task))
    found = get_prompts(found_task, model_files.find_model(model).pretrained_folder)
    kept = [p for p in read_own_prompts(runs, task).prompts if p.use and p.equivalent]
    found += [Prompt(task, f"own-{i:02d}", p.text, p.source) for i, p in enumerate(kept, start=1)]
    if as_json:
        show_json([vars(prompt) for prompt in found])
        return
    rows = [(p.prompt_id, p.source, p.frequency, p.test_only, p.text) for p in found]
    note = f"frequency: pretraining examples of {model} that carried this text; –: not known"
    show_table(
        f"Prompts of {task}", ["prompt", "source", "frequency", "test-only", "text"], rows, note
    )

"""What can be studied: `sapo tasks`, `sapo prompts`, `sapo models`."""

from __future__ import annotations

from typing import Annotated

import typer

from sapo_analysis import model_files
from sapo_analysis.cli.options import JsonOption
from sapo_analysis.cli.output import show_json, show_table
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task, list_tasks


def tasks(as_json: JsonOption = False) -> None:
    """List the tasks: family, metric, size and declared role."""
    rows = [
        {
            "name": task.name,
            "title": task.title,
            "family": task.family,
            "suite": task.suite,
            "metric": task.metric,
            "role": task.role,
            "labels": list(task.labels),
            **{f"n_{split}": n for split, n in task.sizes.items()},
        }
        for task in list_tasks()
    ]
    if as_json:
        show_json(rows)
        return
    columns = ["name", "family", "suite", "metric", "role", "n_train", "n_dev", "n_test", "title"]
    show_table("Tasks", columns, [[row[column] for column in columns] for row in rows])


def prompts(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="A task's name; `sapo tasks` lists them.")
    ],
    model: Annotated[
        str, typer.Option(help="The model whose pretraining frequencies are shown.")
    ] = "pocket",
    as_json: JsonOption = False,
) -> None:
    """List a task's prompts: the original first, then its paraphrases and test-only prompts."""
    get_task(task)
    found = get_prompts(task, model_files.find_model(model).pretrained_folder)
    if as_json:
        show_json([vars(prompt) for prompt in found])
        return
    rows = [(p.prompt_id, p.source, p.frequency, p.test_only, p.text) for p in found]
    note = f"frequency: pretraining examples of {model} that carried this text; –: not known"
    show_table(
        f"Prompts of {task}", ["prompt", "source", "frequency", "test-only", "text"], rows, note
    )


def models(as_json: JsonOption = False) -> None:
    """List the models known by name: the shipped ones and those in the local Hugging Face cache."""
    found = model_files.list_models()
    if as_json:
        show_json(
            [
                {
                    "name": m.name,
                    "weights": m.weights,
                    "n_parameters": m.n_parameters,
                    "folder": str(m.folder),
                }
                for m in found
            ]
        )
        return
    rows = [(m.name, m.weights, m.n_parameters, str(m.folder)) for m in found]
    show_table(
        "Models",
        ["name", "weights", "parameters", "folder"],
        rows,
        "Any folder with a model may be given too.",
    )

"""Tasks of the user's own: `sapo add-task`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sapo_analysis import jobs
from sapo_analysis.analysis.wording import counted
from sapo_analysis.cli.options import DEFAULT_RUNS, RunsOption
from sapo_analysis.cli.output import say, show
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.tasks import SPLITS
from sapo_analysis.tasks.added import FOLDER
from sapo_analysis.tasks.adding import Added
from sapo_analysis.tasks.adding_files import add_card, add_source, add_table
from sapo_analysis.tasks.authors import INSTRUCTIONS
from sapo_analysis.tasks.card import Columns, HubData, read_card
from sapo_analysis.tasks.metrics import pairing_warnings
from sapo_analysis.tasks.sampling import KEEP, keep_for
from sapo_analysis.tasks.shipped_cards import card_names
from sapo_analysis.tasks.sources import read_source
from sapo_analysis.tasks.super_ni import is_task_file
from sapo_analysis.tasks.tables import read_table

FETCH_SECONDS = 3600


def add_task(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A file of rows (JSONL, CSV, JSON list, parquet), a task card (YAML) or the name"
            " of a shipped one, a task file of Super-NaturalInstructions, or a folder with"
            f" {INSTRUCTIONS}.",
        ),
    ],
    card: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The card (YAML) of a file of rows: its columns, prompts, …"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The task's name. [default: the file's or the card's]")
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="COL",
            help="Column of the input, or a text with {columns} in braces.",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COL", help="Column of the answer.")] = None,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="The original prompt.")] = None,
    suffix: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Line after the input that fixes the answer's form."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="A word the task answers with; repeat for each.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="How answers are scored. [default: by labels and answers]")
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Rows kept of train; a tenth as many of dev, a fifth of test. [default:"
            f" {KEEP['train']:,}; of a folder all]",
        ),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Add tasks of your own to the runs folder: rows are checked, sampled and written there."""
    refuse_if_read_only("no task can be added here")
    given = {
        "name": name,
        "suffix": suffix,
        "labels": label,
        "metric": metric,
        "prompt": prompt,
    }
    fields = {key: value for key, value in given.items() if value is not None}
    columns = {key: value for key, value in {"input": input_, "target": target}.items() if value}
    limits = None if keep is None else keep_for(keep)
    place = Path(path)
    if not os.path.exists(place) and place.name == path and not place.suffix:
        if path not in card_names():
            raise unknown(
                "file, folder or shipped task card",
                path,
                card_names(),
                "Of a file or folder give the path, seen from here.",
            )
    beside = [] if card is None else ["card"]
    if _is_hub_card(path):
        _refuse_options([*fields, *columns, *beside], "a card that names its data")
        _fetch(path, runs, keep)
        return
    with Console(stderr=True).status(f"Reading {place.name}"):
        if place.is_dir() or is_task_file(place):
            _refuse_options([*columns, *beside], "a folder of tasks or a task file")
            if place.is_dir():
                for left, reason in read_source(place).left_out.items():
                    say(f"Warning: {left} is left out: {reason}.")
            found = add_source(runs, place, fields, limits)
        elif place.suffix in (".yaml", ".yml"):
            _refuse_options([*columns, *beside], "a card that names its data")
            found = [add_card(runs, place, None, fields, limits or KEEP)]
        elif card is not None:
            _refuse_options(columns, "rows beside a card, which names the columns")
            found = [add_card(runs, card, read_table(place), fields, limits or KEEP)]
        else:
            found = [_add_rows(runs, place, fields, columns, limits or KEEP)]
    for added in found:
        _tell(added)
    say(_next_step([added.task.name for added in found], runs))
    for added in found:
        show(str(added.folder))


def _add_rows(
    runs: Path, path: Path, fields: dict[str, Any], columns: dict[str, str], keep: Any
) -> Added:
    table = read_table(path)
    missing = [f"--{key}" for key in ("input", "target") if key not in columns]
    missing += [] if "prompt" in fields else ["--prompt"]
    if missing:
        raise InputError(
            f"{', '.join(missing)} missing: a task needs the columns of its input and its answer"
            f" and a prompt, or a --card that has them. Columns of {table.name!r}:"
            f" {', '.join(map(repr, table.columns))}."
        )
    prompt = fields.pop("prompt")
    name = fields.pop("name", None) or re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-.")
    return add_table(runs, table, name, Columns(**columns), prompt, fields, keep)


def _is_hub_card(path: str) -> bool:
    if not Path(path).exists():
        return path in card_names()
    is_card = Path(path).is_file() and Path(path).suffix in (".yaml", ".yml")
    return is_card and isinstance(read_card(Path(path)).data, HubData)


def _refuse_options(given: Any, what: str) -> None:
    if given:
        raise InputError(
            f"--{', --'.join(given)} cannot be set for {what}. Leave it out, or write it into the"
            " card."
        )


def _fetch(card: str, runs: Path, keep: int | None) -> None:
    """Rows of a hub dataset are fetched by the engine, which has the library for it."""
    with Console(stderr=True).status(f"Fetching the rows of {Path(card).name}"):
        payload = {"card": card, "runs": str(runs), "keep": keep}
        answer = jobs.probe("fetch_task", payload, timeout=FETCH_SECONDS)
    sizes = ", ".join(f"{answer['sizes'][split]:,} {split}" for split in SPLITS)
    say(f"Added {answer['task']}: {sizes} rows, revision {answer['revision'] or 'none'}.")
    for note in answer["notes"]:
        say(f"Note on {answer['task']}: {note}.")
    say(_next_step([answer["task"]], runs))
    show(answer["folder"])


def _tell(added: Added) -> None:
    task, found = added.task, added.gathered
    sizes = ", ".join(f"{task.sizes[split]:,} {split}" for split in SPLITS)
    say(
        f"Added {task.name}: {sizes} rows, metric {task.metric},"
        f" {counted(len(task.wordings), 'prompt')}. {found.read:,} rows read, {found.repeated:,}"
        f" repeated, {found.left_out:,} left out."
    )
    for note in task.notes:
        say(f"Note on {task.name}: {note}.")
    for warning in pairing_warnings(task):
        say(f"Warning on {task.name}: {warning}")


def _next_step(names: list[str], runs: Path) -> str:
    where = "" if runs == DEFAULT_RUNS else f" --runs {runs}"
    return (
        f"See `sapo prompts {names[0]}{where}`. A study finds added tasks with the line"
        f" `tasks_from: [{runs / FOLDER}]`."
    )

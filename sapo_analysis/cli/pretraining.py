"""Making pocket models and measuring them: `sapo pretrain`, `sapo card`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, Field, ValidationError

from sapo_analysis import jobs
from sapo_analysis.cli.options import JsonOption
from sapo_analysis.cli.output import duration, number, say, show, show_json, show_table
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.model_files import CHECKPOINT, find_model
from sapo_analysis.tasks.pocket import task_names

_PRETRAIN_LIMIT_SECONDS = 7 * 24 * 3600.0
_CARD_LIMIT_SECONDS = 24 * 3600.0
_KINDS = ("original", "seen", "novel", "test-only")
# Another machine's rounding turns near ties: two answers of each prompt, and last digits of losses.
_ANSWERS_ALLOWED = 2
_LOSS_ALLOWED = 1e-3


class _Figures(BaseModel):
    score: float
    loss: float


class _Row(BaseModel):
    """One task of a card."""

    task: str
    n_examples: int
    original: _Figures
    seen: _Figures
    novel: _Figures
    test_only: _Figures = Field(alias="test-only")


class _Record(BaseModel):
    """What of `pretraining.json` is read here."""

    card: list[_Row] = Field(min_length=1)


def pretrain(
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="pocket, or smoke: a try of seconds.")
    ] = "pocket",
    seed: Annotated[int, typer.Option(min=0, help="Seed of initialisation, data and order.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the model. [default: models/NAME-SEED]"),
    ] = None,
) -> None:
    """Pretrain a pocket model from nothing on the pocket suite; the same command continues it."""
    folder = out or Path("models") / f"{preset}-{seed}"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {str(folder)!r} is a file. Give a folder for the model.")
    say(f"Pretraining {preset} at seed {seed} into {folder}")
    payload = {"preset": preset, "seed": seed, "out": str(folder.absolute())}
    try:
        answer = jobs.probe("pretrain", payload, timeout=_PRETRAIN_LIMIT_SECONDS, echo=True)
    except KeyboardInterrupt:
        held = (folder / CHECKPOINT).is_dir()
        how = "continues from its last checkpoint" if held else "begins anew: no checkpoint was due"
        say(f"Stopped. The same command {how}.")
        raise
    if "seconds" in answer:
        say(f"Pretrained in {duration(answer['seconds'])}, its card not counted.")
    show(f"The model is in {folder}. Use it with: sapo run demo --set model={folder}")


def card(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A pocket model's name or its folder.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Measure a pocket model's card again and hold it against the one it came with."""
    files = find_model(model)
    path = files.folder / "pretraining.json"
    if files.weights != "trained" or not path.is_file():
        raise InputError(
            f"Model {model!r} has no model card: only what `sapo pretrain` wrote has one."
            " Name such a model, for example pocket."
        )
    recorded = _recorded(path, model)
    if gone := [row["task"] for row in recorded if row["task"] not in task_names()]:
        raise InputError(
            f"The card of {model!r} has tasks that the suite no longer has: {', '.join(gone)}."
            " The model was made on another suite; its card can be measured with that alone."
        )
    n = recorded[0]["n_examples"]
    say(f"Measuring {len(recorded)} tasks with {n} test examples under each of their prompts")
    payload = {"model": model, "examples": n}
    measured = jobs.probe("card", payload, timeout=_CARD_LIMIT_SECONDS, echo=True)["card"]
    rows = _compared(recorded, measured)
    if as_json:
        show_json({"model": model, "card": measured, "differences": rows})
    else:
        columns = ["task", "prompts", "score", "on the card", "loss", "on the card"]
        keys = ("task", "kind", "score", "score_on_card", "loss", "loss_on_card")
        cells = [[_cell(row[key]) for key in keys] for row in rows]
        show_table(f"Model card of {model}", columns, cells)
    off = [f"{row['task']} ({row['kind']})" for row in rows if not row["within"]]
    if off:
        raise WorkError(
            f"{len(off)} of {len(rows)} figures differ from the card by more than"
            f" {_ANSWERS_ALLOWED} answers of {n} or {_LOSS_ALLOWED:.1%} of the loss: "
            + ", ".join(off)
        )
    say(f"All {len(rows)} figures are those of the card, within {_ANSWERS_ALLOWED} answers of {n}.")


def _recorded(path: Path, model: str) -> list[dict[str, Any]]:
    try:
        record = _Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"The card of {model!r} is damaged (file {path}, {where}): {first['msg']}."
            " Copy the model's folder in again, or pretrain it again."
        ) from error
    return [row.model_dump(by_alias=True) for row in record.card]


def _compared(recorded: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[Any]:
    now = {row["task"]: row for row in measured}
    rows = []
    for row in recorded:
        for kind in _KINDS:
            then, again = row[kind], now[row["task"]][kind]
            answers = abs(again["score"] - then["score"]) * row["n_examples"] / 100
            loss = abs(again["loss"] - then["loss"])
            rows.append(
                {
                    "task": row["task"],
                    "kind": kind,
                    "score": again["score"],
                    "score_on_card": then["score"],
                    "loss": again["loss"],
                    "loss_on_card": then["loss"],
                    "within": answers <= _ANSWERS_ALLOWED + 1e-6
                    and loss <= _LOSS_ALLOWED * max(then["loss"], 0.01),
                }
            )
    return rows


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)

"""Short questions to the engine: `sapo score`, `sapo pretrain`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sapo_analysis import jobs
from sapo_analysis.cli.options import JsonOption
from sapo_analysis.cli.output import duration, say, show, show_json, show_table
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import find_model
from sapo_analysis.prompts.validate import check_prompts
from sapo_analysis.spec import ScoringSettings
from sapo_analysis.tasks import get_task

_PRETRAIN_LIMIT_SECONDS = 7 * 24 * 3600.0


def score(
    model: Annotated[str, typer.Option(help="A known model's name or a folder with one.")],
    task: Annotated[str, typer.Option(help="A task's name; `sapo tasks` lists them.")],
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Prompts to score: one per line, or blocks parted by lines of ---."
            " [default: the task's own]",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Pre-update loss of every prompt of a task: nats per target token before any training."""
    find_model(model)
    get_task(task)
    texts = None if prompts is None else read_prompts(prompts)
    examples = ScoringSettings().examples
    with Console(stderr=True).status(f"Scoring {examples} examples per prompt"):
        payload = {"model": model, "task": task, "prompts": texts, "examples": examples}
        answer = jobs.probe("score", payload)
    if as_json:
        show_json(answer)
        return
    rows = [
        (p["prompt_id"], p["source"], p["n_tokens"], p["pre_update_loss"], p["content"], p["text"])
        for p in sorted(answer["prompts"], key=lambda p: float(p["pre_update_loss"]))
    ]
    show_table(
        f"{task} under {model}: pre-update loss, {answer['n_examples']} examples",
        ["prompt", "source", "tokens", "pre-update loss", "content loss", "text"],
        rows,
        "Nats per target token, lowest first. Content: without the end-of-turn token.",
    )


def read_prompts(path: Path) -> list[str]:
    """The prompts in a file: blocks parted by lines of `---` if there is such a line, else lines.

    Raises:
        InputError: the file cannot be read, or a prompt is empty or there twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot read prompts from {str(path)!r}: {error}. Give a UTF-8 text file."
        ) from error
    parts = re.split(r"^---[ \t]*$", text, flags=re.MULTILINE)
    blocks = (
        [part.strip("\r\n") for part in parts] if len(parts) > 1 else text.rstrip().splitlines()
    )
    check_prompts(blocks)
    return blocks


def pretrain(
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Which pocket model to make.")
    ] = "pocket",
    seed: Annotated[int, typer.Option(min=0, help="Seed of initialisation, data and order.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the model. [default: models/NAME-SEED]"),
    ] = None,
) -> None:
    """Pretrain a pocket model from nothing on the pocket suite; a study can name its folder."""
    folder = out or Path("models") / f"{preset}-{seed}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--out {str(folder)!r} exists and is not empty. Give a new folder.")
    say(f"Pretraining {preset} at seed {seed} into {folder}")
    payload = {"preset": preset, "seed": seed, "out": str(folder.absolute())}
    answer = jobs.probe("pretrain", payload, timeout=_PRETRAIN_LIMIT_SECONDS, echo=True)
    if "seconds" in answer:
        say(f"Pretrained in {duration(answer['seconds'])}.")
    show(f"The model is in {folder}. Use it with: sapo run demo --set model={folder}")

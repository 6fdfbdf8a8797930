"""Short questions to the engine: `sapo score`, `sapo rank`."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sapo_analysis import jobs
from sapo_analysis.cli.options import DEFAULT_RUNS, JsonOption
from sapo_analysis.cli.output import number, show_json, show_table
from sapo_analysis.cli.task_options import FromOption, TaskRunsOption, sources_of
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import find_model
from sapo_analysis.prompts.validate import check_prompts
from sapo_analysis.spec import EvaluationSettings, ScoringSettings
from sapo_analysis.tasks import get_task

ModelOption = Annotated[str, typer.Option(help="A known model's name or a folder with one.")]
TaskOption = Annotated[str, typer.Option(help="A task's name; `sapo tasks` lists them.")]
PromptsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Prompts to ask about: one per line, or blocks parted by lines of ---."
        " [default: the task's own]",
    ),
]


def score(
    model: ModelOption,
    task: TaskOption,
    prompts: PromptsOption = None,
    winner: Annotated[
        bool,
        typer.Option(
            "--winner",
            help="Find the lowest loss alone: faster, and of most other prompts only a lower bound"
            " is found.",
        ),
    ] = False,
    from_: FromOption = None,
    runs: TaskRunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Pre-update loss of every prompt of a task: nats per target token before any training."""
    sources = sources_of(from_, runs, task)
    examples = min(ScoringSettings().examples, get_task(task, sources=sources).sizes["train"])
    saying = f"Scoring {examples} examples per prompt"
    kind = "select" if winner else "score"
    answer = _ask(kind, model, task, sources, prompts, examples, saying)
    if as_json:
        show_json(answer)
        return
    # Without --winner every loss is exact.
    ordered = sorted(answer["prompts"], key=lambda p: (not p["exact"], p["pre_update_loss"]))
    columns = ["prompt", "source", "tokens", "pre-update loss", "content loss", "examples", "text"]
    rows = [
        (
            p["prompt_id"],
            p["source"],
            p["n_tokens"],
            p["pre_update_loss"] if p["exact"] else _at_least(p["pre_update_loss"]),
            p["content"],
            p["n_examples"],
            p["text"],
        )
        for p in ordered
    ]
    note = "Nats per target token, lowest first. Content: without the end-of-turn token."
    if winner:
        note = f"{note}\n{_outcome(answer)}"
    title = f"{task} under {model}: pre-update loss, {answer['n_examples']} examples"
    show_table(title, columns, rows, note)


def _at_least(bound: float) -> str:
    """A lower bound, rounded down: rounded up it would be none."""
    return f"≥ {number(math.floor(bound * 1000) / 1000, 3)}"


def _outcome(answer: dict[str, Any]) -> str:
    """Who won, by how much, for how much work."""
    done, full = answer["n_evaluations"], answer["n_full"]
    noise, gap = answer["noise"], answer["gap"]
    lines = [
        f"{answer['winner']} has the lowest loss. {done:,} of {full:,} evaluations"
        f" ({100 * done / full:.0f} %) were needed, and {answer['n_repeated']:,} to measure"
        " rounding.",
        "≥: dropped; its loss is at least this, more than the lowest.",
    ]
    if gap is not None:
        lines.append(
            f"The second lowest is {gap:.2g} higher; rounding moves a loss by {noise:.1g}."
        )
        if gap < 3 * noise:  # as close as selection itself would look twice at
            lines.append("Rounding alone may have decided between the two.")
    return "\n".join(lines)


def rank(
    model: ModelOption,
    task: TaskOption,
    prompts: PromptsOption = None,
    from_: FromOption = None,
    runs: TaskRunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Accuracy of choosing among a task's labels by likelihood; not the score of free answers."""
    sources = sources_of(from_, runs, task)
    examples = min(EvaluationSettings().examples, get_task(task, sources=sources).sizes["test"])
    saying = f"Ranking labels of {examples} examples per prompt"
    answer = _ask("rank_labels", model, task, sources, prompts, examples, saying)
    if as_json:
        show_json(answer)
        return
    rules = ["label_rank_sum", "label_rank_mean", "label_rank_trie"]
    rows = [
        (p["prompt_id"], p["source"], *(p[rule] for rule in rules), p["text"])
        for p in answer["prompts"]
    ]
    show_table(
        f"{task} under {model}: label ranking, {answer['n_examples']} test examples",
        ["prompt", "source", *rules, "text"],
        rows,
        f"Accuracy (0 to 100) of choosing among {', '.join(answer['labels'])}: by −log p of the"
        " label, by −log p per token,\nand by greedy decoding that can only write labels. Not to be"
        " compared with scores of free answers.",
    )


def _ask(
    kind: str,
    model: str,
    task: str,
    sources: tuple[str, ...],
    prompts: Path | None,
    examples: int,
    saying: str,
) -> dict[str, Any]:
    """Ask the engine about prompts; what can be refused without it is refused first."""
    find_model(model)
    texts = None if prompts is None else read_prompts(prompts)
    with Console(stderr=True).status(saying):
        payload = {
            "model": model,
            "task": task,
            "prompts": texts,
            "examples": examples,
            "tasks_from": sources,
        }
        return jobs.probe(kind, payload)


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

"""`sapo paraphrase`: candidates from an endpoint, a local model or a file, checked and kept."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sapo_analysis import jobs
from sapo_analysis.cli.options import DEFAULT_RUNS, JsonOption
from sapo_analysis.cli.output import say, show, show_json, show_table
from sapo_analysis.cli.task_options import FromOption, sources_of
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.model_files import find_model
from sapo_analysis.prompts import get_prompts
from sapo_analysis.prompts.checks import Checked, checker_of, folded
from sapo_analysis.prompts.endpoints import Failure, ask, budget_of, find_endpoint
from sapo_analysis.prompts.paste import Candidate
from sapo_analysis.prompts.replies import candidates_of
from sapo_analysis.prompts.request import request_text
from sapo_analysis.prompts.upload import parse_file
from sapo_analysis.prompts.wish import (
    PER_CALL,
    TEMPERATURE,
    check_number,
    check_seed,
    check_temperature,
)
from sapo_analysis.store import refuse_if_read_only
from sapo_analysis.store.own_prompts import add_own_prompts, read_own_prompts
from sapo_analysis.tasks import Task, get_task

WANTED = 20
_LONGEST_WAIT = 24 * 3600.0


def paraphrase(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="A task's name; `sapo tasks` lists them.")
    ],
    n: Annotated[
        int | None, typer.Option("--n", help=f"How many to ask for. [default: {WANTED}]")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask this endpoint of your file of them.")
    ] = None,
    local_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Ask this model on this machine.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Take them from a file: txt, csv, tsv, json or jsonl.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="One of the endpoint's models. [default: its first]"),
    ] = None,
    per_call: Annotated[
        int | None,
        typer.Option(
            help="Paraphrases in one reply of an endpoint; 1 makes independent calls, as the"
            f" released SAPO code does. [default: {PER_CALL}]"
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help=f"Of sampling, 0 to 2. [default: {TEMPERATURE}]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed gives others. [default: 0; endpoints: none]")
    ] = None,
    flagged: Annotated[
        bool, typer.Option("--flagged", help="Keep those too that are to be looked at.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Spend without asking first.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent and cost; send nothing.")
    ] = False,
    from_: FromOption = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder that they are kept in.")
    ] = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Get paraphrases of a task's original prompt, check each, and keep those that can be used."""
    given = {"--endpoint": endpoint, "--local-model": local_model, "--file": file}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise InputError(
            f"{' and '.join(chosen) or 'Nothing'} {'were' if chosen else 'was'} given to take"
            f" paraphrases from. Give one of {', '.join(given)}."
        )
    settings: dict[str, Any] = {"--model": model, "--per-call": per_call}
    if file is not None:
        settings |= {"--n": n, "--temperature": temperature, "--seed": seed}
        settings["--dry-run"] = dry_run or None
    if endpoint is None:
        _refuse(chosen[0], settings)
    known = get_task(task, sources=(sources := sources_of(from_, runs, task)))
    wish = _Wish(
        known,
        get_prompts(known)[0].text,
        WANTED if n is None else n,
        TEMPERATURE if temperature is None else temperature,
        seed,
        PER_CALL if per_call is None else per_call,
    )
    if dry_run:
        show(_preview(wish, endpoint, model))
        return
    refuse_if_read_only("no prompts can be added")
    own = [prompt.text for prompt in read_own_prompts(runs, task).prompts]
    if endpoint is not None:
        came = _from_endpoint(wish, endpoint, model, yes)
    elif local_model is not None:
        came = _from_model(wish, local_model, sources)
    else:
        came = _from_file(file or Path())
    checked = checker_of(known, get_prompts(known), own).check(came.candidates)
    wanted = {"use", "flagged"} if flagged else {"use"}
    kept = [one.text for one in checked if one.verdict in wanted]
    if kept:
        add_own_prompts(runs, task, kept, came.source, note=came.note)
    _tell(task, came, checked, kept, as_json)
    there = {folded(text) for text in own}
    if not kept and not any(folded(one.text) in there for one in checked):
        raise WorkError(_nothing(came, checked))


@dataclass(frozen=True)
class _Wish:
    """What is asked for."""

    task: Task
    original: str
    n: int
    temperature: float
    seed: int | None
    per_call: int


@dataclass(frozen=True)
class _Came:
    """What came of it; `cost` in words, "" where nothing is paid."""

    candidates: list[Candidate]
    source: str
    note: str = ""
    failures: list[Failure] = field(default_factory=list)
    cost: dict[str, Any] | None = None
    cost_sentence: str = ""


def _refuse(chosen: str, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        if value is not None:
            raise InputError(f"{name} says nothing about {chosen}. Leave it out.")


def _preview(wish: _Wish, endpoint: str | None, model: str | None) -> str:
    size = min(wish.n, wish.per_call) if endpoint is not None else 1
    lines = [request_text(wish.task, wish.original, size)]
    if endpoint is not None:
        found = find_endpoint(endpoint)
        budget = budget_of(found, **vars(wish), model=model)
        lines += [budget.sentence, *found.warnings(), found.missing_key()]
    return "\n\n".join(line for line in lines if line)


def _from_endpoint(wish: _Wish, endpoint: str, model: str | None, yes: bool) -> _Came:
    found = find_endpoint(endpoint)
    budget = budget_of(found, **vars(wish), model=model)
    if budget.calls:
        found.key()  # before anything is decided about money
    for warning in found.warnings():
        say(f"Warning: {warning}")
    say(budget.sentence)
    if budget.large and not yes:
        if not sys.stdin.isatty():
            raise InputError("This is more than is sent without asking. Say --yes to send it.")
        if not typer.confirm("Send it?", err=True):
            raise InputError("Nothing was sent. Ask for fewer with --n.")
    with Console(stderr=True).status("Asking …") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"Asking: {done:,} of {total:,} calls done")

        try:
            asked = ask(found, **vars(wish), model=model, progress=progress)
        except KeyboardInterrupt:
            say("Stopped. Replies that came are kept: the same command asks for the rest alone.")
            raise
    cost = {**asdict(asked.cost), "budget": asdict(budget)}
    return _Came(
        asked.candidates, asked.source, asked.note, asked.failures, cost, asked.cost.sentence
    )


def _from_model(wish: _Wish, model: str, sources: Sequence[str]) -> _Came:
    check_number(wish.n)
    check_temperature(wish.temperature, wish.n)
    seed = wish.seed or 0
    check_seed(seed)
    label = find_model(model).label
    payload = {
        "model": model,
        "task": wish.task.name,
        "n": wish.n,
        "temperature": wish.temperature,
        "seed": seed,
        "tasks_from": list(sources),
    }
    with Console(stderr=True).status(f"{label} is writing {wish.n} replies"):
        answer = jobs.probe("paraphrase", payload, _LONGEST_WAIT)
    replies = {
        f"reply {i}": (reply["text"], reply["cut_off"])
        for i, reply in enumerate(answer["replies"], start=1)
    }
    note = f"temperature {wish.temperature:g}, seed {seed}"
    return _Came(candidates_of(replies), f"model {label}", note)


def _from_file(path: Path) -> _Came:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r}: {error.strerror}.") from None
    return _Came(parse_file(path.name, content), "file")


def _tell(
    task: str, came: _Came, checked: Sequence[Checked], kept: Sequence[str], as_json: bool
) -> None:
    for failure in came.failures:
        say(f"{failure.what}: {failure.reason}.")
    if came.cost_sentence:
        say(came.cost_sentence)
    if as_json:
        show_json(
            {
                "task": task,
                "source": came.source,
                "note": came.note,
                "n_kept": len(kept),
                "candidates": [{**asdict(one), "kept": one.text in kept} for one in checked],
                "failures": [asdict(failure) for failure in came.failures],
                "cost": came.cost,
            }
        )
        return
    if checked:
        rows = [(_WORDS[c.verdict], c.place, "; ".join(c.reasons) or None, c.text) for c in checked]
        left = sum(one.verdict == "flagged" and one.text not in kept for one in checked)
        show_table(
            f"Paraphrases of {task} from {came.source}",
            ["check", "place", "reasons", "text"],
            rows,
            f"{len(kept)} kept among your prompts of {task}."
            + (" A study is made with them by the line `own_prompts: kept`." if kept else "")
            + (f" {left} to look at: --flagged keeps them too." if left else ""),
        )


_WORDS = {"use": "use", "flagged": "look", "refused": "refused"}


def _nothing(came: _Came, checked: Sequence[Checked]) -> str:
    if not checked:
        return f"Nothing came from {came.source}; the reasons stand above."
    return (
        f"None of {len(checked)} candidates from {came.source} was kept; the reasons stand above."
        " Look at them and take what you want with --flagged, or ask another model."
    )

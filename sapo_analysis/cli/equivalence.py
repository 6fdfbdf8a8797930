"""Do paraphrases ask for the same? `sapo equivalence`: what a base model answers under each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sapo_analysis import jobs
from sapo_analysis.analysis.equivalence import WITHOUT, Alike, Equivalence, equivalence
from sapo_analysis.cli.options import DEFAULT_RUNS, JsonOption
from sapo_analysis.cli.output import MISSING, number, say, show_json, show_table
from sapo_analysis.cli.task_options import FromOption, sources_of
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import ModelFiles, find_model
from sapo_analysis.prompts import Prompt, get_prompts
from sapo_analysis.store.base_answers import MOST_EXAMPLES, Answers, keep_answers, read_answers
from sapo_analysis.store.own_prompts import read_own_prompts
from sapo_analysis.tasks import Task, get_task

_EXAMPLES = 100


def equivalence_(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="A task's name; `sapo tasks` lists them.")
    ],
    model: Annotated[str, typer.Option(help="The base model that is asked.")] = "pocket",
    n: Annotated[
        int | None,
        typer.Option("--n", help="First dev examples that it answers. [default: 100, or all]"),
    ] = None,
    from_: FromOption = None,
    runs: Annotated[
        Path,
        typer.Option(
            "--runs", metavar="DIR", help="Folder with your own prompts; answers are kept in it."
        ),
    ] = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """How often a base model answers alike under each prompt of a task and under its original."""
    sources = sources_of(from_, runs, task)
    known, files = get_task(task, sources=sources), find_model(model)
    if n is None:
        n = min(_EXAMPLES, known.sizes["dev"])
    if not 1 <= n <= min(MOST_EXAMPLES, known.sizes["dev"]):
        raise InputError(
            f"--n {n} is not possible: task {task!r} has {known.sizes['dev']:,} dev examples, and"
            f" at most {MOST_EXAMPLES:,} are asked about."
        )
    prompts = [*get_prompts(known), *_own(runs, task)]
    answers = _answers(runs, known, files, [prompt.text for prompt in prompts], n, sources)
    found = equivalence(known, prompts[0].text, answers, n)
    named = {prompt.text: prompt for prompt in prompts}
    if as_json:
        show_json(_document(found, files, task, n, named))
        return
    rows = [_row(named[one.text], one, found) for one in (found.original, *found.prompts)]
    lost = found.cannot_tell
    note = (
        "Greedy answers on the first dev examples, compared with those under the original prompt."
        " By chance: alike if the answers of one prompt were dealt out at random."
        f"\nWithout any instruction {_percent(found.without.share)} % are alike."
        + (f"\nEquivalence cannot be told with this model. {found.cannot_tell}" if lost else "")
        + "\nNothing is marked by this: a low share is a reason to read the prompt."
    )
    columns = ["prompt", "source", "alike %", "95 %", "by chance %", "usable %", "score", "n"]
    title = f"{task} under {model}: answers alike, {n} dev examples"
    show_table(title, [*columns, "what that says", "text"], rows, note)


def _own(runs: Path, task: str) -> list[Prompt]:
    own = read_own_prompts(runs, task).prompts
    return [Prompt(task, f"own-{i:02d}", p.text, p.source) for i, p in enumerate(own, start=1)]


def _answers(
    runs: Path, task: Task, files: ModelFiles, texts: list[str], n: int, sources: Sequence[str]
) -> Answers:
    """The answers under each text and without one: those that are kept, and else asked for."""
    wanted = [*texts, WITHOUT]
    known = dict(read_answers(runs, task, files))
    missing = [text for text in wanted if len(known.get(text, ())) < n]
    if missing:
        say(f"Asking {files.name} {n:,} examples under {len(missing)} prompts …")
        payload = {"model": files.name, "task": task.name, "tasks_from": list(sources)}
        asked = jobs.probe(
            "equivalence", {**payload, "prompts": missing, "examples": n}, timeout=24 * 3600
        )
        given = {t: tuple(own) for t, own in zip(missing, asked["answers"], strict=True)}
        keep_answers(runs, task, files, asked["fingerprint"], given)
        known |= given
    return {text: known[text] for text in wanted}


def _row(prompt: Prompt, one: Alike, found: Equivalence) -> tuple[object, ...]:
    is_original = one is found.original
    return (
        prompt.prompt_id,
        prompt.source,
        MISSING if is_original else _percent(one.share),
        MISSING if is_original else f"{_percent(one.lower)} to {_percent(one.upper)}",
        _percent(one.by_chance),
        _percent(one.usable),
        number(one.score, 1),
        one.n,
        MISSING if is_original else found.remark(one),
        prompt.text,
    )


def _percent(share: float) -> str:
    return number(100 * share, 0)


def _document(
    found: Equivalence, files: ModelFiles, task: str, n: int, named: dict[str, Prompt]
) -> dict[str, Any]:
    return {
        "task": task,
        "model": files.name,
        "weights": files.weights,
        "n_examples": n,
        "cannot_tell": found.cannot_tell,
        "original": _values(found.original),
        "without_instruction": _values(found.without),
        "prompts": [
            {
                "prompt_id": named[one.text].prompt_id,
                "source": named[one.text].source,
                **_values(one),
                "remark": found.remark(one),
            }
            for one in found.prompts
        ],
    }


def _values(one: Alike) -> dict[str, Any]:
    """Shares are 0 to 1, the score 0 to 100."""
    return {**vars(one), "alike": one.share}

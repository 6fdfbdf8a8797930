"""One folder of stages, read: its order, its scores, its candidates, its outputs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sapo_analysis.analysis.importing.problems import Problems
from sapo_analysis.analysis.importing.released.names import (
    METHODS,
    OVERALL,
    strategy_of,
    tasks_of,
)
from sapo_analysis.analysis.importing.released.outputs import (
    TaskOutputs,
    outputs_by_task,
    storable,
)
from sapo_analysis.errors import InputError
from sapo_analysis.spec import Strategy
from sapo_analysis.store.released import (
    ALL_RESULTS,
    CANDIDATES,
    CHOSEN,
    OUTPUTS_OF_MODEL,
    OutputsFolder,
    ReleasedFiles,
    StageFolder,
    printable,
)

ORIGINAL = -1
"""Number of the candidate that is the prompt the task had before."""
MAX_TEXTS = 10**12
"""Texts scored or trained on are fewer."""
MAX_PROMPT = 20_000
"""Length of a prompt at most (characters)."""
SCORE = "predict_rougeL_for_"
"""Before a task's name: the key of its score."""
_TASK = re.compile(r"[\w.-]{1,200}")
_EXACT = "predict_exact_match_for_"


@dataclass(frozen=True)
class Candidate:
    """A prompt that a stage could be taught with.

    Attributes:
        number: As its files have it; -1 is the original.
        text: The prompt.
        loss: Pre-update loss in the released averaging (nats per token); None: not there, or NaN.
        n_examples: Training rows that it was scored on.
        seconds: What scoring it took; nan where that is not there.
    """

    number: int
    text: str
    loss: float | None
    n_examples: int
    seconds: float


@dataclass(frozen=True)
class Stage:
    """One stage: a task learned, then all tasks tested.

    Attributes:
        folder: As messages name it.
        task: What was learned.
        scores: ROUGE-L on every task of the order (0 to 100).
        exact_match: The same of exact match, where it is there.
        train_seconds: nan where it is not there.
        train_texts: Texts trained on, over all epochs; None where that is not there.
        candidates: In the order in which they were compared.
        prompts: By task, the text that it was trained or tested with, where the files say.
        outputs: By task, where they are there.
    """

    folder: str
    task: str
    scores: Mapping[str, float]
    exact_match: Mapping[str, float]
    train_seconds: float
    train_texts: int | None
    candidates: tuple[Candidate, ...]
    prompts: Mapping[str, str]
    outputs: Mapping[str, TaskOutputs]


@dataclass(frozen=True)
class ReleasedChain:
    """One strategy on one order.

    Attributes:
        outputs: The folder it was read from.
        folder: As messages name it.
        strategy: policy+method.
        model: As its folder names it; "" where none does.
        stages: In order.
        also_scored: Names that were scored and that no stage learned.
    """

    outputs: OutputsFolder
    folder: str
    strategy: Strategy
    model: str
    stages: tuple[Stage, ...]
    also_scored: tuple[str, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """The tasks as they were learned."""
        return tuple(stage.task for stage in self.stages)


def read_chain(files: ReleasedFiles, outputs: OutputsFolder, problems: Problems) -> ReleasedChain:
    """Everything that a folder of stages holds.

    Args:
        files: Reads them.
        outputs: The folder.
        problems: Gathers scores that are missing or no scores.

    Raises:
        InputError: a file cannot be read, the folder names no strategy, stages are not numbered
            from 1 on, or their names and those of the scores do not fit each other.
    """
    folder = files.named(outputs.path)
    strategy, model = _strategy(outputs, folder)
    _check_numbers(outputs, folder)
    results = [files.json(stage.path / ALL_RESULTS) for stage in outputs.stages]
    scored = list(dict.fromkeys(name for found in results for name in scored_names(found or {})))
    try:
        tasks = tasks_of([stage.task for stage in outputs.stages], scored)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    order = [tasks[stage.task] for stage in outputs.stages]
    if odd := [task for task in order if not _TASK.fullmatch(task)]:
        raise InputError(
            f"{folder}: {odd[0][:80]!r} cannot be a task's name, which has letters, digits, _, -"
            " and . alone, at most 200."
        )
    stages = tuple(
        _read_stage(files, stage, order[i], order, found, strategy, problems)
        for i, (stage, found) in enumerate(zip(outputs.stages, results, strict=True))
    )
    others = tuple(name for name in scored if name not in order and name != OVERALL)
    return ReleasedChain(outputs, folder, strategy, model, stages, others)


def scored_names(results: Mapping[str, Any]) -> list[str]:
    """The names that a file of metrics has a ROUGE-L of."""
    return [key.removeprefix(SCORE) for key in results if key.startswith(SCORE)]


def score_of(results: Mapping[str, Any], task: str) -> tuple[float | None, str]:
    """A task's ROUGE-L in a file of metrics; None, and why, where it is not there."""
    value = results.get(f"{SCORE}{task}")
    if value is None:
        return None, "not there"
    score = as_number(value)
    if score is None:
        return None, f"{type(value).__name__} in place of a number"
    if math.isnan(score):
        return None, "nan"
    if not 0 <= score <= 100:
        return None, f"{score:g}, not between 0 and 100"
    return score, ""


def as_number(value: Any) -> float | None:
    """A number of a JSON file; None where it is none, infinite where it is too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _strategy(outputs: OutputsFolder, folder: str) -> tuple[Strategy, str]:
    found = strategy_of(outputs.above)
    if found is None:
        raise InputError(
            f"{folder} lies in no folder that names its strategy. Known as released: LoraInc,"
            f" LoraInc_SAPO, O-LoRA, O-LoRA_SAPO (for {', '.join(METHODS.values())}); any other by"
            " policy+method, as in random+lora. Name the folder above MODEL/ORDER so."
        )
    strategy, place = found
    below = outputs.above[place + 1 :]
    return strategy, printable(below[0]) if len(below) > 1 else ""


def _check_numbers(outputs: OutputsFolder, folder: str) -> None:
    numbers = [stage.number for stage in outputs.stages]
    if numbers != list(range(1, len(numbers) + 1)):
        raise InputError(
            f"{folder}: stages are numbered {', '.join(map(str, numbers))}, and not 1, 2, 3 …, each"
            " once. Copy in the folders that are missing, or take out those that do not belong."
        )
    if len(numbers) < 2:
        raise InputError(
            f"{folder} has a single stage, and a sequence needs at least two. Copy in the others."
        )


def _read_stage(
    files: ReleasedFiles,
    stage: StageFolder,
    task: str,
    order: list[str],
    results: dict[str, Any] | None,
    strategy: Strategy,
    problems: Problems,
) -> Stage:
    folder = files.named(stage.path)
    if results is None:
        problems.add(f"{folder} has no {ALL_RESULTS}: no score on {', '.join(order)}")
    scores = _scores(results, folder, order, problems) if results is not None else {}
    results = results or {}
    path = stage.path / OUTPUTS_OF_MODEL
    outputs = outputs_by_task(files.lines(path), files.named(path))
    candidates = _candidates(files, stage, task)
    if candidates and strategy.policy == "original":
        problems.add(
            f"{folder} has candidates in {CANDIDATES}, but the folder above it says {strategy},"
            " which chooses among none. Is it in the wrong folder"
        )
    chosen = _prompts(files, stage)
    used = {name: own.prompt for name, own in outputs.items() if own.prompt is not None}
    return Stage(
        folder=folder,
        task=task,
        scores=scores,
        exact_match={
            name: value
            for name in order
            if (value := as_number(results.get(f"{_EXACT}{name}"))) is not None
        },
        train_seconds=_number(results.get("train_runtime")),
        train_texts=_texts(results),
        candidates=candidates,
        prompts={**chosen, **used},
        outputs={name: outputs[name] for name in order if name in outputs},
    )


def _scores(
    results: Mapping[str, Any], folder: str, order: list[str], problems: Problems
) -> dict[str, float]:
    found = {}
    missing = []
    for task in order:
        value, why = score_of(results, task)
        if value is None:
            missing.append(f"{task} ({why})")
        else:
            found[task] = value
    if missing:
        problems.add(
            f"{folder}/{ALL_RESULTS} has no ROUGE-L, and a missing score never becomes a zero, on"
            f" {', '.join(missing)}"
        )
    return found


def _candidates(files: ReleasedFiles, stage: StageFolder, task: str) -> tuple[Candidate, ...]:
    """Candidates that were scored, the original first."""
    numbered = files.candidates(stage)
    without = sorted(set(numbered["predict_results"]) - set(numbered["instruction"]))
    if without:
        raise InputError(
            f"{files.named(stage.path)}/{CANDIDATES} has losses without prompts: no"
            f" instruction_N.json for N = {', '.join(map(str, without))}. Copy them in."
        )
    found = []
    for number, path in sorted(numbered["predict_results"].items()):
        results = files.json(path) or {}
        where = files.named(path)
        prompt_path = numbered["instruction"][number]
        prompts = _instructions(files.json(prompt_path) or {}, files.named(prompt_path))
        if task not in prompts:
            raise InputError(
                f"{files.named(prompt_path)} has no instruction for {task!r}, the task of its"
                f" stage. It has: {', '.join(prompts) or 'none'}."
            )
        n_examples = results.get("predict_samples")
        if type(n_examples) is not int or not 0 < n_examples < MAX_TEXTS:
            raise InputError(f"{where}: 'predict_samples' is no number of examples.")
        found.append(
            Candidate(
                number=number,
                text=prompts[task],
                loss=_loss(results, where),
                n_examples=n_examples,
                seconds=_number(results.get("predict_runtime")),
            )
        )
    return tuple(found)


def _loss(results: Mapping[str, Any], where: str) -> float | None:
    if "predict_loss" not in results:
        raise InputError(f"{where} has no 'predict_loss'.")
    value = results["predict_loss"]
    if value is None:
        return None
    loss = as_number(value)
    if loss is None:
        raise InputError(f"{where}: 'predict_loss' holds {type(value).__name__}, not a number.")
    if math.isnan(loss):
        return None
    if not 0 < loss < 1e6:
        raise InputError(f"{where}: 'predict_loss' is {loss:g}, which is no loss.")
    return loss


def _prompts(files: ReleasedFiles, stage: StageFolder) -> dict[str, str]:
    """The prompts that a stage was trained and tested with, by task; none where it chose none."""
    path = stage.path / CANDIDATES / CHOSEN
    if not path.parent.exists():
        return {}
    return _instructions(files.json(path) or {}, files.named(path))


def _instructions(data: Mapping[str, Any], where: str) -> dict[str, str]:
    found = {}
    for task, entry in data.items():
        text = entry.get("instruction") if isinstance(entry, dict) else None
        if not isinstance(text, str):
            raise InputError(f"{where}: {task[:80]!r} has no text as its 'instruction'.")
        if len(text) > MAX_PROMPT:
            raise InputError(
                f"{where}: the instruction of {task[:80]!r} has {len(text):,} characters; at most"
                f" {MAX_PROMPT:,} are read."
            )
        found[task] = storable(text)
    return found


def _number(value: Any) -> float:
    """A number from 0 on; nan where there is none."""
    number = as_number(value)
    return math.nan if number is None or not 0 <= number < math.inf else number


def _texts(results: Mapping[str, Any]) -> int | None:
    n = _number(results.get("train_samples")) * _number(results.get("epoch"))
    return round(n) if n < MAX_TEXTS else None

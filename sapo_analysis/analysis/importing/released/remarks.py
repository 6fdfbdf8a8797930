"""What a reader of released outputs should know of them, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sapo_analysis.analysis.importing.released.reading import ReleasedChain, Stage, as_number
from sapo_analysis.analysis.wording import counted
from sapo_analysis.store.released import ALL_RESULTS, CANDIDATES, CHOSEN, EVALUATION

SHOWN = 6
"""Of a list so many are named."""
_ROUNDING = 1e-3
"""What rounding to four decimals, twice, can make of a score."""
_FLAT = 1e-9
"""Losses closer than this are the same."""


def remarks(chains: Sequence[ReleasedChain], evaluations: Sequence[Any]) -> list[str]:
    """Everything noticed.

    Args:
        chains: What was read.
        evaluations: Of each, the content of `results.json`; None where there is none.
    """
    found: list[str] = []
    for chain, evaluation in zip(chains, evaluations, strict=True):
        found += _scores(chain)
        found += _filled_in(chain, evaluation)
        found += _choices(chain)
    found += _scaled(chains)
    return list(dict.fromkeys(found))


def _scores(chain: ReleasedChain) -> Iterator[str]:
    if chain.also_scored:
        yield (
            f"{chain.folder}: {_listed(chain.also_scored)} were scored and no stage learned them;"
            " they are left out."
        )
    zeros, differing = [], []
    for stage in chain.stages:
        for task, value in stage.scores.items():
            outputs = stage.outputs.get(task)
            if value == 0:
                empty = (
                    f" ({outputs.n_empty:,} of {outputs.n:,} outputs are empty)" if outputs else ""
                )
                zeros.append(f"{task} in {_last(stage)}{empty}")
            given = stage.exact_match.get(task)
            if outputs and given is not None and abs(given - outputs.exact_match) > _ROUNDING:
                differing.append(
                    f"{task} in {_last(stage)}, {given:.2f} against {outputs.exact_match:.2f}"
                )
    if zeros:
        yield (
            f"{chain.folder}: scores of exactly 0: {_listed(zeros)}. The released code gives 0 to"
            " an output whose answer it did not find, and to any text without Latin letters or"
            " digits."
        )
    if differing:
        yield (
            f"{chain.folder}: exact match in {ALL_RESULTS} is not that of the outputs beside it:"
            f" {_listed(differing)}."
        )


def _filled_in(chain: ReleasedChain, evaluation: Any) -> Iterator[str]:
    """Zeros that the released evaluation put in place of scores that it did not find."""
    if not isinstance(evaluation, dict):
        return
    rows = evaluation.get("trained_performance")
    if not isinstance(rows, list) or len(rows) != len(chain.stages):
        return
    n = sum(
        value == 0 and score != 0
        for stage, row in zip(chain.stages, rows, strict=True)
        if isinstance(row, list) and len(row) == len(chain.order)
        for score, value in zip(map(stage.scores.get, chain.order), row, strict=True)
    )
    if n:
        yield (
            f"{chain.folder}/{EVALUATION} has 0 in place of {counted(n, 'score')} that"
            f" {ALL_RESULTS} does hold (the released evaluation looks tasks up by their folders'"
            " names): its AP, BWT and FWT are not these tasks'."
        )


def _choices(chain: ReleasedChain) -> Iterator[str]:
    if chain.strategy.policy == "original":
        return
    without = [_last(stage) for stage in chain.stages if not stage.candidates]
    if without:
        yield (
            f"{chain.folder}: no losses of candidates in {_listed(without)}; what was chosen there,"
            " and by what, is known only where the files say so."
        )
    for stage in chain.stages:
        yield from _choice(stage)
    yield from _changed(chain)


def _choice(stage: Stage) -> Iterator[str]:
    where = f"{stage.folder}/{CANDIDATES}"
    if not stage.candidates:
        return
    if lost := [c.number for c in stage.candidates if c.loss is None]:
        yield (
            f"{where}: no loss of {counted(len(lost), 'candidate')}"
            f" ({_listed(map(str, lost))}): NaN, as where no label was left after truncation. The"
            " released code never chooses such a prompt."
        )
    texts = [candidate.text for candidate in stage.candidates]
    if again := len(texts) - len(set(texts)):
        yield f"{where}: {counted(again, 'candidate')} repeat the text of another one."
    if not all(text.strip() for text in texts):
        yield f"{where}: a candidate is empty, as where the paraphraser gave no answer."
    known = [(c.loss, c.text) for c in stage.candidates if c.loss is not None]
    text = stage.prompts.get(stage.task)
    if text is None:
        yield f"{where}: which candidate was chosen is not recorded (no {CHOSEN})."
    if text is None or not known:
        return
    own = [loss for loss, candidate in known if candidate == text]
    lowest = min(loss for loss, _ in known)
    if not own:
        yield f"{stage.folder}: the prompt it was trained with is none of its scored candidates."
    elif min(own) > lowest + _FLAT:
        yield (
            f"{stage.folder}: the prompt it was trained with has a loss of {min(own):.4f}, not the"
            f" lowest ({lowest:.4f})."
        )


def _changed(chain: ReleasedChain) -> Iterator[str]:
    """Tasks that are tested with another prompt than they were learned with."""
    trained = {stage.task: stage.prompts.get(stage.task) for stage in chain.stages}
    others = []
    for i, stage in enumerate(chain.stages):
        for task in chain.order[:i]:
            now, then = stage.prompts.get(task), trained[task]
            if now is not None and then is not None and now != then:
                others.append(f"{task} in {_last(stage)}")
    if others:
        yield (
            f"{chain.folder}: tested with another prompt than the one learned with:"
            f" {_listed(others)}."
        )


def _scaled(chains: Sequence[ReleasedChain]) -> Iterator[str]:
    """A fault of the released code: from the third stage on another state is scored."""
    scored = [
        stage
        for chain in chains
        for stage in chain.stages[2:]
        if any(candidate.loss is not None for candidate in stage.candidates)
    ]
    if scored:
        yield (
            "Pre-update losses from the third stage on: as released, they were measured on a model"
            " whose learned update was divided by the number of tasks learned (adapter_ori keeps"
            " lora_alpha while ranks add up), not at the state that was trained."
        )


def _last(stage: Stage) -> str:
    return stage.folder.rsplit("/", 1)[-1]


def _listed(names: Any) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def base_of(evaluation: Any, order: Sequence[str]) -> dict[str, float] | None:
    """The base model's scores as `results.json` has them; None where it lacks one.

    A 0 there stands for a score that was not found: it counts as lacking.
    """
    values = evaluation.get("original_performance") if isinstance(evaluation, dict) else None
    if not isinstance(values, list) or len(values) != len(order):
        return None
    scores = [as_number(value) for value in values]
    known = [score for score in scores if score is not None and 0 < score <= 100]
    return dict(zip(order, known, strict=True)) if len(known) == len(order) else None

"""What becomes of inputs that are longer than a study allows: refused, cut or dropped.

Decided on the input text alone, by the model's own tokens and before anything is measured, so that
every prompt, past or future, meets the same examples. Only what the study reads is looked at.
Prompt, answer format and target are never cut.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.errors import InputError
from sapo_analysis.models.control_tokens import tokenise
from sapo_analysis.models.encoding import Encoder, count_tokens
from sapo_analysis.models.loading import context_length_of, load_tokenizer
from sapo_analysis.models.too_long import LISTED, listed
from sapo_analysis.plan import Plan, SequencePlan
from sapo_analysis.spec import InputSettings
from sapo_analysis.studies import rows
from sapo_analysis.studies.readings import readings
from sapo_analysis.studies.sequence import rows as sequence_rows
from sapo_analysis.tasks.base import Example, Split, Task

AnyPlan = TypeVar("AnyPlan", bound=Plan | SequencePlan)


@dataclass(frozen=True)
class Fitted:
    """The examples of one split after long inputs were dealt with.

    `too_long` are the numbers of the rows concerned (from 0, in the order of the file), `longest`
    the length of the longest input met (tokens).
    """

    examples: list[Example]
    too_long: list[int]
    longest: int

    def told(self) -> dict[str, Any]:
        """How many rows were concerned, and which: the first of them."""
        return {"n": len(self.too_long), "rows": self.too_long[:LISTED]}


def fitted(plan: AnyPlan) -> tuple[AnyPlan, dict[str, Any] | None]:
    """A plan whose tasks have inputs that are short enough, and what was done to them.

    What was done is None where the study sets no limit, else it names the setting and, by task and
    split, how many inputs were cut or dropped and their row numbers (from 0, in the order of the
    file; the first of them).

    Raises:
        InputError: inputs are too long and the study refuses them (all are counted and the first
            listed), or too few examples are left.
    """
    limit = plan.study.inputs.max_tokens
    if limit is None:
        return plan, None
    tokenizer = load_tokenizer(plan.model)
    found = {
        name: {
            split: fit_rows(tokenizer, plan.study.inputs, plan.tasks[name], split, n, least)
            for split, n, least in counts
        }
        for name, counts in _wanted(plan).items()
    }
    if plan.study.inputs.too_long == "refuse":
        _refuse(plan, tokenizer, limit, found)
    tasks = {name: _with(plan.tasks[name], own) for name, own in found.items()}
    concerned = {
        name: {split: fit.told() for split, fit in own.items() if fit.too_long}
        for name, own in found.items()
    }
    report = {
        **plan.study.inputs.model_dump(mode="json"),
        "tasks": {name: own for name, own in concerned.items() if own},
    }
    return replace(plan, tasks=tasks), report


def fit_rows(
    tokenizer: PreTrainedTokenizerBase,
    inputs: InputSettings,
    task: Task,
    split: Split,
    n: int,
    least: int,
) -> Fitted:
    """The first `n` examples of a split with inputs of at most `inputs.max_tokens` tokens.

    Cut, an input keeps its first tokens; dropped, later rows take the place of a longer one;
    refused, it is left as it is and counted.

    Raises:
        InputError: fewer than `least` examples are left.
    """
    limit = inputs.max_tokens
    assert limit is not None, "callers ask where there is a limit"
    all_rows = task.examples(split)
    kept: list[Example] = []
    too_long: list[int] = []
    longest = 0
    for i, row in enumerate(all_rows):
        if len(kept) == n:
            break
        (length,) = count_tokens(tokenizer, [row.input])
        longest = max(longest, length)
        if length > limit:
            too_long.append(i)
            if inputs.too_long == "drop":
                continue
            if inputs.too_long == "cut":
                row = replace(row, input=cut(tokenizer, row.input, limit))
        kept.append(row)
    if len(kept) < least:
        raise InputError(
            f"Task {task.name!r} has {len(kept)} {split} examples whose input is no longer than"
            f" inputs.max_tokens = {limit}; {len(too_long)} of {len(all_rows)} are longer and the"
            f" study reads {least}. Ask for at most {len(kept)}, raise inputs.max_tokens, or set"
            " inputs.too_long to cut."
        )
    return Fitted(kept, too_long, longest)


def cut(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> str:
    """The longest beginning of a text that is made of whole tokens, at most `limit` of them.

    It is cut between tokens and never inside a character or what belongs to one (accents, joined
    emoji).
    """
    _, offsets = tokenise(tokenizer, text, [(0, len(text))])
    for n in range(min(limit, len(offsets)), 0, -1):
        end = max(stop for _, stop in offsets[:n])
        while 0 < end < len(text) and _belongs_together(text[end - 1], text[end]):
            end -= 1
        # By itself a beginning can take more tokens than it took in the whole text, also where its
        # last character takes several.
        if count_tokens(tokenizer, [text[:end]])[0] <= limit:
            return text[:end]
    return ""


def _belongs_together(before: str, after: str) -> bool:
    joiner = "\u200d"
    return joiner in (before, after) or unicodedata.category(after) in ("Mn", "Mc", "Me", "Sk")


def _wanted(plan: Plan | SequencePlan) -> dict[str, list[tuple[Split, int, int]]]:
    """Of each task: (split, how many first examples the study reads, how many it cannot spare)."""
    needed = sequence_rows.reads(plan) if isinstance(plan, SequencePlan) else rows.reads(plan)
    read = rows.with_demonstrations(plan, needed)
    # Fine-tunes are watched and checkpoints judged on whatever dev examples there are.
    least = 0 if isinstance(plan, SequencePlan) else plan.study.scoring.diagnostics
    needed = {name: {**own, "dev": least} for name, own in needed.items()}
    return {
        name: [(split, n, needed[name].get(split, 0)) for split, n in counts.items()]
        for name, counts in read.items()
    }


def _with(task: Task, own: Mapping[Split, Fitted]) -> Task:
    """The task with these examples alone: what nobody looked at, nobody can read."""
    splits = {split: found.examples for split, found in own.items()}
    return replace(task, load=lambda split: splits.get(split, []))


def _refuse(
    plan: AnyPlan,
    tokenizer: PreTrainedTokenizerBase,
    limit: int,
    found: Mapping[str, Mapping[Split, Fitted]],
) -> None:
    concerned = [
        (
            found[name][split].longest,
            f"task {name!r}, {split}: {len(own.too_long)} of {len(own.examples)}"
            f" (rows {listed(own.too_long)}; the longest has {own.longest} tokens)",
        )
        for name, splits in found.items()
        for split, own in splits.items()
        if own.too_long
    ]
    if concerned:
        raise InputError(
            f"Inputs are longer than inputs.max_tokens = {limit}:\n"
            + "\n".join(f"  {line}" for _, line in concerned)
            + f"\n{_next_step(plan, tokenizer, limit, max(n for n, _ in concerned))}"
        )


def _next_step(plan: AnyPlan, tokenizer: PreTrainedTokenizerBase, limit: int, longest: int) -> str:
    """What to do about inputs above the limit: no limit is named that the model could not read."""
    encoder = Encoder(tokenizer, context_length_of(plan.model))
    # What stands behind demonstrations has a setting of its own, and is looked at by itself.
    misfits = encoder.misfits(reading for reading in readings(plan) if reading.n_shots == 0)
    if not misfits:
        return f"Raise inputs.max_tokens to {longest}, or set inputs.too_long to cut or drop."
    room = min(misfit.room for misfit in misfits)
    said = (
        f"The model reads at most {encoder.max_length} tokens, and with prompt, target and room for"
        " the answer the longest do not fit"
    )
    if room <= 0:
        return f"{said} without any input either: leave the longest prompts out."
    if room > limit:
        return f"{said}: set inputs.too_long to cut or drop; inputs.max_tokens can be up to {room}."
    return f"{said}: set inputs.max_tokens to {room} and inputs.too_long to cut or drop."

"""The released SAPO settings where they are known, and what differs all the same (methods §13)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import find_model
from sapo_analysis.plan.candidates import prompt_bank
from sapo_analysis.spec import AnyStudy, LoraSettings, SequenceStudy, parse_study
from sapo_analysis.tasks import get_task

PARITY_SETTINGS = ("lora", "training", "scoring", "prompts", "o_lora", "dtype")
"""Settings that parity decides."""

_EXAMPLES, _BATCH, _EPOCHS, _CANDIDATES, _SCORED = 1000, 64, 10, 20, 250
_WARMUP = 8 / 150
"""Eight warm-up steps of 150."""
_FREEZING = ("lora-inc", "o-lora")
"""Methods that the release has, both of which freeze earlier adapters."""
_O_LORA = 4.0
"""0.5, added in each of eight micro-batches of a step and never divided."""


def paper_parity(study: AnyStudy) -> tuple[AnyStudy, list[str]]:
    """The study under the released settings, and every known deviation that is left.

    Where a task has fewer rows or prompts than the release used, all it has are taken and it is
    said. Steps follow from rows as in the release: ten epochs of whole batches of 64.

    Raises:
        InputError: a task or model is unknown, or a strategy trains all weights.
    """
    if isinstance(study, SequenceStudy):
        _check_adapters_alone(study)
    tasks = [get_task(name, study.data_seed, study.tasks_from) for name in _trained(study)]
    n = min([_EXAMPLES, *(len(task.examples("train")) for task in tasks)])
    model = find_model(study.model)
    offered = min(sum(not p.test_only for p in prompt_bank(t, model)[1:]) for t in tasks)
    steps = _EPOCHS * max(1, n // _BATCH)
    changes = {
        "lora": LoraSettings(
            r=8, lora_alpha=32, lora_dropout=0.1, target_modules=("q_proj", "v_proj")
        ),
        "training": study.training.model_copy(
            update={
                "examples": n,
                "batch_size": _BATCH,
                "steps": steps,
                "learning_rate": 1e-4,
                "schedule": "constant",
                "warmup_steps": math.ceil(_WARMUP * steps),
                "weight_decay": 0.0,
                "max_grad_norm": 1.0,
            }
        ),
        "prompts": min(_CANDIDATES, offered),
        "dtype": "bfloat16",
    }
    scoring = study.scoring.model_copy(update={"examples": min(_SCORED, n), "batch_size": 8})
    if isinstance(study, SequenceStudy):
        scoring = scoring.model_copy(update={"early_stop": False})
        changes["o_lora"] = study.o_lora.model_copy(update={"weight": _O_LORA})
    found = study.model_copy(update={**changes, "scoring": scoring})
    # Once more through the checks: what a copy was given was not looked at.
    return parse_study(found.model_dump(mode="json"), "The study under --paper-parity"), [
        *_deviations(found, n, offered)
    ]


def _check_adapters_alone(study: SequenceStudy) -> None:
    if whole := [str(s) for s in study.chosen_strategies if s.method == "full"]:
        raise InputError(
            f"--paper-parity trains in bfloat16, in which {', '.join(whole)} would lose small steps"
            " to rounding; the release trains adapters alone. Leave one of the two out."
        )


def _trained(study: AnyStudy) -> tuple[str, ...]:
    if isinstance(study, SequenceStudy):
        return study.tasks
    return (*study.past, *study.current)


def _deviations(study: AnyStudy, n: int, offered: int) -> Iterator[str]:
    if isinstance(study, SequenceStudy):
        yield (
            "test prompts: what is tested and concluded is with original prompts; the release tests"
            " a learned task with the prompt it was learned with (column *training* here)"
        )
    if n == _EXAMPLES:
        yield f"training: {n:,} examples as for SuperNI; for TRACE the release has 3,000"
    else:
        yield (
            f"training: {n} examples and {study.training.steps} steps, as a task has no more; the"
            " release has 1,000 (SuperNI) or 3,000 (TRACE) and ten epochs"
        )
    if offered < _CANDIDATES:
        yield f"candidates: {offered} paraphrases a task offers; the release writes 20"
    yield (
        "candidates: the project's own paraphrases, checked; the release has gemini-2.5-pro write"
        " them and lets an empty reply win"
    )
    freezes = isinstance(study, SequenceStudy) and any(
        s.method in _FREEZING for s in study.chosen_strategies
    )
    if freezes or not isinstance(study, SequenceStudy):
        yield (
            "state: earlier adapters count at full scale; the release divides them by their number"
            " when it scores prompts"
        )
    if freezes:
        yield "earlier adapters: without dropout; the release drops from their input too"
    yield (
        "loss: token mean of the batch; the release takes it per GPU and averages the eight means"
    )
    yield "warm-up: linear; the release's is logarithmic (DeepSpeed), constant afterwards in both"
    yield "gradient clipping at 1 and no weight decay: not known of the release"
    yield f"scored rows: {study.scoring.examples} as for SuperNI; for TRACE the release has 1,000"
    yield (
        "targets are found by character offsets and texts are never cut; the release compares"
        " lengths and cuts suffix and label first"
    )
    yield "score: each task's own metric; the release takes ROUGE-L for every task"
    yield "answers: as many new tokens as a task's targets need; the release decodes 128"
    if len(study.seeds) > 1:
        yield f"seeds: {len(study.seeds)}; the release has one"
    if any(study.own_prompts.values()):
        yield f"candidates: prompts of your own beside these, for {', '.join(study.own_prompts)}"
    if isinstance(study, SequenceStudy):
        others = [
            str(s)
            for s in study.chosen_strategies
            if s.policy not in ("original", "sapo") or s.method not in _FREEZING
        ]
        if others:
            yield (
                f"strategies that the release has no script for: {', '.join(others)}; it has"
                " original and sapo with lora-inc and o-lora"
            )
    yield "test rows: the first ones, as the spec says; the release takes all"

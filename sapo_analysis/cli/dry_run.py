"""What a study would do and cost: `sapo run --dry-run`."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from sapo_analysis import jobs
from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.analysis.next_study.planning import outlook
from sapo_analysis.analysis.wording import counted
from sapo_analysis.cli.output import duration, show, show_table, size
from sapo_analysis.plan import AnyPlan, EngineName, Plan, SequencePlan, order_name, plan_of
from sapo_analysis.reuse import Reuse
from sapo_analysis.spec import AnyStudy

Cost = dict[str, Any]
Lines = list[tuple[str, str]]


def show_plan(
    study: AnyStudy, engine: EngineName, reuse: Reuse | None, trust_remote_code: bool = False
) -> None:
    """Print what a study would do and what that would cost; nothing is written."""
    plan = plan_of(study, engine)  # every name is resolved before anything is measured
    question: dict[str, Any] = {"study": study.model_dump(mode="json"), "engine": engine}
    if reuse is not None:
        question["taken_over"] = sorted(reuse.trial_ids)
    if trust_remote_code:
        question["trust_remote_code"] = True
    with Console(stderr=True).status("Measuring how long one step takes here"):
        cost = jobs.probe("calibrate", question)
    low, high = duration(cost["seconds_low"]), duration(cost["seconds_high"])
    rows = [
        ("model", f"{plan.model.name}, {plan.model.n_parameters:,} parameters"),
        *(_chains(plan, cost) if isinstance(plan, SequencePlan) else _trials(plan, cost, reuse)),
        ("time", f"{duration(cost['seconds'])} ({low} to {high})"),
        ("memory", size(cost["memory_bytes"])),
        ("disk", size(cost["disk_bytes"])),
        ("device", f"{cost['device']}, {cost['threads']} threads"),
        ("engine", f"{cost['engine']}, {_stack(cost['chunk'])}"),
    ]
    show_table(
        f"Plan of {study.name}",
        ["what", "how much"],
        rows,
        "Time is estimated from a short measurement here. Nothing was written."
        + (left_open(plan) if isinstance(plan, SequencePlan) else ""),
    )
    if not isinstance(plan, SequencePlan) and plan.model.weights != "random":
        n_prompts = [len(prompts) for prompts in plan.prompts.values()]
        if text := outlook(n_prompts, len(plan.study.seeds)):
            show(text)


def _trials(plan: Plan, cost: Cost, reuse: Reuse | None) -> Lines:
    return [
        ("current tasks", ", ".join(plan.prompts)),
        ("method", METHOD_WORDS[plan.study.method]),
        _prompts(plan),
        ("states", f"{cost['n_states']:,}"),
        (
            "trials",
            f"{cost['n_trials_main']:,} main, {cost['n_trials_noise']:,} noise,"
            f" {cost['n_trials_repeat']:,} repeated for rounding",
        ),
        *([] if reuse is None else [("taken over", _taken_over(reuse))]),
        ("candidates scored", f"{cost['n_candidates_scored']:,}"),
        *(
            (what, f"{cost[f'{key}_examples']:,} examples, {cost[f'{key}_tokens']:,} tokens")
            for what, key in (
                ("training", "train"),
                ("scoring", "scored"),
                ("evaluation", "evaluated"),
            )
        ),
    ]


def _chains(plan: SequencePlan, cost: Cost) -> Lines:
    study = plan.study
    return [
        *((f"order {i}", order_name(order)) for i, order in enumerate(study.orders, start=1)),
        ("strategies", ", ".join(map(str, study.chosen_strategies))),
        _prompts(plan),
        (
            "chains",
            f"{cost['n_chains']:,} = {counted(len(study.orders), 'order')} ×"
            f" {counted(len(study.strategies), 'strategy', 'strategies')} ×"
            f" {counted(len(study.seeds), 'seed')}",
        ),
        ("fine-tunes", f"{cost['n_fine_tunes']:,}"),
        ("training", f"{cost['train_examples']:,} examples"),
        (
            "scoring",
            f"{cost['scored_examples']:,} examples, at {cost['n_states_scored']:,} states",
        ),
        ("evaluation", f"{cost['evaluated_examples']:,} examples"),
    ]


def left_open(plan: SequencePlan) -> str:
    """What a sequence's counts and time leave open."""
    text = (
        " Counts are of chains that share nothing and of scoring in full; what they do alike is"
        " done once."
    )
    # Its further rows are counted, at the speed of the sequential LoRA that is measured for it.
    replays = any(strategy.method == "replay" for strategy in plan.study.chosen_strategies)
    return text + (" Method replay takes longer than this assumes." if replays else "")


def _prompts(plan: AnyPlan) -> tuple[str, str]:
    each = ", ".join(f"{len(prompts)} for {task}" for task, prompts in plan.prompts.items())
    return "prompts", each


def _taken_over(reuse: Reuse) -> str:
    return f"{len(reuse.trial_ids):,} of {reuse.n_planned:,} trials; the counts are of the rest"


def _stack(chunk: int) -> str:
    return "one adapter at a time" if chunk == 1 else f"at most {chunk} adapters at once"

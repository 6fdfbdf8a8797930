"""What a plan comes to, in numbers and sentences, counted without the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sapo_analysis.analysis.claims import MIN_TASKS
from sapo_analysis.analysis.next_study.pilot import Pilot
from sapo_analysis.analysis.next_study.planning import outlook
from sapo_analysis.analysis.next_study.power import detectable_correlation, precision_of
from sapo_analysis.analysis.sequences import LEAST
from sapo_analysis.analysis.wording import counted, duration, signed, size
from sapo_analysis.plan import (
    Amounts,
    AnyPlan,
    Plan,
    SequencePlan,
    amounts_of,
    disk_bytes,
    first_result,
)

ENOUGH_TASKS = 8
"""Tasks named as an example of enough, where a study has fewer."""
AT_BEST = "where r differs between tasks by chance alone; it takes a larger one where tasks differ"
OUTLOOK = (
    "±: half of the 95 % interval for new tasks. Power: the probability that it lies wholly on one"
    " side of 0. Trials are main ones; of the sizes that do, the one with the fewest is named."
)


@dataclass(frozen=True)
class Figures:
    """The counts of a plan and what it can show.

    `sum` says how the number of units comes about. `rows` and `first_rows` are what is read in all
    and until there is something to read. `outlook` is what such a study says of new tasks and what
    more would take, `outlook_on` what that stands on; both empty where there is nothing to say.
    """

    n_units: int
    unit: str
    sum: str
    rows: Amounts
    first_rows: Amounts
    disk_bytes: int
    n_prompts: tuple[int, ...]
    shows: str
    tasks: str
    outlook: str
    outlook_on: str

    @property
    def is_race(self) -> bool:
        """Whether it is a sequence study."""
        return self.unit == "fine-tune"

    @property
    def button(self) -> str:
        """What the launch button says."""
        return f"Launch {counted(self.n_units, self.unit)}"

    def costs(self, measured: Mapping[str, Any]) -> tuple[str, str]:
        """Time, memory and disk in words, and when there is something to read.

        Args:
            measured: What the engine answered to `calibrate` of the study `to_measure` made.
        """
        per_row = Amounts(**measured["seconds_per_row"])
        share = round(100 * measured["margin"])
        total = self.rows.seconds(per_row)
        text = (
            f"about {duration(total)} (±{share} %) · peak {size(measured['memory_bytes'])}"
            f" · {size(self.disk_bytes)} on disk"
        )
        first = duration(self.first_rows.seconds(per_row))
        return text, f"First readable result in {first}."


def figures_of(
    plan: AnyPlan, taken_over: frozenset[str] = frozenset(), pilot: Pilot | None = None
) -> Figures:
    """The figures of a plan.

    Args:
        plan: Of the study.
        taken_over: Trials that another run has finished; they are not counted.
        pilot: What an earlier run says of effect and spread; None: they are assumed.
    """
    is_race = isinstance(plan, SequencePlan)
    left = plan if is_race or not taken_over else plan.without(taken_over)
    n_prompts = tuple(map(len, plan.prompts.values()))
    can_judge = not is_race and plan.model.weights != "random"
    known = pilot or Pilot()
    says = outlook(n_prompts, len(plan.study.seeds), known) if can_judge else ""
    return Figures(
        len(left.units),
        "fine-tune" if is_race else "trial",
        _chains(plan) if isinstance(plan, SequencePlan) else _trials(plan, taken_over),
        amounts_of(left),
        amounts_of(first_result(left)),
        disk_bytes(plan),
        n_prompts,
        _race_shows(plan) if isinstance(plan, SequencePlan) else _shows(plan, n_prompts),
        "" if is_race else tasks_sentence(n_prompts),
        says,
        known.in_words if says else "",
    )


def _trials(plan: Plan, taken_over: frozenset[str]) -> str:
    n = Counter(trial.purpose for trial in plan.trials)
    sizes = {len(prompts) for prompts in plan.prompts.values()}
    tasks, seeds = len(plan.prompts), counted(len(plan.study.seeds), "seed")
    if len(sizes) == 1:
        main = f"{counted(tasks, 'task')} × {counted(sizes.pop(), 'prompt')} × {seeds}"
    else:
        total = sum(len(prompts) for prompts in plan.prompts.values())
        main = f"{total} prompts of {counted(tasks, 'task')} × {seeds}"
    parts = [main]
    if n["noise"]:
        parts.append(f"{n['noise']:,} noise")
    if n["repeat"]:
        parts.append(f"{n['repeat']:,} repeated for rounding")
    text = f"{counted(len(plan.trials), 'trial')} = {' + '.join(parts)}"
    if taken_over:
        new = len(plan.trials) - len(taken_over)
        text = f"{new:,} new, {len(taken_over):,} reused; {text}"
    return text


def _chains(plan: SequencePlan) -> str:
    study = plan.study
    return (
        f"{counted(len(plan.units), 'fine-tune')} = {counted(len(study.orders), 'order')} ×"
        f" {counted(len(study.strategies), 'strategy', 'strategies')} ×"
        f" {counted(len(study.seeds), 'seed')} × {counted(len(study.tasks), 'task')};"
        " what chains do alike is done once"
    )


def _shows(plan: Plan, n_prompts: Sequence[int]) -> str:
    if plan.model.weights == "random":
        return "Can show: what an untrained model does. Cannot show: any claim; it gets no verdict."
    reach = precision_of(n_prompts)
    if reach is None:
        return (
            "Can show: that it works. Cannot show: a correlation; that takes four prompts of a"
            " task, the original among them."
        )
    missing = [
        f"forgetting of {role} tasks" for role in ("past", "retained") if not _has(plan, role)
    ]
    if not _has(plan, "unseen"):
        missing.append("generalization")
    if not plan.study.noise_seeds:
        missing.append("what the seed alone does")
    missing.append("other models" if _with_a_correlation(n_prompts) >= MIN_TASKS else "other tasks")
    return f"Can show: r for these tasks to about ±{reach:.2f}. Cannot show: {', '.join(missing)}."


def _has(plan: Plan, role: str) -> bool:
    if role == "unseen":  # other current tasks are unseen to a trial
        return bool(plan.study.unseen) or len(plan.prompts) > 1
    return bool(getattr(plan.study, role))


def _race_shows(plan: SequencePlan) -> str:
    n = len(plan.study.orders)
    if plan.model.weights == "random":
        return "Can show: what an untrained model does. Cannot show: any claim; it gets no verdict."
    if n < LEAST:
        return (
            "Can show: the race of these strategies, as numbers. Cannot show: that one is better;"
            f" that takes {LEAST} orders or more."
        )
    return (
        f"Can show: differences between strategies over {n} orders of these tasks. Cannot show:"
        " other tasks, other models."
    )


def tasks_sentence(n_prompts: Sequence[int]) -> str:
    """What so many current tasks can speak of: at best, for tasks may differ in r themselves."""
    k, usable = len(n_prompts), _with_a_correlation(n_prompts)
    if not usable:
        return (
            f"{counted(k, 'current task')}: no correlation from fewer than four prompts of a task."
        )
    several = usable if usable >= MIN_TASKS else ENOUGH_TASKS
    r = signed(detectable_correlation(several, n_prompts)).lstrip("+")
    if usable < MIN_TASKS:
        return (
            f"{counted(k, 'current task')}: speaks about these tasks only. {ENOUGH_TASKS} would"
            f" give at best 80 % power at r = {r}."
        )
    return f"{counted(k, 'current task')}: at best 80 % power for new tasks at r = {r}."


def _with_a_correlation(n_prompts: Sequence[int]) -> int:
    """How many tasks have the four prompts that a correlation takes."""
    return sum(n > 3 for n in n_prompts)

"""The sequence study that races SAPO and its rivals under a paraphrase study's settings.

It is made so that its stages can be laid over the paraphrase study's scatter, as far as a sequence
can repeat such a study (`analysis.races` says what counts as the same):

- Each order begins with what the study learned before a current task, then that task. Further
  current tasks follow, turned on by one from order to order, so that each comes first once.
- Past tasks have their original prompt alone, as in the study, so that every strategy reaches the
  same parent state; only tasks with candidates are chosen for.
- Every task gets a fresh adapter on top of the earlier ones (`lora-inc`): so does a trial of a
  paraphrase study. Sequential `lora` would go on training the adapter that the past left behind.
- All candidates are scored in full, so that the loss of what a rival took is known too.
- What is measured is what the study measures, with original test prompts.

At most `MOST_ORDERS` current tasks get an order; what a race costs rises with orders times tasks.
Tasks that the study only measures are left out where it has a past to forget. Without a past they
stand last, with their original prompt alone, or there would be little to compare: a sequence
measures no task that it does not learn.

Adapter initialisation, data order and dropout of a fine-tune hang on its place (`stream_seed`),
which the two kinds of studies name differently. So the base model is the very same parent state in
both, while a past is learned by another fine-tune, as under another state seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sapo_analysis.model_files import find_model
from sapo_analysis.plan.candidates import chosen_prompts, prompt_bank
from sapo_analysis.plan.paraphrase import legs_of
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import ParaphraseStudy, SequenceStudy
from sapo_analysis.store import Run
from sapo_analysis.tasks import get_task

STRATEGIES = ("original+lora-inc", "random+lora-inc", "sapo+lora-inc")
MOST_ORDERS = 5
"""As many as the shipped sequences have."""
OUTPUTS_KEPT = 16
"""Of each task after each stage, for the page to show (examples)."""


def race_of(study: ParaphraseStudy, run: Run | None = None) -> SequenceStudy:
    """The race of a study.

    With rotation, tasks that stand before another one in the ring have their original prompt alone,
    as a past task; so of a ring with a past of p tasks every (p + 1)-th is raced. Where the study
    shares one state seed among its seeds, the race learns the past once per seed all the same.

    Args:
        study: A paraphrase study.
        run: A run of it. With one, the candidates are those that it had, by their ids; else those
            that the study would be given now.

    Raises:
        InputError: without a run, a task, model or prompt of the study is not known here.
    """
    raced, orders = _orders(study)
    ids = _ids(study, raced, orders[0], run)
    evaluation, scoring = study.evaluation, study.scoring
    return SequenceStudy(
        name=f"{study.name[:35]}-race",
        model=study.model,
        orders=orders,
        strategies=STRATEGIES,
        prompts=ids,
        own_prompts={t: own for t, own in study.own_prompts.items() if t in raced},
        tasks_from=study.tasks_from,
        inputs=study.inputs,
        memory=study.memory,
        data_seed=study.data_seed,
        seeds=study.seeds,
        lora=study.lora,
        training=study.training,
        scoring={
            "examples": scoring.examples,
            "batch_size": scoring.batch_size,
            "early_stop": False,
        },
        evaluation={
            "examples": evaluation.examples,
            "test_only_prompts": 0,
            "batch_size": evaluation.batch_size,
            "n_predictions_kept": OUTPUTS_KEPT,
        },
        device=study.device,
        dtype=study.dtype,
    )


def _orders(study: ParaphraseStudy) -> tuple[set[str], tuple[tuple[str, ...], ...]]:
    """The tasks that prompts are chosen for, and the orders."""
    if study.rotate:
        ring, apart = [task for _, task in legs_of(study)], len(study.past) + 1
        firsts = range(0, len(ring) - apart + 1, apart)
        turned = [_turned(ring, i - len(study.past)) for i in firsts]
        raced = {ring[i] for i in firsts}
        return raced, tuple(turned[:MOST_ORDERS])
    current = study.current[:MOST_ORDERS] if study.past else study.current
    last = () if study.past else (*study.unseen, *study.retained)
    orders = [
        (*study.past, *_turned(current, i), *last) for i in range(min(MOST_ORDERS, len(current)))
    ]
    return set(current), tuple(orders)


def _turned(tasks: Sequence[str], by: int) -> tuple[str, ...]:
    by %= len(tasks)
    return (*tasks[by:], *tasks[:by])


def _ids(
    study: ParaphraseStudy, raced: set[str], tasks: Iterable[str], run: Run | None
) -> tuple[str, ...]:
    """The candidates of the raced tasks and the original prompts of all.

    Naming its original prompt is how a study says that a task has no other one.
    """
    known = [] if run is None else _of_run(run)
    if not known:
        model = find_model(study.model)
        found = {name: get_task(name, study.data_seed, study.tasks_from) for name in tasks}
        banks = {name: prompt_bank(task, model) for name, task in found.items()}
        chosen = chosen_prompts(study, {task: banks[task] for task in raced})
        known = [p for task in tasks for p in chosen.get(task, banks[task][:1])]
    order = list(tasks)
    return tuple(
        prompt.prompt_id
        for prompt in sorted(known, key=lambda p: order.index(p.task) if p.task in order else -1)
        if prompt.task in order
        and prompt.source != "own"
        and (prompt.task in raced or prompt.source == "original")
    )


def _of_run(run: Run) -> list[Prompt]:
    rows = run.table("prompts").to_dict("records")
    return [
        Prompt(r["task"], r["prompt_id"], r["text"], r["source"])
        for r in rows
        if not r["test_only"]
    ]

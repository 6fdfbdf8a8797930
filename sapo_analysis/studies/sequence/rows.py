"""What a sequence run measured, as table rows; what both kinds of studies have is in `rows`."""

from __future__ import annotations

from collections.abc import Sequence

from sapo_analysis.learning.selection import Candidate
from sapo_analysis.plan import BASE_STATE, Chain, SequencePlan, order_name
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies import rows
from sapo_analysis.studies.method_rows import n_judged
from sapo_analysis.studies.rows import Row
from sapo_analysis.studies.sequence.book import Trained
from sapo_analysis.studies.sequence.choosing import Scored
from sapo_analysis.studies.sequence.stages import FineTune
from sapo_analysis.tasks.base import Split


def reads(plan: SequencePlan) -> dict[str, dict[Split, int]]:
    """How many first examples of each split of each task the study reads, demonstrations apart."""
    return {
        name: {
            "train": plan.training_rows,
            "dev": n_judged(plan.study, task),
            "test": plan.study.evaluation.at_the_end,
        }
        for name, task in plan.tasks.items()
    }


def examples(plan: SequencePlan) -> list[Row]:
    """`examples` rows: every example the study reads."""
    return rows.example_rows(plan.tasks, rows.with_demonstrations(plan, reads(plan)))


def trial(tune: FineTune, status: str, engine: str, chunk: int, device: str) -> Row:
    """A `trials` row."""
    return {
        "trial_id": tune.trial_id,
        "state_id": tune.state_id,
        "result_state_id": tune.result_id if status == "done" else None,
        "policy": "paft" if len(tune.prompts) > 1 else None,
        "method": tune.method_name,
        "seed": tune.chain.seed,
        "purpose": "main",
        "current_task": tune.task,
        "prompt_id": tune.prompt.prompt_id,
        "status": status,
        "engine": engine,
        "chunk": chunk,
        "device": device,
    }


def chain(chain: Chain, stage: int, tune: FineTune, chosen: Scored | None, trained: Trained) -> Row:
    """A `chains` row."""
    return {
        "order": order_name(chain.order),
        "policy": chain.strategy.policy,
        "method": chain.strategy.method,
        "seed": chain.seed,
        "stage": stage,
        "task": tune.task,
        "prompt_id": tune.prompt.prompt_id,
        "state_id": tune.state_id,
        "trial_id": tune.trial_id,
        "result_state_id": trained.result,
        "choice_seconds": 0.0 if chosen is None else chosen.seconds,
        "choice_examples": 0 if chosen is None else chosen.examples,
        "train_seconds": trained.seconds,
        "train_examples": trained.examples,
    }


def indicators(
    state_id: str,
    prompts: Sequence[Prompt],
    candidates: Sequence[Candidate],
    lengths: Sequence[int],
    batch_size: int,
) -> list[Row]:
    """`indicators` rows of a task's candidates at a state; of a dropped one a lower bound alone."""
    found = []
    for prompt, candidate, n_tokens in zip(prompts, candidates, lengths, strict=True):
        if candidate.losses is not None:
            found += rows.indicators(state_id, prompt, candidate.losses, n_tokens, batch_size)
        else:
            found.append(
                {
                    "state_id": state_id,
                    "task": prompt.task,
                    "prompt_id": prompt.prompt_id,
                    "name": "pre_update_loss",
                    "value": candidate.value,
                    "unit": "nats/token",
                    "n_examples": candidate.n_examples,
                    "exact": False,
                }
            )
    return found


def score(
    state_id: str,
    task: str,
    metric: str,
    prompt: Prompt,
    n_shots: int,
    value: float,
    loss: float,
    n: int,
) -> Row:
    """A `scores` row of a state."""
    return {
        "state_id": state_id,
        "trial_id": None,
        "eval_task": task,
        "test_prompt": prompt.prompt_id,
        "step": 0,
        "n_shots": n_shots,
        "role": None,
        "metric": metric,
        "value": value,
        "loss": loss,
        "n_examples": n,
    }


def base_state() -> Row:
    """The `states` row of θ_0."""
    return rows.state(BASE_STATE, None, None, ())

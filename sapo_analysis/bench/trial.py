"""One process of a whole study's arm: `python -m sapo_analysis.bench.trial`, payload on stdin.

The `Trainer` arm starts one per trial, as the released code does, and one that scores the prompts;
`part` says which, or that one process does all. The engines' arm is a run from its spec to its end.
The last line of standard output is the answer as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sapo_analysis.bench.arms import trainer
from sapo_analysis.bench.workload import Evaluated
from sapo_analysis.models.encoding import Encoder
from sapo_analysis.models.loading import choose_device, context_length, load_model, load_tokenizer
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.plan import Plan, Trial, as_engine, make_plan, stream_seed
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.studies.meter import peak_bytes

STATE = "state"
ALL = "all"


def main() -> None:
    """Do what the payload says and print the answer."""
    from transformers.utils import logging

    disable: Any = logging.disable_progress_bar  # transformers leaves it untyped
    disable()
    print(json.dumps(answer(json.load(sys.stdin))))


def answer(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the payload names: losses before, while and after training; when ready; its memory."""
    torch.set_num_threads(payload["threads"])
    study = ParaphraseStudy(**payload["study"])
    work = _with_engine if "engine" in payload else _with_trainer
    return {**work(study, payload), "peak_bytes": peak_bytes()}


def _with_engine(study: ParaphraseStudy, payload: Mapping[str, Any]) -> dict[str, Any]:
    # Imported here: `Trainer`'s processes are not to pay for reading and writing runs.
    from sapo_analysis.store import create_run, open_run
    from sapo_analysis.studies.runner import run_to_end

    ready = time.time()
    path = create_run(Path(payload["runs"]), study)
    run_to_end(path, as_engine(payload["engine"]))
    run = open_run(path)
    losses: dict[str, list[tuple[float, int]]] = {}
    for row in run.table("candidate_losses").to_dict("records"):
        losses.setdefault(str(row["prompt_id"]), []).append((row["nll_sum"], row["n_tokens"]))
    trials = run.table("trials").set_index("trial_id")["prompt_id"]
    scores = {
        f"{trials[row['trial_id']]} {row['eval_task']} {row['test_prompt']}": row["value"]
        for row in run.table("scores").to_dict("records")
        if row["trial_id"] in trials.index and row["step"] == study.training.steps
    }
    curves = run.table("curves")
    steps = curves[curves["series"] == "train_loss"]
    means = steps.groupby(steps["trial_id"].map(trials))["value"].mean()
    trained = {str(prompt): float(mean) for prompt, mean in means.items()}
    return {"losses": losses, "trained": trained, "scores": scores, "ready": ready}


def _with_trainer(study: ParaphraseStudy, payload: Mapping[str, Any]) -> dict[str, Any]:
    plan = make_plan(study, "plain")
    device = choose_device(study.device)
    model = load_model(plan.model, device, study.dtype)
    encoder = Encoder(load_tokenizer(plan.model), context_length(model))
    work = _TrainerStudy(plan, model, encoder, payload["micro_batch"], payload["eval_batch"])
    ready, part = time.time(), payload["part"]
    losses: dict[str, float] = {}
    trained: dict[str, float] = {}
    scores: dict[str, float] = {}
    if part in (STATE, ALL):
        losses = work.measure_state()
    for i, trial in enumerate(plan.trials):
        if part in (i, ALL):
            trained[trial.prompt.prompt_id], found = work.run(trial)
            scores.update(found)
    return {"losses": losses, "trained": trained, "scores": scores, "ready": ready}


class _TrainerStudy:
    """A study's work, done by `Trainer`, `generate` and peft."""

    def __init__(self, plan: Plan, model: Any, encoder: Encoder, micro_batch: int, batch: int):
        self._plan, self._model, self._encoder = plan, model, encoder
        self._micro_batch, self._batch = micro_batch, batch

    def measure_state(self) -> dict[str, float]:
        """The state before training: every task, and every prompt's loss, by prompt id."""
        plan, n = self._plan, self._plan.study.scoring.examples
        tested = [self._test(name, original) for name, original in plan.originals.items()]
        scored = []
        for name, prompts in plan.prompts.items():
            for prompt in prompts:
                scored.append(self._encoder.encode_split(plan.tasks[name], "train", n, prompt))
                if prompt != plan.originals[name]:
                    tested.append(self._test(name, prompt))
        trainer.measure(self._model, self._encoder, tested, self._batch)
        found = trainer.evaluation_losses(self._model, scored, self._encoder.pad_id, self._batch)
        names = [prompt.prompt_id for prompts in plan.prompts.values() for prompt in prompts]
        return dict(zip(names, found, strict=True))

    def run(self, trial: Trial) -> tuple[float, dict[str, float]]:
        """One fine-tune, measured on every task.

        Returns:
            The mean training loss; scores by prompt, task and test prompt.
        """
        plan, study = self._plan, self._plan.study
        n = study.training.examples
        rows = self._encoder.encode_split(plan.tasks[trial.task], "train", n, trial.prompt)
        seed = stream_seed(trial.seed, trial.state_id, trial.task)
        asked = list(plan.originals.items())
        if trial.prompt != plan.originals[trial.task]:
            asked.append((trial.task, trial.prompt))
        tested = [self._test(name, prompt) for name, prompt in asked]
        with fresh_adapter(self._model, study.lora, seed) as adapted:
            loss = trainer.fine_tune(
                adapted, rows, study.training, seed, self._encoder.pad_id, self._micro_batch
            )
            found = trainer.measure(adapted, self._encoder, tested, self._batch)
        return loss, {
            f"{trial.prompt.prompt_id} {name} {prompt.prompt_id}": part.score(answers)
            for (name, prompt), part, (_, answers) in zip(asked, tested, found, strict=True)
        }

    def _test(self, name: str, prompt: Prompt) -> Evaluated:
        task, n = self._plan.tasks[name], self._plan.study.evaluation.examples
        rows = self._encoder.encode_split(task, "test", n, prompt)
        return Evaluated(task, task.examples("test", n), rows)


if __name__ == "__main__":
    main()

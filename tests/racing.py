"""Races of made-up paraphrase runs: their tables and what they tell, nothing trained.

A chain's state scores 60 points on every task and `change` more after each stage; under any other
prompt than the original one point more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sapo_analysis.plan import BASE_STATE, order_name
from sapo_analysis.plan.race import race_of
from sapo_analysis.spec import SequenceStudy
from sapo_analysis.store import RunWriter, create_run, layout, open_run
from sapo_analysis.store.status import running_here

START = 60.0
Change = Callable[[str, int, str, str, str], float]
"""(policy, seed, learned task, its prompt, evaluated task) to points."""


def made_race(study_path: Path, **changes: Any) -> SequenceStudy:
    """The race of a made-up run; the ids are not `race_of`'s, as made-up ones name no task."""
    run = open_run(study_path)
    made = race_of(run.paraphrase, run).model_dump(mode="json")
    return SequenceStudy.model_validate({**made, "prompts": 2, **changes})


def loss_of(seed: int, task: str, prompt_id: str) -> float:
    """Pre-update loss of a candidate wherever it is scored."""
    return 1.0 + 0.01 * sum(map(ord, task + prompt_id)) % 1 + 0.001 * seed


def write_race(
    folder: Path,
    study_path: Path,
    picks: Mapping[str, str],
    *,
    change: Change = lambda policy, seed, learned, prompt, task: -2.0,
    stages: int | None = None,
    told: int = 0,
    state: str = "done",
    fingerprint: str = "f" * 16,
    past_prompt: str = "original",
    texts: Callable[[str], str] = lambda text: text,
    version: int = 1,
    **changes: Any,
) -> Path:
    """Write the folder of a race of the run at `study_path` and return its path.

    Args:
        folder: The runs folder.
        study_path: A run of `write_run`.
        picks: The prompt that each policy takes for tasks with candidates; `original` takes that.
        change: What a stage adds to a task's score; a loss falls by a fiftieth of it.
        stages: Finished stages that are in the tables, of each chain; None: all.
        told: Further ones that are told in `live.jsonl` alone.
        state: Of the run; `running` names this process.
        fingerprint: Of the model.
        past_prompt: What policies other than original learn past tasks with.
        texts: Changes the text of every paraphrase.
        version: Of the algorithm.
        **changes: To the race's settings.
    """
    study = made_race(study_path, **changes)
    table = open_run(study_path).table("prompts")
    path = create_run(folder, study)
    prompts = [
        {**row, "text": row["text"] if row["source"] == "original" else texts(row["text"])}
        for row in table.to_dict("records")
        if row["task"] in study.tasks
    ]
    current = {row["task"] for row in prompts if row["source"] != "original"}
    maker = _Chains(study, current, picks, change, past_prompt)
    last = len(study.tasks) if stages is None else stages
    groups = [("base", {**_nothing(), "prompts": prompts, "scores": maker.base()})]
    groups += [(f"stage-{stage}", maker.stage(stage)) for stage in range(1, last + 1)]
    provenance = {
        "algorithm_version": version,
        "dtype": study.dtype,
        "model": {"name": study.model, "weights": "trained", "fingerprint": fingerprint},
    }
    total = len(maker.chains) * len(study.tasks)
    try:
        with RunWriter(path, total=total) as writer:
            writer.write_provenance(provenance)
            for order, (name, rows) in enumerate(groups):
                kept = {table: own for table, own in rows.items() if own}
                writer.save_group(order, name, {**kept, "costs": [_cost(name)]})
            writer.update(done=len(maker.chains) * last)
            if state != "done":
                raise KeyboardInterrupt
            writer.finish(provenance)
    except KeyboardInterrupt:
        if state == "done":
            raise
    if state == "running":
        status = running_here(done=len(maker.chains) * last, total=total)
        layout.write_model(path / layout.STATUS, status)
    if told:
        tell(path, study_path, picks, last, told, change=change, past_prompt=past_prompt)
    return path


def tell(
    path: Path,
    study_path: Path,
    picks: Mapping[str, str],
    after: int,
    n: int = 1,
    *,
    change: Change = lambda policy, seed, learned, prompt, task: -2.0,
    past_prompt: str = "original",
) -> None:
    """Append the events of `n` stages after the finished ones, as a worker tells them."""
    study = open_run(path).sequence
    rows = open_run(path).table("prompts").to_dict("records")
    current = {row["task"] for row in rows if row["source"] != "original"}
    maker = _Chains(study, current, picks, change, past_prompt)
    for stage in range(1, after + 1):
        maker.stage(stage)
    writer = RunWriter(path, total=1)
    for stage in range(after + 1, after + n + 1):
        for event in maker.events(stage):
            writer.live(**event)


class _Chains:
    """Where every chain is; stages are asked for in turn."""

    def __init__(
        self,
        study: SequenceStudy,
        current: set[str],
        picks: Mapping[str, str],
        change: Change,
        past_prompt: str,
    ):
        self.study, self.current, self.picks, self.change = study, current, picks, change
        self.past_prompt = past_prompt
        self.chains = [
            (order, strategy, seed)
            for seed in study.seeds
            for order in study.orders
            for strategy in study.chosen_strategies
        ]
        self.scores = {chain: dict.fromkeys(study.tasks, START) for chain in self.chains}
        self.state_of = dict.fromkeys(self.chains, BASE_STATE)

    def base(self) -> list[dict[str, Any]]:
        values = dict.fromkeys(self.study.tasks, START)
        return self._measured(BASE_STATE, values, "", "original")

    def stage(self, stage: int) -> dict[str, list[dict[str, Any]]]:
        found = _nothing()
        for chain in self.chains:
            order, strategy, seed = chain
            task, prompt, before = self._step(chain, stage)
            result = self.state_of[chain]
            found["chains"].append(
                {
                    "order": order_name(order),
                    "policy": strategy.policy,
                    "method": strategy.method,
                    "seed": seed,
                    "stage": stage,
                    "task": task,
                    "prompt_id": prompt,
                    "state_id": before,
                    "trial_id": result.removeprefix("s-"),
                    "result_state_id": result,
                    "choice_seconds": 1.0,
                    "choice_examples": 10,
                    "train_seconds": 1.0,
                    "train_examples": 10,
                }
            )
            found["scores"] += self._measured(result, self.scores[chain], task, prompt)
            found["indicators"] += [
                row for row in self._losses(seed, before, task) if row not in found["indicators"]
            ]
        return found

    def events(self, stage: int) -> list[dict[str, Any]]:
        chosen, measured = [], []
        for chain in self.chains:
            order, strategy, seed = chain
            named = {"order": order_name(order), "strategy": str(strategy), "seed": seed}
            task, prompt, before = self._step(chain, stage)
            loss = loss_of(seed, task, prompt) if strategy.policy == "sapo" else None
            at = {"state": before, "task": task}
            chosen += [
                {
                    **{"event": "scored", **at, "prompt": row["prompt_id"], "loss": row["value"]},
                    **{"n": self.study.scoring.examples, "stopped": False},
                }
                for row in self._losses(seed, before, task)
            ]
            chosen.append(
                {
                    **{"event": "chosen", "chain": named, "stage": stage, **at},
                    **{"prompt": prompt, "loss": loss},
                }
            )
            rows = self._measured(self.state_of[chain], self.scores[chain], task, prompt)
            values = [[r["eval_task"], r["test_prompt"], r["value"], r["loss"]] for r in rows]
            measured.append(
                {"event": "measured", "chains": [named], "stage": stage, "scores": values}
            )
        return [*chosen, *measured]

    def _step(self, chain: Any, stage: int) -> tuple[str, str, str]:
        order, strategy, seed = chain
        task, before = order[stage - 1], self.state_of[chain]
        prompt = "original"
        if strategy.policy != "original":
            prompt = (
                self.picks.get(strategy.policy, "original")
                if task in self.current
                else self.past_prompt
            )
        self.state_of[chain] = f"s-{strategy}-{seed}-{'-'.join(order[:stage])}"
        self.scores[chain] = {
            name: value + self.change(strategy.policy, seed, task, prompt, name)
            for name, value in self.scores[chain].items()
        }
        return task, prompt, before

    def _measured(
        self, state_id: str, values: Mapping[str, float], learned: str, prompt: str
    ) -> list[dict[str, Any]]:
        rows = []
        for task, value in values.items():
            tests = ["original", *([prompt] if task == learned and prompt != "original" else [])]
            for test in tests:
                score = value + (test != "original")
                rows.append(
                    {
                        **{"state_id": state_id, "trial_id": None, "eval_task": task},
                        **{"test_prompt": test, "step": 0, "n_shots": 0, "role": None},
                        **{"metric": "label_accuracy", "value": score, "loss": 2 - score / 50},
                        "n_examples": self.study.evaluation.examples,
                    }
                )
        return rows

    def _losses(self, seed: int, state_id: str, task: str) -> list[dict[str, Any]]:
        if task not in self.current:
            return []
        return [
            {
                **{"state_id": state_id, "task": task, "prompt_id": prompt},
                **{"name": "pre_update_loss", "value": loss_of(seed, task, prompt)},
                **{"unit": "nats/token", "n_examples": 250, "exact": True},
            }
            for prompt in dict.fromkeys(["original", *self.picks.values()])
        ]


def _nothing() -> dict[str, list[dict[str, Any]]]:
    return {name: [] for name in ("prompts", "chains", "scores", "indicators", "states", "trials")}


def _cost(group: str) -> dict[str, Any]:
    return {
        **{"group": group, "phase": "train", "seconds": 1.0, "examples": 1, "tokens": 1},
        **{"model_flops": 1.0, "peak_bytes": 1},
    }


def points_of(table: Any) -> Sequence[tuple[str, str, str]]:
    """(policy, task, prompt) of each row."""
    return list(zip(table["policy"], table["current_task"], table["prompt_id"], strict=True))

"""Run folders with known generating values, for tests of statistics and pages without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sapo_analysis.plan import BASE_STATE
from sapo_analysis.spec import EvaluationSettings, ParaphraseStudy, TrainingSettings
from sapo_analysis.store import RunWriter, create_run
from tests.clouds import look_rows

Rows = dict[str, list[dict[str, Any]]]
STEPS = 50
METRIC = "label_accuracy"
WORDS = "decide whether the short text below says something good about what it describes".split()


@dataclass
class Truth:
    """Generating values.

    Changes are in points; a loss changes by -1/50 of what the score changes by.

    `r`: correlation over prompts of pre-update loss with forgetting (past and retained), and with
    generalization times -1, before seed noise. `spread`: sd over prompts of another task's change.
    `in_task_spread`: sd over prompts of the in-task score. `seed_effect`: sd of an effect common to
    all prompts of a seed. `noise`: sd of the prompt x seed effect, common to all evaluated tasks.
    `own`: share of an evaluated task's spread that is its own. `rounding`: sd of what a repeat adds
    to each evaluated task's change; None: no repeats. `square`: by how much the side of the square
    that a soft prompt's tokens form grows from 1 on while it is tuned; None: no soft prompt.
    """

    r: float = 0.6
    spread: float = 6.0
    in_task_spread: float = 1.0
    seed_effect: float = 1.0
    noise: float = 0.5
    own: float = 0.3
    rounding: float | None = None
    gain: float = 40.0
    harm: float = 20.0
    format_ratio: float = 0.8
    square: float | None = None
    base_scores: dict[str, float] = field(default_factory=dict)


def study_of(
    *,
    n_tasks: int = 3,
    n_prompts: int = 6,
    seeds: Sequence[int] = (0,),
    noise_seeds: Sequence[int] = (),
    n_past: int = 1,
    n_unseen: int = 2,
    n_retained: int = 1,
    name: str = "synthetic",
    n_shots: Sequence[int] = (0,),
    **settings: Any,
) -> ParaphraseStudy:
    """A spec over made-up tasks; `n_prompts` counts the original."""
    return ParaphraseStudy(
        name=name,
        past=tuple(f"past-{i}" for i in range(n_past)),
        current=tuple(f"current-{i}" for i in range(n_tasks)),
        unseen=tuple(f"unseen-{i}" for i in range(n_unseen)),
        retained=tuple(f"retained-{i}" for i in range(n_retained)),
        prompts=n_prompts - 1,
        seeds=tuple(seeds),
        noise_seeds=tuple(noise_seeds),
        training=TrainingSettings(steps=STEPS),
        **{
            "evaluation": EvaluationSettings(n_predictions_kept=8, n_shots=tuple(n_shots)),
            **settings,
        },
    )


def write_run(
    folder: Path,
    *,
    n_tasks: int = 3,
    n_prompts: int = 6,
    seeds: Sequence[int] = (0,),
    noise_seeds: Sequence[int] = (),
    r_true: float = 0.6,
    seed: int = 0,
    n_past: int = 1,
    n_unseen: int = 2,
    n_retained: int = 1,
    truth: Truth | None = None,
    weights: str = "trained",
    fingerprint: str = "f" * 16,
    name: str = "synthetic",
    diverged: Sequence[str] = (),
    drop_scores: bool = False,
    finish: bool = True,
    metrics: dict[str, str] | None = None,
    study: ParaphraseStudy | None = None,
    **settings: Any,
) -> Path:
    """Write one run folder under `folder` through `RunWriter` and return its path.

    Args:
        folder: The runs folder.
        n_tasks: Current tasks.
        n_prompts: Prompts per current task, the original included.
        seeds: Main seeds, each with a parent state of its own.
        noise_seeds: Noise seeds, for the original and the first paraphrase at the first state; with
            `truth.rounding` the two are repeated under the first main seed too.
        r_true: Sets `truth.r`.
        seed: Of the generator; equal arguments give equal tables.
        n_past: Past tasks.
        n_unseen: Unseen tasks.
        n_retained: Retained tasks.
        truth: Generating values.
        weights: `trained` or `random`.
        fingerprint: Of the model.
        name: Of the study.
        diverged: Trial ids that diverge (`t-<task>-<prompt>-<seed>`, a repeat's with `-repeat`).
        drop_scores: Leave out the last score of the last trial (a damaged run).
        finish: False leaves the run interrupted after three quarters of its groups of work.
        metrics: Metric per evaluated task where it is not label accuracy.
        study: A study to use as it is, in place of all of its settings above.
        **settings: Further settings of the study.

    Returns:
        The run's folder.
    """
    study = study or study_of(
        n_tasks=n_tasks,
        n_prompts=n_prompts,
        seeds=seeds,
        noise_seeds=noise_seeds,
        n_past=n_past,
        n_unseen=n_unseen,
        n_retained=n_retained,
        name=name,
        **settings,
    )
    maker = _Maker(study, n_prompts, truth or Truth(r=r_true), seed, set(diverged), metrics or {})
    path = create_run(folder, study)
    groups = maker.groups()
    if drop_scores:
        groups[-1][1]["scores"].pop()
    provenance = {
        "model": {
            "name": study.model,
            "weights": weights,
            "fingerprint": fingerprint,
            "n_parameters": 3_000_000,
        },
        "device": "cpu",
        "dtype": study.dtype,
        "packages": {"numpy": np.__version__},
        "algorithm_version": 1,
    }
    n_trials = maker.n_trials(groups)
    # Where nothing is to be seen of it, no time goes into files of groups that are joined at once.
    groups = [_at_once(groups)] if finish else groups[: math.ceil(len(groups) * 3 / 4)]
    try:
        with RunWriter(path, total=n_trials) as writer:
            writer.write_provenance(provenance)
            for order, (group_id, rows) in enumerate(groups):
                writer.save_group(order, group_id, rows)
            writer.update(done=maker.n_trials(groups))
            if not finish:
                raise KeyboardInterrupt
            writer.finish(provenance)
    except KeyboardInterrupt:
        if finish:
            raise
    return path


def _at_once(groups: list[tuple[str, Rows]]) -> tuple[str, Rows]:
    """One group that measured what all of these did, in their order."""
    rows: Rows = {}
    for _, own in groups:
        for table, found in own.items():
            rows.setdefault(table, []).extend(found)
    return "everything", rows


class _Maker:
    def __init__(
        self,
        study: ParaphraseStudy,
        n_prompts: int,
        truth: Truth,
        seed: int,
        diverged: set[str],
        metrics: dict[str, str],
    ):
        self.study, self.truth, self.seed, self.diverged, self.metrics = (
            study,
            truth,
            seed,
            diverged,
            metrics,
        )
        self.prompts = ["original", *(f"para-{i:02d}" for i in range(1, n_prompts))]
        self.tasks = [*study.past, *study.current, *study.unseen, *study.retained]
        self.latent = {task: self._latent(task) for task in study.current}

    def _rng(self, *what: object) -> np.random.Generator:
        # From names, not order of use: a study with more seeds repeats the smaller one's numbers.
        name = [self.seed, *"/".join(map(str, what)).encode()]
        return np.random.default_rng(np.array(name, np.uint32))  # a list gives the same, in 0.2 ms

    def _latent(self, task: str) -> dict[str, dict[str, float]]:
        rng = self._rng("latent", task)
        n = len(self.prompts)
        u, v, w = rng.standard_normal((3, n))
        harm = self.truth.r * u + math.sqrt(1 - self.truth.r**2) * v
        return {
            prompt: {"u": float(u[i]), "harm": float(harm[i]), "in_task": float(w[i])}
            for i, prompt in enumerate(self.prompts)
        }

    def groups(self) -> list[tuple[str, Rows]]:
        study = self.study
        groups = [("base", self._base())]
        states: list[str] = []
        for state_seed, _ in study.replicates:
            state = BASE_STATE
            for i, task in enumerate(study.past):
                parent, state = state, f"s-{state_seed}-{i}"
                if ("stage-" + state) not in dict(groups):
                    groups.append(
                        (f"stage-{state}", self._stage(parent, state, task, i, state_seed))
                    )
            states.append(state)
        done = set()
        for (_, seed), state in zip(study.replicates, states, strict=True):
            for task in study.current:
                if (state, task) not in done:
                    groups.append((f"score-{state}-{task}", self._score(state, task)))
                    done.add((state, task))
            groups += self._trials(self.prompts, state, seed, "main")
            if state == states[0] and seed == study.replicates[0][1]:
                for noise_seed in study.noise_seeds:
                    groups += self._trials(self.prompts[:2], state, noise_seed, "noise")
                if study.noise_seeds and self.truth.rounding is not None:
                    groups += self._trials(self.prompts[:2], state, seed, "repeat")
        return groups

    def _trials(
        self, prompts: list[str], state: str, seed: int, purpose: str
    ) -> list[tuple[str, Rows]]:
        """The trials of one seed in few groups: saving each, as a worker does, takes seconds."""
        pairs = [(task, prompt) for prompt in prompts for task in self.study.current]
        size = math.ceil(len(pairs) / 4)
        groups = []
        for i in range(0, len(pairs), size):
            rows: Rows = {}
            for task, prompt in pairs[i : i + size]:
                for table, found in self._trial(state, task, prompt, seed, purpose).items():
                    rows.setdefault(table, []).extend(found)
            groups.append((f"trials-{purpose}-{seed}-{i}", rows))
        return groups

    @staticmethod
    def n_trials(groups: list[tuple[str, Rows]]) -> int:
        """Main, noise and repeat trials in these groups."""
        return sum(row["purpose"] != "past" for _, rows in groups for row in rows.get("trials", []))

    def _base(self) -> Rows:
        rows: Rows = {"prompts": [], "examples": [], "states": [], "scores": [], "predictions": []}
        for task in self.tasks:
            prompts = self.prompts if task in self.study.current else ["original"]
            for i, prompt in enumerate(prompts):
                text = " ".join(WORDS[: 6 + i] + ["now"] * i)
                rows["prompts"].append(
                    {
                        "task": task,
                        "prompt_id": prompt,
                        "text": f"{task}: {text}",
                        "source": "original" if i == 0 else ("seen" if i % 2 else "novel"),
                        "test_only": False,
                        "frequency": 100 - i,
                        "n_tokens": 6 + 2 * i,
                    }
                )
            for example in range(self.study.evaluation.n_predictions_kept):
                row = {
                    "task": task,
                    "split": "test",
                    "example": example,
                    "input": f"text {example} of {task}",
                }
                rows["examples"].append({**row, "target": "yes" if example % 2 else "no"})
        rows["states"].append(_state(BASE_STATE, None, None, []))
        self._measure_state(rows, BASE_STATE)
        rows["costs"] = [cost("base", "evaluate")]
        return rows

    def _stage(self, parent: str, state: str, task: str, i: int, state_seed: int) -> Rows:
        rows: Rows = {"scores": [], "predictions": []}
        rows["states"] = [_state(state, parent, state_seed, list(self.study.past[: i + 1]))]
        trial = trial_row(f"past-{state}", parent, task, "original", state_seed, "past")
        rows["trials"] = [{**trial, "result_state_id": state}]
        self._measure_state(rows, state)
        rows["costs"] = [cost(f"stage-{state}", "train")]
        return rows

    def _score(self, state: str, task: str) -> Rows:
        rows: Rows = {"indicators": [], "scores": [], "candidate_losses": [], "predictions": []}
        for i, prompt in enumerate(self.prompts):
            loss = self._pre_update_loss(state, task, prompt)
            for name, value, unit in (
                ("pre_update_loss", loss, "nats per target token"),
                ("pre_update_loss_token_mean", loss * 1.001, "nats per target token"),
                ("pre_update_loss_example_mean", loss * 0.999, "nats per target token"),
                ("pre_update_loss_content", loss * 1.2, "nats per target token"),
                ("prompt_length", 6.0 + 2 * i, "tokens"),
                ("prompt_frequency", 100.0 - i, "examples"),
            ):
                keys = {"state_id": state, "task": task, "prompt_id": prompt, "name": name}
                rows["indicators"].append(
                    {**keys, "value": value, "unit": unit, "n_examples": 250, "exact": True}
                )
            keys = {"state_id": state, "task": task, "prompt_id": prompt, "example": 0}
            tokens = {
                "nll_sum": 3 * loss,
                "n_tokens": 3,
                "content_nll": 2.4 * loss,
                "content_tokens": 2,
            }
            rows["candidate_losses"].append({**keys, **tokens})
            if i > 0:
                self._measure(
                    rows, state, None, task, prompt, 0, None, self._before(state, task) - i / 10
                )
        rows["costs"] = [cost(f"score-{state}-{task}", "score")]
        return rows

    def _trial(self, state: str, task: str, prompt: str, seed: int, purpose: str) -> Rows:
        repeat = purpose == "repeat"
        trial_id = f"t-{task}-{prompt}-{seed}{'-repeat' * repeat}"
        rows: Rows = {"scores": [], "predictions": [], "curves": [], "diagnostics": []}
        rows["persistence"] = []
        row = trial_row(trial_id, state, task, prompt, seed, purpose)
        rows["trials"] = [{**row, "method": self.study.method}]
        rows["costs"] = [cost(f"trial-{trial_id}", "train")]
        if trial_id in self.diverged:
            rows["trials"][0]["status"] = "diverged"
            return rows
        for step in (0, STEPS):
            rows["curves"].append(
                {
                    "trial_id": trial_id,
                    "step": step,
                    "series": "train_loss",
                    "value": 1.0 - step / 100,
                }
            )
        for other in self.tasks:
            role = self._role(task, other)
            before = self._before(state, other)
            change = self._change(task, prompt, other, seed, state)
            if repeat:
                change += self._rounding(task, prompt, other)
            after = before + change
            if other == task:
                if prompt != "original":
                    self._measure(rows, state, trial_id, other, prompt, STEPS, role, after)
                after -= 0.5 if prompt != "original" else 0.0
            self._measure(rows, state, trial_id, other, "original", STEPS, role, after)
            self._behind_shots(rows, state, trial_id, other, STEPS, role, after)
            if not repeat:
                self._look(rows, trial_id, task, other, before, after)
        if not repeat:
            self._look_at_prompt(rows, trial_id, self.latent[task][prompt]["in_task"])
        return rows

    def _look(
        self, rows: Rows, trial_id: str, task: str, other: str, before: float, after: float
    ) -> None:
        """What diagnostics see, a straight line from start to end; gradients of two modules."""
        for step, share in self._looks():
            score = before + share * (after - before)
            if other == task:
                found = [("tuned_score", task, score)]
                for module, at_start in (("q_proj", 1.0), ("mlp.down_proj", 0.9)):
                    aligned = at_start - 0.8 * share
                    found.append(("gradient_alignment", module, aligned))
                    found.append(("gradient_alignment_floor", module, 0.25))
            else:
                ratio = 0.1 + share * (self.truth.format_ratio - 0.1)
                found = [("other_score", other, score), ("format_ratio", other, ratio)]
                if step == 0:
                    found.append(("format_ratio_of_targets", other, 0.05))
            rows["diagnostics"] += [
                {"trial_id": trial_id, "step": step, "n_examples": 32}
                | {"name": name, "subject": subject, "value": value}
                for name, subject, value in found
            ]

    def _looks(self) -> list[tuple[int, float]]:
        """Steps of the looks, and what share of the fine-tune lies behind each."""
        every = self.study.diagnostics.every
        end = STEPS + (self.study.promot.steps if self.study.method == "promot" else 0)
        return [(step, step / end) for step in (*range(0, end, every), end)] if every else []

    def _look_at_prompt(self, rows: Rows, trial_id: str, own: float) -> None:
        """What diagnostics see of a soft prompt; of a prompt that is learned better it is wider."""
        growth = self.truth.square
        for step, share in self._looks() if growth is not None else ():
            seen, pairs = look_rows(trial_id, step, 1 + share * (growth + 0.1 * own))
            rows["diagnostics"] += seen
            rows["persistence"] += pairs

    def _behind_shots(
        self,
        rows: Rows,
        state: str,
        trial_id: str | None,
        task: str,
        step: int,
        role: str | None,
        value: float,
    ) -> None:
        """The same behind demonstrations: two points better for each."""
        for n in self.study.evaluation.n_shots[1:]:
            shown = value + 2 * n
            self._measure(rows, state, trial_id, task, "original", step, role, shown, n)

    def _role(self, task: str, other: str) -> str:
        if other == task:
            return "current"
        if other in self.study.past:
            return "past"
        return "retained" if other in self.study.retained else "unseen"

    def _before(self, state: str, task: str) -> float:
        start = {"past": 80.0, "current": 45.0, "unseen": 50.0, "retained": 95.0}[
            task.split("-")[0]
        ]
        start = self.truth.base_scores.get(task, start)
        return (
            start
            if state == BASE_STATE
            else start - float(self._rng("state", state, task).uniform(0, 2))
        )

    def _pre_update_loss(self, state: str, task: str, prompt: str) -> float:
        task_level = float(self._rng("level", task).uniform(1.0, 2.0))
        return task_level + 0.15 * self.latent[task][prompt]["u"]

    def _change(self, task: str, prompt: str, other: str, seed: int, state: str) -> float:
        truth, latent = self.truth, self.latent[task][prompt]
        common = truth.seed_effect * self._rng("seed", task, seed).standard_normal()
        jitter = truth.noise * self._rng("jitter", task, prompt, seed).standard_normal()
        if other == task:
            return float(
                truth.gain + truth.in_task_spread * latent["in_task"] + common + 0.1 * jitter
            )
        own = self._rng("own", task, prompt, other).standard_normal()
        harm = math.sqrt(1 - truth.own**2) * latent["harm"] + truth.own * own
        return float(-truth.harm - truth.spread * harm + common + jitter)

    def _rounding(self, task: str, prompt: str, other: str) -> float:
        draw = self._rng("rounding", task, prompt, other).standard_normal()
        return float((self.truth.rounding or 0.0) * draw)

    def _measure_state(self, rows: Rows, state: str) -> None:
        for task in self.tasks:
            before = self._before(state, task)
            self._measure(rows, state, None, task, "original", 0, None, before)
            self._behind_shots(rows, state, None, task, 0, None, before)

    def _measure(
        self,
        rows: Rows,
        state: str,
        trial_id: str | None,
        task: str,
        prompt: str,
        step: int,
        role: str | None,
        value: float,
        n_shots: int = 0,
    ) -> None:
        keys = {"state_id": state, "trial_id": trial_id, "eval_task": task, "test_prompt": prompt}
        keys = {**keys, "step": step, "n_shots": n_shots}
        loss = 2 - value / 50
        metric = self.metrics.get(task, METRIC)
        rows["scores"].append(
            {
                **keys,
                "role": role,
                "metric": metric,
                "value": value,
                "loss": loss,
                "n_examples": 100,
            }
        )
        kept = self.study.evaluation.n_predictions_kept
        for example in range(kept):
            correct = example < round(kept * min(max(value, 0), 100) / 100)
            gold = "yes" if example % 2 else "no"
            output = gold if correct else "maybe"
            rows["predictions"].append(
                {
                    **keys,
                    "example": example,
                    "output": output,
                    "loss": loss + example / 100,
                    "correct": correct,
                }
            )


def _state(
    state_id: str, parent: str | None, state_seed: int | None, learned: list[str]
) -> dict[str, Any]:
    return {"state_id": state_id, "parent_id": parent, "state_seed": state_seed, "learned": learned}


def trial_row(
    trial_id: str, state: str, task: str, prompt: str, seed: int, purpose: str
) -> dict[str, Any]:
    return {
        "trial_id": trial_id,
        "state_id": state,
        "result_state_id": None,
        "policy": None,
        "method": "lora",
        "seed": seed,
        "purpose": purpose,
        "current_task": task,
        "prompt_id": prompt,
        "status": "done",
        "engine": "stacked",
        "chunk": 2 if purpose == "repeat" else 8,
        "device": "cpu",
    }


def cost(group: str, phase: str) -> dict[str, Any]:
    amounts = {
        "seconds": 1.0,
        "examples": 100,
        "tokens": 1000,
        "model_flops": 1e9,
        "peak_bytes": 10**8,
    }
    return {"group": group, "phase": phase, **amounts}

"""A whole small study, from the start of its first process to the end of its last."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sapo_analysis.bench.harness import Say, quartiles
from sapo_analysis.bench.largest import largest
from sapo_analysis.bench.trial import ALL, STATE
from sapo_analysis.errors import WorkError
from sapo_analysis.plan import make_plan
from sapo_analysis.pre_update_loss import batch_mean
from sapo_analysis.spec import LoraSettings, ParaphraseStudy, to_json

_LIMIT_SECONDS = 1800


def bench_study(lora: LoraSettings, device: str) -> ParaphraseStudy:
    """One current task with five prompts, four tasks measured; the rest default."""
    return ParaphraseStudy.model_validate(
        {
            "name": "bench",
            "current": ["sentiment"],
            "unseen": ["product"],
            "retained": ["last_word", "first_word"],
            "prompts": 4,
            "lora": lora,
            "device": device,
        }
    )


@dataclass(frozen=True)
class StudySettings:
    """How the arms of a study are set up: the best found by the grids."""

    trainer_threads: int
    micro_batch: int
    eval_batch: int
    plain_threads: int
    our_threads: int


@dataclass
class _Once:
    """One arm's one run of a study."""

    seconds: float
    cpu: float
    startup: float
    peak_bytes: int
    losses: dict[str, Any]
    trained: dict[str, float]
    scores: dict[str, float]


def measure_study(
    study: ParaphraseStudy, settings: StudySettings, repeats: int, say: Say
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Seconds of each arm, interleaved; and how far their results are apart, memory, settings."""
    names = list(_processes(study, settings, ""))
    runs: dict[str, list[_Once]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names if repeat % 2 == 0 else names[::-1]:
            runs[name].append(_run(name, study, settings))
            say(f"  study, {name}: {runs[name][-1].seconds:.1f} s")
    return {name: _summary(own) for name, own in runs.items()}, _agreement(runs, settings)


def _processes(
    study: ParaphraseStudy, settings: StudySettings, folder: str
) -> dict[str, list[dict[str, Any]]]:
    """The payloads of each arm's processes, one after the other."""
    spec = json.loads(to_json(study))
    common = {
        "study": spec,
        "threads": settings.trainer_threads,
        "micro_batch": settings.micro_batch,
        "eval_batch": settings.eval_batch,
    }
    parts: list[str | int] = [STATE, *range(len(make_plan(study, "plain").trials))]
    engines = (
        ("plain", settings.plain_threads, "plain"),
        ("ours", settings.our_threads, "stacked"),
    )
    return {
        "trainer": [{**common, "part": part} for part in parts],
        "trainer_in_process": [{**common, "part": ALL}],
        **{
            name: [{"study": spec, "threads": threads, "engine": engine, "runs": folder}]
            for name, threads, engine in engines
        },
    }


def _run(name: str, study: ParaphraseStudy, settings: StudySettings) -> _Once:
    with tempfile.TemporaryDirectory() as folder:
        payloads = _processes(study, settings, folder)[name]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = _Once(0.0, 0.0, 0.0, 0, {}, {}, {})
        for payload in payloads:
            begun = time.time()
            answer = _ask(payload)
            done.startup += answer["ready"] - begun
            done.peak_bytes = max(done.peak_bytes, answer["peak_bytes"])
            done.losses.update(answer["losses"])
            done.trained.update(answer["trained"])
            done.scores.update(answer["scores"])
        done.seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    done.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done


def _ask(payload: Mapping[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "sapo_analysis.bench.trial"],
        input=json.dumps(payload),
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise WorkError(f"A process of the study's arm failed: {last[0]} Try `sapo run smoke`.")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _summary(runs: Sequence[_Once]) -> dict[str, float]:
    q1, median, q3 = quartiles([run.seconds for run in runs])
    return {
        "median": median,
        "q1": q1,
        "q3": q3,
        "cpu": quartiles([run.cpu for run in runs])[1],
        "startup": quartiles([run.startup for run in runs])[1],
    }


def training_loss_difference(ours: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Largest relative difference of a trial's mean training loss; infinite if trials differ."""
    if not ours or ours.keys() != other.keys():
        return float("inf")
    return largest(abs(other[trial] - loss) / loss for trial, loss in ours.items())


def _agreement(runs: Mapping[str, Sequence[_Once]], settings: StudySettings) -> dict[str, Any]:
    """Pre-update losses are exact, mean training losses close; scores agree only statistically."""
    plain = runs["plain"][0]
    expected = {
        prompt: batch_mean([nll for nll, _ in own], [n for _, n in own], settings.eval_batch)
        for prompt, own in plain.losses.items()
    }
    differences: list[float] = []
    points: list[float] = []
    for name, own in runs.items():
        first = own[0]
        for prompt, value in expected.items():
            found = first.losses[prompt]
            if not isinstance(found, float):
                found = batch_mean(
                    [x for x, _ in found], [n for _, n in found], settings.eval_batch
                )
            differences.append(abs(found - value) / value)
        if first.scores.keys() != plain.scores.keys():
            raise WorkError(
                f"The arms of the study measured other things: {name} has {len(first.scores)}"
                f" scores, the plain loop {len(plain.scores)}. Report this."
            )
        points += [abs(first.scores[key] - plain.scores[key]) for key in plain.scores]
    return {
        "max_relative_difference": largest(differences),
        "max_training_loss_difference": largest(
            training_loss_difference(runs["ours"][0].trained, own[0].trained)
            for name, own in runs.items()
            if name != "ours"
        ),
        "max_score_difference_points": largest(points),
        "peak_bytes": {name: own[0].peak_bytes for name, own in runs.items()},
    }

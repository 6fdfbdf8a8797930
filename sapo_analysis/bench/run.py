"""The whole bench: checks first, then each section; the answer is plain data."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from transformers.utils import logging

from sapo_analysis.bench import evaluation, scoring, training
from sapo_analysis.bench.compare import compared, require_alike
from sapo_analysis.bench.floor import (
    Peak,
    forward_flops,
    measure_peak,
    reading,
    sizes_of,
    training_flops,
)
from sapo_analysis.bench.gate import Check, gate_workload, require, run_gate
from sapo_analysis.bench.harness import Say, load_average
from sapo_analysis.bench.machine import machine, utilisation
from sapo_analysis.bench.memory import measure_memory
from sapo_analysis.bench.presets import SECTIONS, Preset
from sapo_analysis.bench.study import StudySettings, bench_study, measure_study
from sapo_analysis.bench.workload import Workload, make_workload
from sapo_analysis.errors import InputError
from sapo_analysis.models.loading import Device, choose_device
from sapo_analysis.plan import make_plan
from sapo_analysis.spec import LoraSettings, ParaphraseStudy

_NOISE_STEPS = 50


def bench(
    preset: Preset,
    lora: LoraSettings,
    device_name: str,
    sections: Sequence[str] = SECTIONS,
    say: Say = lambda line: print(line, file=sys.stderr, flush=True),
) -> dict[str, Any]:
    """Measure the sections of a preset.

    Raises:
        InputError: the preset is for a GPU and there is none, it has no study and only that is
            asked for, or a layer's name is unknown.
        WorkError: the arms do not compute the same, or a process of an arm failed. The checks on a
            small model come before any timing, each section's own at full size before it is timed,
            the study's after its runs; no figure is given in any of these cases.
    """
    # peft asks transformers by a name that is on its way out.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
    disable: Any = logging.disable_progress_bar  # transformers leaves it untyped
    disable()
    began = time.monotonic()
    device = choose_device(device_name)  # type: ignore[arg-type]
    _check(preset, device, sections)
    answer: dict[str, Any] = {
        "preset": preset.name,
        "settings": _settings(preset, lora),
        "machine": machine(device),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": {"before": load_average()},
    }
    say(f"Preset {preset.name}: {preset.title}; {answer['settings']['text']}")
    work = make_workload(preset, device, lora)
    # Apart from what is timed, small matrices: more threads would wait for each other.
    torch.set_num_threads(1)
    say("Do all arms compute the same?")
    checks = run_gate(gate_workload(work, device), say)
    answer["gate"] = {
        check.name: {"difference": check.difference, "bound": check.bound} for check in checks
    }
    torch.set_num_threads(work.threads)
    peak = measure_peak(device.name, work.model.dtype)
    torch.set_num_threads(1)
    answer["peak_gflops"], answer["peak_gb_per_s"] = peak.flops / 1e9, peak.bandwidth / 1e9
    say(f"Peak: {peak.flops / 1e9:.0f} GFLOP/s, {peak.bandwidth / 1e9:.1f} GB/s")
    answer.update(_measured(work, peak, sections, say))
    for name in sections:
        if name in answer:
            found = answer[name]
            needed = found.get("needed_flops")  # evaluation and study have none: they decode
            rate = None if needed is None else needed / found["seconds"]["ours"]["median"]
            found["mfu"], found["mfu_reason"] = utilisation(device, work.model.dtype, rate)
    answer["load"]["after"] = load_average()
    answer["minutes"] = (time.monotonic() - began) / 60
    return answer


def _check(preset: Preset, device: Device, sections: Sequence[str]) -> None:
    if preset.for_gpu and device.name == "cpu":
        raise InputError(
            f"Preset {preset.name!r} ({preset.title}) is for a GPU; on a CPU it would take hours,"
            f" and the device here is cpu ({device.why})."
            " Use --preset pocket, tiny, small or small-32k."
        )
    if not preset.study_repeats and list(sections) == ["study"]:
        raise InputError(
            f"Preset {preset.name!r} has random weights and no tasks, so no study."
            " Use --only study with --preset pocket."
        )


def _settings(preset: Preset, lora: LoraSettings) -> dict[str, Any]:
    targets = lora.target_modules
    named = targets if isinstance(targets, str) else ", ".join(targets)
    return {
        "dropout": lora.lora_dropout,
        "targets": named,
        "r": lora.r,
        "batch": preset.batch_size,
        "steps": list(preset.steps),
        "K": preset.n_adapters,
        "threads": torch.get_num_threads(),
        "dtype": "float32" if preset.shape is None else preset.shape.dtype,
        "text": f"dropout {lora.lora_dropout:g}, adapters on {named}, r {lora.r},"
        f" batch {preset.batch_size}, K = {preset.n_adapters}",
    }


def _measured(
    work: Workload, peak: Peak, sections: Sequence[str], say: Say
) -> dict[str, dict[str, Any] | list[dict[str, Any]]]:
    answer: dict[str, Any] = {"trainer_grid": []}
    with_study = "study" in sections and work.preset.study_repeats > 0
    if "scoring" in sections:
        say("Scoring")
        answer["scoring"] = scoring.measure(work, peak, say)
        answer["trainer_grid"] += _named("scoring", answer["scoring"].pop("grid"))
    if "training" in sections or with_study:
        say("Training")
        chosen, cells = training.tune(work, say)
        answer["trainer_grid"] += _named("training", cells)
        threads = {name: training.tune_threads(work, name, say) for name in ("plain", "ours")}
    if "training" in sections:
        answer["training"] = training.measure(work, peak, chosen, threads, say)
        say("Memory and numerical noise")
        answer["memory"] = measure_memory(work)
        answer["numerical_noise"] = training.numerical_noise(work, _NOISE_STEPS)
    if "evaluation" in sections:
        say("Evaluation")
        answer["evaluation"] = evaluation.measure(work, peak, say)
        answer["trainer_grid"] += _named("evaluation", answer["evaluation"].pop("grid"))
    if with_study:
        say("Study")
        batch = answer.get("evaluation", {}).get("trainer_batch", max(work.preset.eval_batches))
        settings = StudySettings(
            chosen["threads"], chosen["micro_batch"], batch, threads["plain"], threads["ours"]
        )
        answer["study"] = _study(work, peak, settings, say)
    return answer


def _study(work: Workload, peak: Peak, settings: StudySettings, say: Say) -> dict[str, Any]:
    study = bench_study(work.lora, work.device)
    seconds, agreement = measure_study(study, settings, work.preset.study_repeats, say)
    difference = agreement["max_relative_difference"]
    require_alike("pre-update losses of the study", difference, work.model.dtype, 1e-5)
    dropped = study.lora.lora_dropout > 0  # Trainer draws other masks
    off = agreement["max_training_loss_difference"]
    require(Check("mean training losses of the study", off, 0.2 if dropped else 0.02))
    floor = study_flops(work, study) / peak.flops
    prompts = len(make_plan(study, "plain").trials)
    unit = f"study of {len(study.current)} current task, {prompts} prompts"
    in_process = seconds["trainer_in_process"]["median"] / seconds["ours"]["median"]
    return {
        **compared(seconds, floor, unit, difference),
        "speedup_vs_trainer_in_process": in_process,
        **agreement,
        "threads": {
            "trainer": settings.trainer_threads,
            "trainer_in_process": settings.trainer_threads,
            "plain": settings.plain_threads,
            "ours": settings.our_threads,
        },
        "micro_batch": settings.micro_batch,
    }


def study_flops(work: Workload, study: ParaphraseStudy) -> float:
    """Operations of a study's scoring, training and checking of answers; decoding is left out."""
    plan, sizes, encoder = make_plan(study, "plain"), sizes_of(work.model), work.encoder
    n_test, n_scored = study.evaluation.examples, study.scoring.examples
    per_step = training_flops(sizes, training.step_reading(work), training.n_lora(work))

    def check(name: str, prompt: Any) -> float:
        rows = encoder.encode_split(plan.tasks[name], "test", n_test, prompt)
        return forward_flops(sizes, reading(rows, shared=True))

    every_task = sum(check(name, prompt) for name, prompt in plan.originals.items())
    total = every_task
    for name, prompts in plan.prompts.items():
        for prompt in prompts:
            rows = encoder.encode_split(plan.tasks[name], "train", n_scored, prompt)
            total += forward_flops(sizes, reading(rows, shared=True))
            if prompt != plan.originals[name]:
                total += check(name, prompt)
    for trial in plan.trials:
        total += study.training.steps * per_step + every_task
        if trial.prompt != plan.originals[trial.task]:
            total += check(trial.task, trial.prompt)
    return total


def _named(section: str, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"section": section, **cell} for cell in cells]

"""`sapo bench`: our engine against `Trainer` with peft and a plain loop, on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer

from sapo_analysis import jobs
from sapo_analysis.cli.options import JsonOption
from sapo_analysis.cli.output import show, show_json, show_table, size

_LIMIT_SECONDS = 3 * 3600.0
_SECTIONS = ("scoring", "training", "evaluation", "study")
_ARMS = {
    "trainer": "Trainer + peft",
    "trainer_in_process": "Trainer + peft, one process",
    "plain": "plain loop",
    "ours": "ours",
}


def bench(
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Which model and sizes; a wrong name lists all.")
    ] = "pocket",
    dropout: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Dropout on the adapters' input.")
    ] = 0.0,
    targets: Annotated[
        str, typer.Option(help="Layers with adapters: all-linear, or names as in q_proj,v_proj.")
    ] = "all-linear",
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="Where to measure; auto takes the GPU when there is one."),
    ] = "auto",
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure this section alone: scoring, training, evaluation or study;"
            " may be repeated. [default: all]"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure our engine against Trainer with peft and a plain loop; numbers are compared first."""
    payload = {
        "preset": preset,
        "dropout": dropout,
        "targets": targets,
        "device": device,
        "only": only or [],
    }
    answer = jobs.probe("bench", payload, timeout=_LIMIT_SECONDS, echo=True)
    if as_json:
        show_json(answer)
        return
    settings = _settings(answer)
    for section in _SECTIONS:
        if section in answer:
            _show_section(section, answer[section], settings)
    _show_grid(answer["trainer_grid"], settings)
    _show_gate(answer["gate"])
    if "memory" in answer:
        _show_rest(answer)


def _settings(answer: Mapping[str, Any]) -> str:
    machine = answer["machine"]
    dtype = answer["settings"]["dtype"]
    where = machine["hardware"] if machine["device"] == "cuda" else machine["cpu"]
    return (
        f"Preset {answer['preset']}, {answer['settings']['text']}, {dtype}; {where},"
        f" {machine['cores']} cores, torch {machine['torch']}; peak {answer['peak_gflops']:.0f}"
        f" GFLOP/s; load {_load(answer['load'])}; {answer['date']}."
    )


def _load(load: Mapping[str, float | None]) -> str:
    return " to ".join("unknown" if x is None else f"{x:.1f}" for x in load.values())


def _show_section(name: str, found: Mapping[str, Any], settings: str) -> None:
    rows = [
        (
            _ARMS[arm],
            found["threads"][arm],
            _milliseconds(own["median"]),
            f"{_milliseconds(own['q1'])} to {_milliseconds(own['q3'])}",
            _milliseconds(own["cpu"]),
            _milliseconds(own["startup"]),
            f"{own['median'] / found['seconds']['ours']['median']:.2f}×",
        )
        for arm, own in found["seconds"].items()
    ]
    mfu = found["mfu"]
    notes = [
        f"Ours is {found['speedup_vs_trainer']:.2f}× as fast as Trainer + peft,"
        f" {found['speedup_vs_plain']:.2f}× as the plain loop;"
        f" {found['floor_fraction']:.2f} of the floor"
        f" ({_milliseconds(found['floor_seconds'])} ms).",
        f"Largest relative difference of the numbers: {found['max_relative_difference']:.1e}."
        f" Utilisation of the datasheet's peak:"
        f" {'none, ' + found['mfu_reason'] if mfu is None else f'{mfu:.2f}'}.",
        settings,
    ]
    if "tokens_per_step" in found:
        tokens = found["tokens_per_step"]
        notes.insert(
            1,
            f"Tokens of a step: {tokens['single']} in Trainer's and the plain loop's adapters,"
            f" {tokens['stack']} in the mean of our stack.",
        )
    if "answers_that_differ" in found:
        notes.insert(
            2,
            "Answers that differ from the plain loop's:"
            f" {100 * found['answers_that_differ']:.2g} %;"
            f" settled by checking the gold one: {100 * found['share_settled_by_draft']:.0f} %.",
        )
    if "speedup_vs_trainer_in_process" in found:
        notes.insert(
            1,
            f"Against Trainer + peft in one process: {found['speedup_vs_trainer_in_process']:.2f}×."
            " Start-up: until the model is loaded, all processes together."
            f" Scores differ by up to {found['max_score_difference_points']:.1f} points: after"
            " float32 training results agree only statistically. Mean training losses differ by up"
            f" to {100 * found['max_training_loss_difference']:.2g} %.",
        )
    show_table(
        f"{name}: milliseconds per {found['unit']}",
        ["arm", "threads", "median", "quartiles", "CPU", "start-up", "× ours"],
        rows,
    )
    _show_lines(notes)


def _show_grid(cells: list[Mapping[str, Any]], settings: str) -> None:
    rows = [
        (
            cell["section"],
            cell["threads"],
            cell.get("micro_batch", cell.get("batch")),
            _milliseconds(cell["seconds"]),
            cell["chosen"],
        )
        for cell in cells
    ]
    show_table(
        "Trainer + peft, tuned: milliseconds of a trial job; in training, without its start-up",
        ["section", "threads", "micro-batch or batch", "milliseconds", "chosen"],
        rows,
    )
    _show_lines([settings])


def _show_gate(gate: Mapping[str, Mapping[str, float]]) -> None:
    rows = [(name, f"{own['difference']:.2g}", f"{own['bound']:g}") for name, own in gate.items()]
    show_table("Compared before any timing", ["check", "difference", "allowed"], rows)


def _show_rest(answer: Mapping[str, Any]) -> None:
    memory, noise = answer["memory"], answer["numerical_noise"]
    show(
        f"Memory while training: {size(memory['peak_bytes_per_adapter'])} per adapter at the peak,"
        f" {size(memory['peak_bytes_stack'])} with {memory['stack']} ({memory['of']})."
    )
    show(
        f"Numerical noise: {noise['steps']} float32 steps once more in stacks of"
        f" {noise['stacks'][1]} instead of {noise['stacks'][0]} move the weights by"
        f" {noise['weights']:.1e} and a task's loss by up to {noise['loss']:.1e}, relative."
    )


def _show_lines(lines: Sequence[str]) -> None:
    """Below a table, not in its caption: that would be folded to the table's width."""
    for line in (*lines, ""):
        show(line)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.2f}" if seconds < 1 else f"{1000 * seconds:,.0f}"

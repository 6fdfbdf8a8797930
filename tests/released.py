"""Output folders as the released code of SAPO writes them, with scores, losses and texts given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SUPER_NI = {
    "task195": "task195_sentiment140_classification",
    "task1310": "task1310_amazonreview_rating_classification",
    "task273": "task273_europarl_classification",
}
"""Stage folder to task, as scores name it."""
R0 = (50.0, 20.0, 10.0)
R = ((80.0, 30.0, 20.0), (70.0, 85.0, 25.0), (60.0, 75.0, 90.0))
"""Worked example: AP 75, BWT -12.5, FWT 12.5."""
SUFFIX = "Directly output only the label as your answer."
ANSWERS = ("positive", "negative")


def released_metrics(tasks: Sequence[str], row: Sequence[float | None]) -> dict[str, Any]:
    """What `all_results.json` holds; no key where a score is None."""
    found: dict[str, Any] = {
        "epoch": 10.0,
        "train_loss": 0.31,
        "train_runtime": 120.5,
        "train_samples": 1000,
        "predict_loss": float("nan"),
        "predict_loss_variance": float("nan"),
        "predict_rougeL": 50.0,
        "predict_rougeL_for_SUPERNI": 50.0,
        "predict_gen_len": 12.5,
        "predict_samples": 30,
    }
    for task, value in zip(tasks, row, strict=True):
        if value is not None:
            found[f"predict_rougeL_for_{task}"] = value
            found[f"predict_rouge1_for_{task}"] = value
    return found


def write_json(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def original(task: str) -> str:
    return f"Say what {task} asks for."


def write_outputs(
    saves: Path,
    method: str = "LoraInc",
    *,
    model: str = "qwen3-8b",
    order: str = "ni_seq_c1",
    tasks: Mapping[str, str] = SUPER_NI,
    scores: Sequence[Sequence[float | None]] = R,
    losses: Sequence[float] = (2.0, 1.5, 1.75),
    outputs: int = 0,
) -> Path:
    """The folder of one strategy on one order.

    `losses`: of the original and the paraphrases at every stage, where the method's name says that
    it chooses; `outputs`: test rows of each task whose answers are written, all of them right.
    """
    folder = saves / method / model / order
    names = list(tasks.values())
    prompts = {task: {"instruction": original(task), "suffix": SUFFIX} for task in names}
    for i, (stage, task) in enumerate(tasks.items()):
        path = folder / "outputs" / f"{i + 1}-{stage}"
        write_json(path / "all_results.json", released_metrics(names, scores[i][: len(names)]))
        if method.endswith("_SAPO"):
            prompts = _write_candidates(path / "prompts_train", prompts, task, losses, method)
        if outputs:
            _write_answers(path, prompts, outputs)
    return folder


def _write_candidates(
    folder: Path, prompts: dict[str, Any], task: str, losses: Sequence[float], method: str
) -> dict[str, Any]:
    best = losses.index(min(losses))
    chosen = prompts
    for k, loss in enumerate(losses):
        text = original(task) if k == 0 else f"Wording {k} for {task} ({method})."
        own = {**prompts, task: {**prompts[task], "instruction": text}}
        write_json(folder / f"instruction_{k - 1}.json", own)
        measured = {"predict_loss": loss, "predict_runtime": 2.5, "predict_samples": 248}
        write_json(folder / f"predict_results_{k - 1}.json", measured)
        chosen = own if k == best else chosen
    write_json(folder / "instructions.json", chosen)
    return chosen


def _write_answers(folder: Path, prompts: Mapping[str, Any], n: int) -> None:
    lines = [
        {
            "Task": "SUPERNI",
            "Dataset": task,
            "Instance": {
                "id": str(i),
                "sentence": f"row {i} of {task}",
                "label": ANSWERS[i % 2],
                "instruction": f"{prompt['instruction']}\n\nText:\n{{0}}\n\n{SUFFIX}",
                "ground_truth": ANSWERS[i % 2],
            },
            "Prediction": ANSWERS[i % 2],
        }
        for task, prompt in prompts.items()
        for i in range(n)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "predict_eval_predictions.jsonl").write_text(text, encoding="utf-8")


def write_base(
    path: Path, scores: Sequence[float] = R0, tasks: Mapping[str, str] = SUPER_NI
) -> Path:
    """What the base model scored."""
    return write_json(path, released_metrics(list(tasks.values()), scores))

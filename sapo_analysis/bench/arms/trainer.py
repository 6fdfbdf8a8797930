"""`transformers.Trainer` with peft, as well set up as it can be without leaving it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from sapo_analysis.bench.arms.reloaded import reloaded
from sapo_analysis.bench.arms.weights import Weights, adapter_weights
from sapo_analysis.bench.greedy import greedy_tokens
from sapo_analysis.bench.workload import Evaluated, Workload
from sapo_analysis.learning.batching import collate
from sapo_analysis.learning.members import batch_order
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.spec import TrainingSettings

_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


class _InOrder(Trainer):
    """Takes training rows in the order they come."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        return SequentialSampler(rows)


class _Seeded(TrainerCallback):
    """Starts the dropout stream of every step as the plain loop does; for comparing numbers."""

    def __init__(self, seed: int):
        self._seed = seed

    def on_step_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        torch.manual_seed(self._seed + state.global_step)


def fine_tune(
    model: PreTrainedModel,
    rows: Sequence[Encoded],
    settings: TrainingSettings,
    seed: int,
    pad_id: int,
    micro_batch: int,
    seeded: bool = False,
) -> float:
    """Train a peft model in place; the mean of its steps' losses (nats per target token).

    Same optimizer settings, clipping, batches and order as `learning.training.train`. Micro-batches
    are accumulated by `Trainer` itself, weighted by their target tokens. No checkpoints, no logs.
    """
    order = islice(batch_order(len(rows), settings.batch_size, seed), settings.steps)
    ordered = [rows[i] for batch in order for i in batch]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=settings.steps,
            per_device_train_batch_size=micro_batch,
            gradient_accumulation_steps=settings.batch_size // micro_batch,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            lr_scheduler_type=_SCHEDULES[settings.schedule],
            warmup_steps=settings.warmup_steps,
            logging_nan_inf_filter=False,  # it would wait for the GPU at every step
            seed=seed % 2**32,  # numpy takes no larger one
            **_common(model),
        )
        trainer = _InOrder(
            model=model,
            args=arguments,
            train_dataset=ordered,
            data_collator=_collator(pad_id),
            callbacks=[_Seeded(seed)] if seeded else None,
        )
        trainer.remove_callback(PrinterCallback)
        loss = float(trainer.train().training_loss)
    model.train(False)
    return loss


def evaluation_losses(
    model: PreTrainedModel, sets: Sequence[Sequence[Encoded]], pad_id: int, batch: int
) -> list[float]:
    """`Trainer.evaluate` on each set of rows: its mean of batch means (nats per target token)."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_eval_batch_size=batch,
            prediction_loss_only=True,
            **_common(model),
        )
        trainer = _InOrder(model=model, args=arguments, data_collator=_collator(pad_id))
        trainer.remove_callback(PrinterCallback)
        run: Any = trainer.evaluate  # it takes any sequence, not its declared Dataset alone
        return [float(run(list(rows))["eval_loss"]) for rows in sets]


def train(
    work: Workload, n: int, steps: int, micro_batch: int, seeded: bool = False
) -> list[Weights]:
    """The first `n` adapters, one after the other."""
    found = []
    for k in range(n):
        with fresh_adapter(work.model, work.lora, seed=k) as adapted:
            settings = work.steps(steps)
            fine_tune(adapted, work.train[k], settings, k, work.encoder.pad_id, micro_batch, seeded)
            found.append(adapter_weights(adapted))
    return found


def score(work: Workload, n: int, batch: int) -> list[float]:
    """Each of `n` prompts' loss on its rows; with more than there are, they take turns."""
    sets = [work.scored[k % len(work.scored)] for k in range(n)]
    return evaluation_losses(work.model, sets, work.encoder.pad_id, batch)


def evaluate(
    work: Workload, folders: Sequence[Path], rounds: int, batch: int
) -> list[tuple[float, list[str]]]:
    """(loss, answers) of each adapter on each task, all tasks `rounds` times over."""
    found = []
    for folder in folders:
        with reloaded(work.model, folder) as adapted:
            found += measure(adapted, work.encoder, work.evaluated * rounds, batch)
    return found


def measure(
    model: PreTrainedModel, encoder: Encoder, tasks: Sequence[Evaluated], batch: int
) -> list[tuple[float, list[str]]]:
    """(loss, answers) on each task: `Trainer.evaluate` for the loss, `generate` for the answers."""
    losses = evaluation_losses(model, [task.rows for task in tasks], encoder.pad_id, batch)
    found = []
    for loss, part in zip(losses, tasks, strict=True):
        ids = greedy_tokens(model, encoder, part.rows, part.task.max_new_tokens, batch)
        texts = encoder.tokenizer.batch_decode(ids, skip_special_tokens=True)
        found.append((loss, [text.strip() for text in texts]))
    return found


def _common(model: PreTrainedModel) -> dict[str, Any]:
    return {
        "use_cpu": model.device.type == "cpu",
        "bf16": model.dtype == torch.bfloat16,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "remove_unused_columns": False,
        "label_names": ["labels"],
    }


def _collator(pad_id: int) -> Any:
    def collated(rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        inputs, labels = collate(rows, pad_id, torch.device("cpu"))
        return {**inputs, "labels": labels}

    return collated

"""Pretrain the pocket model on the pocket suite: `sapo pretrain`.

Writes a folder that loads like any Hugging Face causal model (config, safetensors, tokenizer with a
chat template), with the settings, the loss log, the prompt frequencies and the scores it reached.
Equal settings, package versions and thread count give equal weights on the same machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.models.pretraining_mix import Draw, pretraining_stream
from sapo_analysis.models.tokenizer_training import train_tokenizer
from sapo_analysis.prompts import original, user_message
from sapo_analysis.prompts.bank import BANK
from sapo_analysis.tasks import SPLITS, list_tasks, score

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, a short text). It may raise to stop the work."""


class PretrainSettings(BaseModel):
    """Everything that decides the weights. Each field names its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0, description="seed of initialisation and of the data stream")
    steps: int = Field(2000, ge=1, description="optimiser steps")
    batch_size: int = Field(128, ge=1, description="examples per step")
    learning_rate: float = Field(2e-3, gt=0, description="peak AdamW learning rate, per step")
    warmup: float = Field(0.05, ge=0, lt=1, description="fraction of the steps with rising rate")
    weight_decay: float = Field(0.05, ge=0, description="AdamW weight decay")
    grad_clip: float = Field(1.0, gt=0, description="largest global gradient norm")
    text_weight: float = Field(
        0.1, ge=0, description="weight of the mean loss on the user's tokens; the target's has 1"
    )
    zipf_exponent: float = Field(
        0.7, ge=0, description="exponent of prompt frequency over rank, original first"
    )
    vocab_size: int = Field(2048, ge=300, description="tokens in the vocabulary")
    tokenizer_examples: int = Field(20000, ge=1, description="examples the BPE merges come from")
    hidden_size: int = Field(128, ge=8, description="width of the residual stream")
    layers: int = Field(4, ge=1, description="transformer blocks")
    heads: int = Field(4, ge=1, description="attention heads")
    intermediate_size: int = Field(384, ge=8, description="width of the MLP")
    max_positions: int = Field(1024, ge=64, description="longest sequence, tokens")
    log_every: int = Field(20, ge=1, description="optimiser steps between two lines of the log")
    eval_examples: int = Field(200, ge=1, description="test examples per task for the base scores")
    threads: int = Field(2, ge=1, description="CPU threads of torch")


PRESETS: dict[str, PretrainSettings] = {
    "pocket": PretrainSettings(),
    "smoke": PretrainSettings(
        steps=10,
        batch_size=16,
        tokenizer_examples=1000,
        vocab_size=600,
        hidden_size=32,
        layers=2,
        intermediate_size=64,
        log_every=2,
        eval_examples=4,
    ),
}


def preset(name: str) -> PretrainSettings:
    """The settings of this name; `pocket` made the shipped model."""
    if name not in PRESETS:
        raise unknown("pretraining preset", name, list(PRESETS))
    return PRESETS[name]


def pretrain(
    settings: PretrainSettings, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Pretrain a model into the folder `out`, which must be empty or new.

    Returns the content of `pretraining.json`: settings, fingerprints, base scores, costs.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"The folder {str(out)!r} is not empty. Name a new folder for the model.")
    out.mkdir(parents=True, exist_ok=True)
    report = progress or (lambda done, total, text: None)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        return _pretrain(settings, out, report)
    finally:
        torch.set_num_threads(threads_before)


def pretrain_from_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The worker's door: `preset`, `seed` and the folder `out`, progress goes to standard error."""
    settings = preset(payload["preset"]).model_copy(update={"seed": int(payload["seed"])})

    def tell(done: int, total: int, text: str) -> None:
        print(f"{done}/{total} {text}", file=sys.stderr, flush=True)

    return pretrain(settings, Path(payload["out"]), tell)


def _pretrain(settings: PretrainSettings, out: Path, report: Progress) -> dict[str, Any]:
    started = time.perf_counter()
    report(0, settings.steps, "tokenizer")
    draws = pretraining_stream(settings.seed, settings.zipf_exponent)
    tokenizer = train_tokenizer(
        (text for draw in islice(draws, settings.tokenizer_examples) for text in _texts(draw)),
        settings.vocab_size,
        settings.max_positions,
    )
    torch.manual_seed(settings.seed)
    model: Any = LlamaForCausalLM(_config(settings, tokenizer))
    frequencies = _train(model, tokenizer, settings, out, report)
    seconds = time.perf_counter() - started

    report(settings.steps, settings.steps, "base scores")
    model.eval()
    scores = {
        task.name: base_score(model, tokenizer, task.name, settings.eval_examples)
        for task in list_tasks()
    }
    model.save_pretrained(out)
    # One file less to lose: the template lives inside tokenizer_config.json.
    tokenizer.save_pretrained(out, save_jinja_files=False)
    _name_tokenizer_class(out / "tokenizer_config.json")
    _write_json(out / "prompt_frequencies.json", frequencies)
    record = {
        "settings": settings.model_dump(),
        "loss": "mean over target tokens and end of turn, plus text_weight times the mean over the "
        "user's tokens; nats",
        "parameters": sum(p.numel() for p in model.parameters()),
        "examples": settings.steps * settings.batch_size,
        "seconds": round(seconds, 1),
        "versions": {"torch": torch.__version__, "transformers": _transformers_version()},
        "fingerprints": {
            "suite": _suite_fingerprint(),
            "prompts": _sha256(BANK.read_bytes()),
            "weights": _sha256((out / "model.safetensors").read_bytes()),
            "tokenizer": _sha256((out / "tokenizer.json").read_bytes()),
        },
        "base_scores": scores,
    }
    _write_json(out / "pretraining.json", record)
    return record


def _train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    settings: PretrainSettings,
    out: Path,
    report: Progress,
) -> dict[str, int]:
    """Run the optimiser; returns how many examples carried each prompt."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate_of(settings))
    stream = pretraining_stream(settings.seed, settings.zipf_exponent)
    frequencies: Counter[str] = Counter()
    started = time.perf_counter()
    model.train()
    with (out / "pretraining_log.jsonl").open("w", encoding="utf-8") as log:
        for step in range(1, settings.steps + 1):
            draws = list(islice(stream, settings.batch_size))
            frequencies.update(draw.prompt.prompt_id for draw in draws)
            ids, is_target, is_text = _batch(tokenizer, draws)
            target_loss, text_loss = _losses(model, ids, is_target, is_text)
            optimizer.zero_grad(set_to_none=True)
            loss: Any = target_loss + settings.text_weight * text_loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.grad_clip)
            rate = schedule.get_last_lr()[0]
            optimizer.step()
            schedule.step()
            if step % settings.log_every == 0 or step in (1, settings.steps):
                row = {
                    "step": step,
                    "target_loss": round(target_loss.item(), 5),
                    "text_loss": round(text_loss.item(), 5),
                    "learning_rate": rate,
                    "seconds": round(time.perf_counter() - started, 1),
                }
                log.write(json.dumps(row) + "\n")
                log.flush()
                report(step, settings.steps, f"target loss {row['target_loss']:.3f}")
    return dict(sorted(frequencies.items()))


def _losses(
    model: LlamaForCausalLM, ids: torch.Tensor, is_target: torch.Tensor, is_text: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    # No attention mask: padding stands on the right, where causal attention never looks.
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    token_losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    ).view(ids.shape[0], -1)
    target, text = is_target[:, 1:], is_text[:, 1:]
    return (
        (token_losses * target).sum() / target.sum(),
        (token_losses * text).sum() / text.sum(),
    )


def _batch(
    tokenizer: PreTrainedTokenizerFast, draws: Sequence[Draw]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Right-padded token ids with float masks of the target's and of the user's tokens."""
    asked = [_chat(tokenizer, draw.prompt.text, draw.example.input) for draw in draws]
    answers = [f"{draw.example.target}{tokenizer.eos_token}" for draw in draws]
    prompt_ids = tokenizer(asked, add_special_tokens=False)["input_ids"]
    answer_ids = tokenizer(answers, add_special_tokens=False)["input_ids"]
    length = max(len(p) + len(a) for p, a in zip(prompt_ids, answer_ids, strict=True))
    ids = torch.full((len(draws), length), int(tokenizer.pad_token_id or 0))
    is_target = torch.zeros(len(draws), length)
    is_text = torch.zeros(len(draws), length)
    for row, (prompt, answer) in enumerate(zip(prompt_ids, answer_ids, strict=True)):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor([*prompt, *answer])
        is_text[row, : len(prompt)] = 1.0
        is_target[row, len(prompt) : end] = 1.0
    return ids, is_target, is_text


def base_score(
    model: Any, tokenizer: PreTrainedTokenizerFast, task_name: str, n_examples: int
) -> float:
    """The task's score, 0 to 100, of greedy answers under its original prompt on test examples."""
    task = next(task for task in list_tasks() if task.name == task_name)
    examples = task.examples("test", n_examples)
    prompt = original(task_name).text
    asked = [_chat(tokenizer, prompt, example.input, task.suffix) for example in examples]
    outputs: list[str] = []
    for start in range(0, len(asked), 100):
        batch = tokenizer(
            asked[start : start + 100],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_special_tokens=False,
        )
        with torch.inference_mode():
            tokens = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=task.max_new_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
            )
        new = tokens[:, batch["input_ids"].shape[1] :]
        outputs += tokenizer.batch_decode(new, skip_special_tokens=True)
    return round(score(task, outputs, [example.target for example in examples]), 2)


def _chat(
    tokenizer: PreTrainedTokenizerFast, prompt: str, input_text: str, suffix: str = ""
) -> str:
    messages = [{"role": "user", "content": user_message(prompt, input_text, suffix)}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _texts(draw: Draw) -> tuple[str, str]:
    # The special tokens are left out: merges must not know them.
    return user_message(draw.prompt.text, draw.example.input, ""), draw.example.target


def _config(settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=settings.max_positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )


def _rate_of(settings: PretrainSettings) -> Callable[[int], float]:
    warm = max(1, round(settings.warmup * settings.steps))

    def rate(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        done = (step - warm) / max(1, settings.steps - warm)
        return 0.5 * (1.0 + math.cos(math.pi * done))

    return rate


def _suite_fingerprint() -> str:
    digest = hashlib.sha256()
    for task in list_tasks():
        for split in SPLITS:
            for example in task.examples(split):
                line = [task.name, split, example.input, example.target]
                digest.update(json.dumps(line).encode("utf-8"))
    return digest.hexdigest()


def _name_tokenizer_class(path: Path) -> None:
    # transformers 5 writes its own new name for the class; version 4 knows only this one.
    content = json.loads(path.read_text("utf-8"))
    _write_json(path, {**content, "tokenizer_class": "PreTrainedTokenizerFast"})


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _transformers_version() -> str:
    import transformers

    return str(transformers.__version__)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

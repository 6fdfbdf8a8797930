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
import transformers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.models.encoding import IGNORED, Encoded, Encoder, encode
from sapo_analysis.models.loading import context_length
from sapo_analysis.pretraining.mix import Draw, pretraining_stream
from sapo_analysis.pretraining.settings import PretrainSettings, preset
from sapo_analysis.pretraining.tokenizer import train_tokenizer
from sapo_analysis.prompts import original, user_message
from sapo_analysis.prompts.bank import BANK
from sapo_analysis.tasks import SPLITS, list_tasks

_EVALUATED_AT_ONCE = 100
Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, a short text). It may raise to stop the work."""


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
    scores = base_scores(model, tokenizer, settings.eval_examples)
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
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
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
    pad_id = int(tokenizer.pad_token_id or 0)
    started = time.perf_counter()
    model.train()
    with (out / "pretraining_log.jsonl").open("w", encoding="utf-8") as log:
        for step in range(1, settings.steps + 1):
            draws = list(islice(stream, settings.batch_size))
            frequencies.update(draw.prompt.prompt_id for draw in draws)
            rows = [encode(tokenizer, draw.prompt.text, "", draw.example) for draw in draws]
            target_loss, text_loss = _losses(model, pad_id, rows)
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


def _losses(model: LlamaForCausalLM, pad_id: int, rows: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    """Mean loss on target tokens (end of turn included) and on the user's tokens, nats."""
    inputs, labels = collate(rows, pad_id, model.device)
    ids, is_target = inputs["input_ids"], (labels != IGNORED)[:, 1:]
    is_text = (inputs["attention_mask"] == 1)[:, 1:] & ~is_target
    # No attention mask: padding stands on the right, where causal attention never looks.
    losses = token_losses(model(input_ids=ids, use_cache=False).logits, ids)
    return (losses * is_target).sum() / is_target.sum(), (losses * is_text).sum() / is_text.sum()


def base_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, n_examples: int
) -> dict[str, float]:
    """Every task's score, 0 to 100, under its original prompt on its first test examples."""
    encoder = Encoder(tokenizer, context_length(model))
    found = {}
    for task in list_tasks():
        rows = encoder.encode_split(task, "test", n_examples, original(task.name))
        answers = task.examples("test", n_examples)
        result = evaluate(model, encoder, task, answers, rows, _EVALUATED_AT_ONCE)
        found[task.name] = round(result.value, 2)
    return found


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


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

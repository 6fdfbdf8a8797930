"""Pretrain a pocket model on the pocket suite: `sapo pretrain`.

Writes a folder that loads like any Hugging Face causal model (config, safetensors, tokenizer with a
chat template), with its settings, mixture, loss log, prompt frequencies and model card. Equal
settings, package versions and thread count give equal weights on the same machine.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sapo_analysis.errors import InputError
from sapo_analysis.pretraining import checkpoint
from sapo_analysis.pretraining.card import card_text, measure_card
from sapo_analysis.pretraining.loop import LOG, Report, train
from sapo_analysis.pretraining.mix import (
    Draw,
    mixture,
    pretraining_stream,
    suite_fingerprints,
)
from sapo_analysis.pretraining.settings import PretrainSettings, preset
from sapo_analysis.pretraining.tokenizer import train_tokenizer
from sapo_analysis.prompts import get_prompts, user_message
from sapo_analysis.prompts.bank import FREQUENCIES
from sapo_analysis.tasks.pocket import task_names


def pretrain(settings: PretrainSettings, out: Path, report: Report | None = None) -> dict[str, Any]:
    """Pretrain a model into the folder `out`: new, empty, or with a half-done pretraining.

    A half-done one is continued. Returns the content of `pretraining.json`.

    Raises:
        InputError: the folder holds anything else, or was begun with other settings.
    """
    # A log alone is what a session leaves that was stopped before its first checkpoint.
    held = {path.name for path in out.iterdir()} - {LOG} if out.exists() else set()
    if held and not checkpoint.exists(out):
        raise InputError(f"The folder {str(out)!r} is not empty. Name a new folder for the model.")
    out.mkdir(parents=True, exist_ok=True)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        return _pretrain(settings, out, report or (lambda done, total, text: None))
    finally:
        torch.set_num_threads(threads_before)


def pretrain_from_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The worker's door: `preset`, `seed` and the folder `out`, progress goes to standard error."""
    settings = preset(payload["preset"]).model_copy(update={"seed": int(payload["seed"])})

    def tell(done: int, total: int, text: str) -> None:
        print(f"{done}/{total} {text}", file=sys.stderr, flush=True)

    return pretrain(settings, Path(payload["out"]), tell)


def _pretrain(settings: PretrainSettings, out: Path, report: Report) -> dict[str, Any]:
    report(0, settings.steps, "tokenizer")
    draws = islice(pretraining_stream(settings), settings.tokenizer_examples)
    tokenizer = train_tokenizer(
        (text for draw in draws for text in _texts(draw)),
        settings.vocab_size,
        settings.max_positions,
    )
    torch.manual_seed(settings.seed)
    model: Any = LlamaForCausalLM(_config(settings, tokenizer))
    done = train(model, tokenizer, settings, out, report)

    model.eval()
    model.save_pretrained(out)
    # One file less to lose: the template lives inside tokenizer_config.json.
    tokenizer.save_pretrained(out, save_jinja_files=False)
    _name_tokenizer_class(out / "tokenizer_config.json")
    _write_json(out / FREQUENCIES, _by_text(done.frequencies))
    _write_json(out / "mixture.json", mixture(settings, task_names()))
    card = measure_card(
        model,
        tokenizer,
        settings.card_examples,
        lambda task: report(settings.steps, settings.steps, f"model card: {task}"),
    )
    record = {
        "settings": settings.model_dump(),
        "loss": "mean over the answers' tokens with their end of turn, plus text_weight times the"
        " mean over the user's tokens; nats",
        "parameters": sum(p.numel() for p in model.parameters()),
        "conversations": settings.steps * settings.batch_size,
        "examples": sum(done.frequencies.values()),
        "seconds": round(done.seconds, 1),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "fingerprints": {
            **suite_fingerprints(task_names()),
            "weights": _sha256((out / "model.safetensors").read_bytes()),
            "tokenizer": _sha256((out / "tokenizer.json").read_bytes()),
        },
        "card": card,
    }
    _write_json(out / "pretraining.json", record)
    (out / "MODEL_CARD.md").write_text(card_text(record, card), encoding="utf-8")
    checkpoint.clear(out)
    return record


def _texts(draw: Draw) -> list[str]:
    # The special tokens are left out: merges must not know them.
    return [
        text
        for example in draw.examples
        for text in (user_message(draw.prompt.text, example.input, ""), example.target)
    ]


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


def _name_tokenizer_class(path: Path) -> None:
    # transformers 5 writes its own new name for the class; version 4 knows only this one.
    content = json.loads(path.read_text("utf-8"))
    _write_json(path, {**content, "tokenizer_class": "PreTrainedTokenizerFast"})


def _by_text(frequencies: Counter[str]) -> dict[str, dict[str, int]]:
    """Counts by prompt id as task, to text, to count; without the prompts never drawn."""
    return {
        task: {
            prompt.text: frequencies[prompt.prompt_id]
            for prompt in get_prompts(task, model_folder=None)
            if frequencies[prompt.prompt_id]
        }
        for task in task_names()
    }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

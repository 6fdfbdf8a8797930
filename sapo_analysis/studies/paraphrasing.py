"""A local model as paraphraser: replies to the request that chatbots get, sampled side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import in_batches
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoder
from sapo_analysis.models.loading import choose_device, context_length, load_model, load_tokenizer
from sapo_analysis.models.spread import reading_device
from sapo_analysis.prompts import original
from sapo_analysis.prompts.request import request_text
from sapo_analysis.prompts.wish import check_number, check_seed, check_temperature
from sapo_analysis.tasks import Task, get_task

AT_ONCE = 8
"""Replies of one batch, fixed: another size draws other numbers."""
_ROOM = 4
"""A reply may have this many times the tokens of the original prompt, and at least _LEAST."""
_LEAST = 64


def paraphrase(
    model: str,
    task_name: str,
    n: int,
    temperature: float,
    seed: int,
    tasks_from: Sequence[str] = (),
) -> dict[str, Any]:
    """`n` independent replies of a model that was asked for one paraphrase of a task's original.

    By the model's chat template, thinking off where it has it; a model without one continues a
    plain text, and its reply ends with the line. `replies` are texts with whether each was
    `cut_off` at its length limit; they are candidates, and most of a weak model's are useless.

    Raises:
        InputError: unknown model or task, a number out of range, or the model cannot read the
            request.
    """
    check_number(n)
    check_seed(seed)
    check_temperature(temperature, n)
    files, task = find_model(model), get_task(task_name, sources=tasks_from)
    tokenizer = load_tokenizer(files)
    device = choose_device("auto")
    loaded = load_model(files, device, "bfloat16" if device.name == "cuda" else "float32")
    encoder = Encoder(tokenizer, context_length(loaded))
    wording = original(task).text
    ids = _request(tokenizer, task, wording)
    room = max(_LEAST, _ROOM * len(tokenizer(wording, add_special_tokens=False)["input_ids"]))
    if len(ids) + room > encoder.max_length:
        raise InputError(
            f"The request for a paraphrase of task {task_name!r} has {len(ids)} tokens, the"
            f" reply up to {room}; model {model!r} reads at most {encoder.max_length}. Use one that"
            " reads more, or an endpoint."
        )
    is_chat = tokenizer.chat_template is not None
    replies: list[dict[str, Any]] = []
    for i, batch in enumerate(in_batches(range(n), AT_ONCE)):
        written = _sampled(loaded, encoder, [ids] * len(batch), room, temperature, seed + i)
        for own in written:
            ended = next((k for k, token in enumerate(own) if token in encoder.stop_ids), None)
            (text,) = encoder.answers([own[:ended]])
            if not is_chat:
                text, newline, _ = text.partition("\n")
                ended = len(text) if newline else ended
            replies.append({"text": text.strip(), "cut_off": ended is None})
    return {
        "model": model,
        "label": files.label,
        "task": task_name,
        "device": device.name,
        "chat_template": is_chat,
        "temperature": temperature,
        "seed": seed,
        "replies": replies,
    }


def _request(tokenizer: Any, task: Task, wording: str) -> list[int]:
    if tokenizer.chat_template is not None:
        user = {"role": "user", "content": request_text(task, wording, 1)}
        text = str(
            tokenizer.apply_chat_template(
                [user], tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        )
    else:
        # A base model follows no orders; it may go on with what such a text would go on with.
        labels = f" (with the words {', '.join(task.labels)})" if task.labels else ""
        text = (
            f"{tokenizer.bos_token or ''}Instruction: {wording}\n"
            f"The same instruction in other words{labels}:"
        )
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


@torch.no_grad()
def _sampled(
    model: Any,
    encoder: Encoder,
    rows: Sequence[Sequence[int]],
    room: int,
    temperature: float,
    seed: int,
) -> list[list[int]]:
    """What the model writes after each of some equal rows."""
    inputs = torch.tensor(rows, device=reading_device(model))
    # Pure sampling at the temperature, as the protocol's servers do unless told otherwise.
    sampling: dict[str, Any] = {"do_sample": temperature > 0}
    if temperature > 0:
        sampling |= {"temperature": temperature, "top_k": 0, "top_p": 1.0}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        found = model.generate(
            input_ids=inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=room,
            eos_token_id=encoder.stop_ids,
            pad_token_id=encoder.pad_id,
            use_cache=True,
            **sampling,
        )
    written: list[list[int]] = found[:, inputs.shape[1] :].tolist()
    return written

"""Short questions to the engine: which device, and the pre-update losses of some prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoder, count_tokens
from sapo_analysis.models.loading import choose_device, context_length, load_model, load_tokenizer
from sapo_analysis.prompts import get_prompts
from sapo_analysis.prompts.select import select_prompts
from sapo_analysis.prompts.validate import check_prompts
from sapo_analysis.spec import ScoringSettings
from sapo_analysis.studies.rows import indicators
from sapo_analysis.tasks import get_task

_BATCH = 64


def devices() -> dict[str, Any]:
    """The device that `auto` takes here and why; what torch was built for; the GPUs it sees."""
    device = choose_device("auto")
    return {
        "device": device.name,
        "why": device.why,
        "torch": torch.__version__,
        "cuda_build": torch.version.cuda is not None,
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
    }


def score(model: str, task_name: str, texts: Sequence[str] | None, n: int) -> dict[str, Any]:
    """Pre-update losses of a task's prompts at θ_0: of the given texts, or of all on offer.

    Raises:
        InputError: unknown model or task, an empty or repeated prompt, or one that does not fit.
    """
    task = get_task(task_name)
    bank = get_prompts(task_name)
    offered = len([p for p in bank[1:] if not p.test_only])
    prompts = select_prompts(bank, offered if texts is None else 0, texts or ())
    check_prompts([p.text for p in prompts], [p.prompt_id for p in prompts])
    files = find_model(model)
    loaded = load_model(files, choose_device("auto"), "float32")
    encoder = Encoder(load_tokenizer(files), context_length(loaded))
    lengths = count_tokens(encoder.tokenizer, [p.text for p in prompts])
    found = []
    for prompt, length in zip(prompts, lengths, strict=True):
        encoded = encoder.encode_split(task, "train", n, prompt)
        losses = example_losses(loaded, encoded, _BATCH, encoder.tokenizer.pad_token_id)
        values = {
            row["name"]: row["value"]
            for row in indicators("", prompt, losses, length, ScoringSettings().batch_size)
        }
        found.append(
            {
                "prompt_id": prompt.prompt_id,
                "text": prompt.text,
                "source": prompt.source,
                "pre_update_loss": values["pre_update_loss"],
                "token_mean": values["pre_update_loss_token_mean"],
                "example_mean": values["pre_update_loss_example_mean"],
                "content": values["pre_update_loss_content"],
                "n_tokens": length,
            }
        )
    return {"model": model, "task": task_name, "n_examples": n, "prompts": found}

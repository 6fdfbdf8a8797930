"""Soft prompts as files: this project's own, and peft's prompt tuning.

What peft reads from such a folder is this soft prompt exactly. Its model then gives the losses of
`standing_before` where texts are padded on the right or not at all; padded on the left, peft's
losses move with the pads (methods §11). A soft prompt of P-tuning is written as its encoder gives
it, and peft's own P-tuning is saved so too.
"""

from __future__ import annotations

from pathlib import Path

from peft import PromptTuningConfig
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.models.loading import context_length
from sapo_analysis.models.peft_files import read_settings, read_weights, write_adapter
from sapo_analysis.models.saved_adapter import CONFIG, WEIGHTS
from sapo_analysis.models.soft_prompt import embeddings_of

OWN = "soft_prompt.safetensors"
"""This project's file of a soft prompt, `prompt` [length, size]."""
_PEFT = ("PROMPT_TUNING", "P_TUNING")


def export_soft_prompt(folder: Path, prompt: Tensor, model: PreTrainedModel, base: str) -> None:
    """Write a soft prompt [length, size] in peft's format of prompt tuning.

    Args:
        folder: where it goes.
        prompt: what it is.
        model: what it stands before.
        base: the name that the model is published under.
    """
    config = PromptTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=prompt.shape[0],
        token_dim=prompt.shape[1],
        num_transformer_submodules=1,
        num_layers=model.config.get_text_config().num_hidden_layers,
        num_attention_heads=model.config.get_text_config().num_attention_heads,
    )
    write_adapter(folder, config, {"prompt_embeddings": prompt}, base)


def read_soft_prompt(folder: Path, model: PreTrainedModel) -> Tensor:
    """A saved soft prompt for a model [length, size], from this project's file or peft's.

    Raises:
        InputError: there is none in the folder, or it does not fit the model.
    """
    if not folder.is_dir():
        raise _unfit(folder, "there is no such folder")
    if (folder / OWN).is_file():
        weights, name = read_weights(folder / OWN), "prompt"
    else:
        kind = read_settings(folder).get("peft_type")
        if kind is None:
            raise _unfit(folder, f"it has neither {OWN} nor {CONFIG}")
        if kind not in _PEFT:
            raise _unfit(folder, f"it holds an adapter of the kind {kind}, which is no soft prompt")
        weights, name = read_weights(folder / WEIGHTS), "prompt_embeddings"
    prompt = weights.get(name)
    if prompt is None or prompt.dim() != 2:
        held = ", ".join(f"{n} {list(w.shape)}" for n, w in weights.items()) or "nothing"
        raise _unfit(folder, f"its file holds {held}, and no {name} [virtual tokens, size]")
    length, size = prompt.shape
    wanted = embeddings_of(model).shape[1]
    if size != wanted:
        raise _unfit(
            folder,
            f"its virtual tokens have {size} numbers each, and the model's embeddings {wanted}",
        )
    most = context_length(model)
    if not 0 < length < most:
        raise _unfit(folder, f"it has {length} virtual tokens, and the model reads {most} tokens")
    if not bool(prompt.isfinite().all()):
        raise _unfit(folder, "some of its numbers are infinite or no numbers")
    return prompt


def _unfit(folder: Path, why: str) -> InputError:
    return InputError(
        f"The stage-1 checkpoint {folder} does not fit the model: {why}. Name a folder with a soft"
        " prompt that was trained on this model, in this project's or peft's format."
    )

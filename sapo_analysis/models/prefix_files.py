"""Prefixes as files in peft's format.

peft puts a prefix into the cache as it is, so its keys have their positions 0, 1, … in them; here
positions are added when a prefix is read. What a model makes of keys at a position is asked of the
model itself, so any family's rotation serves that is linear, as all known ones are; each file is
read back before it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PrefixTuningConfig
from torch import Tensor
from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.models.key_places import key_places
from sapo_analysis.models.packing import KeysValues
from sapo_analysis.models.peft_files import read_settings, read_weights, write_adapter
from sapo_analysis.models.prefix import Prefixes, prefix_before
from sapo_analysis.models.saved_adapter import WEIGHTS

_ROUNDING = 32
"""How many times its rounding a number may move when a prefix is read and written again."""


def export_prefix(
    folder: Path, prefixes: Prefixes, k: int, model: PreTrainedModel, base: str
) -> None:
    """Write the prefix of fine-tune k in peft's format of prefix tuning.

    Args:
        folder: where it goes.
        prefixes: whose prefix.
        k: number of the fine-tune.
        model: what knows them: inside their block of `prefix_before`.
        base: the name that the model is published under.

    Raises:
        InputError: the model does not keep all of a prefix.
    """
    own = slice(prefixes.lengths[k])
    keys, values = (part[k : k + 1, :, :, own] for part in _cached(model, prefixes))
    _, layers, heads, length, size = keys.shape
    config = PrefixTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=length,
        token_dim=heads * size,
        num_transformer_submodules=1,
        num_layers=layers,
        num_attention_heads=heads,
        encoder_hidden_size=heads * size,
    )
    # A token's numbers: of each layer its keys, then its values, head by head.
    table = torch.stack([keys[0], values[0]], dim=1).permute(3, 0, 1, 2, 4).reshape(length, -1)
    write_adapter(folder, config, {"prompt_embeddings": table}, base)


def read_prefix(folder: Path, model: PreTrainedModel) -> KeysValues:
    """A prefix [layers, length, n] from peft's format: positions are taken out of its keys.

    Raises:
        InputError: the folder has none, it does not fit the model, or the model does more to keys
            than turn them by position.
    """
    settings = read_settings(folder)
    if settings.get("peft_type") != "PREFIX_TUNING":
        held = settings.get("peft_type", "nothing of peft's")
        raise InputError(f"{folder} holds {held}, not a prefix. Name a folder that does.")
    table = read_weights(folder / WEIGHTS).get("prompt_embeddings")
    if table is None or table.dim() != 2:
        raise InputError(f"The adapter in {folder} has no prefix in it. Save it again.")
    turns = _turns(model, len(table)).to(torch.promote_types(table.dtype, torch.float32))
    layers, heads, length, size, _ = turns.shape
    if table.shape[1] != 2 * layers * heads * size:
        raise InputError(
            f"The prefix in {folder} has {table.shape[1]} numbers per virtual token, and the model"
            f" takes {2 * layers * heads * size}. Use the model that it was trained on."
        )
    turned, values = table.to(turns).view(length, layers, 2, heads, size).permute(2, 1, 3, 0, 4)
    # Where keys cannot be had back, no numbers come out, and these are refused below.
    keys = torch.linalg.solve_ex(turns.mT, turned[..., None])[0][..., 0]
    found = (_flat(keys), _flat(values))
    again, _ = _cached_by(model, [found])
    rounding = _ROUNDING * torch.finfo(model.dtype).eps * float(turned.abs().max())
    if not bool(((again[0] - turned).abs() <= rounding).all()):
        raise InputError(
            f"{type(model).__name__} does more to keys than turn them by their position, so the"
            f" prefix in {folder} cannot be taken over exactly. Train one here."
        )
    return found


def _turns(model: PreTrainedModel, length: int) -> Tensor:
    """What the model makes of keys, as matrices [layers, heads, length, size, size].

    A key, a row, becomes itself times its matrix. Found by giving all heads the unit vectors.
    """
    places = key_places(model).keys
    nothing = torch.zeros(len(places), length, places[0].size)
    _, layers, heads, _, size = _cached_by(model, [(nothing, nothing)])[0].shape
    probes = [
        unit.repeat(heads).expand(layers, length, -1).contiguous() for unit in torch.eye(size)
    ]
    turned, _ = _cached_by(model, [(probe, torch.zeros_like(probe)) for probe in probes])
    return turned.permute(1, 2, 3, 0, 4)


def _cached_by(model: PreTrainedModel, prefixes: Sequence[KeysValues]) -> KeysValues:
    """`_cached` of prefixes that a bare model does not know yet."""
    stack = Prefixes(model, prefixes)
    with prefix_before(model, stack):
        return _cached(model, stack)


@torch.no_grad()
def _cached(model: PreTrainedModel, stack: Prefixes) -> KeysValues:
    """What the model keeps of prefixes: keys and values [K, layers, heads, length, size].

    Raises:
        InputError: it does not keep all of them.
    """
    ids = torch.tensor([stack.tokens.ids()] * len(stack), device=stack.values.device)
    untyped: Any = model
    kept = untyped.base_model(input_ids=ids, use_cache=True).past_key_values.layers
    if any(layer.keys.shape[2] != stack.tokens.length for layer in kept):
        raise InputError(
            f"Some layers of {type(model).__name__} look back fewer tokens than the prefix has"
            f" ({stack.tokens.length}), so peft cannot hold it. Use a shorter prefix."
        )
    found = [
        torch.stack([part.cpu() for part in parts], dim=1)
        for parts in ([layer.keys for layer in kept], [layer.values for layer in kept])
    ]
    return found[0].to(stack.values.dtype), found[1].to(stack.values.dtype)


def _flat(x: Tensor) -> Tensor:
    """[layers, heads, length, size] to [layers, length, heads · size]."""
    return x.transpose(1, 2).flatten(2)

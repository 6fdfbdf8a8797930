"""What keeps a folder from being a model that can be studied: found without loading anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.model_files.places import CHECKPOINT
from sapo_analysis.model_files.weights import INDEX, SINGLE, check_whole, json_object, weight_files

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
_OTHER_FORMATS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.gguf", "*.h5", "*.msgpack")
_OTHER_HEADS = (
    *("ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForPreTraining"),
    *("ForQuestionAnswering", "ForMultipleChoice", "ForNextSentencePrediction"),
    *("ForImageClassification", "ForSpeechSeq2Seq", "ForCTC", "EncoderModel"),
)


def check_folder(folder: Path, what: str, again: str) -> None:
    """Raise `InputError` where a folder holds no whole causal language model.

    Args:
        folder: The folder.
        what: How the message calls it, as in "Model folder 'x'".
        again: The next step where files are missing or damaged.
    """
    config = _configuration(folder, what)
    if reason := not_causal(config):
        raise InputError(f"{what} {reason}")
    _check_weights(folder, what, again)
    if (folder / CHECKPOINT / "progress.json").is_file():
        raise InputError(
            f"{what} is not done: its pretraining was stopped. The `sapo pretrain`"
            " command that began it continues it."
        )
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise InputError(
            f"{what} has no tokenizer (no {', '.join(_TOKENIZERS[:2])} or vocab.json). {again}"
        )


def not_causal(config: Mapping[str, Any]) -> str | None:
    """Why a configuration is of no causal language model; None where nothing speaks against it."""
    named = [str(name) for name in config.get("architectures") or ()]
    shown = ", ".join(named) or str(config.get("model_type", "unknown"))
    if config.get("is_encoder_decoder"):
        return f"is an encoder-decoder ({shown}). Only causal language models are studied here."
    if named and all(name.endswith(_OTHER_HEADS) for name in named):
        return f"is no causal language model ({shown}). Only those are studied here."
    return None


def _configuration(folder: Path, what: str) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        adapter = json_object(folder / "adapter_config.json")
        if adapter:
            base = adapter.get("base_model_name_or_path") or "its base model"
            raise InputError(
                f"{what} is an adapter of {base}, not a whole model. Merge it in peft"
                " (merge_and_unload, then save_pretrained) and give that folder."
            )
        raise InputError(f"{what} has no config.json. Give the folder that save_pretrained wrote.")
    config = json_object(path)
    if not config and path.read_bytes().strip() != b"{}":
        raise InputError(f"{what}: config.json is no JSON object. Copy or fetch the model again.")
    return config


def _check_weights(folder: Path, what: str, again: str) -> None:
    files = weight_files(folder)
    there = [path for path in files if path.is_file()]
    if len(there) < len(files) or ((folder / INDEX).is_file() and not files):
        raise InputError(
            f"{what} is incomplete: {len(there)} of {len(files)} weight files are there. {again}"
        )
    if not files:
        raise InputError(f"{what} has no .safetensors file. {_instead(folder) or again}")
    if len(files) > 1 and not (folder / INDEX).is_file():
        raise InputError(
            f"{what} has {len(files)} .safetensors files, none of them {SINGLE}, and no"
            f" {INDEX} that says what is where. Save it again with save_pretrained."
        )
    for path in there:
        try:
            check_whole(path)
        except InputError as error:
            raise InputError(f"{what}: {error} {again}") from None


def _instead(folder: Path) -> str | None:
    """What to do about weights of another format; None where there are none either."""
    others = sorted(path.name for form in _OTHER_FORMATS for path in folder.glob(form))
    if not others:
        return None
    return (
        f"Weights of other formats ({others[0]}) are not loaded: opening one can run code. Load"
        " it once in transformers and save_pretrained writes safetensors; or fetch a revision"
        " that has them."
    )

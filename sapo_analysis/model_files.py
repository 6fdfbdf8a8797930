"""Where a model's files are and what identifies them, without loading torch.

A model is known by name (`pocket`, shipped, and its further seeds `pocket-1` and `pocket-2`, which
lie in the repository but not in the wheel; `pocket-random`, the untrained control), by a folder
that holds a Hugging Face causal language model, by its name in the folder that `sapo app
--models-dir` names, or by the id of one in the local Hugging Face cache. Nothing is fetched.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError, unknown

_DATA = Path(__file__).parent / "data"
POCKET = _DATA / "pocket"
RANDOM = "pocket-random"
MODELS_DIR = "SAPO_MODELS_DIR"
"""Environment variable with a folder of models, each known by its folder's name."""
CHECKPOINT = "checkpoint"
"""Folder in a pocket model's own that is there until its pretraining is done, card included."""


@dataclass(frozen=True)
class ModelFiles:
    """One model on this machine: `weights` is `trained`, or `random` for the untrained control."""

    name: str
    folder: Path
    weights: str

    @property
    def label(self) -> str:
        """What a published run calls the model: its known name, or its folder's name alone."""
        return self.name if self.name in list_names() else self.folder.name

    @property
    def fingerprint(self) -> str:
        """sha256 over the configuration, tokenizer and weight files: equal means the same model."""
        digest = hashlib.sha256(self.weights.encode())
        for path in sorted(self.folder.iterdir()):
            is_weights = path.suffix == ".safetensors"
            if path.name in _IDENTITY or (is_weights and self.weights == "trained"):
                digest.update(path.name.encode())
                with path.open("rb") as file:
                    while block := file.read(1 << 22):
                        digest.update(block)
        return digest.hexdigest()

    @property
    def pretrained_folder(self) -> Path | None:
        """Where records of this model's pretraining would be; None for one that had none."""
        return self.folder if self.weights == "trained" else None

    @property
    def n_parameters(self) -> int:
        """Number of stored weights, read from the safetensors headers."""
        return sum(_parameters_in(path) for path in self.folder.glob("*.safetensors"))

    @property
    def n_bytes(self) -> int:
        """Size of the weight files on disk (bytes)."""
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    @property
    def has_chat_template(self) -> bool:
        """Whether its tokenizer lays messages out; else prompts are in the plain layout."""
        if (self.folder / "chat_template.jinja").is_file():
            return True
        return bool(_json_object(self.folder / "tokenizer_config.json").get("chat_template"))

    @property
    def base_scores(self) -> dict[str, float]:
        """Score of each task under its original prompt at θ_0 (0 to 100), as its card has them.

        Only a model that was pretrained here has a card; the untrained control has none.
        """
        folder = self.pretrained_folder
        card = _json_object(folder / "pretraining.json").get("card") if folder else None
        try:
            return {row["task"]: float(row["original"]["score"]) for row in card or ()}
        except (KeyError, TypeError, ValueError):  # another tool's file of that name
            return {}


_IDENTITY = {"config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}


def find_model(name: str) -> ModelFiles:
    """The files of a model given by name, folder or cached id.

    Raises:
        InputError: the name is unknown, or the folder lacks a configuration or safetensors weights,
            or its pretraining is not done.
    """
    if name in _shipped():
        return ModelFiles(name, _DATA / name, "trained")
    if name == RANDOM:
        return ModelFiles(name, POCKET, "random")
    folder = _named_models().get(name) or Path(name)
    if not folder.is_dir():
        raise unknown(
            "model",
            name,
            list_names(),
            "Give a known name or a folder with config.json and safetensors.",
        )
    if not (folder / "config.json").is_file():
        raise InputError(
            f"Model folder {name!r} has no config.json. Give the folder that save_pretrained wrote."
        )
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"Model folder {name!r} has no .safetensors file. Other weight formats are not loaded."
        )
    if (folder / CHECKPOINT / "progress.json").is_file():
        raise InputError(
            f"Model folder {name!r} is not done: its pretraining was stopped. The `sapo pretrain`"
            " command that began it continues it."
        )
    return ModelFiles(name, folder, "trained")


def list_names() -> list[str]:
    """Every model known by name here: the shipped ones first, then those found on this machine."""
    return [*_shipped(), RANDOM, *sorted(_named_models())]


def list_models() -> list[ModelFiles]:
    """The files of every model known by name."""
    return [find_model(name) for name in list_names()]


def _shipped() -> list[str]:
    return sorted(folder.parent.name for folder in _DATA.glob("pocket*/config.json"))


def _named_models() -> dict[str, Path]:
    """Models of the models folder and of the local Hugging Face cache, by name or id."""
    return {**_cached_models(), **_in_models_dir()}


def _in_models_dir() -> dict[str, Path]:
    """Models in the folder that the environment names; a shipped name stays the shipped model's."""
    given = os.environ.get(MODELS_DIR)
    folder = Path(given) if given else None
    if folder is None or not folder.is_dir():
        return {}
    taken = {*_shipped(), RANDOM}
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if (path / "config.json").is_file()
        and any(path.glob("*.safetensors"))
        and path.name not in taken
    }


def _cached_models() -> dict[str, Path]:
    """Complete snapshots of models in the local Hugging Face cache, by id; the newest of each."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    hub = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    found = {}
    for repository in hub.glob("models--*"):
        snapshots = [
            path
            for path in sorted(repository.glob("snapshots/*"), key=lambda p: p.stat().st_mtime)
            if (path / "config.json").exists() and any(path.glob("*.safetensors"))
        ]
        if snapshots:
            found[repository.name.removeprefix("models--").replace("--", "/", 1)] = snapshots[-1]
    return found


def _json_object(path: Path) -> dict[str, Any]:
    """A JSON file's content; nothing where there is no such file or it holds no object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _parameters_in(path: Path) -> int:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            size = 1
            for dimension in tensor["shape"]:
                size *= dimension
            total += size
    return total

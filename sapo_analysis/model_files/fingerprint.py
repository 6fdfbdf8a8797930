"""What identifies a model: one hash over its configuration, its tokenizer and its weights."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from sapo_analysis.model_files.weights import FileState, file_state, json_object, weight_files

_IDENTITY = {"config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
_SLOW_TOKENIZER = {
    *("tokenizer.model", "spiece.model", "vocab.json", "merges.txt", "vocab.txt"),
    *("special_tokens_map.json", "added_tokens.json"),
}
"""What a tokenizer is built from where there is no tokenizer.json; with one, that decides."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK_BYTES = 1 << 22


def fingerprint(folder: Path, weights: str, from_hub: bool) -> str:
    """sha256 over the files that decide what a model answers: equal means the same model.

    Of a snapshot of the hub (`from_hub`) each weight file enters by its own sha256. The cache names
    large files by it, so that nothing of many gigabytes is read; of a plain folder the bytes enter.
    Code of a model's own enters where its configuration, or its tokenizer's, names some.
    """
    decisive = [path for path in sorted(folder.iterdir()) if path.name in _names(folder)]
    if weights == "trained":
        found = weight_files(folder) if from_hub else sorted(folder.glob("*.safetensors"))
        decisive = sorted([*decisive, *found])
    return _digest(weights, from_hub, tuple(file_state(path) for path in decisive))


def _names(folder: Path) -> set[str]:
    names = set(_IDENTITY)
    if not (folder / "tokenizer.json").is_file():
        names |= _SLOW_TOKENIZER
    configurations = (folder / "config.json", folder / "tokenizer_config.json")
    if any(json_object(path).get("auto_map") for path in configurations):
        names |= {path.name for path in folder.glob("*.py")}
    return names


@lru_cache(maxsize=256)
def _digest(weights: str, from_hub: bool, states: tuple[FileState, ...]) -> str:
    digest = hashlib.sha256(weights.encode())
    for path in (Path(state[0]) for state in states):
        digest.update(path.name.encode())
        if from_hub and path.suffix == ".safetensors":
            digest.update(_sha256(path).encode())
        else:
            _add(digest, path)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    """A file's sha256: the name of the blob that the cache's link points to, where it is one."""
    if path.is_symlink() and _SHA256.fullmatch(path.readlink().name):
        return path.readlink().name
    digest = hashlib.sha256()
    _add(digest, path)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)

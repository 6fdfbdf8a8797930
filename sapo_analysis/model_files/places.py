"""The names that models have here whatever else is on the machine, and where those models lie."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"
POCKET = DATA / "pocket"
RANDOM = "pocket-random"
RANDOM_PREFIX = "random:"
"""Before a model's name: its architecture and tokenizer with random weights from a fixed seed."""
MODELS_DIR = "SAPO_MODELS_DIR"
"""Environment variable with a folder of models, each known by its folder's name."""
CHECKPOINT = "checkpoint"
"""Folder in a pocket model's own that is there until its pretraining is done, card included."""


def shipped_names() -> list[str]:
    """The shipped trained models."""
    return sorted(folder.parent.name for folder in DATA.glob("pocket*/config.json"))


def in_models_dir() -> dict[str, Path]:
    """Model folders in the folder that the environment names, by name, whole or not.

    A shipped name stays the shipped model's.
    """
    given = os.environ.get(MODELS_DIR)
    folder = Path(given) if given else None
    if folder is None or not folder.is_dir():
        return {}
    taken = {*shipped_names(), RANDOM}
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if (path / "config.json").is_file() and path.name not in taken
    }

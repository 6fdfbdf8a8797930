"""An adapter from its files, through peft: how the one-by-one arms get trained adapters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel


@contextmanager
def reloaded(model: PreTrainedModel, folder: Path) -> Iterator[PreTrainedModel]:
    """The model with a saved adapter, in eval mode; the adapter is gone after the block."""
    adapted: Any = PeftModel.from_pretrained(model, str(folder))
    adapted.train(False)
    try:
        yield adapted
    finally:
        adapted.unload()

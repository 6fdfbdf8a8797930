"""What somebody wants from the hub, as messages name it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Subject:
    """A repository of the hub, and the command that asks for it."""

    kind: Literal["model", "dataset"]
    id: str
    revision: str | None
    again: str
    """What to enter once more when the obstacle is gone, as in `sapo fetch ORG/NAME`."""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def page(self) -> str:
        """The repository's page, for people."""
        place = self.id if self.kind == "model" else f"datasets/{self.id}"
        return f"{endpoint()}/{place}"


def endpoint() -> str:
    """The hub that is asked: the one that HF_ENDPOINT names, else the public one."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")

"""One number or column in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["high", "low", ""]
DIRECTIONS: dict[Better, str] = {"high": "higher is better", "low": "lower is better", "": ""}
POINTS = "points"
TOKEN = "nats per token"


@dataclass(frozen=True)
class Term:
    """One number or column.

    Attributes:
        name: The column, metric or indicator it stands for; unique.
        label: Its name for readers, as short as a table's head has to be.
        unit: Its unit; empty for what has none, such as a name or a text.
        definition: What it is, as a phrase without a full stop at the end.
        better: Which way is good; empty where neither is.
    """

    name: str
    label: str
    unit: str
    definition: str
    better: Better = ""

    @property
    def axis(self) -> str:
        """Label and unit: `gradient norm (nats per token, per unit of weight)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def in_words(self) -> str:
        """Definition and unit, as a report says it."""
        return f"{self.definition} ({self.unit})" if self.unit else self.definition

    @property
    def help(self) -> str:
        """Definition, unit and good direction in whole sentences, for a tooltip."""
        first = self.definition[:1]
        text = (first.upper() if first.isascii() else first) + self.definition[1:] + "."
        if self.unit:
            text += f" Unit: {self.unit}."
        if self.better:
            text += f" {DIRECTIONS[self.better].capitalize()}."
        return text

"""The four quantities of a (trial, evaluated task) pair: formula, unit, sign and roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCORE_UNIT = "points (0 to 100)"
LOSS_UNIT = "nats per target token"
OTHER_ROLES = ("past", "unseen", "retained")


@dataclass(frozen=True)
class Quantity:
    """A signed change of one evaluated task: `score_sign` · score change, minus that in loss."""

    name: str
    roles: tuple[str, ...]
    score_sign: int
    good_when: str
    meaning: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the two formulas written out."""
        sign, opposite = ("+", "-") if self.score_sign > 0 else ("-", "+")
        return {
            "name": self.name,
            "roles": list(self.roles),
            "score_form": f"{sign}(score after - score before)",
            "score_unit": SCORE_UNIT,
            "loss_form": f"{opposite}(loss after - loss before)",
            "loss_unit": LOSS_UNIT,
            "good_when": self.good_when,
            "meaning": self.meaning,
        }


QUANTITIES: tuple[Quantity, ...] = (
    Quantity(
        "forgetting",
        ("past", "retained"),
        -1,
        "low",
        "what the fine-tune took from a task that was known",
    ),
    Quantity(
        "generalization",
        ("unseen",),
        1,
        "high",
        "what the fine-tune gave to a task that was not trained",
    ),
    Quantity(
        "learning", ("current",), 1, "high", "what the fine-tune gave to the task being learned"
    ),
    Quantity("impact", OTHER_ROLES, 1, "high", "what the fine-tune gave to any other task"),
)


def unit_of(column: str) -> str:
    """The unit of a column of the impacts table; empty for a column of another kind."""
    if column.endswith("_loss") or column.startswith(("loss_", "pre_update_loss")):
        return LOSS_UNIT
    if column in {quantity.name for quantity in QUANTITIES} or column.startswith("score_"):
        return SCORE_UNIT
    return ""


def in_form(name: str, form: str) -> str:
    """The column that holds a quantity in a form: `forgetting` or `forgetting_loss`."""
    return name if form == "score" else f"{name}_loss"

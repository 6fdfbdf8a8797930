"""Where a figure's numbers come from, written into its file: PDF, SVG and PNG in their own ways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Stamp:
    """What a file says of itself. The date is the run's, so that a second export is the same.

    Attributes:
        title: what is shown.
        source: one line on the runs behind it.
        facts: everything else, as JSON on one line.
        date: when the last of the runs ended.
    """

    title: str
    source: str
    facts: str
    date: datetime | None

    def metadata(self, kind: str) -> dict[str, Any]:
        """What matplotlib writes into a file of this kind."""
        date = None if self.date is None else self.date.astimezone(UTC)
        iso = None if date is None else date.isoformat()
        if kind == "pdf":
            return {
                "Title": self.title,
                "Subject": self.source,
                "Keywords": self.facts,
                "Creator": "sapo_analysis",
                "CreationDate": date,
            }
        if kind == "svg":
            return {
                "Title": self.title,
                "Description": f"{self.source}\n{self.facts}",
                "Creator": "sapo_analysis",
                "Date": iso,
            }
        found = {
            "Title": self.title,
            "Description": self.source,
            "Comment": self.facts,
            "Software": "sapo_analysis",
        }
        return found if iso is None else {**found, "Creation Time": iso}

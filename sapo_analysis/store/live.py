"""What a sequence run tells while it runs: `live.jsonl`, a line per event, gone when it is done.

| event | fields |
|---|---|
| `scored` | `state`, `task`, `prompt`, `loss` (nats per token) over `n` texts, `stopped` |
| `chosen` | `chain`, `stage`, `state`, `task`, `prompt`, `loss` (null: not chosen by loss) |
| `trained` | `trial`, `task`, `losses` (nats per token) `every` so many steps, `diverged` |
| `measured` | `chains`, `stage` (0: the base model), `scores`: [task, prompt, score, loss] each |

Of a candidate that `stopped`, since it could not win any more, `loss` is a lower bound over all.
A `chain` is {`order`, `strategy`, `seed`}. After a kill the events of a group come again; the last
ones count.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sapo_analysis.store import layout

Event = dict[str, Any]


class LiveReader:
    """Hands out the events of a run folder as they are appended."""

    def __init__(self, path: Path):
        self._file = path / layout.LIVE
        self._at = 0

    def new(self) -> list[Event]:
        """The events since the last call; none where the run tells nothing, or is done."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._at)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content.rfind(b"\n") + 1  # a line may be half written
        self._at += whole
        return [event for line in content[:whole].splitlines() if (event := _parsed(line))]


def _parsed(line: bytes) -> Event | None:
    """An event; None for a line that a kill tore and the next worker wrote on."""
    try:
        found: Event = json.loads(line)
    except ValueError:
        return None
    return found

"""Add the task of a card with rows of its dataset: worker kind `fetch_task`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.hub.dataset_rows import open_dataset
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.tasks.adding import Added, add_rows, refuse_taken
from sapo_analysis.tasks.card import HubData, TaskCard, read_card
from sapo_analysis.tasks.mapping import Mapper
from sapo_analysis.tasks.sampling import KEEP, keep_for
from sapo_analysis.tasks.shipped_cards import card_names, shipped_card


def fetch_from_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch a task: `card` (a shipped card's name or a path), `runs` (a folder), `keep`.

    `keep` is the number of training rows kept at most; dev and test follow in proportion. The
    answer has the task's name, folder and sizes, the commit of the dataset (None for a folder) and
    notes on the rows.

    Raises:
        InputError: card, dataset, rows or folder cannot be used.
        WorkError: the hub cannot be reached, or stopped answering.
    """
    name = str(payload["card"])
    card, beside = _card(name)
    found, revision = fetch_task(card, Path(payload["runs"]), payload.get("keep"), beside, name)
    return {
        "task": found.task.name,
        "folder": str(found.folder),
        "sizes": dict(found.task.sizes),
        "revision": revision,
        "notes": list(found.gathered.notes),
    }


def fetch_task(
    card: TaskCard,
    runs_dir: Path,
    keep: int | None = None,
    beside: Path | None = None,
    given: str = "",
) -> tuple[Added, str | None]:
    """Stream the rows of a card's dataset into a runs folder; the task, and the dataset's commit.

    A card without a revision is pinned by this: the added task's own card names the commit.

    Raises:
        InputError: as `fetch_from_payload`.
        WorkError: as `fetch_from_payload`.
    """
    refuse_if_read_only("no task can be added here")
    if keep is not None and keep < 1:
        raise InputError(f"keep is the number of training rows, at least 1 (got {keep}).")
    refuse_taken(runs_dir, card.name)
    data = card.data
    if not isinstance(data, HubData) or card.columns is None:
        raise InputError(
            f"The card of {card.name!r} names no dataset to fetch. Add `data` with `hub` and"
            " `splits`, or give the rows as a file: sapo add-task FILE"
        )
    again = f"sapo add-task {given or card.name}"
    found = open_dataset(data, Mapper(card.columns).names, again, beside)
    if found.revision is None:
        # A path of this machine means nothing on another.
        pinned, dataset = None, Path(data.hub).name
    else:
        pinned, dataset = data.model_copy(update={"revision": found.revision}), data.hub
    origin = {
        **card.origin,
        "dataset": dataset,
        "revision": found.revision,
        "subset": data.subset,
        "splits": dict(data.splits),
    }
    limits = KEEP if keep is None else keep_for(keep)
    told = card.model_copy(update={"data": pinned})
    return add_rows(runs_dir, told, found.tables, origin, limits), found.revision


def _card(name: str) -> tuple[TaskCard, Path | None]:
    if name in card_names():
        return shipped_card(name), None
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return read_card(path), path.parent
    return shipped_card(name), None

"""The choice while it is made: each candidate's loss as it arrives, and who leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from sapo_analysis.analysis.sequences.live import Choice
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Layer, Panel, Points, Ticks

STAR = (theme.BLUE, theme.MARK_SAPO, 15.0)
DIAMOND = (theme.GREY, theme.MARK_ORIGINAL, 11.0)
DOT = (theme.GREY, "circle", 8.0)


def live_choice(
    candidates: Sequence[Choice],
    *,
    task: str,
    n_texts: int,
    original: str | None = None,
    texts: Mapping[str, str] | None = None,
    n_candidates: int = 0,
) -> FigureSpec:
    """Losses of one task's candidates at the state scored last.

    Args:
        candidates: `LiveSequence.candidates`.
        task: the task they are candidates for.
        n_texts: texts that a candidate is scored with if it is not stopped.
        original: id of the task's original prompt.
        texts: wording by prompt id.
        n_candidates: how many there will be; 0: not known.

    Raises:
        InputError: no loss has arrived.
    """
    if not candidates:
        raise InputError("No loss of a candidate has arrived yet.")
    texts = texts or {}
    rows = sorted(candidates, key=lambda choice: choice.prompt)
    # Of a candidate that was stopped only a bound is known: it cannot lead.
    leader = next((c.prompt for c in candidates if not c.stopped), None)
    table = pd.DataFrame(
        {
            "place": range(1, len(rows) + 1),
            "prompt_id": [c.prompt for c in rows],
            "loss": [c.loss for c in rows],
            "n": [c.n for c in rows],
            "stopped": [c.stopped for c in rows],
            "is_original": [c.prompt == original for c in rows],
            "is_leader": [c.prompt == leader for c in rows],
            "text": [texts.get(c.prompt, "") for c in rows],
        }
    )
    others = table[~table["is_leader"]]
    plain, own = others[~others["is_original"]], others[others["is_original"]]
    bound = "stopped early: at least this"
    layers: list[Layer] = [
        _points(plain[~plain["stopped"]], n_texts, *DOT, label="candidate"),
        _points(plain[plain["stopped"]], n_texts, theme.GREY, "arrow-up", 8.0, label=bound),
        _points(own[~own["stopped"]], n_texts, *DIAMOND, label="original"),
        _points(own[own["stopped"]], n_texts, *DIAMOND, label=f"original, {bound}", hollow=True),
        _points(table[table["is_leader"]], n_texts, *STAR, label="leads"),
    ]
    n = max(len(rows), n_candidates)
    few = len(rows) <= 8
    panel = Panel(
        layers=tuple(layer for layer in layers if isinstance(layer, Points) and layer.x),
        x_label="" if few else "candidate, by id",
        y_label="pre-update loss (nats per token)",
        x_range=(0.4, n + 0.6),
        x_ticks=Ticks(tuple(map(float, table["place"])), tuple(table["prompt_id"]))
        if few
        else None,
    )
    stopped = int(table["stopped"].sum())
    said = "nobody leads yet" if leader is None else f"{leader} leads with {candidates[0].loss:.3f}"
    return FigureSpec(
        name="live_choice",
        panels=(panel,),
        table=table,
        caption=Caption(
            shows=f"Pre-update loss of the candidates for {task} at the state scored last.",
            n={"candidates": len(rows), "stopped early": stopped, "texts": n_texts},
            marks=(
                "Arrow: stopped early, when its loss could not be the lowest any more; drawn is"
                " the least that it is.",
            ),
            terms=("pre_update_loss",),
        ),
        alt=f"Pre-update loss of {len(rows)} candidates for {task}: {said},"
        f" {stopped} stopped early.",
        height=330,
    )


def _points(
    rows: pd.DataFrame,
    n_texts: int,
    color: str,
    marker: str,
    size: float,
    *,
    label: str,
    hollow: bool = False,
) -> Points:
    hover = tuple(
        f"{row['prompt_id']}: {'at least ' if row['stopped'] else ''}{row['loss']:.3f}"
        f"\n{_read(row['stopped'], row['n'], n_texts)}\n{row['text']}"
        for row in rows.to_dict("records")
    )
    return Points(
        tuple(map(float, rows["place"])),
        tuple(map(float, rows["loss"])),
        *(color, marker, size, hollow),
        opacity=0.9,
        label=label,
        hover=hover,
    )


def _read(stopped: bool, n: int, n_texts: int) -> str:
    return f"{'stopped at' if stopped else 'read'} {n} of {n_texts} texts"

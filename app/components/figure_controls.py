"""What is drawn and on which paper: the controls beside the preview, each choice in the URL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import streamlit as st

from sapo_analysis.app.components.controls import segmented, select
from sapo_analysis.app.components.figure_words import key_of, words_of
from sapo_analysis.app.components.text import md
from sapo_analysis.app.paper import Paper
from sapo_analysis.app.state import check_link, not_offered
from sapo_analysis.figures import FigureSpec
from sapo_analysis.figures.spec import PARTS
from sapo_analysis.figures.venues import NARROWEST, VENUES, WIDEST
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.offered import asked, offered
from sapo_analysis.paper.options import Options

AUTO, OWN = "Auto", "Own"
WIDTHS = {"auto": AUTO, "column": "Column", "full": "Full", "own": OWN}
FONTS = {"serif": "Serif", "sans": "Sans"}
LOOKS = {"colour": "Colour", "grey": "Grey print"}
FIRST_INCHES = 3.25
VENUE, WIDTH, INCHES, FONT, LOOK = "venue", "width", "inches", "font", "look"

_LABELS = {
    "outcome": "Outcome",
    "form": "Form",
    "x": "Indicator",
    "view": "View",
    "statistic": "Correlation",
    "eval_task": "Evaluated task",
    "test_prompts": "Test prompts",
    "method": "Method",
    "strategy": "Strategy",
    "order": "Order",
    "task": "Current task",
}
_HELPS = {
    "outcome": "What the fine-tune did: forgetting, generalization, or the in-task result.",
    "form": "Score: points from 0 to 100, the headline. Loss: nats per target token.",
    "x": "Known before the update.",
    "view": "Centred: minus each task's mean. Panels: each task on its own axes. Raw: everything at"
    " once, which mixes tasks with prompts.",
    "statistic": "Pearson: on a line. Spearman: on ranks.",
    "eval_task": "The unweighted mean over the role's tasks, or one of them.",
    "test_prompts": "What tasks were tested with: their original prompt, the prompt they were"
    " learned with, or paraphrases that nothing was trained with.",
    "method": "Whose strategies are shown.",
    "strategy": "Whose choices are shown.",
    "order": "One order names its tasks.",
    "task": "What is learned: all tasks, or one of them.",
}
_FEW = ("form", "statistic")


def kind_control(label: str, kinds: Sequence[Any], key: str) -> Any:
    """Which figure or table; its sentence stands below."""
    titles = {kind.name: kind.title for kind in kinds}
    name = select(label, list(titles), titles.__getitem__, key, "What these runs can show.")
    kind = next(kind for kind in kinds if kind.name == name)
    st.caption(md(kind.about))
    return kind


def option_controls(numbers: Numbers, kind: Any) -> Options:
    """The options that the kind obeys, as far as these runs leave a choice.

    Raises:
        InputError: nothing has ended yet.
    """
    chosen: dict[str, Any] = {}
    for field in (field.name for field in fields(Options)):
        key = key_of(field)
        values = offered(numbers, field, Options(**chosen)) if field in kind.uses else []
        if len(values) < 2:
            if values:
                chosen[field] = values[0]
                check_link(key, [words_of(field, values[0])])
            else:
                not_offered(key)
            continue
        words = {value: words_of(field, value) for value in values}
        if field in _FEW:
            chosen[field] = segmented(_LABELS[field], words, key, _HELPS[field])
        else:
            show = words.__getitem__
            chosen[field] = select(_LABELS[field], values, show, key, _HELPS[field])
    return asked(numbers, kind, chosen)


def paper_controls(spec: FigureSpec) -> tuple[Paper, bool]:
    """Paper and theme: what the figure is drawn on, and whether it is looked at in grey."""
    titles = {name: venue.title for name, venue in VENUES.items()}
    left, right = st.columns(2, gap="small")
    with left:
        venue = select(
            "Venue", list(titles), titles.__getitem__, VENUE, "Widths, font and sizes of its style."
        )
    with right:
        width = _width(venue)
    own_first = sorted(FONTS, key=lambda name: name != VENUES[venue].font)
    font = segmented(
        "Font",
        {name: FONTS[name] for name in own_first},
        FONT,
        "Serif: STIX General, beside Times. Sans: Liberation Sans, as wide as Helvetica.",
    )
    look = segmented(
        "Look at it in",
        LOOKS,
        LOOK,
        "Grey print: a preview of what a printer without colour makes of it. Files and the copied"
        " command stay in colour.",
    )
    return Paper(venue, width, font, _without(spec)), look == "grey"


def _width(venue: str) -> str | float | None:
    """`column`, `full`, inches; None: what the figure is meant for."""
    chosen = select(
        "Width",
        list(WIDTHS),
        WIDTHS.__getitem__,
        WIDTH,
        f"Auto: what the figure is meant for. {VENUES[venue].title}: a column is"
        f" {VENUES[venue].column:.4g} in, the full width {VENUES[venue].full:.4g} in.",
    )
    if chosen != "own":
        not_offered(INCHES)
        return None if chosen == "auto" else chosen
    check_link(INCHES, [value for value in st.query_params.get_all(INCHES) if _drawable(value)])
    inches = st.number_input(
        "Inches",
        min_value=NARROWEST,
        max_value=WIDEST,
        value=FIRST_INCHES,
        step=0.25,
        key=INCHES,
        help=f"{NARROWEST:g} to {WIDEST:g}. In a terminal `sapo export` takes cm, mm and pt too:"
        r" \--width 8.4cm.",
        bind="query-params",
    )
    return float(inches)


def _drawable(value: str) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return math.isfinite(number) and NARROWEST <= number <= WIDEST


def part_key(part: str) -> str:
    """The key and query parameter of a part that may be left out."""
    return f"draw-{part}"


def _without(spec: FigureSpec) -> tuple[str, ...]:
    """A box per annotation that the figure has; those that are not ticked are left out."""
    left_out = []
    for part in PARTS:
        key = part_key(part)
        if part not in spec.parts:
            not_offered(key)
    if spec.parts:
        st.caption("Draw with it")
    for part in spec.parts:
        key = part_key(part)
        check_link(key, ("true", "false"))
        words = PARTS[part]
        with_it = st.checkbox(
            words[0].upper() + words[1:],
            value=True,
            key=key,
            bind="query-params",
        )
        if not with_it:
            left_out.append(part)
    return tuple(left_out)

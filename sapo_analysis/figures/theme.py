"""Colours, markers and dashes, one list for screen and paper.

All colours are Okabe and Ito's, which stay apart for colour-blind readers, plus one grey that
stands for the original prompt and for "unclear". `.streamlit/config.toml` repeats `CATEGORICAL`;
a test compares the two.
"""

from __future__ import annotations

GREY = "#6B7280"
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
PINK = "#CC79A7"
SKY = "#56B4E9"
VERMILION = "#D55E00"
YELLOW = "#F0E442"

CATEGORICAL = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, GREY, YELLOW)
"""Colours of tasks and other groups, in this order. Yellow comes last: it is weak on white."""

TASK_MARKERS = (
    "circle",
    "square",
    "plus",
    "x",
    "triangle-down",
    "pentagon",
    "hexagon",
    "triangle-left",
)
"""Shapes of tasks, so that colour never carries a distinction alone.

Star, diamond and triangle-up are kept for marks.
"""

VERDICTS = {"supported": BLUE, "contradicted": VERMILION, "unclear": GREY, "too few": GREY}
VERDICT_ICONS = {"supported": "✓", "contradicted": "✕", "unclear": "≈", "too few": "n"}

MARK_SAPO, MARK_ORIGINAL, MARK_BEST = "star", "diamond", "triangle-up"
MARKS = {
    MARK_SAPO: "SAPO's pick (lowest pre-update loss)",
    MARK_ORIGINAL: "original prompt",
    MARK_BEST: "best in hindsight",
}

POLICIES = {
    "original": (GREY, "diamond"),
    "sapo": (BLUE, "star"),
    "random": (ORANGE, "circle"),
    "paft": (PINK, "square"),
    "sapp": (VERMILION, "x"),
    "sapo-once": (SKY, "pentagon"),
    "shortest": (GREEN, "triangle-down"),
}
"""Colour and marker of each policy. Where these are shown, methods stand apart by place."""

SHAPES = tuple(
    (marker, hollow)
    for hollow in (False, True)
    for marker in (*TASK_MARKERS, "star", "diamond", "triangle-up")
    if not (hollow and marker in ("plus", "x"))  # which have nothing to be empty
)
"""Twenty shapes that stand apart without colour."""

METHODS = {
    "lora": (BLUE, "circle", False),
    "lora-inc": (SKY, "circle", True),
    "o-lora": (SKY, "star", True),
    "ewc": (GREY, "star", False),
    "replay": (GREY, "plus", False),
    "full": (VERMILION, "x", False),
    "ia3": (PINK, "triangle-down", False),
    "prompt-tuning": (GREEN, "pentagon", False),
    "p-tuning": (GREEN, "hexagon", False),
    "prefix-tuning": (GREEN, "triangle-left", False),
    "promot": (ORANGE, "square", False),
    "promot-1-shot": (ORANGE, "square", True),
    "promot-lora-first": (ORANGE, "triangle-up", False),
    "promot-joint": (ORANGE, "triangle-up", True),
    "promot-random": (ORANGE, "triangle-down", True),
    "promot-multi-task": (ORANGE, "pentagon", True),
    "multi-task": (SKY, "hexagon", True),
    "lora-1-shot": (BLUE, "triangle-left", True),
}
"""Colour, marker and whether it is empty, of each method in figures that compare methods."""

DASHES: dict[str, tuple[float, ...]] = {
    "original": (6, 2),
    "sapo": (),
    "random": (1.5, 1.5),
    "paft": (6, 2, 1.5, 2),
    "sapp": (3, 1.5),
    "sapo-once": (9, 3),
    "shortest": (9, 2, 1.5, 2, 1.5, 2),
}
"""Pieces and gaps of each policy's line (points): lines stand apart without colour too."""

WHITE = "#FFFFFF"
CLEAR = "rgba(0,0,0,0)"
DIVERGING = ((0.0, BLUE), (0.5, WHITE), (1.0, ORANGE))
"""Heat maps: blue, white, orange, centred at 0."""

INK = "#1F2328"
"""Texts and lines on the cells of a heat map, which are light in both themes of the screen."""

HATCH, HATCH_OPACITY = "#505050", 0.45
"""Strokes through faint cells, under their numbers."""

FADED = "#B8BCC4"
"""Groups that stand back behind a highlighted one."""

NEUTRAL = "#8A8F98"
"""Bands, zero lines and gridlines: readable on white and on near-black alike."""

MAX_COLOURED_GROUPS = 8


def colors(groups: list[str], highlight: str | None = None) -> dict[str, str]:
    """A colour per group; beyond eight groups all are grey, and the highlighted one is blue."""
    if len(groups) > MAX_COLOURED_GROUPS:
        others = FADED if highlight in groups else GREY
        return {group: BLUE if group == highlight else others for group in groups}
    if highlight in groups:
        palette = dict(zip(groups, CATEGORICAL, strict=False))
        return {group: palette[group] if group == highlight else FADED for group in groups}
    return dict(zip(groups, CATEGORICAL, strict=False))


def markers(groups: list[str]) -> dict[str, str]:
    """A marker per group; shapes repeat after the eighth."""
    return {group: TASK_MARKERS[i % len(TASK_MARKERS)] for i, group in enumerate(groups)}

"""What was learned against what was kept: a point per method, its checkpoints as a path to it."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.format_specialization import POSSIBLE, counts
from sapo_analysis.figures.method_marks import Look, kept, looks_of, words
from sapo_analysis.figures.spec import (
    FigureSpec,
    Intervals,
    Layer,
    Line,
    Panel,
    Points,
    require_columns,
)

COLUMNS = (
    *("name", "kind", "step", "tuned_prompts", "tuned", "tuned_lower", "tuned_upper"),
    *("others", "others_lower", "others_upper", "unit", "n_tasks", "n_prompts", "n_seeds"),
)
MANY = 8
"""Methods beyond which their intervals would cover each other."""


def trade_off_scatter(table: pd.DataFrame, steps: str = "") -> FigureSpec:
    """Tuned-task score against the mean score on the other tasks, a point per method.

    Args:
        table: `trade_off(runs)`.
        steps: of methods that took unequal optimizer steps, which (`unequal_steps`); said below.

    Raises:
        InputError: another table, or one without a method.
    """
    require_columns(table, COLUMNS, "trade_off(runs)")
    methods = table[table["kind"] != "base"]
    if methods.empty:
        raise InputError("No fine-tune of these runs has ended yet: there is nothing to show.")
    looks = looks_of(list(dict.fromkeys(methods["name"])))
    layers: list[Layer] = []
    for row in table[table["kind"] == "base"].to_dict("records"):
        at = (row["tuned"],), (row["others"],)
        said = (f"base model\ntuned task {row['tuned']:.1f}, others {row['others']:.1f}",)
        label = "base model" if row["tuned_prompts"] == "training" else _BASE_ORIGINAL
        layers.append(
            Points(*at, theme.GREY, "diamond", 10.0, hollow=True, label=label, hover=said)
        )
    for name, look in looks.items():
        layers += _path(methods[methods["name"] == name], look, len(looks) <= MANY)
    ends = methods[methods["kind"] == "end"]
    has_path = bool((methods["kind"] == "checkpoint").any())
    with_ends = len(looks) <= MANY and ends["tuned_lower"].notna().any()
    return FigureSpec(
        name="trade_off",
        panels=(
            Panel(
                layers=tuple(layers),
                x_label="score on the tuned task (0 to 100, higher is better)",
                y_label="mean score on the other tasks\n(0 to 100, higher is better)",
            ),
        ),
        table=table,
        caption=Caption(
            shows="Score on the tuned task, with the prompt that it was tuned with, against the"
            " mean score on the other tasks, a large point per method at the end of its"
            " fine-tunes: means over prompts, seeds and tuned tasks.",
            n=counts(methods),
            interval=f"95 % Student t over {ends['unit'].iloc[0]}" if with_ends else "",
            marks=(
                *((_PATH,) if has_path else ()),
                *((Of("intervals", _BARS),) if with_ends else ()),
                *((steps,) if steps else ()),
            ),
            terms=("tuned_score", "normalized_average_others"),
        ),
        alt="Score on the tuned task against the mean score on the other tasks for"
        f" {', '.join(map(words, looks))}.",
        height=430,
        aspect=0.8,
    )


_BASE_ORIGINAL = "base model, original prompt"
"""Of studies that did not ask it with the training prompts: it is no start of the curves."""
_BARS = "Bars: these intervals, of either score, cut where no score can lie."
_PATH = (
    "Small points joined by a line: checkpoints from the start of the fine-tune on, measured on"
    " fewer examples than its end, so that the last need not lie on it."
)


def _score(end: float) -> float:
    """The end of an interval, no further than a score can lie."""
    return kept(end, POSSIBLE["tuned_score"])


def _path(own: pd.DataFrame, look: Look, with_intervals: bool) -> list[Layer]:
    layers: list[Layer] = []
    path = own[own["kind"] == "checkpoint"].sort_values("step")
    if len(path):
        x, y = tuple(map(float, path["tuned"])), tuple(map(float, path["others"]))
        hover = tuple(
            f"{look.label}, step {s:.0f}\ntuned task {a:.1f}, others {b:.1f}"
            for s, a, b in zip(path["step"], x, y, strict=True)
        )
        layers += [look.line(x, y, 1.2), look.points(x, y, size=6.5, named=False, hover=hover)]
    for row in own[own["kind"] == "end"].to_dict("records"):
        x, y = (row["tuned"],), (row["others"],)
        if with_intervals and row["tuned_lower"] == row["tuned_lower"]:
            across = (_score(row["tuned_lower"]),), (_score(row["tuned_upper"]),)
            layers.append(Intervals(y, *across, look.color, 1.0, part="intervals"))
        if with_intervals and row["others_lower"] == row["others_lower"]:
            up = (_score(row["others_lower"]), _score(row["others_upper"]))
            layers.append(Line(x * 2, up, look.color, 1.0, part="intervals"))
        hover = (f"{look.label}, end\ntuned task {x[0]:.1f}, others {y[0]:.1f}",)
        layers.append(look.points(x, y, size=11.0, hover=hover))
    return layers

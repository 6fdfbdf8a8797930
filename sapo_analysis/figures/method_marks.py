"""How methods and strategies look in figures that compare them: colour, marker, dash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sapo_analysis.analysis.method_names import strategy_words
from sapo_analysis.figures import theme
from sapo_analysis.figures.spec import Band, Layer, Line, Points
from sapo_analysis.methods import known_methods

Floats = tuple[float, ...]
Marks = tuple[str, str, bool]
"""Colour, marker, whether it is empty."""


@dataclass(frozen=True)
class Look:
    """How one method or strategy is drawn.

    Attributes:
        color: of its points and lines.
        marker: shape; with `hollow` no two methods share it, so they stand apart in grey print.
        hollow: whether the shape is empty.
        dash: of its lines.
        label: its name in the legend.
    """

    color: str
    marker: str
    hollow: bool
    dash: Floats
    label: str

    def points(
        self,
        x: Floats,
        y: Floats,
        *,
        size: float = 9.0,
        named: bool = True,
        hover: tuple[str, ...] = (),
    ) -> Points:
        """Its markers."""
        label = self.label if named else None
        return Points(x, y, self.color, self.marker, size, self.hollow, label=label, hover=hover)

    def line(self, x: Floats, y: Floats, width: float = 1.5) -> Line:
        """Its line, which belongs to its markers in the legend."""
        return Line(x, y, self.color, width, dash=self.dash)

    def band(self, x: Floats, lower: Floats, upper: Floats) -> Band:
        """The interval about its line."""
        return Band(x, lower, upper, self.color, 0.15, part="intervals")


def looks_of(names: Sequence[str]) -> dict[str, Look]:
    """A look for each method or strategy.

    Methods look the same in every figure, but for those that are not in the theme where a shape is
    taken. Strategies, or settings of one method beside each other, are told apart in the order
    given; shapes repeat after the twentieth.

    Args:
        names: of sides, each once.
    """
    known: Mapping[str, Marks] = theme.METHODS
    if any(name in known for name in names) or all(name in known_methods() for name in names):
        order = [*known, *known_methods(), *names]
        return {name: _look(name, *own, order.index(name)) for name, own in _marks(names).items()}
    colors = theme.CATEGORICAL[:-1]  # yellow is weak on white
    return {
        name: _look(name, colors[i % len(colors)], *theme.SHAPES[i % len(theme.SHAPES)], i)
        for i, name in enumerate(names)
    }


def _marks(names: Sequence[str]) -> dict[str, Marks]:
    """Marks of methods: the theme's; else the method's usual ones, or the next whose shape is free.

    Usual marks never have the shape of what other methods are held against, so that a method looks
    the same in all figures of a study.
    """
    found = {name: theme.METHODS[name] for name in names if name in theme.METHODS}
    held_against = {theme.METHODS[name][1:] for name in ("lora", "prompt-tuning")}
    colors = theme.CATEGORICAL[:-1]  # yellow is weak on white
    shapes = [shape for shape in theme.SHAPES if shape not in held_against]
    usual = [(colors[i % len(colors)], *shape) for i, shape in enumerate(shapes)]
    others = [name for name in known_methods() if name not in theme.METHODS]
    for name in names:
        if name not in found:
            i = others.index(name) if name in others else len(others)
            turned = [usual[(i + k) % len(usual)] for k in range(len(usual))]
            taken = {marks[1:] for marks in found.values()}
            found[name] = next((marks for marks in turned if marks[1:] not in taken), turned[0])
    return {name: found[name] for name in names}


def words(name: str) -> str:
    """A side's name for readers."""
    strategy, at, run_id = name.partition(" in ")
    return f"{strategy_words(strategy)}{at}{run_id}"


def kept(value: float, within: tuple[float, float]) -> float:
    """The end of an interval, no further than a value can lie."""
    return min(max(value, within[0]), within[1])


def _look(name: str, color: str, marker: str, hollow: bool, nth: int) -> Look:
    dashes = list(theme.DASHES.values())
    return Look(color, marker, hollow, dashes[(nth + 1) % len(dashes)], words(name))


def with_line(
    look: Look,
    x: Floats,
    ends: tuple[Floats, Floats, Floats],
    hover: tuple[str, ...],
    within: tuple[float, float],
) -> list[Layer]:
    """A line with a marker at every step, and the band of its interval where there is one.

    Args:
        look: how it is drawn.
        x: places of the markers.
        ends: values, and the lower and upper ends of their intervals, nan where there are none.
        hover: a text per marker.
        within: the smallest and largest possible value; bands are cut there.
    """
    y, lower, upper = ends
    known = [i for i in range(len(x)) if lower[i] == lower[i]]
    layers: list[Layer] = []
    if known:
        low, high = (tuple(kept(of[i], within) for i in known) for of in (lower, upper))
        layers.append(look.band(tuple(x[i] for i in known), low, high))
    return [*layers, look.line(x, y), look.points(x, y, size=8.0, hover=hover)]

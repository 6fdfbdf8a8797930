"""What somebody wants exported, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures.spec import PARTS
from sapo_analysis.paper.options import check_asked

FIGURE_FORMATS = ("pdf", "svg", "png")
TABLE_FORMATS = ("tex", "md")
BOTH = ("csv", "bundle")
FORMATS = (*FIGURE_FORMATS, *TABLE_FORMATS, *BOTH, "html")
ALL = "all"
USUAL_VENUE = "icml"


@dataclass(frozen=True)
class Wish:
    """What to export, and how figures look.

    Names of formats, venue and font may be in capitals; a length is kept in inches.

    Attributes:
        figures: kinds of figures by name, or `all`; with neither figures nor tables: all of both.
        tables: kinds of tables by name, or `all`.
        formats: of `FORMATS`; none: PDF of the figures, LaTeX of the tables.
        venue: a name of `figures.venues.VENUES`; "": ICML.
        width: `column`, `full`, a length as `8.4cm`, or inches; None: what suits each figure.
        font: `serif` or `sans`; "": the venue's.
        without: parts of figures (`figures.spec.PARTS`) that are left out.
        asked: fields of `Options` by name.
    """

    figures: Sequence[str] = ()
    tables: Sequence[str] = ()
    formats: Sequence[str] = ()
    venue: str = ""
    width: str | float | None = None
    font: str = ""
    without: Sequence[str] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check all that hangs on no run.

        Raises:
            InputError: a name is unknown, or two wishes contradict each other.
        """
        self._set("formats", tuple(dict.fromkeys(name.casefold() for name in self.formats)))
        self._set("venue", self.venue.casefold())
        self._set("font", self.font.casefold())
        for name in self.formats:
            if name not in FORMATS:
                raise unknown("format", name, FORMATS)
        for part in self.without:
            if part not in PARTS:
                raise unknown("part of a figure", part, tuple(PARTS))
        for what, names in (("figure", self.figures), ("table", self.tables)):
            others = [name for name in names if name != ALL]
            if ALL in names and others:
                raise InputError(
                    f"{what} {ALL!r} and {', '.join(others)} were both given. {ALL!r} has them"
                    " already: give one of the two."
                )
        check_asked(self.asked)
        from sapo_analysis.figures.venues import as_width, page

        if self.width is not None:
            self._set("width", as_width(self.width))
        width = "column" if self.width is None else self.width
        page(self.venue or USUAL_VENUE, width, self.font)
        self._check_formats()
        self._check_drawing()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # the one way in a frozen dataclass

    def _check_formats(self) -> None:
        if set(self.formats) == {"html"} and (self.figures or self.tables or self.asked):
            raise InputError(
                "The report of format html always holds everything, as the runs suggest it. Leave"
                " the choice of figures, tables and options out, or add a format."
            )
        formats_of = {"figures": FIGURE_FORMATS, "tables": TABLE_FORMATS}
        for what, own in formats_of.items():
            if getattr(self, what) and self.formats and not {*own, *BOTH} & set(self.formats):
                raise InputError(
                    f"The chosen {what} have no format {' or '.join(self.formats)}. They have:"
                    f" {', '.join((*own, *BOTH))}."
                )
        for what, own in formats_of.items():
            idle = [name for name in self.formats if name in own]
            if idle and not self._takes(what):
                raise InputError(
                    f"Format {idle[0]} is of {what}, and none were chosen. Leave it out or choose"
                    f" {what} too."
                )

    def _check_drawing(self) -> None:
        named = {"venue": self.venue, "width": self.width, "font": self.font}
        idle = [f"{name} {value}" for name, value in named.items() if value not in ("", None)]
        idle += [f"without {part}" for part in self.without]
        if idle and not self.draws:
            raise InputError(
                f"{', '.join(idle)}: no figure is drawn here. Ask for figures as"
                f" {', '.join(FIGURE_FORMATS)} or for a bundle."
            )

    def _takes(self, what: str) -> bool:
        """Whether figures, or tables, are chosen at all."""
        return bool(getattr(self, what)) or not (self.figures or self.tables)

    @property
    def figure_formats(self) -> tuple[str, ...]:
        """The formats in which figures are drawn into the folder."""
        return tuple(f for f in FIGURE_FORMATS if f in self._wanted("figures", "pdf"))

    @property
    def table_formats(self) -> tuple[str, ...]:
        """The formats of text in which tables are written."""
        return tuple(f for f in TABLE_FORMATS if f in self._wanted("tables", "tex"))

    def _wanted(self, what: str, usual: str) -> Sequence[str]:
        return (self.formats or (usual,)) if self._takes(what) else ()

    @property
    def csv(self) -> bool:
        """Whether the data behind what is chosen are asked for."""
        return "csv" in self.formats

    @property
    def bundle(self) -> bool:
        """Whether the zip is asked for."""
        return "bundle" in self.formats

    @property
    def html(self) -> bool:
        """Whether the report is asked for."""
        return "html" in self.formats

    @property
    def draws(self) -> bool:
        """Whether any figure is drawn for paper."""
        return bool(self.figure_formats) or (self.bundle and self._takes("figures"))

    @property
    def takes_figures(self) -> bool:
        """Whether figures are made."""
        return self._takes("figures") and (bool(self.figure_formats) or self.csv or self.bundle)

    @property
    def takes_tables(self) -> bool:
        """Whether tables are made."""
        return self._takes("tables") and (bool(self.table_formats) or self.csv or self.bundle)

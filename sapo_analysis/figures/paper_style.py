"""matplotlib's settings on paper, and the one lock under which anything is drawn with them.

The settings are the process's, and pages of the app draw in threads: whoever draws or saves enters
`drawing` first. It starts from matplotlib's own defaults, so that a settings file of the reader
changes no figure.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import RLock
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sapo_analysis.figures.fonts import use
from sapo_analysis.figures.venues import Page

DPI = 300
HAIR = 0.6
"""Width of axes, ticks and lines at zero (points)."""

RARELY = 50_000
"""New objects after which Python looks for garbage while a figure is drawn."""

_LOCK = RLock()


@contextmanager
def drawing(page: Page) -> Iterator[None]:
    """The page's settings for as long as it lasts; other threads wait.

    Raises:
        WorkError: the page's font is not where the installation should have it.
    """
    with _LOCK, mpl.rc_context(), _collecting_rarely():
        _take(_settings(page, use(page.font)))
        yield


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Look for garbage less often: a figure is many small objects that stay until its end.

    A fifth of the time that drawing takes goes into looking for it otherwise.
    """
    before = gc.get_threshold()
    # 0 says never; that stays.
    gc.set_threshold(max(before[0], RARELY) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@lru_cache(maxsize=32)
def _settings(page: Page, family: str) -> dict[str, Any]:
    defaults: Any = mpl.rcParamsDefault
    checked: Any = mpl.RcParams(_style(page, family))
    # The backend is for windows alone, and to read it would choose one.
    return {**{name: defaults[name] for name in defaults if "backend" not in name}, **checked}


def _take(settings: Any) -> None:
    """Set what has been checked before: to check 300 settings takes longer than to draw little."""
    dict.update(mpl.rcParams, settings)


def _style(page: Page, family: str) -> dict[str, Any]:
    kind = {"serif": "serif", "sans": "sans-serif"}[page.font]
    return {
        # Venues refuse Type 3 fonts, and 42 embeds TrueType; SVG text stays text.
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "sapo_analysis",
        # By its kind, so that an SVG names the kind too, for viewers without the font.
        "font.family": [kind],
        f"font.{kind}": [family],
        "mathtext.fontset": "stix" if page.font == "serif" else "dejavusans",
        "font.size": page.size,
        "text.hinting": "none",  # letters of a picture stand where those of a PDF do
        "axes.titlesize": page.size,
        "axes.labelsize": page.size,
        "axes.titley": 1.0,  # found anew at each drawing otherwise, from ticks that are not there
        "axes.labelpad": 2.5,
        "axes.xmargin": 0.06,  # a mark at the end of a small panel is whole
        "axes.ymargin": 0.08,
        "legend.fontsize": page.small,
        "xtick.labelsize": page.small,
        "ytick.labelsize": page.small,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": HAIR,
        "xtick.major.width": HAIR,
        "ytick.major.width": HAIR,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.pad": 2.5,
        "ytick.major.pad": 2.5,
        "hatch.linewidth": 0.5,
        "axes.formatter.limits": (-4, 5),
        "savefig.dpi": DPI,
        "figure.dpi": DPI,
    }


class PaperFigure(Figure):
    """A figure that is saved as its page wants it, whatever the settings are by then.

    matplotlib reads how fonts are embedded when a file is written, and by default embeds Type 3.
    """

    def __init__(self, page: Page, **settings: Any) -> None:
        """An empty figure; `settings` as those of matplotlib's `Figure`."""
        super().__init__(**settings)
        self.page = page

    def savefig(self, fname: Any, **settings: Any) -> None:
        """Write a file, with the arguments of matplotlib's `savefig`."""
        with drawing(self.page):
            super().savefig(fname, **settings)

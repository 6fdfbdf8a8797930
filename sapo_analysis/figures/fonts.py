"""The two typefaces of paper figures, found as files: nothing is ever drawn in a substitute.

Serif is STIX General, which matplotlib brings and which stands beside Times without a seam. Sans
is Liberation Sans, which is as wide as Helvetica and Arial, letter by letter; it lies in this
package with its licence, the SIL Open Font License. Both are TrueType.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import RLock

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from sapo_analysis.errors import InputError, WorkError, unknown

FAMILIES = {"serif": "STIXGeneral", "sans": "Liberation Sans"}
"""The family of each font, as SVG names it."""

_LOCK = RLock()  # pages are drawn in threads; neither a face nor the list of fonts is for several


def font_file(font: str) -> Path:
    """The file of a font, `serif` or `sans`.

    Raises:
        InputError: another font.
        WorkError: the file is not where the installation should have it.
    """
    if font not in FAMILIES:
        raise unknown("font", font, list(FAMILIES))
    if font == "serif":
        path = Path(mpl.get_data_path()) / "fonts" / "ttf" / "STIXGeneral.ttf"
    else:
        path = Path(__file__).parent.parent / "data" / "fonts" / "LiberationSans-Regular.ttf"
    if not path.is_file():
        raise WorkError(
            f"The font of {font} figures is missing: {path}. Nothing is drawn in another one."
            " Install the package again."
        )
    return path


def use(font: str) -> str:
    """Make matplotlib find the font's own file under its family's name, and return that name.

    A system may have another version of the same family. The one here comes first, so that the
    same figure gives the same bytes on another machine.

    Raises:
        InputError: another font.
        WorkError: the file is missing, or matplotlib takes another one.
    """
    path, family = str(font_file(font)), FAMILIES[font]
    with _LOCK:
        if _found(family) != path:
            known = font_manager.fontManager.ttflist
            n = len(known)
            font_manager.fontManager.addfont(path)
            added = known[n:]
            del known[n:]
            known[:0] = added
        if (found := _found(family)) != path:
            raise WorkError(f"matplotlib takes {found} for {family}, instead of {path}.")
    return family


def _found(family: str) -> str:
    wanted = font_manager.FontProperties(family=[family])
    try:
        return str(font_manager.findfont(wanted, fallback_to_default=False))
    except ValueError:  # no such family yet
        return ""


@lru_cache(maxsize=2)
def _face(font: str) -> FT2Font:
    return FT2Font(str(font_file(font)))


@lru_cache(maxsize=20_000)
def text_width(text: str, font: str, size: float) -> float:
    """How wide one line of text is (points) at a font size (points)."""
    with _LOCK:
        face = _face(font)
        face.set_size(size, 72)
        face.set_text(text, 0.0)
        return float(face.get_width_height()[0]) / 64


def wrapped(text: str, font: str, size: float, width: float) -> str:
    """The text in lines that are at most so wide (points) where its words allow it."""
    return "\n".join(line for part in text.split("\n") for line in _lines(part, font, size, width))


def _lines(text: str, font: str, size: float, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, font, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def check_characters(text: str, font: str) -> None:
    """Refuse a text with a character that the font does not have.

    Raises:
        InputError: the character, the text and the font are named.
    """
    characters = _characters(font)
    for character in text:
        if character != "\n" and ord(character) not in characters:
            raise InputError(
                f"The {font} font, {FAMILIES[font]}, has no character {character!r}"
                f" (U+{ord(character):04X}), which stands in {text!r}. Rename what the figure"
                " names, or choose the other font."
            )


@lru_cache(maxsize=2)
def _characters(font: str) -> frozenset[int]:
    return frozenset(_face(font).get_charmap())

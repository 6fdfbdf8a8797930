"""The two typefaces of paper figures, found as files: nothing is ever drawn in a substitute.

Serif is STIX General, which matplotlib brings and which stands beside Times without a seam. Sans
is Liberation Sans, which is as wide as Helvetica and Arial, letter by letter; it lies in this
package with its licence, the SIL Open Font License. Both are TrueType.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from threading import RLock

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font, LoadFlags

from sapo_analysis.errors import InputError, WorkError, unknown

FAMILIES = {"serif": "STIXGeneral", "sans": "Liberation Sans"}
"""The family of each font, as SVG names it."""

_FINE = 16  # texts are measured at so many times 72 dots per inch
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
    """How wide one line of text is (points) at a font size (points).

    Raises:
        InputError: the font lacks a character.
    """
    check_characters(text, font)
    with _LOCK:
        face = _face(font)
        face.set_size(size, 72 * _FINE)
        # Hinting moves letters to whole pixels: a fifth too wide or too narrow at such sizes.
        face.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
        return float(face.get_width_height()[0]) / 64 / _FINE


def wrapped(text: str, font: str, size: float, width: float) -> str:
    """The text in as few lines as fit the width (points), about equally long.

    Lines end between words, before a remark in brackets where that costs no line; a word that is
    wider than the width ends after a hyphen, underscore, dot or slash of it, or anywhere.
    """
    return "\n".join(line for part in text.split("\n") for line in _lines(part, font, size, width))


def _lines(text: str, font: str, size: float, width: float) -> list[str]:
    if text_width(text, font, size) <= width:
        return [text]
    words = [w for word in text.split(" ") for w in _pieces(word, font, size, width)]
    lines = _filled(words, font, size, width)
    head, bracket, remark = text.partition(" (")
    if bracket:
        parts = [*_lines(head, font, size, width), *_lines(f"({remark}", font, size, width)]
        if len(parts) <= len(lines):
            return parts
    # The narrowest width that takes no more lines: no single word stands in the last one.
    low, high = 0.5 * width, width
    for _ in range(7):
        middle = (low + high) / 2
        tried = _filled(words, font, size, middle)
        if len(tried) <= len(lines) and all(text_width(t, font, size) <= width for t in tried):
            lines, high = tried, middle
        else:
            low = middle
    return lines


def _filled(words: list[str], font: str, size: float, width: float) -> list[str]:
    """Words, each with the space that stands before it, in lines that are as full as they can."""
    lines: list[str] = []
    for word in words:
        if lines and text_width(lines[-1] + word, font, size) <= width:
            lines[-1] += word
        else:
            lines.append(word.lstrip(" "))
    return [line.rstrip(" ") for line in lines]


def _pieces(word: str, font: str, size: float, width: float) -> list[str]:
    """A word with a space before it, in pieces that fit the width."""
    if text_width(word, font, size) <= width:
        return [f" {word}"]
    pieces = [" "]
    for part in re.findall(r"[^-_./]*[-_./]+|[^-_./]+", word):
        for piece in [part] if text_width(part, font, size) <= width else part:
            if text_width(pieces[-1] + piece, font, size) <= width:
                pieces[-1] += piece
            else:
                pieces.append(piece)
    return pieces


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

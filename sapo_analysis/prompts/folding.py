"""When two prompts count as the same text."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """A text without case, punctuation and differences in spacing: equal ones are duplicates."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = (c if _counts(c) else " " for c in plain)
    return " ".join("".join(kept).split())


def _counts(character: str) -> bool:
    # Letters with their marks, digits, and signs such as + that may be what a prompt is about.
    return unicodedata.category(character)[0] in "LMN" or unicodedata.category(character) == "Sm"

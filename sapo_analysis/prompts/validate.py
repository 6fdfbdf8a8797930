"""What a set of prompts must satisfy before a study may use it."""

from __future__ import annotations

from collections.abc import Sequence

from sapo_analysis.errors import InputError


def check_prompts(texts: Sequence[str | None], names: Sequence[str] | None = None) -> None:
    """Raise `InputError` for the first prompt that is missing, empty or a duplicate.

    Two prompts are duplicates if they differ only in white space: they would teach the same thing.
    Braces, percent signs and any other characters are fine. `names` say how the message calls each
    prompt; without them it counts from one.
    """
    called = list(names) if names is not None else [f"number {i}" for i in range(1, len(texts) + 1)]
    if len(called) != len(texts):
        raise InputError(
            f"{len(texts)} prompts came with {len(called)} names. Give each prompt one name."
        )
    if not texts:
        raise InputError("No prompts were given. Give at least one prompt.")
    first_with: dict[str, str] = {}
    for name, text in zip(called, texts, strict=True):
        if text is None:
            raise InputError(
                f"Prompt {name} is missing. Give its text or leave it out of the list."
            )
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise InputError(
                f"Prompt {name} holds half of a surrogate pair, which is no character. Mend the"
                " text where it was read: its encoding was taken for another."
            )
        folded = " ".join(text.split())
        if not folded:
            raise InputError(
                f"Prompt {name} is empty ({text!r}). Write an instruction or leave it out."
            )
        if folded in first_with:
            raise InputError(
                f"Prompt {name} repeats prompt {first_with[folded]}: {folded!r}."
                " Keep one of the two."
            )
        first_with[folded] = name

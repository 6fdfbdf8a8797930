"""Prompt and example to the user's message, laid out as by the released SAPO code (methods §1)."""

from __future__ import annotations


def user_message(prompt: str, input_text: str, suffix: str) -> str:
    """The user's message: instruction, input, fixed answer-format line.

    Plain concatenation, so braces, percent signs and placeholders in any part stay what they are:
    the released code goes through `str.format`, and a brace in a paraphrase makes it drop the input
    without a word.
    """
    parts = [prompt, f"Text:\n{input_text}"]
    if suffix:
        parts.append(suffix)
    return "\n\n".join(parts)

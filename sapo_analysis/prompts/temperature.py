"""How freely paraphrases are sampled."""

from __future__ import annotations

from sapo_analysis.errors import InputError

TEMPERATURE = 0.6
"""As in the released SAPO code."""
_MAX = 2.0


def checked_temperature(temperature: float, n_replies: int) -> None:
    """Refuse a temperature that makes no sense, or that makes several replies the same.

    Raises:
        InputError: which of the two it is.
    """
    if not 0 <= temperature <= _MAX:
        raise InputError(f"Temperature {temperature:g} is out of range. Give one of 0 to {_MAX:g}.")
    if temperature == 0 and n_replies > 1:
        raise InputError(
            f"Temperature 0 writes the same every time, and {n_replies} replies are asked for. Give"
            f" one above 0, such as {TEMPERATURE}."
        )

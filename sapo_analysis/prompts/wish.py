"""How many paraphrases are asked for, and how freely they are sampled."""

from __future__ import annotations

from sapo_analysis.errors import InputError

MAX_PARAPHRASES = 500
PER_CALL = 10
TEMPERATURE = 0.6
"""As in the released SAPO code."""
_MAX = 2.0
_MAX_SEED = 2_000_000_000
"""The numbers of calls are added, and some servers take 31 bits."""


def check_number(n: int) -> None:
    """Refuse a number of paraphrases that makes no sense.

    Raises:
        InputError: it is out of range, or no whole number.
    """
    if type(n) is not int or not 1 <= n <= MAX_PARAPHRASES:
        raise InputError(f"{n!r} paraphrases cannot be asked for. Ask for 1 to {MAX_PARAPHRASES}.")


def check_seed(seed: int) -> None:
    """Refuse a seed that some servers or generators would refuse.

    Raises:
        InputError: it is out of range.
    """
    if not 0 <= seed <= _MAX_SEED:
        raise InputError(f"Seed {seed} is out of range. Give one of 0 to {_MAX_SEED:,}.")


def check_temperature(temperature: float, n_replies: int) -> None:
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

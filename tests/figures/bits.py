"""Figures compared bit by bit."""

import math
import struct


def bits(value):
    """A figure's part with every number as its eight bytes, so that NaN and -0.0 count.

    Of a figure its table is left out.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "nan" if math.isnan(value) else struct.pack(">d", value)
    if isinstance(value, tuple):
        return ("tuple", *map(bits, value))
    if hasattr(value, "__dataclass_fields__"):
        names = [name for name in value.__dataclass_fields__ if name != "table"]
        return (type(value).__name__, *(bits(getattr(value, name)) for name in names))
    return value

"""Numeric match: the output's number is the target's number, however it is written."""

from __future__ import annotations

import re
from fractions import Fraction

from sapo_analysis.tasks.base import Task
from sapo_analysis.tasks.metrics.base import EMPTY, Metric

_MOST_DIGITS = 400
"""A longer number is no answer, and a large exponent would fill the memory."""

# A hyphen is a sign except where it joins words or subtracts.
_NUMBER = re.compile(
    r"""
    (?P<sign>(?<![\w)\]])[-+\u2212])?[$€£¥]?
    (?: (?:(?P<whole>\d+)[ ])?(?P<over>\d+)/(?P<under>\d+)
      | (?P<digits>\d{1,3}(?:[,'’\u00a0\u2009\u202f]\d{3})+(?!\d)|\d+)
        (?P<decimals>\.\d+)?(?P<exponent>[eE][-+\u2212]?\d+)?
      | (?<!\d)(?P<only_decimals>\.\d+)
    )
    """,
    re.VERBOSE,
)


def numbers(text: str) -> list[Fraction]:
    """The numbers in a text, in order, exactly.

    A number is made of digits, with a sign before it, a decimal point, a comma, an apostrophe or a
    narrow or no-break space before each group of three digits, and an exponent; or it is a fraction
    of two whole numbers, with a third before it or not. What stands around it (words, units, a
    currency, a percent sign) is not read: "50 %" is 50. Any other comma separates numbers.
    """
    values = ((match, _value(match)) for match in _NUMBER.finditer(text))
    return [
        -value if match["sign"] in ("-", "\u2212") else value
        for match, value in values
        if value is not None
    ]


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match.group()) > _MOST_DIGITS:
        return None
    if match["over"]:
        if int(match["under"]) == 0:
            return None
        return int(match["whole"] or 0) + Fraction(int(match["over"]), int(match["under"]))
    exponent = int((match["exponent"] or "e0")[1:].replace("\u2212", "-"))
    if abs(exponent) > _MOST_DIGITS:
        return None
    digits = re.sub(r"\D", "", match["digits"] or "0")
    return Fraction(digits + (match["decimals"] or match["only_decimals"] or "")) * (
        Fraction(10) ** exponent
    )


def numeric_match(output: str, task: Task, target: str) -> float:
    """1.0 if the last number of the output equals the last number of the target, else 0.0.

    They are compared exactly, so "12.0" is "12" and "1/2" is "0.5", and "0.33" is not "1/3".
    """
    said, wanted = numbers(output), numbers(target)
    return float(bool(said) and bool(wanted) and said[-1] == wanted[-1])


NUMERIC_MATCH = Metric(
    "numeric_match",
    "100 × the share of outputs whose number equals the target's number exactly: 12.0 is 12, 1,200"
    " is 1200, 1/2 is 0.5. Of several numbers in a text the last one counts; words, units and"
    " currency around it do not. An output without a number is wrong." + EMPTY,
    "its last number equals the target's",
    numeric_match,
)

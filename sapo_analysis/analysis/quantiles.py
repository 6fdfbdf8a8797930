"""Quantiles of the distributions that intervals need.

`scipy.stats` gives the same numbers through the same functions, but takes a second to import: the
first page of the dashboard would wait for it.
"""

from __future__ import annotations


def student(p: float, df: float) -> float:
    """The value below which Student's t with `df` degrees of freedom lies with probability `p`."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def chi_square(p: float, df: float) -> float:
    """The same of chi-square."""
    from scipy.special import gammaincinv

    return 2 * float(gammaincinv(df / 2, p))


def fisher_f(p: float, df_1: float, df_2: float) -> float:
    """The same of Fisher's F."""
    from scipy.special import fdtri

    return float(fdtri(df_1, df_2, p))

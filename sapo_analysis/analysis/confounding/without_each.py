"""Statistics of one task's prompts with each prompt left out in turn, from sums over all of them.

With d_p a value less its mean over n prompts, the sum of products around the mean of the others is
Σ d d' - n / (n - 1) · d_p d_p': no prompt is really left out. Where one prompt holds all but a
millionth of a spread that difference has few digits, so it is left out in truth.
"""

from __future__ import annotations

import numpy as np

from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.selection import Bools

_FEW_DIGITS = 1e-6


def products_without_each(values: Floats) -> Floats:
    """Sums of products of columns around their means, without each row in turn.

    Args:
        values: Prompts x variables.

    Returns:
        Prompts x variables x variables; a variable that is the same for all other prompts has 0 on
        the diagonal.
    """
    n = len(values)
    centred = values - values.mean(axis=0)
    whole = centred.T @ centred
    left: Floats = whole - n / (n - 1) * centred[:, :, None] * centred[:, None, :]
    spread = np.diagonal(left, axis1=1, axis2=2)
    lost = (spread <= _FEW_DIGITS * np.diagonal(whole)).any(axis=1)
    for i in np.flatnonzero(lost):
        others = np.delete(values, i, axis=0)
        others = others - others.mean(axis=0)
        left[i] = others.T @ others
    flat = np.column_stack([constant_without_each(column) for column in values.T])
    prompts, variables = np.nonzero(flat)
    left[prompts, variables, variables] = 0.0
    return left


def correlations_without_each(values: Floats) -> Floats:
    """Pearson r of every pair of columns, without each row in turn.

    Args:
        values: Prompts x variables.

    Returns:
        Prompts x pairs (i < j, the later index fastest); nan where a variable is the same for all
        other prompts.
    """
    left = products_without_each(values)
    i, j = np.triu_indices(values.shape[1], k=1)
    spread = np.diagonal(left, axis1=1, axis2=2)
    scale = np.sqrt(spread[:, i] * spread[:, j])
    r = np.divide(left[:, i, j], scale, out=np.full_like(scale, NAN), where=scale > 0)
    clipped: Floats = np.clip(r, -1, 1)
    return clipped


def rank_correlations_without_each(x: Floats, y: Floats) -> Floats:
    """Spearman's ρ without each prompt in turn; nan where the others are all tied."""
    centred = [_ranks_without_each(values) for values in (x, y)]
    squares = [np.sum(own**2, axis=1) for own in centred]
    scale = np.sqrt(squares[0] * squares[1])
    products = np.sum(centred[0] * centred[1], axis=1)
    rho = np.divide(products, scale, out=np.full_like(scale, NAN), where=scale > 0)
    clipped: Floats = np.clip(rho, -1, 1)
    return clipped


def _ranks_without_each(values: Floats) -> Floats:
    """Prompts x prompts: row i has the ranks of all but i, less their mean, and 0 for i itself."""
    above = values[None, :] > values[:, None]
    tied = values[None, :] == values[:, None]
    # The rank of j counts those below it, and half of those tied with it, itself among them.
    rank = 0.5 + np.sum(above, axis=0) + np.sum(tied, axis=0) / 2
    centred: Floats = rank[None, :] - above - tied / 2 - len(values) / 2
    np.fill_diagonal(centred, 0.0)
    return centred


def constant_without_each(values: Floats) -> Bools:
    """Whether all other values are the same, rounding apart, as `correlation.constant` has it."""
    order = np.argsort(values, kind="stable")
    low, high = values[order[0]], values[order[-1]]
    lows, highs = np.full(len(values), low), np.full(len(values), high)
    lows[order[0]], highs[order[-1]] = values[order[1]], values[order[-2]]
    found: Bools = highs - lows <= 1e-10 * np.maximum(np.abs(lows), np.abs(highs))
    return found

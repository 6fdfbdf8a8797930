"""Looks at made-up soft prompts of four virtual tokens, which form a square: worked by hand."""

import math

N_TOKENS = 4


def totals(side):
    """Sums over the diagram of a square, and its compactness at distance 1 from the origin.

    Three of its sides join all corners; the loop of all four is closed by the last side and filled
    by a diagonal. Each corner is side / √2 from the centroid, so √(1 + side² / 2) from the origin.
    """
    apart = side**2 / 2
    return {
        "h0_persistence": 3 * side,
        "h1_persistence": (math.sqrt(2) - 1) * side,
        "compactness": 1 - math.sqrt(apart / (1 + apart)),
    }


def look_rows(trial_id, step, side):
    """Rows of `diagnostics` and of `persistence` of one look."""
    at = {"trial_id": trial_id, "step": step}
    about = {**at, "subject": "soft prompt", "n_examples": N_TOKENS}
    seen = [{**about, "name": name, "value": value} for name, value in totals(side).items()]
    pairs = [{**at, "dimension": 0, "pair": i, "birth": 0.0, "death": side} for i in range(3)]
    loop = {"dimension": 1, "pair": 0, "birth": side, "death": math.sqrt(2) * side}
    return seen, [*pairs, {**at, **loop}]

"""The averagings of pre-update loss, from per-example sums (methods §2).

The released code uses `batch_mean`. All take the examples in file order: `nll` in nats, summed over
each example's target tokens, and `n_tokens` counting those tokens. All return nats per token.
"""

from __future__ import annotations

from collections.abc import Sequence


def token_mean(nll: Sequence[float], n_tokens: Sequence[int]) -> float:
    """Σ nll / Σ tokens: every token counts alike, so long targets count more."""
    return sum(nll) / sum(n_tokens)


def example_mean(nll: Sequence[float], n_tokens: Sequence[int]) -> float:
    """Mean over examples of nll / tokens: every example counts alike."""
    return sum(loss / n for loss, n in zip(nll, n_tokens, strict=True)) / len(nll)


def batch_mean(nll: Sequence[float], n_tokens: Sequence[int], batch_size: int) -> float:
    """Token mean in each consecutive batch, then the mean of batches weighted by their examples.

    This is what the released code selects by (`Trainer.evaluate` with batches of 8); it is neither
    of the other two, and it depends on which examples share a batch.
    """
    total = 0.0
    for start in range(0, len(nll), batch_size):
        batch = slice(start, start + batch_size)
        total += len(nll[batch]) * sum(nll[batch]) / sum(n_tokens[batch])
    return total / len(nll)

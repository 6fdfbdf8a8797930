"""BLEU and chrF, over the whole test set at once (sacrebleu)."""

from __future__ import annotations

from collections.abc import Sequence

from sapo_analysis.tasks.metrics.base import EMPTY, Metric, of_the_training_half
from sapo_analysis.tasks.metrics.exact import exact_match


def bleu(outputs: Sequence[str], targets: Sequence[str]) -> float:
    """Corpus BLEU (0 to 100) with sacrebleu's defaults: 13a tokens, exponential smoothing."""
    with of_the_training_half("bleu"):
        from sacrebleu import corpus_bleu
    # `force` silences a guess about tokenised text; it changes no number.
    return min(100.0, float(corpus_bleu(list(outputs), [list(targets)], force=True).score))


def chrf(outputs: Sequence[str], targets: Sequence[str]) -> float:
    """Corpus chrF2 (0 to 100) with sacrebleu's defaults: characters in runs of 1 to 6, beta 2."""
    with of_the_training_half("chrf"):
        from sacrebleu import corpus_chrf
    return min(100.0, float(corpus_chrf(list(outputs), [list(targets)]).score))


_OF_CORPUS = " It is counted over all examples at once and is no mean of examples."

BLEU = Metric(
    "bleu",
    "BLEU of all outputs against all targets (sacrebleu, tokeniser 13a, exponential smoothing)."
    + _OF_CORPUS
    + EMPTY,
    "it equals the target but for white space",
    exact_match,
    bleu,
)
CHRF = Metric(
    "chrf",
    "chrF2 of all outputs against all targets (sacrebleu): runs of 1 to 6 characters without white"
    " space, recall counting twice." + _OF_CORPUS + EMPTY,
    "it equals the target but for white space",
    exact_match,
    chrf,
)

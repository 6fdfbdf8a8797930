"""Tokens of a text are replaced by others: how many, which, and by what."""

from collections import Counter

import pytest
from scipy import stats

from sapo_analysis.learning.perturbation import Perturbation
from sapo_analysis.learning.perturbation.masking import masked
from sapo_analysis.methods.recipe import Perturbed
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task

ORDINARY = (3, 5, 6, 8, 9)
ROW = Encoded([100, 101, 1, 3, 5, 5, 2, 8, 9, 6, 2, 8, 1], 11, 12)
"""Two virtual tokens, control tokens 1 and 2, six ordinary ones, and an answer."""
TEXT = (3, 4, 5, 7, 8, 9)


@pytest.mark.parametrize(
    ("share", "n"), [(0, 0), (0.08, 0), (0.09, 1), (0.25, 2), (0.5, 3), (0.74, 4), (1, 6)]
)
def test_the_nearest_whole_number_to_the_share_is_replaced(share, n):
    for seed in range(20):
        found = masked(ROW, ORDINARY, share, seed)
        changed = [t for t, (a, b) in enumerate(zip(ROW.ids, found.ids, strict=True)) if a != b]
        assert len(changed) == n and set(changed) <= set(TEXT)
        assert {found.ids[t] for t in changed} <= set(ORDINARY)
        assert (found.target_start, found.content_end) == (11, 12)


def test_places_and_tokens_are_drawn_evenly_by_the_seed_alone():
    assert masked(ROW, ORDINARY, 0.5, 4) == masked(ROW, ORDINARY, 0.5, 4)
    where, what = Counter(), Counter()
    for seed in range(3000):
        found = masked(ROW, ORDINARY, 1 / 6, seed)
        ((t, new),) = [(t, b) for t, b in enumerate(found.ids) if b != ROW.ids[t]]
        where[t] += 1
        if t == 7:
            what[new] += 1
    assert set(where) == set(TEXT) and set(what) == {3, 5, 6, 9}
    assert stats.chisquare(list(where.values())).pvalue > 0.01
    assert stats.chisquare(list(what.values())).pvalue > 0.01


def test_ordinary_tokens_of_a_tokenizer_are_its_vocabulary_without_special_and_added_ones(encoder):
    ordinary = Perturbation.of(Perturbed("masking", 0.1, 1.0), encoder.tokenizer).ordinary
    assert list(ordinary) == sorted(set(ordinary))
    assert not set(ordinary) & set(encoder.tokenizer.all_special_ids)
    row = encoder.encode_split(get_task("colour"), "train", 1, get_prompts("colour")[0])[0]
    found = masked(row, ordinary, 1.0, 0)
    kept = [t for t, token in enumerate(row.context) if found.ids[t] == token]
    # What stays is the layout's control tokens, and nothing becomes one.
    assert {row.ids[t] for t in kept} <= set(encoder.tokenizer.added_tokens_decoder)
    assert len(kept) < 8 < len(row.context)

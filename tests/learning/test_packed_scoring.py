"""Scores on packed rows against the plain reading, in both precisions."""

import numpy as np
import pytest

from sapo_analysis.learning import packed_scoring
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task


def rows_of(encoder, name, prompt, n=40):
    return encoder.encode_split(get_task(name), "train", n, get_prompts(name)[prompt])


@pytest.mark.parametrize("name", ["sentiment", "last_word", "product", "translate"])
def test_losses_equal_the_plain_ones_in_float64(model64, encoder, name):
    rows = rows_of(encoder, name, 1)
    for own, expected in zip(
        packed_losses(model64, rows, encoder.pad_id),
        example_losses(model64, rows, 7, encoder.pad_id),
        strict=True,
    ):
        assert own.nll_sum == pytest.approx(expected.nll_sum, rel=1e-11)
        assert own.content_nll == pytest.approx(expected.content_nll, rel=1e-11)
        assert (own.n_tokens, own.content_tokens) == (expected.n_tokens, expected.content_tokens)


@pytest.mark.parametrize("name", ["sentiment", "product", "translate"])
def test_in_float32_packed_losses_are_as_near_to_float64_as_plain_ones(
    pocket_model, model64, encoder, name
):
    rows = rows_of(encoder, name, 2)
    exact, plain, packed = (
        np.array([loss.nll_sum for loss in losses])
        for losses in (
            example_losses(model64, rows, 40, encoder.pad_id),
            example_losses(pocket_model, rows, 40, encoder.pad_id),
            packed_losses(pocket_model, rows, encoder.pad_id),
        )
    )
    # Relative to one nat at least: −log of a probability near one carries the logits' rounding.
    scale = np.maximum(exact, 1.0)
    rounding = np.max(np.abs(plain - exact) / scale)
    assert rounding < 2e-5
    # Each is the worst of forty rows' rounding, and two such differ by a factor by chance.
    assert np.max(np.abs(packed - exact) / scale) <= 4 * rounding + 1e-6
    assert packed.sum() == pytest.approx(plain.sum(), rel=1e-6)


def test_the_order_of_the_rows_is_kept_over_several_passes(model64, encoder, monkeypatch):
    rows = rows_of(encoder, "product", 0)
    assert len({len(row.ids) for row in rows}) > 2
    whole = packed_losses(model64, rows, encoder.pad_id)
    monkeypatch.setattr(packed_scoring, "TOKENS_PER_PASS", 60)
    for own, expected in zip(packed_losses(model64, rows, encoder.pad_id), whole, strict=True):
        assert own.nll_sum == pytest.approx(expected.nll_sum, rel=1e-11)


def test_the_prefix_is_read_once_whatever_the_number_of_passes(model64, encoder, monkeypatch):
    rows = rows_of(encoder, "product", 0)
    read = []
    original = packed_scoring.Pack

    def counted(*args, **settings):
        pack = original(*args, **settings)
        read.append(pack.row_tokens[0])
        return pack

    monkeypatch.setattr(packed_scoring, "Pack", counted)
    monkeypatch.setattr(packed_scoring, "TOKENS_PER_PASS", 60)
    packed_losses(model64, rows, encoder.pad_id)
    prefix = packed_scoring.shared_prefix(rows)
    assert prefix > 10 and len(read) > 3
    assert sum(read) == prefix + sum(len(row.ids) - prefix for row in rows)


def test_rows_without_a_common_beginning_are_scored_too(model64, encoder):
    rows = [Encoded([5, 6, 7], 1, 3), Encoded([8, 9], 1, 2)]
    own = packed_losses(model64, rows, encoder.pad_id)
    expected = example_losses(model64, rows, 1, encoder.pad_id)
    assert [x.nll_sum for x in own] == pytest.approx([x.nll_sum for x in expected], rel=1e-11)

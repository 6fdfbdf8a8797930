"""Pre-update loss against a float64 computation by hand: one example, one token at a time."""

import math

import pytest
import torch

from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.encoding import IGNORED, Encoded
from sapo_analysis.pre_update_loss import batch_mean, example_mean, token_mean
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task


def nats_by_hand(model, ids, start, end):
    """Σ −log p(ids[t] | ids[:t]) for t in [start, end), each from its own unpadded forward pass."""
    total = 0.0
    for t in range(start, end):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids[:t]])).logits[0, -1].tolist()
        top = max(logits)
        total -= logits[ids[t]] - top - math.log(math.fsum(math.exp(x - top) for x in logits))
    return total


@pytest.fixture(scope="module")
def rows(encoder):
    task = get_task("sentiment")
    return encoder.encode_split(task, "train", 11, get_prompts("sentiment")[3])


@pytest.fixture(scope="module")
def in_float64(model64, rows):
    """(nll, n_tokens, content nll, content tokens) of each row, by hand in float64."""
    return [
        (
            nats_by_hand(model64, row.ids, row.target_start, len(row.ids)),
            len(row.ids) - row.target_start,
            nats_by_hand(model64, row.ids, row.target_start, row.content_end),
            row.content_end - row.target_start,
        )
        for row in rows
    ]


def test_losses_equal_the_hand_written_float64_loop(model64, encoder, rows, in_float64):
    found = example_losses(model64, rows, 4, encoder.tokenizer.pad_token_id)
    for loss, (nll, n, content_nll, content_n) in zip(found, in_float64, strict=True):
        assert loss.nll_sum == pytest.approx(nll, rel=1e-9)
        assert loss.content_nll == pytest.approx(content_nll, rel=1e-9)
        assert (loss.n_tokens, loss.content_tokens) == (n, content_n)
        assert loss.n_tokens > loss.content_tokens  # the end of the turn is scored too


def test_in_float32_every_averaging_is_within_1e_5_of_its_definition_in_float64(
    pocket_model, encoder, rows, in_float64
):
    found = example_losses(pocket_model, rows, 4, encoder.tokenizer.pad_token_id)
    nll, n = [x.nll_sum for x in found], [x.n_tokens for x in found]
    by_hand, count = [x[0] for x in in_float64], [x[1] for x in in_float64]
    first, second = (sum(by_hand[s]) / sum(count[s]) for s in (slice(0, 8), slice(8, 11)))
    assert batch_mean(nll, n, 8) == pytest.approx((8 * first + 3 * second) / 11, abs=1e-5)
    assert token_mean(nll, n) == pytest.approx(sum(by_hand) / sum(count), abs=1e-5)
    each = [loss / k for loss, k in zip(by_hand, count, strict=True)]
    assert example_mean(nll, n) == pytest.approx(sum(each) / 11, abs=1e-5)


def test_the_batch_size_of_the_computation_changes_nothing(model64, encoder, rows):
    pad = encoder.tokenizer.pad_token_id
    alone = example_losses(model64, rows, 1, pad)
    together = example_losses(model64, rows, 11, pad)
    for a, b in zip(alone, together, strict=True):
        assert a.nll_sum == pytest.approx(b.nll_sum, rel=1e-9)


def test_labels_are_shifted_exactly_once():
    # Logits that put all mass on the NEXT token of 5, 6, 7, 8 give loss 0 only when shifted by one.
    ids = torch.tensor([[5, 6, 7, 8]])
    logits = torch.full((1, 4, 10), -1e4)
    for t, following in enumerate([6, 7, 8, 9]):
        logits[0, t, following] = 0.0
    assert token_losses(logits, ids).tolist() == [[0.0, 0.0, 0.0]]
    assert token_losses(logits, ids.roll(1)).sum() > 1e4


def test_dropout_is_off_while_scoring_and_the_mode_is_restored(pocket_model, encoder, rows):
    import copy

    model = copy.deepcopy(pocket_model)
    model.config.attention_dropout = 0.5
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    model.train()
    pad = encoder.tokenizer.pad_token_id
    losses = example_losses(model, rows, 4, pad)
    assert losses == example_losses(model, rows, 4, pad)
    assert losses == example_losses(pocket_model, rows, 4, pad)
    assert model.training


def test_collate_marks_only_target_tokens_and_masks_padding():
    rows = [Encoded([4, 5, 6, 7], 2, 3), Encoded([8, 9], 1, 2)]
    inputs, labels = collate(rows, 0, torch.device("cpu"))
    assert inputs["input_ids"].tolist() == [[4, 5, 6, 7], [8, 9, 0, 0]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert labels.tolist() == [[IGNORED, IGNORED, 6, 7], [IGNORED, 9, IGNORED, IGNORED]]

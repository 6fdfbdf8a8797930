"""Texts with hidden tokens: as an attention mask of zeros on them, in every reading."""

import pytest
import torch

from sapo_analysis.learning.batching import collate, label_losses, token_losses
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import Pack, shared_prefix
from tests.models.families import NOT_STACKED, model_of
from tests.models.soft_parts import some_rows, working
from tests.models.test_prefix import model_like
from tests.norm64 import in_float64

ROWS = some_rows(3, seed=4)
HIDDEN = [{1, 2, 4}, set(), {0, 3}]
FAMILIES = ("llama", "gpt2", "qwen3", "opt", "gemma3")
"""Rotated, learned positions, normalised keys, positions counted from the mask, a window."""


def row(*ids, target_start):
    return Encoded(list(ids), target_start, len(ids))


def test_what_is_hidden_is_not_there_and_all_else_stays_where_it_was():
    found = row(5, 6, 7, 8, 9, target_start=4).without({0, 2})
    assert found == Encoded([6, 8, 9], 2, 3, [1, 3, 4])
    assert (list(found.places), found.span, found.context) == ([1, 3, 4], 5, [6, 8])
    assert found.without({0}) == Encoded([8, 9], 1, 2, [3, 4])
    whole = row(5, 6, target_start=1)
    assert whole.without(set()) is whole and (list(whole.places), whole.span) == ([0, 1], 2)


def test_a_batch_and_a_pack_by_hand():
    one, other = row(5, 6, 7, 8, target_start=3).without({1}), row(5, 6, 9, 2, target_start=3)
    inputs, labels = collate([one, other], 0, torch.device("cpu"))
    assert inputs["input_ids"].tolist() == [[5, 0, 7, 8], [5, 6, 9, 2]]
    assert inputs["attention_mask"].tolist() == [[1, 0, 1, 1], [1, 1, 1, 1]]
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 3]] * 2
    assert labels.tolist() == [[-100, -100, -100, 8], [-100, -100, -100, 2]]
    assert shared_prefix([one, other]) == 1
    pack = Pack([[one, other]], [1], 0, torch.device("cpu"))
    assert pack.ids.tolist() == [[5, 7, 8, 6, 9, 2]]
    assert pack.positions.tolist() == [[0, 2, 3, 1, 2, 3]]
    assert pack.wanted.tolist() == [[1, 4]] and pack.labels.tolist() == [[8, 2]]
    # A prefix of which one of them lacks a token.
    pack = Pack([[one, other]], [2], 0, torch.device("cpu"))
    assert pack.ids.tolist() == [[5, 6, 7, 8, 9, 2]]
    assert pack.positions.tolist() == [[0, 1, 2, 3, 2, 3]]
    assert pack.wanted.tolist() == [[2, 4]]


def masked_loss(model, own, away):
    """A row's loss where a mask of four axes hides tokens from all others."""
    n = len(own.ids)
    tokens = torch.arange(n)
    seen = tokens[:, None] >= tokens
    seen[:, sorted(away)] = False
    seen |= torch.eye(n, dtype=torch.bool)  # a hidden token sees itself, and nothing sees it
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    masks = {}
    for kind in kinds:
        near = tokens[:, None] - tokens < model.config.sliding_window if "sliding" in kind else True
        least = torch.finfo(torch.float64).min
        masks[kind] = torch.zeros(1, 1, n, n, dtype=torch.float64).masked_fill(
            ~(seen & near), least
        )
    inputs, labels = collate([own], 0, model.device)
    logits = model(
        input_ids=inputs["input_ids"],
        attention_mask=masks if len(kinds) > 1 else masks.popitem()[1],
        position_ids=tokens[None],
    ).logits
    return float(token_losses(logits, labels).sum().detach())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_reading_is_that_of_an_explicit_mask(encoder, family):
    model = model_like(family, encoder)
    expected = [masked_loss(model, own, away) for own, away in zip(ROWS, HIDDEN, strict=True)]
    rows = [own.without(away) for own, away in zip(ROWS, HIDDEN, strict=True)]
    readings = [example_losses(model, rows, 3, 0), example_losses(model, rows, 1, 0)]
    if family not in NOT_STACKED:
        readings.append(packed_losses(model, rows, 0))
    for found in readings:
        assert [one.nll_sum for one in found] == pytest.approx(expected, abs=1e-9)
        assert [one.n_tokens for one in found] == [row.n_target for row in ROWS]
    assert abs(expected[0] - masked_loss(model, ROWS[0], set())) > 1e-3


def test_a_window_counts_hidden_tokens_too(encoder):
    model = in_float64(model_of("gemma3", encoder.tokenizer))
    long = some_rows(1, seed=5, shared=90)[0]
    away = set(range(20, 60))
    (found,) = example_losses(model, [long.without(away)], 1, 0)
    assert found.nll_sum == pytest.approx(masked_loss(model, long, away), abs=1e-9)


@pytest.mark.parametrize("name", ["soft prompt", "prefix"])
def test_hidden_virtual_tokens_change_nothing_and_all_others_do(encoder, name):
    model = in_float64(model_of("qwen3", encoder.tokenizer))
    with working(name, model, [3]) as part:
        (own,) = part.tokens.before(ROWS[:1])
        hiding = own.without({1, 2})
        (found,) = example_losses(model, [hiding], 1, 0)
        leaf = part.leaves["prompt" if name == "soft prompt" else "keys"]
        with packed(model) as reader:
            pack = Pack([[hiding]], [0], 0, reader.device)
            (gradient,) = torch.autograd.grad(
                label_losses(reader.logits(pack), pack.labels).sum(), leaf
            )
        for token in range(4):
            seen = token not in (1, 2)
            assert bool(gradient[..., token, :].any()) == seen
            before = leaf.detach().clone()
            with torch.no_grad():
                leaf[..., token, :] += 0.5
            (moved,) = example_losses(model, [hiding], 1, 0)
            assert (moved != found) == seen
            with torch.no_grad():
                leaf.copy_(before)


def test_a_prefix_is_read_once_for_rows_that_miss_different_tokens_of_it(encoder):
    model = in_float64(model_of("llama", encoder.tokenizer))
    head = [11, 12]
    with working("prefix", model, [3, 4]) as part:
        texts = [Encoded(head + r.ids, r.target_start + 2, r.content_end + 2) for r in ROWS]
        behind = part.tokens.before(texts, head=head)
        rows = [own.without(away) for own, away in zip(behind, [{2, 4}, set(), {3}], strict=True)]
        found = []
        for prefix in (0, 6):
            with packed(model) as reader:
                pack = Pack([rows, rows[:1]], [prefix, prefix], 0, reader.device)
                losses = label_losses(reader.logits(pack), pack.labels).sum(dim=1)
                found.append((losses.detach(), part.gradients(losses.sum()), pack.row_tokens))
    (alone, gradients, tokens), (shared, others, fewer) = found
    torch.testing.assert_close(shared, alone, rtol=0, atol=1e-10)
    torch.testing.assert_close(others, gradients, rtol=0, atol=1e-10)
    assert tokens[0] - fewer[0] == 3 * 6 - 3 - 6

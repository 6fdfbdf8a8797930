"""Gradients against autograd written out by hand in float64, and against finite differences."""

import copy
import math

import pytest
import torch

from sapo_analysis.learning.diagnostics import (
    STEP,
    cosine,
    gradient_norm,
    largest_cosine,
    layer_weight,
    loss_after_step,
    loss_gradient,
    representations,
    stepped,
)
from sapo_analysis.learning.packed_scoring import packed_nll
from sapo_analysis.learning.scoring import total_nll
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.lora import adapted_layers
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings
from sapo_analysis.tasks import get_task


def mean_loss(model, rows):
    """Nats per target token, each row by itself: no batch, no padding, no labels."""
    total, n = 0.0, 0
    for row in rows:
        log_p = model(input_ids=torch.tensor([row.ids])).logits[0].log_softmax(-1)
        for t in range(row.target_start, len(row.ids)):
            total, n = total - log_p[t - 1, row.ids[t]], n + 1
    return total / n


@pytest.fixture(scope="module")
def rows(encoder):
    """Answers of one to several tokens, so that a mean of rows is not a mean of tokens."""
    rows = encoder.encode_split(get_task("translate"), "train", 7, get_prompts("translate")[1])
    assert len({row.n_target for row in rows}) > 1
    return rows


@pytest.fixture(scope="module")
def other_rows(encoder):
    return encoder.encode_split(get_task("past_tense"), "dev", 5, get_prompts("past_tense")[0])


@pytest.fixture(scope="module")
def layers(model64):
    return adapted_layers(model64, LoraSettings(target_modules=("q_proj", "down_proj")))


@pytest.fixture(params=["padded", "packed"])
def nll(request, encoder):
    reading = {"padded": total_nll, "packed": packed_nll}[request.param]
    return lambda model, rows: reading(model, rows, encoder.pad_id)


def by_hand(model, layers, rows):
    model = copy.deepcopy(model)
    named = dict(model.named_parameters())
    weights = [named[f"{name}.weight"].requires_grad_() for name in layers]
    return dict(zip(layers, torch.autograd.grad(mean_loss(model, rows), weights), strict=True))


@pytest.fixture(scope="module")
def expected(model64, layers, rows):
    return by_hand(model64, layers, rows)


@pytest.mark.parametrize("size", [2, 7])
def test_the_gradient_is_that_of_the_token_mean_over_all_rows(
    model64, layers, rows, nll, size, expected
):
    found = loss_gradient(model64, layers, nll, rows, size)
    assert list(found) == list(layers) and len(layers) == 2 * len(model64.model.layers)
    for name in layers:
        assert found[name].shape == layer_weight(model64, name).shape
        torch.testing.assert_close(found[name], expected[name], rtol=1e-8, atol=1e-12)
    squares = sum((part**2).sum().item() for part in expected.values())
    assert gradient_norm(found) == pytest.approx(math.sqrt(squares), rel=1e-10)


def test_the_norm_is_the_slope_of_the_loss_along_the_gradient(model64, layers, rows, expected):
    length, h = gradient_norm(expected), 1e-5
    ends = []
    for sign in (1, -1):
        model = copy.deepcopy(model64)
        with torch.no_grad():
            for name in layers:
                model.get_submodule(name).weight += sign * h * expected[name] / length
            ends.append(mean_loss(model, rows).item())
    assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(length, rel=1e-6)


def test_in_float32_packed_and_padded_rows_give_one_gradient(
    pocket_model, layers, encoder, rows, expected
):
    for reading in (total_nll, packed_nll):
        found = loss_gradient(
            pocket_model, layers, lambda m, r, f=reading: f(m, r, encoder.pad_id), rows, 3
        )
        as_double = {name: part.double() for name, part in found.items()}
        assert cosine(as_double, expected) == pytest.approx(1, abs=1e-6)
        assert gradient_norm(found) == pytest.approx(gradient_norm(expected), rel=1e-5)


def test_a_gradient_leaves_the_model_as_it_was(model64, layers, rows, nll):
    before = copy.deepcopy(model64.state_dict())
    loss_gradient(model64, layers, nll, rows, 4)
    assert not any(p.requires_grad or p.grad is not None for p in model64.parameters())
    assert all(torch.equal(own, before[name]) for name, own in model64.state_dict().items())

    def broken(model, rows):
        raise RuntimeError("out of memory")

    model64.train()
    try:
        with pytest.raises(RuntimeError, match="out of memory"):
            loss_gradient(model64, layers, broken, rows, 4)
        assert model64.training
    finally:
        model64.eval()
    assert not any(p.requires_grad for p in model64.parameters())


def test_dropout_is_off_while_a_gradient_is_taken(model64, layers, rows, encoder, expected):
    model = copy.deepcopy(model64)
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    model.train()
    found = loss_gradient(model, layers, lambda m, r: total_nll(m, r, encoder.pad_id), rows, 7)
    assert cosine(found, expected) == pytest.approx(1, abs=1e-10)
    assert model.training


def test_no_rows_have_no_gradient(model64, layers, nll):
    with pytest.raises(ValueError, match="no rows"):
        loss_gradient(model64, layers, nll, [], 4)


def test_the_gradient_of_a_model_in_half_precision_is_summed_in_float32(
    pocket_model, layers, rows, nll, expected
):
    model = copy.deepcopy(pocket_model).to(torch.bfloat16)
    found = loss_gradient(model, layers, nll, rows, 2)
    assert {part.dtype for part in found.values()} == {torch.float32}
    assert cosine({n: p.double() for n, p in found.items()}, expected) > 0.99
    before = copy.deepcopy(model.state_dict())
    with stepped(model, found):
        assert layer_weight(model, layers[0]).dtype == torch.bfloat16
        assert not torch.equal(layer_weight(model, layers[0]), before[f"{layers[0]}.weight"])
    assert all(torch.equal(own, before[name]) for name, own in model.state_dict().items())


def test_the_cosine_takes_all_matrices_as_one_vector():
    one = {"a": torch.tensor([[3.0, 0.0]]), "b": torch.tensor([[4.0]])}
    other = {"a": torch.tensor([[0.0, 2.0]]), "b": torch.tensor([[1.0]])}
    # (3, 0, 4) and (0, 2, 1); the mean of the matrices' own cosines would be 1/2.
    assert cosine(one, other) == pytest.approx(4 / (5 * math.sqrt(5)))
    assert cosine(one, {name: -2 * part for name, part in one.items()}) == pytest.approx(-1)
    assert gradient_norm(one) == 5
    zero = {name: 0 * part for name, part in one.items()}
    assert math.isnan(cosine(one, zero)) and math.isnan(cosine(zero, one))


def test_a_positive_cosine_means_that_a_step_lowers_the_other_loss(
    model64, layers, rows, other_rows
):
    one, other = by_hand(model64, layers, rows), by_hand(model64, layers, other_rows)
    before, slopes = mean_loss(model64, other_rows).item(), []
    for sign in (1, -1):
        with stepped(model64, {name: sign * part for name, part in one.items()}, 1e-7):
            length = 1e-7 * gradient_norm({n: layer_weight(model64, n).detach() for n in layers})
            slopes.append((mean_loss(model64, other_rows).item() - before) / length)
    # d loss / d length along −g is −cos(g, h) · ‖h‖.
    change = (slopes[0] - slopes[1]) / 2
    assert cosine(one, other) == pytest.approx(-change / gradient_norm(other), rel=1e-4)


def test_a_small_step_lowers_the_loss_by_its_length_times_the_slope(
    model64, layers, rows, expected
):
    weights = {name: layer_weight(model64, name).detach() for name in layers}
    size = math.sqrt(sum((w**2).sum().item() for w in weights.values()))
    before, slope = mean_loss(model64, rows).item(), gradient_norm(expected)
    with torch.no_grad():
        with stepped(model64, expected, 1e-6):
            small = mean_loss(model64, rows).item()
        with stepped(model64, expected):
            moved = {name: layer_weight(model64, name) - w for name, w in weights.items()}
            after = mean_loss(model64, rows).item()
    assert (small - before) / (1e-6 * size) == pytest.approx(-slope, rel=1e-3)
    assert gradient_norm(moved) == pytest.approx(STEP * size, rel=1e-8)
    assert cosine(moved, expected) == pytest.approx(-1, abs=1e-10)
    assert after < before
    model = copy.deepcopy(model64)
    with torch.no_grad():
        for name in layers:
            model.get_submodule(name).weight -= 1e-3 * size / slope * expected[name]
        assert after == pytest.approx(mean_loss(model, rows).item(), rel=1e-10)


@pytest.mark.parametrize("size", [3, 7])
def test_loss_after_step_is_the_token_mean_there(model64, layers, rows, nll, size, expected):
    with torch.no_grad(), stepped(model64, expected):
        there = mean_loss(model64, rows).item()
    found = loss_after_step(model64, expected, nll, rows, size)
    assert found == pytest.approx(there, rel=1e-10)
    assert found < mean_loss(model64, rows).item()


@pytest.mark.parametrize("fails", [False, True])
def test_after_the_step_the_weights_are_the_same_bit_for_bit(model64, layers, expected, fails):
    before = copy.deepcopy(model64.state_dict())
    places = {name: layer_weight(model64, name).data_ptr() for name in layers}
    try:
        with stepped(model64, expected):
            for name, own in model64.state_dict().items():
                changed = name.removesuffix(".weight") in layers
                assert torch.equal(own, before[name]) != changed
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert all(torch.equal(own, before[name]) for name, own in model64.state_dict().items())
    assert {name: layer_weight(model64, name).data_ptr() for name in layers} == places


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_a_gradient_without_a_direction_is_no_step(model64, layers, expected, value):
    wrong = {name: torch.full_like(part, value) for name, part in expected.items()}
    with pytest.raises(ValueError, match="has no direction"), stepped(model64, wrong):
        pass


def test_a_representation_is_the_mean_of_what_the_head_reads_over_the_own_tokens(
    model64, encoder, rows
):
    with torch.no_grad():
        expected = []
        for row in rows:
            ids = torch.tensor([row.ids])
            hidden = model64(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
            assert torch.equal(model64.lm_head(hidden), model64(input_ids=ids).logits[0])
            expected.append(hidden[row.target_start :].mean(dim=0))
    model64.train()
    found = representations(model64, rows, 3, encoder.pad_id)
    assert model64.training
    model64.eval()
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-8, atol=1e-10)


def test_what_comes_after_a_row_in_its_batch_does_not_reach_it(pocket_model, encoder):
    rows = [Encoded([5, 6, 7], 1, 3), Encoded([5, 6, 7, 8, 9, 10], 2, 6)]
    together = representations(pocket_model, rows, 2, encoder.pad_id)
    alone = representations(pocket_model, rows[:1], 1, encoder.pad_id)
    torch.testing.assert_close(together[0], alone[0], rtol=1e-4, atol=1e-5)


def test_the_largest_cosine():
    others = torch.tensor([[1.0, 0.0], [3.0, 4.0], [-1.0, -1.0]])
    assert largest_cosine(torch.tensor([0.0, 2.0]), others) == pytest.approx(0.8)
    assert largest_cosine(torch.tensor([0.0, -2.0]), others) == pytest.approx(math.sqrt(0.5))
    assert largest_cosine(torch.tensor([0.0, -2.0]), others[:2]) == pytest.approx(0)

"""Projected gradient ascent: uphill, inside the ball, worse than noise of the same length."""

import pytest
import torch

from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.perturbation import met_in_padded_rows
from sapo_analysis.learning.perturbation.adversary import ascend
from sapo_analysis.learning.perturbation.embedding import added, mean_norm
from sapo_analysis.learning.perturbation.places import places_of
from sapo_analysis.models.soft_prompt import standing_before
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task
from tests.learning.perturbation.conftest import LENGTH, VOCABULARY, soft_prompts
from tests.models.soft_parts import some_rows

CPU = torch.device("cpu")


def loss_of(model, rows, embedded):
    """The rows' loss as a function of what is added to their text's embeddings; places of these."""
    inputs, labels = collate(rows, 0, CPU)
    places = places_of(met_in_padded_rows(rows, 0, 0), embedded, CPU)

    def loss(delta):
        with added(model, places, delta):
            per_token = token_losses(model(**inputs).logits, labels)
        return per_token.sum() / sum(row.n_target for row in rows)

    return loss, places


def test_on_a_slope_it_goes_straight_up_to_the_edge_and_stays():
    slope = torch.tensor([[3.0, 4.0], [0.0, -1e-3], [0.0, 0.0]], dtype=torch.float64)
    for steps in (1, 3, 7):
        found = ascend(lambda delta: (slope * delta).sum(), torch.zeros_like(slope), 0.5, steps)
        # Whatever the gradient's length; where there is none nothing moves.
        expected = torch.tensor([[0.3, 0.4], [0.0, -0.5], [0.0, 0.0]], dtype=torch.float64)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


def test_steps_are_two_and_a_half_radii_long_together():
    top = torch.tensor([[10.0, 0.0]], dtype=torch.float64)
    seen = []

    def loss(delta):
        seen.append(delta.detach().clone())
        return -(delta - top).square().sum()

    ascend(loss, torch.zeros_like(top), 1.0, 10)
    along = [float(delta[0, 0]) for delta in seen]
    assert along == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1])


def test_a_gradient_by_the_perturbation_is_that_of_finite_differences(small):
    prompts = soft_prompts(small, [1])
    rows = prompts.tokens.before(some_rows(2, seed=2))
    draw = torch.Generator().manual_seed(0)
    with standing_before(small, prompts):
        loss, places = loss_of(small, rows, VOCABULARY)
        assert len(places) == sum(row.target_start - LENGTH for row in rows)
        shape = len(places), 32
        delta = 0.1 * torch.randn(shape, generator=draw, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(loss(delta.requires_grad_()), delta)
        way = torch.randn(shape, generator=draw, dtype=torch.float64)
        h = 1e-5
        with torch.no_grad():
            change = float(loss(delta + h * way) - loss(delta - h * way)) / (2 * h)
    assert change == pytest.approx(float((gradient * way).sum()), rel=1e-7)
    assert abs(change) > 1e-4


def test_a_model_is_hurt_more_than_by_noise_of_the_same_length(pocket_model, encoder):
    rows = encoder.encode_split(get_task("sentiment"), "train", 6, get_prompts("sentiment")[0])
    loss, places = loss_of(pocket_model, rows, encoder.tokenizer.vocab_size)
    radius = 0.1 * mean_norm(pocket_model)
    start = torch.zeros(len(places), pocket_model.config.hidden_size)
    found = ascend(loss, start, radius, 3)
    norms = found.norm(dim=1)
    assert norms.max() <= radius * (1 + 1e-5) and norms.median() > 0.99 * radius
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        clean, worst = float(loss(start)), float(loss(found))
        noisy = []
        for _ in range(4):
            random = torch.randn(start.shape, generator=draw)
            random *= radius / random.norm(dim=1, keepdim=True)
            noisy.append(float(loss(random)))
        away = float(loss(-found))
    assert worst > max(*noisy, clean, away)
    assert worst - clean > 5 * max(abs(one - clean) for one in noisy)

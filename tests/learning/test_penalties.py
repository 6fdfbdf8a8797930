"""Penalties against hand computations and autograd."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.learning.penalties import EwcPenalty, OrthogonalPenalty
from sapo_analysis.models.adapter_layout import AdapterLayout

# Two modules with inputs of size 2 and one of size 3; rank 1 and 2 outputs.
LAYOUT = AdapterLayout(
    {
        "q": (torch.Size([1, 2]), torch.Size([2, 1])),
        "down": (torch.Size([1, 3]), torch.Size([2, 1])),
        "k": (torch.Size([1, 2]), torch.Size([2, 1])),
    }
)
# A and B of q, of down, of k, one after the other.
WEIGHTS = torch.tensor(
    [1.0, 2.0, 9.0, 9.0, -1.0, 0.5, 2.0, 9.0, 9.0, 3.0, -4.0, 9.0, 9.0], dtype=torch.float64
)


def earlier(q, down, k):
    as_tensor = {"q": q, "down": down, "k": k}
    return {name: torch.tensor([row], dtype=torch.float64) for name, row in as_tensor.items()}


def orthogonal(weight, layout, olds, weights):
    """O-LoRA's term, module by module as it is written."""
    total = weights.new_zeros(())
    for name in layout.shapes:
        new = weights[layout.places_of_a(name)]
        for old in olds:
            total = total + (old[name].to(new) @ new.T).abs().sum()
    return weight * total


def test_o_lora_adds_up_absolute_inner_products_of_old_and_new_a():
    first = earlier([1.0, 0.0], [0.0, 2.0, 0.0], [1.0, 1.0])
    second = earlier([0.0, -1.0], [1.0, 1.0, 1.0], [0.0, 0.0])
    # q: |1·1| + |−1·2| = 3; down: |2·0.5| + |−1 + 0.5 + 2| = 2.5; k: |3 − 4| + 0 = 1
    assert float(orthogonal(0.5, LAYOUT, [first, second], WEIGHTS)) == 0.5 * 6.5
    found = OrthogonalPenalty(0.5, LAYOUT, [first, second]).gradient(WEIGHTS)
    # Each old A with the sign of its product; nothing in B. q: (1, 0) − (0, −1); down: (0, 2, 0) +
    # (1, 1, 1); k: −(1, 1).
    by_hand = [1, 1, 0, 0, 1, 3, 1, 0, 0, -1, -1, 0, 0]
    assert found.tolist() == [0.5 * g for g in by_hand]


def test_o_lora_has_the_gradient_of_what_is_written():
    generator = torch.Generator().manual_seed(3)

    def drawn(n):
        return torch.randn(2, n, generator=generator, dtype=torch.float64)

    old = [{"q": drawn(2), "down": drawn(3), "k": drawn(2)} for _ in range(2)]
    weights = WEIGHTS.clone().requires_grad_()
    (expected,) = torch.autograd.grad(orthogonal(0.3, LAYOUT, old, weights), weights)
    found = OrthogonalPenalty(0.3, LAYOUT, old).gradient(WEIGHTS)
    assert found.tolist() == pytest.approx(expected.tolist()) and found.abs().sum() > 0


floats = st.floats(-3, 3, allow_subnormal=False)


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(0, 4), min_size=4, max_size=4),
            st.lists(floats, min_size=4, max_size=4),
        ),
        min_size=1,
        max_size=3,
    ),
    st.lists(floats, min_size=4, max_size=4),
    st.floats(0, 5),
)
def test_ewc_is_a_quadratic_around_where_each_task_was_learned(tasks, weights, weight):
    information = [torch.tensor(f, dtype=torch.float64) for f, _ in tasks]
    anchors = [torch.tensor(a, dtype=torch.float64) for _, a in tasks]
    penalty = EwcPenalty(
        weight,
        sum(information),
        sum(f * a for f, a in zip(information, anchors, strict=True)),
    )
    theta = torch.tensor(weights, dtype=torch.float64, requires_grad=True)
    terms = [(f * (theta - a).square()).sum() for f, a in zip(information, anchors, strict=True)]
    expected = weight / 2 * sum(terms)
    (gradient,) = torch.autograd.grad(expected, theta)
    assert penalty.gradient(theta.detach()).tolist() == pytest.approx(gradient.tolist(), abs=1e-9)

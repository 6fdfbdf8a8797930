"""TSLoss and its kin: what each adds to the loss, and by which settings."""

import pytest
import torch

from sapo_analysis.learning.topology import (
    diagram,
    distances,
    h0_loss,
    h1_loss,
    mean_distance,
    mean_square_norm,
    surrogate_h0,
    surrogate_h1,
)
from sapo_analysis.methods import known_methods, make_method
from sapo_analysis.models.adapter_layout import AdapterLayout
from tests.studies.composed.conftest import study_of

KIN = [name for name in known_methods() if name.startswith("tsloss")]
WEIGHTS = {
    **{"h0": 2.0, "h1": 3.0, "surrogate_h0": 5.0, "surrogate_h1": 7.0},
    **{"alpha": 0.5, "l2": 11.0, "distance": 13.0},
}
TERMS = {
    "tsloss": lambda p: 2 * h0_loss(diagram(p)) + 3 * h1_loss(diagram(p)),
    "tsloss-h0": lambda p: 2 * h0_loss(diagram(p)),
    "tsloss-h1": lambda p: 3 * h1_loss(diagram(p)),
    "tsloss-surrogate": lambda p: (
        5 * surrogate_h0(distances(p), 0.5) + 7 * surrogate_h1(distances(p), 0.5)
    ),
    "tsloss-l2": lambda p: 11 * mean_square_norm(p),
    "tsloss-distance": lambda p: 13 * mean_distance(p),
}


@pytest.mark.parametrize("name", KIN)
def test_each_adds_its_own_terms_with_the_studys_weights(name):
    study = study_of(soft_prompt={"virtual_tokens": 15}, ts_loss=WEIGHTS)
    points = torch.randn(15, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    points.requires_grad_()
    (expected,) = torch.autograd.grad(TERMS[name](points), points)
    penalty = make_method(name, study).penalty((), AdapterLayout({}))
    found = penalty.gradient(points.detach().flatten())
    torch.testing.assert_close(found, expected.flatten())
    assert found.any()


@pytest.mark.parametrize("name", KIN)
def test_what_decides_is_what_is_not_idle(name):
    method = type(make_method(name, study_of()))
    for setting, value in WEIGHTS.items():
        other = study_of(ts_loss={setting: value + 1})
        same = method(other).decides(0) == method(study_of()).decides(0)
        assert same == (f"ts_loss.{setting}" in method.idle) == (setting not in method.uses)

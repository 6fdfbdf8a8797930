"""Hidden states after the first layers, and MetaTuner's vector and networks made of them."""

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate
from sapo_analysis.models.lower_layers import (
    decoder_layers,
    hidden_after,
    lower_layers,
    mean_state,
)
from sapo_analysis.models.parameter_decoder import ParameterDecoder
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task


@pytest.fixture(scope="module")
def batch(encoder):
    rows = encoder.encode_split(get_task("sentiment"), "test", 3, get_prompts("sentiment")[0])
    return collate(rows, encoder.pad_id, torch.device("cpu"))[0]


@torch.no_grad()
def test_the_first_layers_alone_are_computed_and_the_model_is_as_it_was(pocket_model, batch):
    whole = pocket_model(**batch, output_hidden_states=True)
    layers = list(decoder_layers(pocket_model).values())
    before = [len(layer._forward_hooks) for layer in layers]
    ran = []
    hooks = [
        layer.register_forward_hook(lambda *_, k=k: ran.append(k)) for k, layer in enumerate(layers)
    ]
    for n in (1, 3):
        ran.clear()
        found = hidden_after(pocket_model, layers[n - 1], batch)
        assert torch.equal(found, whole.hidden_states[n])
        assert ran == list(range(n))
    for hook in hooks:
        hook.remove()
    assert torch.equal(pocket_model(**batch).logits, whole.logits)
    assert [len(layer._forward_hooks) for layer in layers] == before


def test_a_share_is_rounded_and_never_nothing(pocket_model):
    shares = (0.01, 0.25, 0.4, 0.7, 1.0)
    assert [len(lower_layers(pocket_model, share)) for share in shares] == [1, 1, 2, 3, 4]
    assert list(lower_layers(pocket_model, 0.5)) == ["model.layers.0", "model.layers.1"]
    with pytest.raises(InputError, match="Linear are not known"):
        decoder_layers(torch.nn.Linear(1, 1))


def test_a_vector_is_the_mean_over_tokens_at_one_size():
    hidden = torch.tensor([[[3.0, 0.0], [1.0, 2.0], [9.0, 9.0]], [[0.5, 0.5], [0.0, 0.0], [7, 7]]])
    found = mean_state(hidden, torch.tensor([[1, 1, 0], [1, 1, 0]]))
    # (2, 1) has a mean square of 2.5, (0.25, 0.25) is as long as (1, 1) once it is brought to size.
    expected = torch.tensor([[2 / 2.5**0.5, 1 / 2.5**0.5], [1.0, 1.0]])
    assert torch.allclose(found, expected)


def test_each_matrix_is_two_layers_of_its_own_without_biases():
    shapes = {"q": (torch.Size([2, 3]), torch.Size([5, 2]))}
    torch.manual_seed(0)
    decoder = ParameterDecoder(shapes, 4, 6, torch.float64, torch.device("cpu"))
    states = torch.randn(7, 4, dtype=torch.float64)
    a, b = decoder.pairs(states)["q"]
    assert a.shape == (7, 2, 3) and b.shape == (7, 5, 2)
    assert b.abs().max() == 0, "nothing is added at the start"
    own = {name.removeprefix("q."): w.detach() for name, w in decoder.weights.items()}
    own["b.up"].normal_()
    a, b = decoder.pairs(states)["q"]
    for half, found in (("a", a), ("b", b)):
        between = [max(0.0, float(row @ states[3])) for row in own[f"{half}.down"]]
        up = own[f"{half}.up"]
        expected = [sum(w * z for w, z in zip(row, between, strict=True)) for row in up.tolist()]
        assert found[3].flatten().tolist() == pytest.approx(expected, abs=1e-12)


def test_what_is_written_at_the_start_is_as_large_as_pefts_a():
    shapes = {"q": (torch.Size([8, 300]), torch.Size([2, 8]))}
    torch.manual_seed(0)
    decoder = ParameterDecoder(shapes, 64, 256, torch.float32, torch.device("cpu"))
    states = torch.randn(50, 64)
    states *= torch.rsqrt(states.pow(2).mean(dim=1, keepdim=True))
    a, _ = decoder.pairs(states)["q"]
    assert float(a.detach().std()) == pytest.approx((1 / 900) ** 0.5, rel=0.1)

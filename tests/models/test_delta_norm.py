"""The size of an update against the update itself, written out."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from sapo_analysis.models.delta_norm import delta_norm, product_square, stacked_delta_norms
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.spec import LoraSettings


def randomised(adapted, seed=0):
    """Every adapter weight drawn anew: a fresh B is zero."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in adapted.parameters():
            if p.requires_grad:
                p.copy_(torch.randn(p.shape, generator=draw, dtype=p.dtype))


@torch.no_grad()
def written_out(adapted):
    """The norm over peft's own updates, each as large as the weight it is added to."""
    squares = [
        module.get_delta_weight("default").double().square().sum()
        for module in adapted.modules()
        if hasattr(module, "get_delta_weight")
    ]
    assert squares
    return float(sum(squares).sqrt())


def test_a_product_worked_by_hand():
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0], [0.0]])
    # B A = [[3, 6], [4, 8], [0, 0]]
    assert float(product_square(a, b)) == 9 + 36 + 16 + 64


def test_products_are_those_written_out_whatever_their_shape():
    draw = torch.Generator().manual_seed(1)
    a = torch.randn(5, 3, 40, generator=draw)
    b = torch.randn(5, 70, 3, generator=draw)
    exact = torch.linalg.matrix_norm(b.double() @ a.double()).square()
    torch.testing.assert_close(product_square(a, b), exact, rtol=1e-12, atol=0)


def test_a_product_that_is_almost_nothing_has_no_negative_square():
    # A's rows are equal up to rounding, and B takes one from the other.
    draw = torch.Generator().manual_seed(2)
    rows = torch.randn(50, 1, 400, generator=draw, dtype=torch.float64)
    wobble = 1e-16 * torch.randn(50, 1, 400, generator=draw, dtype=torch.float64)
    a = torch.cat([rows, rows * (1 + wobble)], dim=1)
    b = torch.tensor([[1.0, -1.0], [0.1, -0.1]], dtype=torch.float64).expand(50, 2, 2)
    unheld = ((b.mT @ b) * (a @ a.mT)).sum(dim=(-2, -1))
    assert (unheld < 0).any()  # else this test would say nothing
    square = product_square(a, b)
    assert (square >= 0).all() and (square <= 1e-9).all()


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings:UserWarning")
@pytest.mark.parametrize(
    "lora",
    [
        LoraSettings(),
        LoraSettings(r=3, lora_alpha=1.5),
        LoraSettings(target_modules=("q_proj",)),
        LoraSettings(r=2, target_modules=("q_proj", "embed_tokens")),
    ],
    ids=["all", "another scale", "q", "an embedding"],
)
def test_an_adapters_norm_is_that_of_its_written_out_updates(pocket_model, lora):
    with fresh_adapter(pocket_model, lora, seed=3) as adapted:
        if "embed_tokens" not in lora.target_modules:
            # peft starts an embedding's A at zero and its B at random, which comes to the same.
            assert delta_norm(adapted) == 0
        randomised(adapted)
        assert delta_norm(adapted) == pytest.approx(written_out(adapted), rel=1e-5)


@pytest.mark.filterwarnings("ignore:fan_in_fan_out:UserWarning")
def test_layers_that_keep_their_weight_transposed_count_alike():
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=32, n_embd=16, n_layer=1, n_head=2))
    with fresh_adapter(model, LoraSettings(r=2), seed=3) as adapted:
        randomised(adapted)
        assert delta_norm(adapted) == pytest.approx(written_out(adapted), rel=1e-5)


def test_each_adapter_of_a_stack_has_the_norm_it_has_alone(pocket_model):
    lora = LoraSettings(r=4, lora_alpha=6)
    with stacked_adapters(pocket_model, lora, [1, 2]) as adapters:
        assert stacked_delta_norms(adapters) == [0, 0]
        with torch.no_grad():
            adapters.values.copy_(
                torch.randn(adapters.values.shape, generator=torch.Generator().manual_seed(4))
            )
        found = stacked_delta_norms(adapters)
        weights = [
            {
                name: (m.a[k].detach().double(), m.b[k].detach().double())
                for name, m in adapters.modules.items()
            }
            for k in range(2)
        ]
    for k in range(2):
        square = sum((b @ a).square().sum() for a, b in weights[k].values())
        assert found[k] == pytest.approx(1.5 * float(square.sqrt()), rel=1e-10)
    assert found[0] != found[1]

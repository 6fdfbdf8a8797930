"""(IA)³ is peft's: losses, gradients, the modules of other families; experts are refused."""

import pytest
import torch
from peft import IA3Config, get_peft_model
from transformers import AutoModelForCausalLM, OPTConfig, Qwen3MoeConfig

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.stacked_ia3 import StackedIa3, scaled_by
from tests.models.families import model_of
from tests.models.soft_parts import some_rows
from tests.norm64 import in_float64

ROWS = some_rows(3, seed=4)
SHAPE = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def loss_of(model):
    inputs, labels = collate(ROWS, 0, torch.device("cpu"))
    return token_losses(model(**inputs).logits, labels).sum()


@pytest.mark.filterwarnings("ignore:fan_in_fan_out:UserWarning")  # peft on GPT-2's layers
@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "qwen3", "gemma"])
def test_losses_and_gradients_are_pefts(encoder, family):
    model = in_float64(model_of(family, encoder.tokenizer))
    bare = loss_of(model)
    ia3 = StackedIa3(model, 1)
    with scaled_by(model, ia3):
        assert torch.equal(loss_of(model), bare)  # as it starts it changes nothing
    scales = torch.randn(ia3.values.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ia3.values += 0.2 * scales
    with scaled_by(model, ia3):
        loss = loss_of(model)
        gradient = ia3.gradients(loss)[0]
        packed = sum(one.nll_sum for one in packed_losses(model, ROWS, 0))
    # By peft's own choice of modules where it is the paper's, else by the paper's.
    named = {"target_modules": [*ia3.outputs, *ia3.inputs], "feedforward_modules": [*ia3.inputs]}
    config = IA3Config(**(named if family in ("qwen3", "gemma") else {}))
    theirs = get_peft_model(model, config).double()
    own = ia3.of(0)
    found = {}
    for name, weight in theirs.named_parameters():
        if "ia3_l" in name:
            module = name.removeprefix("base_model.model.").removesuffix(".ia3_l.default")
            weight.data.copy_(own[module].view(weight.shape))
            found[module] = weight
    assert list(found) == list(own)
    expected = loss_of(theirs)
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
    assert packed == pytest.approx(float(expected.detach()), abs=1e-10)
    flat = torch.cat([weight.grad.flatten() for weight in found.values()])
    torch.testing.assert_close(gradient, flat, rtol=0, atol=1e-10)


def test_the_papers_modules_are_scaled_where_a_model_has_them(encoder):
    gpt2 = StackedIa3(model_of("gpt2", encoder.tokenizer), 1)
    assert (gpt2.outputs, gpt2.inputs) == (("c_attn",), ("mlp.c_proj",))
    for family in ("qwen3", "gemma", "smollm3"):
        ia3 = StackedIa3(model_of(family, encoder.tokenizer), 1)
        assert (ia3.outputs, ia3.inputs) == (("k_proj", "v_proj"), ("down_proj",))
    config = OPTConfig(**SHAPE, ffn_dim=48, word_embed_proj_dim=32)
    opt = StackedIa3(AutoModelForCausalLM.from_config(config), 2)
    assert (opt.outputs, opt.inputs) == (("k_proj", "v_proj"), ("fc2",))
    sizes = {name: tuple(leaf.shape) for name, leaf in opt.leaves.items()}
    assert sizes["model.decoder.layers.1.fc2"] == (2, 48)
    assert sizes["model.decoder.layers.0.self_attn.k_proj"] == (2, 32)
    assert len(sizes) == 6


def test_names_count_by_their_whole_parts(encoder):
    model = model_of("llama", encoder.tokenizer)
    expected = list(StackedIa3(model, 1).leaves)
    model.model.layers[0].self_attn.rank_proj = torch.nn.Linear(4, 4)  # ends as k_proj does
    assert list(StackedIa3(model, 1).leaves) == expected


@pytest.mark.parametrize("dense", [[], [0]], ids=["experts alone", "experts in some layers"])
def test_a_model_whose_parts_are_not_known_is_refused(dense):
    config = Qwen3MoeConfig(
        **SHAPE,
        num_key_value_heads=2,
        head_dim=8,
        num_experts=2,
        moe_intermediate_size=16,
        mlp_only_layers=dense,
    )
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(InputError, match="Qwen3MoeForCausalLM is not known. Use lora"):
        StackedIa3(model, 1)


def test_zero_steps_are_the_base_on_both_readings(encoder):
    model = model_of("qwen3", encoder.tokenizer)
    expected = example_losses(model, ROWS, 3, 0), packed_losses(model, ROWS, 0)
    with scaled_by(model, StackedIa3(model, 1)):
        assert (example_losses(model, ROWS, 3, 0), packed_losses(model, ROWS, 0)) == expected

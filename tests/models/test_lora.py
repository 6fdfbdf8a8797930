"""Which layers a study's adapters change."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, MixtralConfig

from sapo_analysis.errors import InputError
from sapo_analysis.models.lora import adapted_layers, fresh_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.spec import LoraSettings


def test_all_linear_layers_but_the_head_are_adapted(pocket_model):
    before = copy.deepcopy(pocket_model.state_dict())
    state = torch.random.get_rng_state()
    found = adapted_layers(pocket_model, LoraSettings())
    linear = {n for n, m in pocket_model.named_modules() if isinstance(m, torch.nn.Linear)}
    assert set(found) == linear - {"lm_head"} and len(found) == len(set(found))
    assert all(torch.equal(own, before[name]) for name, own in pocket_model.state_dict().items())
    assert pocket_model.state_dict().keys() == before.keys()
    assert not any(p.requires_grad for p in pocket_model.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_layers_are_chosen_by_the_end_of_their_name(pocket_model):
    found = adapted_layers(pocket_model, LoraSettings(target_modules=("q_proj", "v_proj")))
    n = len(pocket_model.model.layers)
    attention = [f"model.layers.{i}.self_attn.{half}_proj" for i in range(n) for half in "qv"]
    assert found == attention


def test_a_weight_that_two_layers_share_has_no_gradient_of_one_layers_own(pocket_model):
    settings = LoraSettings(target_modules=("q_proj", "embed_tokens"))
    with (
        pytest.warns(UserWarning, match="tie_word_embeddings"),
        pytest.raises(InputError, match=r"'model.embed_tokens'.*scoring.diagnostics"),
    ):
        adapted_layers(pocket_model, settings)
    assert not any("lora" in name for name, _ in pocket_model.named_modules())


@pytest.fixture
def experts():
    """A model whose experts are one weight, not linear layers."""
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_local_experts": 4}
    return AutoModelForCausalLM.from_config(MixtralConfig(**sizes, **heads))


def test_what_peft_cannot_adapt_is_refused_with_its_reason(pocket_model, experts):
    for model, lora, why in (
        (pocket_model, {"target_modules": ("qq_proj",)}, "qq_proj.*not found"),
        (experts, {"lora_dropout": 0.1}, "lora_dropout != 0"),
    ):
        with pytest.raises(InputError, match=rf"No adapter can be put on .*{why}.*Change lora"):
            with fresh_adapter(model, LoraSettings(**lora), 0):
                pass


@pytest.mark.filterwarnings("ignore")
def test_experts_are_not_stacked(experts):
    with pytest.raises(InputError, match=r"mlp.experts.*no linear layer.*--engine plain"):
        with stacked_adapters(experts, LoraSettings(), [0]):
            pass

"""Fresh adapters of a stack: peft's own weights, whether it is asked or not."""

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from sapo_analysis.models import fresh_start as module
from sapo_analysis.models.fresh_start import fresh_start
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.spec import LoraSettings

CONFIGS = {
    "llama": LlamaConfig(
        vocab_size=40,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    ),
    # Its layers are no nn.Linear: they hold their weights transposed.
    "gpt2": GPT2Config(
        vocab_size=40, n_embd=24, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    ),
}
TARGETS = {"llama": ("q_proj", "down_proj"), "gpt2": ("c_attn", "c_proj")}


def of_peft(model, settings, seed):
    with fresh_adapter(model, settings, seed) as adapted:
        return {
            name: (layer.lora_A["default"].weight.detach(), layer.lora_B["default"].weight.detach())
            for name, layer in adapted.base_model.model.named_modules()
            if hasattr(layer, "lora_A")
        }


def assert_peft_starts_so(found, model, settings, seed):
    expected = of_peft(model, settings, seed)
    assert list(found) == list(expected)
    for name, pair in expected.items():
        for own, other in zip(found[name], pair, strict=True):
            assert own.dtype == other.dtype and torch.equal(own, other), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("named", [False, True], ids=["all-linear", "named"])
@pytest.mark.parametrize("family", CONFIGS)
def test_a_second_seed_is_drawn_as_peft_draws_it_without_its_layers(
    family, named, dtype, monkeypatch
):
    model = AutoModelForCausalLM.from_config(CONFIGS[family], dtype=dtype).requires_grad_(False)
    settings = LoraSettings(r=3, target_modules=TARGETS[family] if named else "all-linear")
    assert_peft_starts_so(fresh_start(model, settings, 5).weights, model, settings, 5)
    monkeypatch.setattr(module, "_by_peft", None)
    before = torch.random.get_rng_state()
    later = fresh_start(model, settings, 6)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_peft_starts_so(later.weights, model, settings, 6)
    assert later.config.r == 3


def test_where_peft_draws_otherwise_it_is_asked_for_every_seed(monkeypatch):
    model = AutoModelForCausalLM.from_config(CONFIGS["llama"]).requires_grad_(False)
    draw = module._drawn
    monkeypatch.setattr(module, "_drawn", lambda like, seed, dtype: draw(like, seed + 1, dtype))
    for seed in (5, 6):
        found = fresh_start(model, LoraSettings(), seed).weights
        assert_peft_starts_so(found, model, LoraSettings(), seed)

"""A prefix that starts as a text is that text; models without keys of their own are refused."""

import pytest
import torch
from transformers import AutoModelForCausalLM, Olmo2Config, OPTConfig

from sapo_analysis.errors import InputError
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.prefix import Prefixes, initial_prefix, prefix_before
from tests.models.families import model_of
from tests.models.soft_parts import some_rows
from tests.norm64 import in_float64

TEXT = [17, 80, 33, 5, 61]
SHAPE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}


def model_like(family, encoder):
    """Small models: one of the shared families, or one whose attention has another form."""
    torch.manual_seed(0)
    if family == "opt":  # learned positions, biases, keys by themselves
        config = OPTConfig(**SHAPE, ffn_dim=48, word_embed_proj_dim=32)
    elif family == "olmo2":  # keys normalised before they are heads
        config = Olmo2Config(**SHAPE, intermediate_size=48, num_key_value_heads=2)
    else:
        return in_float64(model_of(family, encoder.tokenizer))
    model = in_float64(AutoModelForCausalLM.from_config(config).eval().requires_grad_(False))
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    return model


@pytest.mark.parametrize(
    "family",
    [
        "llama",
        "qwen3",
        pytest.param("gemma3", id="gemma3, keys normalised as heads"),
        pytest.param("smollm3", id="smollm3, layers without positions"),
        "opt",
        "olmo2",
    ],
)
def test_a_prefix_that_starts_as_a_text_is_that_text(encoder, family):
    model = model_like(family, encoder)
    rows = some_rows(3, seed=1)
    n = len(TEXT)
    behind_text = [Encoded(TEXT + r.ids, r.target_start + n, r.content_end + n) for r in rows]
    embeddings = model.get_input_embeddings()(torch.tensor(TEXT))
    packs = family != "gemma3"  # its packed rows are refused
    expected = example_losses(model, behind_text, 2, 0)
    written = _greedy(model, behind_text[0].context)
    prefixes = Prefixes(model, [initial_prefix(model, embeddings)])
    with prefix_before(model, prefixes):
        behind = prefixes.tokens.before(rows)
        found = example_losses(model, behind, 2, 0)
        if packs:
            found += packed_losses(model, behind, 0)
            expected += expected
        assert _greedy(model, behind[0].context) == written
    for own, other in zip(found, expected, strict=True):
        assert own.nll_sum == pytest.approx(other.nll_sum, abs=1e-10)
    # And each number of it counts.
    with prefix_before(model, prefixes):
        loss = model(input_ids=torch.tensor([behind[0].ids])).logits[0, n:].logsumexp(-1).sum()
        gradients = prefixes.gradients(loss)
    assert int((gradients != 0).sum()) > 0.9 * gradients.numel()


def _greedy(model, ids):
    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids))}
    found = model.generate(**inputs, do_sample=False, max_new_tokens=5, pad_token_id=0)
    return found[0, len(ids) :].tolist()


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_models_with_one_product_for_keys_and_values_are_refused(encoder, family):
    model = model_of(family, encoder.tokenizer)
    name = type(model).__name__
    with pytest.raises(InputError, match=rf"{name} does not compute keys.*Use prompt-tuning"):
        initial_prefix(model, torch.zeros(3, 64))
    with pytest.raises(InputError, match=name):
        Prefixes(model, [(torch.zeros(2, 3, 64), torch.zeros(2, 3, 64))])


def test_layers_of_different_sizes_are_refused(encoder):
    model = model_of("llama", encoder.tokenizer)
    attention = model.model.layers[1].self_attn
    attention.v_proj = torch.nn.Linear(64, 64, bias=False)
    attention.o_proj = torch.nn.Linear(64, 64, bias=False)
    attention.num_key_value_groups = 1
    attention.k_proj = torch.nn.Linear(64, 64, bias=False)
    with pytest.raises(InputError, match="several sizes"):
        initial_prefix(model, torch.zeros(3, 64))


def test_a_saved_prefix_goes_on_where_it_was(encoder, tmp_path):
    model = model_of("qwen3", encoder.tokenizer)
    drawn = [initial_prefix(model, torch.randn(3, 64)) for _ in range(2)]
    Prefixes(model, drawn).save(1, tmp_path / "prefix.safetensors")
    other = Prefixes(model, [drawn[0]])
    other.load(0, tmp_path / "prefix.safetensors")
    assert torch.equal(other.of(0)["keys"], drawn[1][0])
    longer = Prefixes(model, [initial_prefix(model, torch.randn(4, 64))])
    with pytest.raises(InputError, match=r"'keys': \[2, 3, 32\].*wants.*\[2, 4, 32\]"):
        longer.load(0, tmp_path / "prefix.safetensors")

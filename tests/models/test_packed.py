"""Models of many architectures read packed rows as they read single texts, or are refused."""

import copy
import random

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    CohereConfig,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from sapo_analysis.errors import InputError
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.packed_scoring import check_packed, packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.learning.training import train
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import Pack
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.spec import LoraSettings, TrainingSettings

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
NEOX = {key: value for key, value in SHAPE.items() if key != "num_key_value_heads"}
GPT2 = {"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
READ = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen3": Qwen3Config(**SHAPE, head_dim=16),
    "mistral": MistralConfig(**SHAPE),
    "gpt-neox": GPTNeoXConfig(**NEOX),
    "gpt-2, its own dropout on": GPT2Config(**GPT2, **TOKENS),
    "gemma": GemmaConfig(**SHAPE, head_dim=8),
    "smollm3": SmolLM3Config(**SHAPE),
    "opt": OPTConfig(
        vocab_size=96,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        word_embed_proj_dim=32,
        **TOKENS,
    ),
    "granite, scales of its own": GraniteConfig(
        **SHAPE, residual_multiplier=0.5, logits_scaling=2.0, attention_multiplier=0.2
    ),
    "cohere, a scaled head": CohereConfig(**SHAPE),
}


def model_of(config):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn_like(weight)  # biases and scales start at 0 and 1
    return model.requires_grad_(False)


def some_rows(n, prefix, seed):
    rng = random.Random(seed)
    shared = [rng.randrange(3, 90) for _ in range(prefix)]
    found = []
    for _ in range(n):
        ids = shared + [rng.randrange(3, 90) for _ in range(rng.randrange(3, 9))]
        found.append(Encoded(ids, len(ids) - rng.randrange(1, 3), len(ids)))
    return found


@pytest.mark.filterwarnings("ignore:fan_in_fan_out:UserWarning")  # peft on GPT-2's layers
@pytest.mark.parametrize("name", READ)
def test_scores_and_stacked_training_are_those_of_the_plain_reading(name):
    model = model_of(READ[name])
    rows = some_rows(10, 6, seed=0)
    plain, found = example_losses(model, rows, 4, 0), packed_losses(model, rows, 0)
    for own, expected in zip(found, plain, strict=True):
        assert own.nll_sum == pytest.approx(expected.nll_sum, rel=1e-5)
    members = [
        Member(some_rows(12, prefix, seed), TrainingSettings(steps=3, batch_size=4), seed)
        for prefix, seed in ((6, 1), (4, 2))
    ]
    for dropout in (0.0, 0.1):
        lora = LoraSettings(r=2, lora_dropout=dropout)
        with stacked_adapters(model, lora, [1, 2]) as adapters:
            fits = train_stacked(model, adapters, members, 0)
        for member, fit in zip(members, fits, strict=True):
            with fresh_adapter(model, lora, member.seed) as adapted:
                expected = train(adapted, member.rows, member.settings, member.seed, 0)
            assert fit.losses == pytest.approx(expected.losses, rel=1e-4)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (MistralConfig(**SHAPE, sliding_window=8), "looks back 8 tokens"),
        (Gemma2Config(**SHAPE, head_dim=8), "softcap"),
        (BloomConfig(vocab_size=96, hidden_size=32, n_layer=2, n_head=4, **TOKENS), "Bloom"),
    ],
    ids=["sliding window", "soft cap", "attention of its own"],
)
def test_what_packed_rows_cannot_express_is_refused(config, why):
    with pytest.raises(InputError, match=f"{why}.*--engine plain"):
        check_packed(model_of(config), some_rows(4, 6, seed=0), 0)


def test_a_window_longer_than_every_text_is_no_hindrance():
    model = model_of(MistralConfig(**SHAPE, sliding_window=32))
    check_packed(model, some_rows(4, 6, seed=0), 0)


def test_a_model_that_reads_packs_otherwise_is_found_out(pocket_model, encoder, monkeypatch):
    from sapo_analysis.prompts import get_prompts
    from sapo_analysis.tasks import get_task

    rows = encoder.encode_split(get_task("topic"), "test", 4, get_prompts("topic")[0])
    check_packed(pocket_model, rows, encoder.pad_id)
    right = Pack.attend
    monkeypatch.setattr(Pack, "attend", lambda s, n, q, k, v, c: right(s, n, q, k, v.roll(1, 2), c))
    with pytest.raises(InputError, match=r"otherwise than single texts.*--engine plain"):
        check_packed(pocket_model, rows, encoder.pad_id)


@pytest.mark.parametrize("name", ["llama", "gpt-neox"])
def test_a_model_is_as_it_was_after_the_block_also_after_an_error(name):
    model = model_of(READ[name])
    before = copy.deepcopy(model.config.to_dict())
    modules = list(model.named_modules())
    with pytest.raises(ZeroDivisionError), packed(model):
        assert dict(model.named_modules()).keys() != dict(modules).keys() or name == "gpt-neox"
        raise ZeroDivisionError
    assert model.config.to_dict() == before
    assert list(model.named_modules()) == modules
    ids = torch.tensor([[3, 4, 5]])
    assert model(input_ids=ids).logits.shape == (1, 3, 96)

"""Prefixes as peft's files: peft reads ours exactly and we read peft's, or refuse."""

import pytest
import torch
from peft import PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file
from transformers.models.llama import modeling_llama

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.prefix import Prefixes, initial_prefix, prefix_before
from sapo_analysis.models.prefix_files import export_prefix, read_prefix
from sapo_analysis.models.soft_prompt_start import at_random
from tests.models.families import model_of
from tests.models.soft_parts import some_rows
from tests.norm64 import in_float64

ROWS = some_rows(3, seed=6)


def some_prefix(model):
    found = initial_prefix(model, at_random(model, 4, seed=1))
    return tuple(part + 0.3 * torch.randn_like(part) for part in found)


def export(folder, model, *prefixes, k=0):
    stack = Prefixes(model, prefixes)
    with prefix_before(model, stack):
        export_prefix(folder, stack, k, model, "some/model")


def losses_with(model, prefix):
    prefixes = Prefixes(model, [prefix])
    with prefix_before(model, prefixes):
        found = example_losses(model, prefixes.tokens.before(ROWS), 3, 0)
    return [one.nll_sum for one in found]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks
@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "smollm3"])
def test_peft_reads_it_exactly_and_it_comes_back(encoder, family, tmp_path):
    model = in_float64(model_of(family, encoder.tokenizer))
    prefix = some_prefix(model)
    # One of several that the model knows.
    export(tmp_path, model, *map(some_prefix, [model] * 2), prefix, k=2)
    for found, expected in zip(read_prefix(tmp_path, model), prefix, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    ours = losses_with(model, prefix)
    theirs = PeftModel.from_pretrained(model, str(tmp_path)).double().eval()
    held = load_file(tmp_path / "adapter_model.safetensors")["prompt_embeddings"]
    # peft makes its table in float32.
    theirs.prompt_encoder["default"].embedding.weight.data = held
    inputs, labels = collate(ROWS, 0, model.device)
    losses = token_losses(theirs(**inputs).logits, labels).sum(dim=1)
    assert losses.tolist() == pytest.approx(ours, abs=1e-10)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks
def test_what_peft_trained_is_read(encoder, tmp_path):
    model = model_of("qwen3", encoder.tokenizer)
    torch.manual_seed(0)
    config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    theirs = get_peft_model(model, config).eval()
    inputs, labels = collate(ROWS, 0, model.device)
    expected = token_losses(theirs(**inputs).logits, labels).sum(dim=1).tolist()
    theirs.save_pretrained(str(tmp_path))
    model = theirs.get_base_model()
    assert losses_with(model, read_prefix(tmp_path, model)) == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_taken_over_is_refused(encoder, tmp_path):
    model = model_of("llama", encoder.tokenizer)
    with pytest.raises(InputError, match="holds nothing of peft's, not a prefix"):
        read_prefix(tmp_path, model)
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    get_peft_model(model_of("llama", encoder.tokenizer), config).save_pretrained(
        str(tmp_path / "prompt")
    )
    with pytest.raises(InputError, match="holds PROMPT_TUNING, not a prefix"):
        read_prefix(tmp_path / "prompt", model)
    export(tmp_path / "prefix", model, some_prefix(model))
    deeper = model_of("smollm3", encoder.tokenizer)
    with pytest.raises(InputError, match="has 128 numbers per virtual token.*takes 256"):
        read_prefix(tmp_path / "prefix", deeper)


@pytest.mark.parametrize(
    "change", [torch.tanh, torch.zeros_like], ids=["not linear", "no way back"]
)
def test_keys_that_are_more_than_turned_are_refused(encoder, tmp_path, monkeypatch, change):
    model = model_of("llama", encoder.tokenizer)
    export(tmp_path, model, some_prefix(model))
    turn = modeling_llama.apply_rotary_pos_emb

    def more(q, k, *settings, **others):
        q, k = turn(q, k, *settings, **others)
        return q, change(k)

    monkeypatch.setattr(modeling_llama, "apply_rotary_pos_emb", more)
    with pytest.raises(InputError, match="does more to keys than turn them"):
        read_prefix(tmp_path, model)


def test_a_prefix_longer_than_a_layer_looks_back_is_refused(encoder, tmp_path):
    model = model_of("gemma3", encoder.tokenizer)
    prefix = initial_prefix(model, torch.zeros(70, 64))
    with pytest.raises(InputError, match=r"look back fewer tokens than the prefix has \(70\)"):
        export(tmp_path, model, prefix)

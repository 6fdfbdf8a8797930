"""Weights are the files' own, all of them, or the model is refused with what is wrong."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.model_files import find_model
from sapo_analysis.models import weights
from sapo_analysis.models.loading import choose_device, load_model, load_tokenizer
from tests.models.families import build

CPU = choose_device("cpu")
UP = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture
def folder(tmp_path):
    return build("llama", tmp_path / "llama", load_tokenizer(find_model("pocket")))


def load(folder):
    return load_model(find_model(str(folder)), CPU, "float32")


def change_weights(folder, change):
    file = folder / "model.safetensors"
    found = load_file(file)
    change(found)
    save_file(found, file, metadata={"format": "pt"})


def change_config(folder, **settings):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


def test_missing_weights_are_named_and_never_drawn(folder):
    change_weights(folder, lambda found: found.pop(UP))
    with pytest.raises(InputError, match=rf"'llama' lack 1 of its weights: {UP}\. They would be"):
        load(folder)


def test_weights_of_another_shape_are_named_with_both(folder):
    change_weights(folder, lambda found: found.update({UP: found[UP][:10].clone()}))
    with pytest.raises(InputError, match=rf"{UP} is \(10, 64\), config.json says \(128, 64\)"):
        load(folder)


def test_a_tied_head_is_no_missing_weight(tmp_path):
    tokenizer = load_tokenizer(find_model("pocket"))
    model = load(build("qwen2", tmp_path / "qwen2", tokenizer))
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"model_type": "llama99"}, r"unknown to transformers .*Install a newer transformers"),
        ({"model_type": "t5"}, r"\(t5\) is an encoder-decoder"),
        ({"model_type": "vit"}, r"\(vit\) is no causal language model"),
        ({"num_attention_heads": 7}, r"config.json .* cannot be used.*multiple of the number"),
        (
            {"model_type": "own", "auto_map": {"AutoConfig": "code.Own"}},
            r"comes with code of its own, which is not run",
        ),
    ],
    ids=["unknown", "encoder-decoder", "images", "contradiction", "code"],
)
def test_a_configuration_that_is_no_causal_model_is_refused(folder, settings, why):
    change_config(folder, **settings)
    with pytest.raises(InputError, match=why):
        load(folder)


def test_stored_quantized_it_names_the_package_that_reads_it(folder):
    change_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(InputError, match=r"stored quantized.*not here.*optimum.*whole weights"):
        load(folder)


def test_an_encoder_is_found_by_what_it_reads(tmp_path):
    from transformers import BertConfig, BertLMHeadModel

    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    for is_decoder in (True, False):
        config = BertConfig(vocab_size=60, intermediate_size=48, is_decoder=is_decoder, **shape)
        config.initializer_range = 0.3
        BertLMHeadModel(config).save_pretrained(tmp_path)
        load_tokenizer(find_model("pocket")).save_pretrained(tmp_path)
        if is_decoder:
            load(tmp_path)
        else:
            with pytest.raises(InputError, match=r"\(bert\) reads texts in both directions"):
                load(tmp_path)


def test_a_model_larger_than_this_machine_is_not_tried(folder, monkeypatch):
    monkeypatch.setattr(weights, "host_bytes", lambda: 1000)
    with pytest.raises(InputError, match=r"as float32, and this machine has 0.0 GiB.*max_memory"):
        load(folder)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_running_out_of_memory_says_what_helps(folder, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(weights, "_from_files", full)
    with pytest.raises(WorkError, match=r"Out of memory while loading model 'llama' on cpu.*4bit"):
        load(folder)

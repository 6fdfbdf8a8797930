"""Loading a model: the shipped one, its untrained control, a folder; devices."""

import json
import shutil

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import POCKET, find_model
from sapo_analysis.models.loading import (
    choose_device,
    context_length,
    load_model,
    load_tokenizer,
)

CPU = choose_device("cpu")
IDS = torch.tensor([[5, 6, 7, 8]])


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits


def test_the_shipped_model_loads_like_any_other_causal_model(pocket_model):
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(POCKET).eval()
    assert torch.equal(logits(plain), logits(pocket_model))
    assert not pocket_model.training
    assert not any(p.requires_grad for p in pocket_model.parameters())
    n = sum(p.numel() for p in pocket_model.parameters())
    assert n == find_model("pocket").n_parameters
    assert 0.8e6 <= n <= 1.5e6
    assert (POCKET / "model.safetensors").stat().st_size <= 6e6


def test_a_folder_with_the_same_files_is_the_same_model(tmp_path, pocket_model):
    shutil.copytree(POCKET, tmp_path / "copy")
    files = find_model(str(tmp_path / "copy"))
    assert files.fingerprint == find_model("pocket").fingerprint
    assert torch.equal(logits(load_model(files, CPU, "float32")), logits(pocket_model))


def test_the_control_has_the_same_shapes_and_reproducible_untrained_weights(pocket_model):
    files = find_model("pocket-random")
    first, again = (load_model(files, CPU, "float32") for _ in range(2))
    trained = dict(pocket_model.named_parameters())
    for name, weight in first.named_parameters():
        assert weight.shape == trained[name].shape
        assert torch.equal(weight, dict(again.named_parameters())[name])
    assert not torch.equal(logits(first), logits(pocket_model))
    assert files.weights == "random"
    assert files.fingerprint != find_model("pocket").fingerprint


def test_weights_written_over_on_disk_do_not_change_a_loaded_model(tmp_path, pocket_model):
    shutil.copytree(POCKET, tmp_path / "copy")
    model = load_model(find_model(str(tmp_path / "copy")), CPU, "float32")
    weights = tmp_path / "copy" / "model.safetensors"
    size = weights.stat().st_size
    with weights.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\x3f" * (size // 2))
    assert torch.equal(logits(model), logits(pocket_model))


def test_decoding_settings_that_a_folder_ships_do_not_change_greedy_answers(
    tmp_path, pocket_model, encoder
):
    from sapo_analysis.learning.evaluation import greedy_answers
    from sapo_analysis.prompts import get_prompts
    from sapo_analysis.tasks import get_task

    shutil.copytree(POCKET, tmp_path / "copy")
    settings = tmp_path / "copy" / "generation_config.json"
    content = json.loads(settings.read_text())
    settings.write_text(json.dumps({**content, "repetition_penalty": 8.0, "do_sample": True}))
    penalised = load_model(find_model(str(tmp_path / "copy")), CPU, "float32")
    task = get_task("translate")
    rows = encoder.encode_split(task, "test", 12, get_prompts("translate")[0])
    answers = [greedy_answers(m, encoder, rows, 10, 12)[0] for m in (penalised, pocket_model)]
    assert answers[0] == answers[1]


def test_bfloat16_weights_stay_close_to_float32(pocket_model):
    half = load_model(find_model("pocket"), CPU, "bfloat16")
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    difference = (logits(half).float() - logits(pocket_model)).abs().max()
    assert 0 < difference < 0.05 * logits(pocket_model).abs().max()


def test_the_tokenizer_has_a_pad_token_and_the_context_is_the_configured_one(pocket_model):
    tokenizer = load_tokenizer(find_model("pocket"))
    assert tokenizer.pad_token_id is not None
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert context_length(pocket_model) == pocket_model.config.max_position_embeddings


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_gpu_that_is_not_there_is_refused_and_auto_says_why_it_took_the_cpu():
    with pytest.raises(InputError, match=r"'cuda'.*sapo doctor"):
        choose_device("cuda")
    device = choose_device("auto")
    assert device.name == "cpu" and "no GPU" in device.why


def test_a_folder_that_is_no_model_is_refused_with_what_it_lacks(tmp_path):
    with pytest.raises(InputError, match=r"no config.json"):
        find_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"no .safetensors"):
        find_model(str(tmp_path))
    with pytest.raises(InputError, match=r"Unknown model 'pockt'. Did you mean 'pocket'"):
        find_model("pockt")

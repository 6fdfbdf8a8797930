"""Soft prompts as files: what peft reads is ours exactly, and what does not fit is refused."""

import json

import pytest
import torch
from peft import PeftModel, PromptEncoderConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import save_file

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.soft_prompt import SoftPrompts, standing_before
from sapo_analysis.models.soft_prompt_files import OWN, export_soft_prompt, read_soft_prompt
from sapo_analysis.models.soft_prompt_start import at_random
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.spec import LoraSettings
from tests.models.families import model_of
from tests.models.soft_parts import some_rows
from tests.norm64 import in_float64

ROWS = some_rows(3, seed=5)


@pytest.fixture(scope="module")
def qwen(encoder):
    return model_of("qwen3", encoder.tokenizer)


@pytest.mark.filterwarnings("ignore:Position ids are not supported:UserWarning")  # the trap
@pytest.mark.parametrize("family", ["qwen3", "gpt2", "gemma"])
def test_peft_reads_it_exactly_and_its_loss_alone_moves_with_pads(encoder, family, tmp_path):
    model = in_float64(model_of(family, encoder.tokenizer))
    prompt = at_random(model, 4, seed=1)
    export_soft_prompt(tmp_path, prompt, model, "some/model")
    assert torch.equal(read_soft_prompt(tmp_path, model), prompt)
    prompts = SoftPrompts(model, [prompt])

    def padded_left(pads, read):
        inputs, labels = collate(ROWS[:1], 0, model.device)
        ids = torch.nn.functional.pad(inputs["input_ids"], (pads, 0))
        mask = torch.nn.functional.pad(inputs["attention_mask"], (pads, 0))
        logits = read(ids, mask)[:, -labels.shape[1] :]
        return float(token_losses(logits, labels).sum().detach())

    def ours(ids, mask):
        soft = torch.tensor([prompts.tokens.ids()])
        pads = int((mask == 0).sum())
        ids = torch.cat([ids[:, :pads], soft, ids[:, pads:]], dim=1)
        mask = torch.cat([mask[:, :pads], torch.ones_like(soft), mask[:, pads:]], dim=1)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        return model(input_ids=ids, attention_mask=mask, position_ids=positions).logits

    with standing_before(model, prompts):
        expected = example_losses(model, prompts.tokens.before(ROWS), 3, 0)
        moved = [padded_left(pads, ours) for pads in (0, 1, 32)]
    assert moved == pytest.approx([expected[0].nll_sum] * 3, abs=1e-6)
    theirs = PeftModel.from_pretrained(model, str(tmp_path)).eval()
    inputs, labels = collate(ROWS, 0, model.device)
    losses = token_losses(theirs(**inputs).logits[:, 4:], labels).sum(dim=1)
    assert losses.tolist() == pytest.approx([one.nll_sum for one in expected], abs=1e-10)
    trap = [
        padded_left(pads, lambda ids, mask: theirs(input_ids=ids, attention_mask=mask).logits)
        for pads in (0, 1, 32)
    ]
    assert trap[0] == pytest.approx(expected[0].nll_sum, abs=1e-10)
    assert min(abs(trap[1] - trap[0]), abs(trap[2] - trap[0])) > 1e-4


@pytest.mark.parametrize(
    "config",
    [
        PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
        PromptEncoderConfig(task_type="CAUSAL_LM", num_virtual_tokens=3, encoder_hidden_size=8),
    ],
    ids=["prompt tuning", "p-tuning, as its encoder gives it"],
)
def test_what_peft_saves_is_read(encoder, config, tmp_path):
    model = model_of("llama", encoder.tokenizer)
    theirs = get_peft_model(model, config)
    theirs.save_pretrained(str(tmp_path))
    expected = theirs.get_prompt(batch_size=1)[0]
    torch.testing.assert_close(read_soft_prompt(tmp_path, model), expected.detach())


def test_our_own_file_is_read(qwen, tmp_path):
    prompts = SoftPrompts(qwen, [at_random(qwen, 4, seed) for seed in (1, 2)])
    prompts.save(1, tmp_path / OWN)
    assert torch.equal(read_soft_prompt(tmp_path, qwen), prompts.prompts()[1])


def test_an_export_names_no_place_of_this_machine(qwen, tmp_path):
    folder = tmp_path / "export"
    export_soft_prompt(folder, torch.zeros(4, 64), qwen, "some/model")
    settings = json.loads((folder / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "some/model"
    assert (settings["num_virtual_tokens"], settings["token_dim"]) == (4, 64)
    assert settings["tokenizer_name_or_path"] is None
    assert not [value for value in settings.values() if str(value).startswith("/")]
    assert sorted(f.name for f in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def _own(**weights):
    return lambda folder, model: save_file(weights, folder / OWN)


def _lora(folder, model):
    with stacked_adapters(model, LoraSettings(r=2), [0]) as adapters:
        adapters.save(0, folder)


def _damaged(folder, model):
    (folder / OWN).write_bytes(b"not a file of weights")


def _half(folder, model):
    export_soft_prompt(folder, torch.zeros(4, 64), model, "some/model")
    (folder / "adapter_model.safetensors").unlink()


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda folder, model: folder.rmdir(), "there is no such folder"),
        (lambda folder, model: None, "neither soft_prompt.safetensors nor adapter_config.json"),
        (_lora, "kind LORA, which is no soft prompt"),
        (_own(prompt=torch.zeros(4, 32)), "32 numbers each, and the model's embeddings 64"),
        (_own(prompt=torch.zeros(2048, 64)), "2048 virtual tokens, and the model reads 2048"),
        (_own(prompt=torch.zeros(0, 64)), "it has 0 virtual tokens"),
        (_own(prompt=torch.full((4, 64), torch.nan)), "infinite or no numbers"),
        (_own(keys=torch.zeros(2, 4, 32)), r"keys \[2, 4, 32\], and no prompt"),
        (_damaged, "is damaged"),
        (_half, "adapter_model.safetensors is missing"),
        (lambda f, m: (f / "adapter_config.json").write_text("{"), "cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused(qwen, tmp_path, write, words):
    folder = tmp_path / "stage-1"
    folder.mkdir()
    write(folder, qwen)
    with pytest.raises(InputError, match=words) as refusal:
        read_soft_prompt(folder, qwen)
    assert "stage-1" in str(refusal.value)

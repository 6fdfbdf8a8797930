"""P-tuning's encoder is peft's: its draws, its output, its gradients, its file."""

import torch
from peft import PromptEncoder, PromptEncoderConfig
from safetensors.torch import load_file

from sapo_analysis.models.prompt_encoder import PromptEncoders
from tests.models.families import model_of


def by_peft(seed):
    torch.manual_seed(seed)
    config = PromptEncoderConfig(
        num_virtual_tokens=3, token_dim=64, encoder_hidden_size=8, num_transformer_submodules=1
    )
    return PromptEncoder(config)


def test_it_is_pefts_encoder_number_for_number(encoder, tmp_path):
    model = model_of("llama", encoder.tokenizer)
    state = torch.get_rng_state()
    encoders = PromptEncoders(model, 3, 8, seeds=[4, 9, 4])
    assert torch.equal(torch.get_rng_state(), state)
    found = encoders.prompts()
    assert torch.equal(found[0], found[2]) and not torch.allclose(found[0], found[1])
    factors = torch.randn(3, 64)
    gradients = encoders.gradients((found[1] * factors).sum())
    theirs = by_peft(9)
    expected = theirs(torch.arange(3))
    torch.testing.assert_close(found[1], expected)
    (expected * factors).sum().backward()
    own = torch.cat([weight.grad.flatten() for weight in theirs.parameters()])
    torch.testing.assert_close(gradients[1], own)
    assert not gradients[0].any()
    encoders.save(1, tmp_path / "encoder.safetensors")
    other = by_peft(0)
    other.load_state_dict(load_file(tmp_path / "encoder.safetensors"))
    torch.testing.assert_close(other(torch.arange(3)), expected)


def test_frozen_prompts_follow_what_the_encoder_gives(encoder):
    model = model_of("llama", encoder.tokenizer)
    earlier = torch.randn(3, 64)
    encoders = PromptEncoders(model, 3, 8, seeds=[1, 2], frozen=[[], [earlier]])
    table = encoders.table()
    assert torch.equal(table[:, :3], encoders.prompts())
    assert torch.equal(table[1, 3:], earlier) and not table[0, 3:].any()

"""Which layers a study's adapters change."""

import copy

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.models.lora import adapted_layers
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

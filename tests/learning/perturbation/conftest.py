"""A model of a few thousand weights in float64, and rows it can read."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sapo_analysis.learning.perturbation import Perturbation
from sapo_analysis.methods.recipe import Perturbed
from sapo_analysis.models.soft_prompt import SoftPrompts
from sapo_analysis.models.soft_prompt_start import at_random
from tests.norm64 import in_float64

VOCABULARY = 96
LENGTH = 4
"""Virtual tokens."""
ORDINARY = range(10, VOCABULARY)
"""All but the first few, which stand for control tokens."""


@pytest.fixture(scope="session")
def small():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.2,
    )
    model = in_float64(LlamaForCausalLM(config)).eval()
    return model.requires_grad_(False)


def perturbation(by, strength=0.3, weight=1.0, steps=2):
    return Perturbation(Perturbed(by, strength, weight, steps), ORDINARY)


def soft_prompts(model, seeds):
    return SoftPrompts(model, [at_random(model, LENGTH, seed).double() for seed in seeds])

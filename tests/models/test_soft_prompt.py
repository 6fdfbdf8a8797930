"""Soft prompts at their start are embeddings before a text; several slots keep apart."""

import pytest
import torch

from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.prompt_encoder import PromptEncoders
from sapo_analysis.models.soft_prompt import SoftPrompts, standing_before
from sapo_analysis.models.soft_prompt_start import at_random
from tests.models.families import model_of
from tests.models.soft_parts import some_rows
from tests.norm64 import in_float64

ROWS = some_rows(3, seed=2)


def by_hand(model, rows, prompt):
    """The rows' losses where the base is fed a prompt's embeddings before each row's own."""
    found = []
    for row in rows:
        inputs, labels = collate([row], 0, model.device)
        own = model.get_input_embeddings()(inputs["input_ids"])
        logits = model(inputs_embeds=torch.cat([prompt[None].to(own), own], dim=1)).logits
        found.append(float(token_losses(logits[:, len(prompt) :], labels).sum().detach()))
    return found


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "gemma"])
def test_at_their_start_they_are_the_base_fed_the_initial_embeddings(encoder, family):
    model = in_float64(model_of(family, encoder.tokenizer))
    start = at_random(model, 4, seed=1)
    encoders = PromptEncoders(model, 4, 8, seeds=[1])
    for prompts, first in (
        (SoftPrompts(model, [start]), start),
        (encoders, encoders.prompts()[0].detach()),
    ):
        expected = by_hand(model, ROWS, first)
        with standing_before(model, prompts):
            rows = prompts.tokens.before(ROWS)
            for found in (example_losses(model, rows, 3, 0), packed_losses(model, rows, 0)):
                assert [one.nll_sum for one in found] == pytest.approx(expected, abs=1e-10)


def test_each_row_stands_behind_the_soft_prompt_of_its_slot(encoder):
    model = in_float64(model_of("qwen3", encoder.tokenizer))
    own, first, second = (at_random(model, 4, seed) for seed in (1, 2, 3))
    prompts = SoftPrompts(model, [own], frozen=[[first, second]])
    mixed = [prompts.tokens.before([row], slot)[0] for slot, row in enumerate(ROWS)]
    with standing_before(model, prompts):
        found = example_losses(model, mixed, 3, 0)
        loss = model(input_ids=torch.tensor([mixed[2].ids])).logits.sum()
        assert not prompts.gradients(loss).any()  # frozen ones have none
    for row, prompt, one in zip(ROWS, (own, first, second), found, strict=True):
        assert one.nll_sum == pytest.approx(by_hand(model, [row], prompt)[0], abs=1e-10)

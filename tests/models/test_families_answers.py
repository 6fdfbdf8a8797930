"""A small model of a family learns a few answers, and gives them back and ends there."""

import copy
from dataclasses import replace

import pytest
import torch

from sapo_analysis.learning.batching import collate, token_losses
from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import greedy_answers
from sapo_analysis.models.encoding import Encoder, encode
from sapo_analysis.tasks import Example, get_task
from tests.models.tokenizers_of_families import tokenizer_of

EXAMPLES = [
    Example("the soup was lovely", "positive"),
    Example("no", "negative"),
    Example("支持 <s>", ""),
    Example("one two three four five", "12"),
]
TASK = replace(get_task("sentiment"), labels=(), metric="exact_match", max_new_tokens=8)


@pytest.mark.parametrize(
    ("family", "pad"),
    [
        pytest.param("llama", None, id="end of sequence fills up"),
        pytest.param("smollm", "<|im_end|>", id="pad is the end of a turn"),
        pytest.param("gemma", "<pad>", id="turns do not end with end of sequence"),
        pytest.param("gpt2", None, id="plain layout"),
    ],
)
def test_learned_answers_come_back_whatever_shares_their_batch(family, pad):
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = copy.deepcopy(tokenizer_of(family))
    assert tokenizer.pad_token == pad
    tokenizer.pad_token = pad or tokenizer.eos_token  # as `load_tokenizer` does
    encoder = Encoder(tokenizer, 512)
    rows = [encode(tokenizer, "Say it.", "One word.", example) for example in EXAMPLES]
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), num_attention_heads=2, **sizes))
    model.generation_config = GenerationConfig()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    inputs, labels = collate(rows, encoder.pad_id, model.device)
    for _ in range(80):
        optimizer.zero_grad()
        token_losses(model(**inputs).logits, labels).sum().backward()
        optimizer.step()
    model.requires_grad_(False).train(False)
    together, _ = greedy_answers(model, encoder, rows, 8, size=4)
    assert together == [example.target for example in EXAMPLES]
    assert greedy_answers(model, encoder, rows, 8, size=1)[0] == together
    (drafted,) = evaluate_stacked(model, encoder, TASK, EXAMPLES, [rows], 4)
    assert drafted.outputs == together and drafted.value == 100.0

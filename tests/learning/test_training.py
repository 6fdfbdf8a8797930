"""The training loop against peft and a plain optimizer loop written here, in float64."""

import copy
import itertools

import pytest
import torch
from peft import LoraConfig, get_peft_model

from sapo_analysis.learning.members import batch_order
from sapo_analysis.learning.training import train
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task

LORA = LoraSettings(r=4, lora_alpha=8)
SETTINGS = TrainingSettings(
    examples=24,
    batch_size=8,
    steps=7,
    learning_rate=5e-3,
    schedule="linear",
    warmup_steps=2,
    weight_decay=0.1,
    max_grad_norm=0.5,
)


@pytest.fixture(scope="module")
def rows(encoder):
    return encoder.encode_split(get_task("sentiment"), "train", 24, get_prompts("sentiment")[1])


def adapter_weights(adapted):
    return {name: p.detach().clone() for name, p in adapted.named_parameters() if p.requires_grad}


def reference(model, rows, seed):
    """Peft, AdamW with loss and schedule by hand; one unpadded row and one token at a time."""
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear"
    )
    adapted = get_peft_model(copy.deepcopy(model), config)
    parameters = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=5e-3, weight_decay=0.1)
    for step, batch in enumerate(itertools.islice(batch_order(len(rows), 8, seed), 7)):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * (step / 2 if step < 2 else (7 - step) / 5)
        n_tokens = sum(len(rows[i].ids) - rows[i].target_start for i in batch)
        optimizer.zero_grad()
        for i in batch:
            ids = torch.tensor([rows[i].ids])
            log_p = adapted(input_ids=ids).logits[0].log_softmax(-1)
            targets = range(rows[i].target_start, len(rows[i].ids))
            (-sum(log_p[t - 1, ids[0, t]] for t in targets) / n_tokens).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()
    return adapter_weights(adapted)


def test_training_equals_peft_with_a_plain_optimizer_loop(model64, encoder, rows):
    expected = reference(model64, rows, seed=3)
    with fresh_adapter(model64, LORA, seed=3) as adapted:
        fit = train(adapted, rows, SETTINGS, 3, encoder.tokenizer.pad_token_id)
        found = adapter_weights(adapted)
    assert len(fit.losses) == 7 and not fit.diverged
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert weight.dtype == torch.float64
        assert (found[name] - weight).abs().max() <= 1e-10 * weight.abs().max(), name
    assert any(weight.abs().max() > 1e-3 for name, weight in expected.items() if "lora_B" in name)


def test_prompts_share_initialisation_and_order_and_seeds_do_not(pocket_model):
    with fresh_adapter(pocket_model, LORA, seed=1) as adapted:
        first = adapter_weights(adapted)
    with fresh_adapter(pocket_model, LORA, seed=1) as adapted:
        again = adapter_weights(adapted)
    with fresh_adapter(pocket_model, LORA, seed=2) as adapted:
        other = adapter_weights(adapted)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    orders = [list(itertools.islice(batch_order(20, 8, seed), 5)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_each_epoch_meets_every_row_once():
    met = list(itertools.chain(*itertools.islice(batch_order(10, 4, 0), 5)))
    assert sorted(met[:10]) == sorted(met[10:]) == list(range(10))


def test_the_base_model_is_unchanged_after_training(pocket_model, encoder, rows):
    before = {name: p.clone() for name, p in pocket_model.named_parameters()}
    dropout = LORA.model_copy(update={"lora_dropout": 0.3})
    with fresh_adapter(pocket_model, dropout, seed=0) as adapted:
        train(adapted, rows, SETTINGS, 0, encoder.tokenizer.pad_token_id)
    after = dict(pocket_model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(p.requires_grad for p in pocket_model.parameters())
    assert not pocket_model.training


def test_dropout_streams_depend_on_the_seed_alone(pocket_model, encoder, rows):
    dropout = LORA.model_copy(update={"lora_dropout": 0.3})
    losses = []
    for disturbance in (0, 99):
        torch.manual_seed(disturbance)
        with fresh_adapter(pocket_model, dropout, seed=5) as adapted:
            losses.append(train(adapted, rows, SETTINGS, 5, encoder.tokenizer.pad_token_id).losses)
    assert losses[0] == losses[1]


def test_prompts_of_unequal_length_share_the_dropout_stream_of_every_step(pocket_model, encoder):
    dropout = LORA.model_copy(update={"lora_dropout": 0.3})
    streams = []
    for prompt in get_prompts("sentiment")[:2]:
        rows = encoder.encode_split(get_task("sentiment"), "train", 24, prompt)
        with fresh_adapter(pocket_model, dropout, seed=5) as adapted:
            states = []
            adapted.register_forward_pre_hook(
                lambda module, inputs, kept=states: kept.append(torch.get_rng_state())
            )
            train(adapted, rows, SETTINGS, 5, encoder.tokenizer.pad_token_id)
        streams.append((max(len(row.ids) for row in rows), states))
    (length, first), (other_length, second) = streams
    assert length != other_length
    assert len(first) == SETTINGS.steps
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])


def test_a_divergence_stops_training_and_is_reported(pocket_model, encoder, rows):
    wild = SETTINGS.model_copy(update={"learning_rate": 1e30, "warmup_steps": 0})
    with fresh_adapter(pocket_model, LORA, seed=0) as adapted:
        fit = train(adapted, rows, wild, 0, encoder.tokenizer.pad_token_id)
    assert fit.diverged
    assert len(fit.losses) < wild.steps

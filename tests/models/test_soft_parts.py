"""Soft prompts, prompt encoders, prefixes and IA3 alike: paddings, caches, stacks, on and off."""

import copy

import pytest
import torch

from sapo_analysis.learning.batching import collate, collate_contexts, label_losses, token_losses
from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import greedy_answers
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.checkpointing import checkpointed
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import Pack
from sapo_analysis.tasks import Example, get_task
from tests.models.families import model_of
from tests.models.soft_parts import PARTS, behind, some_rows, working
from tests.norm64 import in_float64

FAMILIES = ("llama", "gpt2", "qwen3", "gemma")
"""Rotated, learned positions, normalised keys, scaled embeddings."""
CASES = [(f, p) for f in FAMILIES for p in PARTS if (f, p) != ("gpt2", "prefix")]
ROWS = some_rows(4, seed=0)


@pytest.fixture(scope="module")
def models(encoder):
    return {family: in_float64(model_of(family, encoder.tokenizer)) for family in FAMILIES}


def sums(losses):
    return torch.tensor([loss.nll_sum for loss in losses])


@pytest.mark.parametrize(("family", "name"), CASES)
def test_losses_and_answers_do_not_depend_on_padding_packing_or_the_cache(models, family, name):
    model = models[family]
    with working(name, model, [3]) as part:
        rows = behind(part, ROWS)
        alone = sums(example_losses(model, rows, 1, 0))
        assert sums(example_losses(model, rows, 4, 0)) == pytest.approx(alone, abs=1e-6)
        assert sums(packed_losses(model, rows, 0)) == pytest.approx(alone, abs=1e-6)
        # [pad, P, x], positions from the mask, as `generate` has them.
        for pads in (1, 9):
            inputs, labels = collate(rows[:1], 0, model.device)
            ids = torch.nn.functional.pad(inputs["input_ids"], (pads, 0))
            mask = torch.nn.functional.pad(inputs["attention_mask"], (pads, 0))
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            found = model(input_ids=ids, attention_mask=mask, position_ids=positions)
            nll = token_losses(found.logits[:, pads:], labels).sum()
            assert float(nll.detach()) == pytest.approx(float(alone[0]), abs=1e-6)
        inputs = collate_contexts(rows, 0, model.device)
        settings = {"do_sample": False, "max_new_tokens": 5, "min_new_tokens": 5, "pad_token_id": 0}
        together = model.generate(**inputs, **settings, use_cache=True)[:, -5:].tolist()
        # Each by itself, without a cache: the whole text is read again for each token.
        for row, written in zip(rows, together, strict=True):
            ids = list(row.context)
            stops = model.generation_config.eos_token_id
            for token in written:
                logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
                logits[stops] = -torch.inf  # `generate` keeps them back too
                assert int(logits.argmax()) == token
                ids.append(token)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_three_at_once_have_the_losses_and_gradients_of_each_alone(models, family, name):
    model = models[family]
    batches = [some_rows(n, seed=n) for n in (2, 3, 1)]
    seeds = [5, 7, 6]

    def losses_and_gradients(part, batches):
        own = [behind(part, batch) for batch in batches]
        with packed(model) as reader:
            # Members share different numbers of first tokens, or none.
            prefixes = [len(batch) % 3 + 1 if len(batch) > 1 else 0 for batch in own]
            pack = Pack(own, prefixes, 0, reader.device)
            losses = label_losses(reader.logits(pack), pack.labels).sum(dim=1)
            return losses.detach(), part.gradients(losses.sum())

    with working(name, model, seeds) as part:
        losses, gradients = losses_and_gradients(part, batches)
    assert gradients.abs().amax(dim=1).min() > 1e-6
    for k, seed in enumerate(seeds):
        with working(name, model, [seed]) as part:
            own_loss, own_gradient = losses_and_gradients(part, [batches[k]])
        torch.testing.assert_close(losses[k], own_loss[0], rtol=0, atol=1e-10)
        torch.testing.assert_close(gradients[k], own_gradient[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_gradients_are_those_of_packed_reading_and_of_layers_computed_twice(models, family, name):
    model = models[family]
    with working(name, model, [3]) as part:
        rows = behind(part, ROWS[:2])
        inputs, labels = collate(rows, 0, model.device)

        def own_gradients():
            logits = model(**inputs, use_cache=False).logits
            return part.gradients(token_losses(logits, labels).sum())

        padded = own_gradients()
        with checkpointed(model):
            twice = own_gradients()
        with packed(model) as reader:
            pack = Pack([rows], [2], 0, reader.device)
            found = part.gradients(label_losses(reader.logits(pack), pack.labels).sum())
    torch.testing.assert_close(found, padded, rtol=0, atol=1e-10)
    torch.testing.assert_close(twice, padded, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("family", "name"), [c for c in CASES if c[1] != "ia3"])
def test_off_it_is_the_bare_model_bit_for_bit(models, family, name):
    model = models[family]
    inputs, _ = collate(ROWS, 0, model.device)
    bare = model(**inputs).logits
    with working(name, model, [3]) as part:
        assert torch.equal(model(**inputs).logits, bare)
        on, _ = collate(behind(part, ROWS), 0, model.device)
        assert not torch.allclose(model(**on).logits[0, -1], bare[0, -1])


@pytest.mark.parametrize(("family", "name"), CASES)
def test_afterwards_the_model_is_as_it_was(models, family, name):
    model = models[family]
    inputs, _ = collate(ROWS, 0, model.device)
    before = copy.deepcopy(model.state_dict())
    bare = model(**inputs).logits
    with (
        pytest.raises(RuntimeError, match="in the block"),
        working(name, model, [3]) as part,
    ):
        loss = model(**collate(behind(part, ROWS), 0, model.device)[0]).logits.sum()
        with torch.no_grad():
            part.values -= 0.1 * part.gradients(loss)
        raise RuntimeError("in the block")
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert torch.equal(model(**inputs).logits, bare)
    assert all(weight.grad is None for weight in model.parameters())
    hooks = [(m._forward_hooks, m._forward_pre_hooks) for m in model.modules()]
    assert not any(one or other for one, other in hooks)


@pytest.mark.parametrize("name", PARTS)
def test_the_stacked_engine_writes_what_the_plain_one_writes(pocket_model, encoder, name):
    task = get_task("sentiment")
    examples = [Example(text, "positive") for text in ("good", "a bad day", "fine fine fine")]
    seeds = [1, 2]
    plain = []
    for seed in seeds:
        with working(name, pocket_model, [seed]) as part:
            rows = behind(part, ROWS[:3])
            plain.append(greedy_answers(pocket_model, encoder, rows, task.max_new_tokens, 3)[0])
    with working(name, pocket_model, seeds) as part:
        rows = behind(part, ROWS[:3])
        found = evaluate_stacked(pocket_model, encoder, task, examples, [rows, rows], 3)
    assert [one.outputs for one in found] == plain

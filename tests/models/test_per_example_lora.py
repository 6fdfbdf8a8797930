"""LoRA of each example against a loop over examples, each with its update in the weights."""

import copy

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate
from sapo_analysis.learning.evaluation import greedy_answers
from sapo_analysis.models.checkpointing import checkpointed
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.per_example_lora import PerExampleLora
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task

NAMES = ["model.layers.0.self_attn.q_proj", "model.layers.3.mlp.up_proj"]
SCALE = 0.7


@pytest.fixture(scope="module")
def rows(encoder):
    """Of two tasks: texts and answers of unequal length."""
    return [
        row
        for name in ("sentiment", "place")
        for row in encoder.encode_split(get_task(name), "test", 2, get_prompts(name)[0])
    ]


def weights_for(model, n, spread=0.3):
    draw = torch.Generator().manual_seed(1)
    found = {}
    for name in NAMES:
        out, into = model.get_submodule(name).weight.shape
        a, b = torch.randn(n, 3, into, generator=draw), torch.randn(n, out, 3, generator=draw)
        found[name] = (spread * a.to(model.dtype), spread * b.to(model.dtype))
    return found


def merged(model, weights, i):
    """A copy of the model with example i's update in its weights."""
    model = copy.deepcopy(model)
    for name, (a, b) in weights.items():
        model.get_submodule(name).weight.data += SCALE * b[i] @ a[i]
    return model


def logits(model, rows):
    inputs, _ = collate(rows, 0, torch.device("cpu"))
    return model(**inputs, use_cache=False).logits


@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-5), ("float64", 1e-10)])
def test_a_batch_reads_as_each_example_by_itself_with_its_own_weights(
    request, pocket_model, rows, precision, most
):
    model = pocket_model if precision == "float32" else request.getfixturevalue("model64")
    weights = weights_for(model, len(rows), spread=0.02)
    with torch.no_grad(), PerExampleLora(model, NAMES) as lora:
        plain = logits(model, rows)
        with lora.on(weights, SCALE):
            together = logits(model, rows)
        assert torch.equal(logits(model, rows), plain), "off after its block"
        for i, row in enumerate(rows):
            alone = logits(merged(model, weights, i), [row])[0]
            found = together[i, : len(row.ids)]
            assert (found - alone).abs().max() <= most * alone.abs().max()
            assert (found - plain[i, : len(row.ids)]).abs().max() > 1e-3
    assert not any(layer._forward_hooks for layer in map(model.get_submodule, NAMES))


def test_one_pair_serves_every_row_and_other_numbers_of_rows_are_refused(model64, rows):
    weights = weights_for(model64, 1)
    with torch.no_grad(), PerExampleLora(model64, NAMES) as lora:
        with lora.on(weights, SCALE):
            found = logits(model64, rows)
        assert torch.allclose(found, logits(merged(model64, weights, 0), rows), rtol=0, atol=1e-9)
        with lora.on(weights_for(model64, 2), SCALE), pytest.raises(InputError, match="4, "):
            logits(model64, rows)


def test_answers_of_a_padded_batch_are_those_of_each_text_by_itself(model64, encoder, rows):
    weights = weights_for(model64, len(rows))
    lora = PerExampleLora(model64, NAMES)

    def around(batch: list[Encoded]):
        places = [next(i for i, row in enumerate(rows) if row is one) for one in batch]
        own = {name: (a[places], b[places]) for name, (a, b) in weights.items()}
        return lora.on(own, SCALE)

    assert len({row.target_start for row in rows}) > 1
    plain, _ = greedy_answers(model64, encoder, rows, 6, 4)
    with lora:
        together, _ = greedy_answers(model64, encoder, rows, 6, 4, around)
    alone = [
        greedy_answers(merged(model64, weights, i), encoder, [row], 6, 1)[0][0]
        for i, row in enumerate(rows)
    ]
    assert together == alone != plain


def test_layers_that_are_computed_again_have_the_weights_of_the_first_time(model64, rows):
    weights = {
        name: (a.requires_grad_(), b.requires_grad_())
        for name, (a, b) in weights_for(model64, len(rows), spread=0.02).items()
    }
    leaves = [leaf for pair in weights.values() for leaf in pair]

    def gradients():
        with lora.on(weights, SCALE, dropout=0.2):
            torch.manual_seed(3)
            loss = logits(model64, rows).square().mean()
        return torch.autograd.grad(loss, leaves)  # off by now

    with PerExampleLora(model64, NAMES) as lora:
        kept = gradients()
        with checkpointed(model64, lora.again):
            again = gradients()
    assert all(torch.equal(a, b) for a, b in zip(kept, again, strict=True))

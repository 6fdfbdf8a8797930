"""Gradients of the last layer against autograd on the weights themselves; shuffled labels."""

import copy
import math

import pytest
import torch
from transformers import AutoModelForCausalLM

from sapo_analysis.errors import InputError
from sapo_analysis.learning import format_gradient
from sapo_analysis.learning.format_gradient import (
    LayerGradients,
    Shuffled,
    alignment_floor,
    answered,
    cosines,
    last_layer_gradients,
    last_layer_modules,
)
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.stacked_training import StackedTraining
from sapo_analysis.learning.training import Training
from sapo_analysis.models.checkpointing import checkpointed
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task
from tests.models.families import FAMILIES

LORA = LoraSettings(lora_dropout=0.3)
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


@pytest.fixture(scope="module")
def rows(encoder):
    """Of two adapters: answers of several lengths, one row twice; fewer rows of another task."""
    one = encoder.encode_split(get_task("translate"), "train", 5, get_prompts("translate")[1])
    assert len({row.n_target for row in one}) > 1
    other = encoder.encode_split(get_task("topic"), "train", 3, get_prompts("topic")[0])
    return [[*one, one[2]], other]


@pytest.fixture(scope="module")
def updates(model64):
    """Adapters that are somewhere: their weights as numbers [2, parameters]."""
    with stacked_adapters(model64, LORA, [3, 4]) as adapters:
        values = adapters.values.detach()
        drawn = torch.randn(values.shape, generator=torch.Generator().manual_seed(1))
        return values + 0.02 * drawn.to(values)


@pytest.fixture(scope="module")
def expected(model64, rows, updates):
    """By autograd: one member at a time, its adapter merged, each row by itself."""
    found = []
    for k, own in enumerate(rows):
        model = copy.deepcopy(model64)
        with stacked_adapters(model64, LORA, [3, 4]) as adapters:
            adapters.values.data.copy_(updates)
            for name, layer in adapters.modules.items():
                update = layer.scale * layer.b[k] @ layer.a[k]
                model.get_submodule(name).weight.data += update.detach()
        layer = model.model.layers[-1]
        weights = [
            (layer.mlp if "." in name else layer.self_attn).get_submodule(name.split(".")[-1])
            for name in MODULES
        ]
        weights = [module.weight.requires_grad_() for module in weights]
        total, n = 0.0, 0
        for row in own:
            log_p = model(input_ids=torch.tensor([row.ids])).logits[0].log_softmax(-1)
            for t in range(row.target_start, len(row.ids)):
                total, n = total - log_p[t - 1, row.ids[t]], n + 1
        found.append(dict(zip(MODULES, torch.autograd.grad(total / n, weights), strict=True)))
    return found


def close(found, expected, tolerance):
    assert list(found) == list(expected)
    return all(
        (found[name] - g).norm() <= tolerance * g.norm() and g.norm() > 0
        for name, g in expected.items()
    )


@pytest.mark.parametrize("at_once", [2, 64])
def test_a_stack_has_each_adapters_own_gradient(
    model64, rows, updates, expected, encoder, monkeypatch, at_once
):
    monkeypatch.setattr(format_gradient, "_ROWS_AT_ONCE", at_once)
    with stacked_adapters(model64, LORA, [3, 4]) as adapters:
        adapters.values.data.copy_(updates)
        found = last_layer_gradients(model64, rows, True, encoder.pad_id)
    for k in range(2):
        assert close(found[k].by_module, expected[k], 1e-10)
    assert [own.examples for own in found] == [5, 3]  # a row that is there twice is read once
    assert found[1].logits == sum(row.n_target for row in rows[1])
    assert found[1].tokens < sum(len(row.ids) for row in rows[1])


@pytest.mark.parametrize("at_once", [2, 64])
def test_the_plain_engine_has_the_same_through_peft(
    model64, rows, updates, expected, encoder, monkeypatch, at_once
):
    monkeypatch.setattr(format_gradient, "_ROWS_AT_ONCE", at_once)
    for k in range(2):
        with fresh_adapter(model64, LORA, 0) as adapted:
            weights = [p for p in adapted.parameters() if p.requires_grad]
            parts = updates[k].split([p.numel() for p in weights])
            for weight, part in zip(weights, parts, strict=True):
                weight.data.copy_(part.view_as(weight))
            (found,) = last_layer_gradients(adapted, [rows[k]], False, encoder.pad_id)
        assert close(found.by_module, expected[k], 1e-10)
        read = {(*row.ids, row.target_start): len(row.ids) for row in rows[k]}
        assert found.tokens == found.logits == sum(read.values())


def test_in_float32_packed_is_plain_and_the_bare_model_will_do(pocket_model, rows, encoder):
    (packed,) = last_layer_gradients(pocket_model, rows[:1], True, encoder.pad_id)
    (plain,) = last_layer_gradients(pocket_model, rows[:1], False, encoder.pad_id)
    assert close(packed.by_module, plain.by_module, 1e-5)
    assert all(g.dtype == torch.float32 for g in packed.by_module.values())
    coarse = copy.deepcopy(pocket_model).bfloat16()
    (found,) = last_layer_gradients(coarse, rows[:1], True, encoder.pad_id)
    assert all(g.dtype == torch.float32 for g in found.by_module.values())
    assert min(cosines(found, packed).values()) > 0.98


def test_a_look_leaves_everything_as_it_was(pocket_model, rows, encoder):
    with fresh_adapter(pocket_model, LORA, 0) as adapted:
        adapted.train()  # as if training had left dropout on
        adapted.base_model.model.lm_head.training = False
        before = [(m.training, len(m._forward_hooks)) for m in adapted.modules()]
        wanted = [p.requires_grad for p in adapted.parameters()]
        torch.manual_seed(5)
        drawn = torch.get_rng_state()
        one, two = (
            last_layer_gradients(adapted, rows[:1], False, encoder.pad_id)[0] for _ in range(2)
        )
        assert all(torch.equal(one.by_module[name], g) for name, g in two.by_module.items())
        assert torch.equal(torch.get_rng_state(), drawn) and torch.is_grad_enabled()
        assert [(m.training, len(m._forward_hooks)) for m in adapted.modules()] == before
        assert [p.requires_grad for p in adapted.parameters()] == wanted
        assert all(p.grad is None for p in adapted.parameters())


def test_training_that_is_looked_at_is_training_that_is_not(pocket_model, rows, encoder):
    """Bit for bit, with dropout: a stack, an adapter through peft, a whole model."""
    settings = TrainingSettings(steps=3, batch_size=2, warmup_steps=1)
    members = [Member(own, settings, seed) for seed, own in enumerate(rows)]

    def stack(look):
        with stacked_adapters(pocket_model, LORA, [0, 1]) as adapters:
            training = StackedTraining(pocket_model, adapters, members, encoder.pad_id)
            _advance(training, look and (lambda: gradients(pocket_model, rows, True)))
            return training.fits, adapters.values.detach().clone()

    def plain(look):
        with fresh_adapter(pocket_model, LORA, 0) as adapted:
            training = Training(adapted, members[0], encoder.pad_id)
            _advance(training, look and (lambda: gradients(adapted, rows[:1], False)))
            own = [p.detach().flatten() for p in adapted.parameters() if p.requires_grad]
            return training.fit, torch.cat(own)

    def whole(look):
        model = copy.deepcopy(pocket_model).requires_grad_(True)
        training = Training(model, members[0], encoder.pad_id)
        _advance(training, look and (lambda: gradients(model, rows[:1], True)))
        return training.fit, torch.cat([p.detach().flatten() for p in model.parameters()])

    def gradients(model, own, packed):
        last_layer_gradients(model, own, packed, encoder.pad_id)

    for train in (stack, plain, whole):
        (fit, seen), (expected, unseen) = train(True), train(False)
        assert fit == expected and torch.equal(seen, unseen)


def _advance(training, look):
    for step in range(4):
        training.advance(step)
        if look:
            look()


@pytest.mark.parametrize("packed", [True, False])
def test_layers_that_hold_their_weights_transposed(packed):
    """GPT-2, with layers computed twice; each of its gradients has its weight's shape."""
    tokens = {"vocab_size": 40, "bos_token_id": 0, "eos_token_id": 0}
    model = AutoModelForCausalLM.from_config(FAMILIES["gpt2"](**tokens)).double().eval()
    own = [Encoded([3, 1, 4, 1, 5, 9], 3, 6), Encoded([3, 1, 6, 5], 2, 4)]
    block = model.transformer.h[-1]
    modules = [block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj]
    log_p = [model(input_ids=torch.tensor([row.ids])).logits[0].log_softmax(-1) for row in own]
    loss = -sum(
        log_p[i][t - 1, row.ids[t]]
        for i, row in enumerate(own)
        for t in range(row.target_start, len(row.ids))
    ) / sum(row.n_target for row in own)
    names = ["c_attn", "c_proj", "mlp.c_fc", "mlp.c_proj"]
    weights = [module.weight for module in modules]
    expected = dict(zip(names, torch.autograd.grad(loss, weights), strict=True))
    model.requires_grad_(False)
    with checkpointed(model):
        (found,) = last_layer_gradients(model, [own], packed, 0)
    assert close(found.by_module, expected, 1e-10)


def test_one_adapter_that_diverged_spoils_no_other(pocket_model, rows, encoder):
    with stacked_adapters(pocket_model, LoraSettings(), [3, 4]) as adapters:
        good = last_layer_gradients(pocket_model, rows, True, encoder.pad_id)[1]
        adapters.values.data[0] = math.nan
        bad, other = last_layer_gradients(pocket_model, rows, True, encoder.pad_id)
    assert close(other.by_module, good.by_module, 1e-6)
    assert all(math.isnan(x) for x in cosines(bad, bad).values())


def test_wrong_calls_and_unknown_layers_are_refused(pocket_model, rows):
    with pytest.raises(ValueError, match="no rows"):
        last_layer_gradients(pocket_model, [rows[0], []], True, 0)
    with pytest.raises(ValueError, match="2 adapters cannot read padded rows"):
        last_layer_gradients(pocket_model, rows, False, 0)
    with pytest.raises(InputError, match=r"Sequential.*Set diagnostics.every to 0"):
        last_layer_modules(torch.nn.Sequential(torch.nn.Linear(2, 2)))


def row(context, target, content=None):
    ids = [*context, *target]
    return Encoded(ids, len(context), len(context) + (len(target) if content is None else content))


def test_a_shuffled_row_has_the_context_with_the_other_answer_and_its_end():
    found = answered(row([1, 2, 3], [7, 0], 1), row([4], [8, 9, 0, 5], 2))
    assert found == Encoded([1, 2, 3, 8, 9, 0, 5], 3, 5)


def test_shuffles_keep_the_answers_and_are_the_same_every_time():
    rows = [row([10 + i], [50 + i % 2, 0], 1) for i in range(6)]
    shuffled = Shuffled(6, 4)
    found = shuffled.rows(rows)
    assert found == Shuffled(6, 4).rows(rows) and len(found) == 24
    contexts = [own.context for own in rows]
    parts = [found[i : i + 6] for i in range(0, 24, 6)]
    for part in parts:
        assert [own.context for own in part] == contexts
        assert sorted(own.ids[1] for own in part) == [50] * 3 + [51] * 3
    assert len({tuple(own.ids[1] for own in part) for part in parts}) > 1
    same = sum(a.ids == b.ids for part in parts for a, b in zip(part, rows, strict=True))
    assert shuffled.kept(rows) == same / 24
    # Another row with the same answer counts as kept, whatever row it came from.
    assert Shuffled(3, 2).kept([row([i], [5, 0]) for i in range(3)]) == 1


def test_the_floor_is_the_cosine_of_kept_labels_with_an_orthogonal_rest():
    for q in (0.25, 0.5, 1.0):
        g, wrong = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
        mixed = q * g + (1 - q) * wrong
        assert alignment_floor(q) == pytest.approx(float(torch.cosine_similarity(g, mixed, 0)))
    assert alignment_floor(0.5) == pytest.approx(1 / math.sqrt(2)) and alignment_floor(0) == 0


def test_cosines_are_per_module_and_nan_where_a_gradient_is_zero():
    def of(**modules):
        return LayerGradients({n: torch.tensor(g) for n, g in modules.items()}, 1, 1, 1)

    found = cosines(
        of(a=[[3.0, 4.0]], b=[[0.0, 0.0]], c=[[1.0, 0.0]]),
        of(a=[[4.0, 3.0]], b=[[1.0, 0.0]], c=[[-2.0, 0.0]]),
    )
    assert found["a"] == pytest.approx(24 / 25) and found["c"] == pytest.approx(-1)
    assert math.isnan(found["b"])


def test_the_mean_of_shuffled_gradients_is_that_of_all_shuffles_at_once(model64, rows, encoder):
    own = rows[0][:4]
    found = Shuffled(4, 3).rows(own)
    (at_once,) = last_layer_gradients(model64, [found], True, encoder.pad_id)
    each = [
        last_layer_gradients(model64, [found[i : i + 4]], True, encoder.pad_id)[0].by_module
        for i in range(0, 12, 4)
    ]
    mean = {name: sum(g[name] for g in each) / 3 for name in MODULES}
    assert close(at_once.by_module, mean, 1e-10)

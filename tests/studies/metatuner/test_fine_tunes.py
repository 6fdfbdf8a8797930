"""What MetaTuner (small) reads, chooses and writes, against loops over single texts."""

import copy

import pytest
import torch
from safetensors.torch import load_file

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate
from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.learning.scoring import example_losses
from tests.studies.metatuner.conftest import TASK, stir, study_of

METHODS = ["metatuner-no-policy", "metatuner-no-parameters", "metatuner-unshared"]


@pytest.mark.parametrize("method", ["metatuner", *METHODS[:2]])
def test_at_the_start_the_actor_is_the_model_under_the_initial_prompt(bench, method):
    own = bench(method=method)
    with own.begun() as tuned:
        for task in (TASK, "rate"):
            data, rows = own.plan.tasks[task], own.rows("test", 1, task)
            (found,) = tuned.evaluate(data, data.examples("test", 3), [rows])
            model, encoder = own.model, own.engine.encoder
            expected = evaluate(model, encoder, data, data.examples("test", 3), rows, 2)
            assert (found.losses, found.outputs) == (expected.losses, expected.outputs)
            chooses = task == TASK and method != "metatuner-no-policy"
            assert found.chosen == ((own.prompts[1].prompt_id,) * 3 if chooses else ())
        assert tuned.losses([rows]) == [example_losses(model, rows, 2, 0)]


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("metatuner", {"encoder", "decoder", "policy_head"}),
        ("metatuner-joint", {"encoder", "decoder", "policy_head"}),
        ("metatuner-no-policy", {"encoder", "decoder"}),
        ("metatuner-no-parameters", {"policy_encoder", "policy_head"}),
        ("metatuner-unshared", {"encoder", "decoder", "policy_encoder", "policy_head"}),
    ],
)
def test_each_ablation_lacks_its_part(bench, method, parts):
    with bench(method=method).begun() as tuned:
        named = tuned._parts.named()
        assert {name.partition(".")[0] for name in named} == parts
        assert tuned.trained_values == sum(weight.numel() for weight in named.values())
        both = method == "metatuner-unshared"
        assert tuned._parts.depth == pytest.approx(1.0 if both else 0.5)
        scored = tuned.meter.rows("g")
        assert bool(scored) == (method != "metatuner-no-policy"), "labels are for a policy alone"


def test_the_share_says_which_layers_have_adapters(bench):
    for share, layers in ((0.25, {"0"}), (0.5, {"0", "1"}), (1.0, {"0", "1", "2", "3"})):
        with bench(metatuner={"share": share, "target_modules": ["v_proj"]}).begun() as tuned:
            names = tuned._parts.named()
            of_encoder = {name.split(".")[3] for name in names if name.startswith("encoder")}
            assert of_encoder == layers and tuned._parts.depth == share
            written = {name.split(".")[3] for name in names if name.startswith("decoder")}
            assert written == {"0", "1", "2", "3"}


def _state(own, parts, encoder, row):
    """h of one text by itself, with adapters merged into a copy of the model."""
    model = copy.deepcopy(own.model)
    scale = own.study.lora.lora_alpha / own.study.lora.r
    for name in encoder.names:
        a, b = (encoder.weights[f"{name}.{half}"].detach()[0] for half in "ab")
        model.get_submodule(name).weight.data += scale * b @ a
    ids = torch.tensor([row.context])
    hidden = model(input_ids=ids, output_hidden_states=True).hidden_states[2][0]
    mean = hidden.mean(dim=0)
    return mean / mean.square().mean().sqrt()


@torch.no_grad()
@pytest.mark.parametrize("method", ["metatuner", *METHODS])
def test_a_batch_is_answered_as_each_text_by_itself(bench, method):
    own = bench(method=method)
    with own.begun() as tuned:
        parts = tuned._parts
        stir(parts)
        if parts.choosing is not None:
            parts.settle(own.rows("train", 1)[:8])
            # So that the first text is read under one candidate and the second under another.
            states = parts.states(parts.choosing, own.rows("test", 1)[:2])
            parts.head.data[[0, 2], :-1] = (states - parts._mean) / parts._spread
        data, encoder = own.plan.tasks[TASK], own.engine.encoder
        examples, rows = data.examples("test", 3), own.rows("test", 1)
        (found,) = tuned.evaluate(data, examples, [rows])
        chosen = set()
        for i, row in enumerate(rows):
            place, model = 1, copy.deepcopy(own.model)
            if parts.choosing is not None:
                state = _state(own, parts, parts.choosing, row)
                read = torch.cat([(state - parts._mean) / parts._spread, torch.ones(1)])
                place = int((parts.head @ read).argmax())
                assert found.chosen[i] == own.prompts[place].prompt_id
            chosen.add(place)
            if parts.writing is not None:
                state = _state(own, parts, parts.writing, row)
                for name, (a, b) in parts.decoder.pairs(state[None]).items():
                    model.get_submodule(name).weight.data += b[0] @ a[0]
            alone = evaluate(
                model, encoder, data, [examples[i]], [own.rows("test", place)[i]], size=1
            )
            assert found.losses[i] == pytest.approx(alone.losses[0], rel=1e-10)
            assert found.outputs[i] == alone.outputs[0]
        if parts.choosing is not None:
            assert len(chosen) > 1


@torch.no_grad()
def test_the_policy_reads_what_texts_differ_in(bench):
    own = bench()
    with own.begun() as tuned:
        parts, rows = tuned._parts, own.rows("train", 1)[:8]
        states = torch.stack([_state(own, parts, parts.choosing, row) for row in rows])
        read = (states - states.mean(dim=0)) / states.std(dim=0, correction=0).norm() * 128**0.5
        head = torch.zeros(3, 129, dtype=torch.float64)
        head[2, 5], head[1, 128] = 2.0, 7.0
        expected = torch.stack([torch.zeros(8), torch.full((8,), 7.0), 2 * read[:, 5]], dim=1)
        assert torch.allclose(parts.scores(head, states), expected, rtol=0, atol=1e-9)


@torch.no_grad()
def test_other_tasks_are_read_under_their_own_prompt_with_what_is_written_from_it(bench):
    own = bench()
    with own.begun() as tuned:
        stir(tuned._parts)
        rows = own.rows("test", 0, "rate")
        (losses,) = tuned.losses([rows])
        for row, loss in zip(rows, losses, strict=True):
            model = copy.deepcopy(own.model)
            state = _state(own, tuned._parts, tuned._parts.writing, row)
            for name, (a, b) in tuned._parts.decoder.pairs(state[None]).items():
                model.get_submodule(name).weight.data += b[0] @ a[0]
            (alone,) = example_losses(model, [row], 1, 0)
            assert loss.nll_sum == pytest.approx(alone.nll_sum, rel=1e-10)


@torch.no_grad()
def test_padding_leaves_no_trace_in_what_is_read(bench):
    own = bench()
    with own.begun() as tuned:
        parts = tuned._parts
        stir(parts)
        rows = [*own.rows("test", 0), *own.rows("test", 0, "rate")]
        assert len({row.target_start for row in rows}) > 1
        together = parts.states(parts.writing, rows)
        for row, state in zip(rows, together, strict=True):
            alone = parts.states(parts.writing, [row])[0]
            assert torch.allclose(alone, state, rtol=0, atol=1e-10)


def test_looks_take_the_actors_gradient_and_dev_loss(bench):
    own = bench()
    with own.begun() as tuned:
        stir(tuned._parts)
        rows = own.rows("test", 1)
        (gradients,) = tuned.gradients([rows])
        (mean,) = tuned.mean_losses([rows])
        (losses,) = tuned.losses([rows])
        total = sum(own.nll_sum for own in losses) / sum(own.n_tokens for own in losses)
        assert mean.value == pytest.approx(total, rel=1e-12)
        read = tuned._reading(rows)
        weight = own.model.model.layers[3].self_attn.v_proj.weight
        weight.requires_grad_(True)
        try:
            inputs, labels = collate(read.rows, 0, torch.device("cpu"))
            with read.around(read.rows):
                logits = own.model(**inputs, use_cache=False).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
            (expected,) = torch.autograd.grad(loss, weight)
        finally:
            weight.requires_grad_(False)
        found = gradients.by_module["v_proj"]
        assert (found - expected).abs().max() < 1e-9 * expected.abs().max()
        assert tuned.delta_norms() is None and tuned.soft_prompts() is None


def test_what_cannot_be_is_refused_with_words(bench, tmp_path):
    with pytest.raises(InputError, match=r"keep_adapters .* metatuner-joint writes one for each"):
        study_of("metatuner-joint", keep_adapters=True)
    with pytest.raises(InputError, match=r"metatuner.target_modules .* q_proj, up_proj, v_proj"):
        with bench(metatuner={"target_modules": ["c_attn"]}).begun():
            pass
    with pytest.raises(InputError, match=r"lora.target_modules reaches nothing .* metatuner.share"):
        lora = {"target_modules": r"model.layers.3.mlp.up_proj"}
        with bench(lora={"target_modules": [lora["target_modules"]]}).begun():
            pass
    with bench().begun() as tuned:
        tuned.save(0, tmp_path)
        kept = load_file(tmp_path / "metatuner.safetensors")
        assert kept.keys() - tuned._parts.named().keys() == {"policy_mean", "policy_spread"}
        with pytest.raises(InputError, match="Set keep_adapters to false"):
            tuned.export(0, tmp_path, "pocket")

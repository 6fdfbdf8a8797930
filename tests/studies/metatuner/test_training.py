"""What each loss of MetaTuner (small) reaches, and what training comes to."""

import pytest
import torch

from sapo_analysis.learning.batching import collate
from sapo_analysis.learning.members import batch_order
from sapo_analysis.studies.metatuner.labels import labels_now
from tests.studies.metatuner.conftest import TASK, stir


def reached(tuned, loss):
    """Parts that a loss has a gradient by, and that it is zero nowhere by chance."""
    for weight in tuned._parts.named().values():
        weight.grad = None
    torch.autograd.backward(loss)
    found = {n: w.grad for n, w in tuned._parts.named().items() if w.grad is not None}
    assert all(gradient.abs().max() > 0 for gradient in found.values())
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize(
    ("method", "by_main", "by_supervised"),
    [
        ("metatuner", {"encoder", "decoder"}, {"encoder", "policy_head"}),
        ("metatuner-joint", {"encoder", "decoder"}, {"encoder", "policy_head"}),
        ("metatuner-unshared", {"encoder", "decoder"}, {"policy_encoder", "policy_head"}),
        ("metatuner-no-policy", {"encoder", "decoder"}, None),
        ("metatuner-no-parameters", None, {"policy_encoder", "policy_head"}),
    ],
)
def test_each_loss_reaches_exactly_its_parts(bench, method, by_main, by_supervised):
    own = bench(method=method)
    before = {name: weight.clone() for name, weight in own.model.named_parameters()}
    with own.begun() as tuned:
        stir(tuned._parts)
        training = tuned._training
        if by_main is not None:
            assert reached(tuned, training.main_loss([0, 5, 7])) == by_main
        else:
            assert not training.main_loss([0, 5, 7]).requires_grad
        if by_supervised is not None:
            assert reached(tuned, training.supervised_loss([1, 2])) == by_supervised
        tuned.train(1)
        assert tuned._parts.asked.grad is None and not tuned._parts.asked.requires_grad
    after = dict(own.model.named_parameters())
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    assert not any(weight.requires_grad or weight.grad is not None for weight in after.values())


@pytest.mark.parametrize("loss", ["main_loss", "supervised_loss"])
def test_gradients_are_those_of_finite_differences(bench, loss):
    with bench(metatuner={"target_modules": ["v_proj"], "hidden": 4, "r": 1}).begun() as tuned:
        stir(tuned._parts)
        take = getattr(tuned._training, loss)
        reached(tuned, take([0, 3]))
        step = 1e-6
        for name, weight in tuned._parts.named().items():
            if weight.grad is None or "head" not in name and "layers.0.self_attn.v" not in name:
                continue
            place = int(weight.grad.abs().argmax())
            flat = weight.data.view(-1)
            values = []
            for sign in (1, -1):
                flat[place] += sign * step
                with torch.no_grad():
                    values.append(float(take([0, 3])))
                flat[place] -= sign * step
            found = float(weight.grad.view(-1)[place])
            assert (values[0] - values[1]) / (2 * step) == pytest.approx(found, rel=1e-4), name


def test_labels_are_those_of_every_text_under_every_candidate(bench):
    for engine in ("plain", "stacked"):
        own = bench(engine)
        with own.begun() as tuned, torch.no_grad():
            found = list(tuned._labels)
            assert own.tuners._labels == {("state", TASK): found}
        expected = []
        for i in range(8):
            losses = []
            for place in range(3):
                row = own.rows("train", place)[i]
                log_p = own.model(torch.tensor([row.ids])).logits[0].log_softmax(-1)
                targets = range(row.target_start, len(row.ids))
                losses.append(-sum(float(log_p[t - 1, row.ids[t]]) for t in targets))
            expected.append(losses.index(min(losses)))
        assert found == expected
    assert len(set(expected)) > 1


def test_labels_are_found_once_per_state_and_refreshed_with_what_is_written(bench):
    own = bench(metatuner={"labelled": 8, "refresh": 2, "r": 2, "hidden": 8})
    with own.begun() as tuned:
        assert len(tuned.meter.rows("g")) == 1
        training, parts = tuned._training, tuned._parts
        first = list(training._labels)
        assert (
            labels_now(own.model, parts, own.tuners._candidates[TASK], own.rows("train", 1)[:8], 0)
            == first
        ), "nothing is written yet"
        asked = []
        training._relabel = lambda: asked.append(len(training._losses))
        tuned.train()
        assert asked == [2]
        del training._relabel
        stir(parts)
        before = training.fit.tokens
        training._relabel()
        assert training._labels != first and training.fit.tokens > before + 3 * 8 * 20
    with own.begun() as tuned:
        assert tuned.meter.rows("g") == []


def test_a_copy_of_the_policy_chooses_until_it_is_brought_up_to_date(bench):
    with bench(metatuner={"sync": 2}).begun() as tuned:
        parts, seen = tuned._parts, []
        for until in (1, 2, 3):
            tuned.train(until)
            seen.append((parts.head.detach().clone(), parts.asked.clone()))
        assert all(float(asked.abs().max()) == 0 for _, asked in seen[:2])
        assert torch.equal(seen[2][1], seen[1][0]) and not torch.equal(seen[2][0], seen[1][0])


@pytest.mark.parametrize("method", ["metatuner", "metatuner-joint"])
def test_a_step_is_an_update_by_each_loss_or_one_by_their_sum(bench, method):
    """Against AdamW and the two losses by hand; the actor meets the examples that LoRA would."""
    own = bench(method=method, metatuner={"alpha": 0.3, "sync": 1, "r": 2, "hidden": 8})
    with own.begun() as tuned:
        tuned.train(2)
        found = {n: w.detach().clone() for n, w in tuned._parts.named().items()}
        losses = tuned.fits[0].losses
    with own.begun() as tuned:
        training, parts = tuned._training, tuned._parts
        weights = list(parts.named().values())
        optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0)
        order = batch_order(12, 4, 5)
        for step in range(2):
            parts.asked = parts.head.detach().clone()

            def update(loss):
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()

            main, labelled = training.main_loss(next(order)), next(training._labelled)
            assert losses[step] == pytest.approx(float(main.detach()), rel=1e-9)
            if method == "metatuner":
                update(main)
                update(0.3 * training.supervised_loss(labelled))
            else:
                update(main + 0.3 * training.supervised_loss(labelled))
        for name, weight in parts.named().items():
            assert torch.allclose(weight.detach(), found[name], rtol=0, atol=1e-9), name


def test_where_training_pauses_and_what_is_computed_twice_decide_nothing(bench):
    found = []
    for pauses, memory in (([], {}), ([1], {}), ([], {"gradient_checkpointing": True})):
        own = bench(memory=memory, lora={"r": 2, "lora_alpha": 4, "lora_dropout": 0.1})
        with own.begun() as tuned:
            for pause in pauses:
                tuned.train(pause)
                assert len(tuned.fits[0].losses) == pause
            tuned.train()
            found.append((tuned.fits[0], [w.detach() for w in tuned._parts.named().values()]))
    (whole, weights), *others = found
    assert len(whole.losses) == len(whole.grad_norms) == 3
    for fit, own in others:
        assert fit == whole
        assert all(torch.equal(a, b) for a, b in zip(own, weights, strict=True))


def test_all_prompts_start_equal_and_seeds_do_not(bench):
    starts = []
    for place, seed in ((0, 5), (1, 5), (1, 6)):
        with bench().begun(place, seed) as tuned:
            starts.append([w.detach().clone() for w in tuned._parts.named().values()])
    assert all(torch.equal(a, b) for a, b in zip(starts[0], starts[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(starts[1], starts[2], strict=True))


def test_tokens_are_those_of_all_passes(bench):
    own = bench(method="metatuner-no-policy")
    with own.begun() as tuned:
        tuned.train(1)
        rows = [own.rows("train", 1)[i] for i in next(batch_order(12, 4, 5))]
        inputs, _ = collate(rows, 0, torch.device("cpu"))
        read = int(inputs["attention_mask"].sum())
        half = sum(row.target_start for row in rows) / 2
        assert tuned.fits[0].tokens == round(read + half) and tuned.fits[0].logits == read


def test_a_divergence_stops_training(bench):
    with bench(metatuner={"learning_rate": 1e30}).begun() as tuned:
        tuned.train()
        assert tuned.fits[0].diverged and len(tuned.fits[0].losses) < 3


def test_the_policy_learns_which_prompt_is_best_for_which_text(bench, pocket_model):
    """A toy: for short texts it is the first, for long ones the last."""
    own = bench(
        method="metatuner-no-parameters",
        metatuner={"labelled": 32, "learning_rate": 3e-3},
        training={"examples": 32, "batch_size": 8, "steps": 8},
    )
    own.model = pocket_model
    rows = own.rows("train", 1)
    middle = sorted(row.target_start for row in rows)[16]
    labels = [0 if row.target_start <= middle else 2 for row in rows]
    own.tuners._labels["state", TASK] = labels

    with own.begun() as tuned:
        parts = tuned._parts

        def accuracy():
            chosen = parts.chosen(parts.head, parts.states(parts.choosing, rows), [1] * 32)
            return sum(a == b for a, b in zip(chosen, labels, strict=True)) / 32

        assert accuracy() == 0, "the initial prompt, at first"
        tuned.train()
        assert accuracy() > max(map(labels.count, (0, 2))) / 32 + 0.15

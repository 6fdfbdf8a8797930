"""ProMoT and the methods with soft parts keep what they promise, on both engines."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from sapo_analysis.errors import InputError
from sapo_analysis.learning.members import Drawn
from sapo_analysis.methods import make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from tests.studies.composed.conftest import assert_same, snapshot

ALWAYS_ON = ["prompt-tuning", "p-tuning", "prefix-tuning", "ia3"]
STAGED = ["promot", "promot-lora-first", "promot-joint", "promot-random"]
TWO = [("sentiment", 11), ("colour", 12)]


def parts_of(tuned):
    return tuned._parts.by_name


@pytest.mark.parametrize("engine_name", ["stacked", "plain"])
def test_stage_1_trains_the_soft_prompt_alone_and_stage_2_leaves_it(bench, engine_name):
    engine = bench.engine(engine_name)
    before = snapshot(bench.base)
    block, members = bench.tuned(engine, "promot", TWO[:1])
    with block as tuned:
        tuned.begin(members)
        start = {name: part.values.clone() for name, part in parts_of(tuned).items()}
        tuned.train(3)
        after_1 = {name: part.values.clone() for name, part in parts_of(tuned).items()}
        assert not torch.equal(after_1["soft-prompt"], start["soft-prompt"])
        assert torch.equal(after_1["lora"], start["lora"])
        tuned.train()
        after_2 = {name: part.values.clone() for name, part in parts_of(tuned).items()}
        assert torch.equal(after_2["soft-prompt"], after_1["soft-prompt"])
        assert not torch.equal(after_2["lora"], start["lora"])
        assert len(tuned.fits[0].losses) == tuned.total_steps == 5
    assert_same(bench.base, before)
    assert not any(weight.requires_grad for weight in bench.base.parameters())


@pytest.mark.parametrize("method", [*ALWAYS_ON, *STAGED])
def test_a_stack_trains_each_as_the_plain_loop_does(bench, method):
    stacked = bench.engine("stacked")
    block, members = bench.tuned(stacked, method, TWO)
    with block as tuned:
        tuned.begin(members)
        tuned.train()
        together = [
            {name: part.values[k].clone() for name, part in parts_of(tuned).items()}
            for k in range(2)
        ]
        losses = [fit.losses for fit in tuned.fits]
    plain = bench.engine("plain")
    for k, one in enumerate(TWO):
        block, members = bench.tuned(plain, method, [one])
        with block as tuned:
            tuned.begin(members)
            tuned.train()
            for name, part in parts_of(tuned).items():
                torch.testing.assert_close(part.values[0], together[k][name], rtol=0, atol=1e-9)
            assert tuned.fits[0].losses == pytest.approx(losses[k], rel=1e-9)


def test_where_training_pauses_decides_nothing(bench):
    engine = bench.engine("stacked")
    found = []
    for pauses in ([], [1, 3, 4]):
        block, members = bench.tuned(engine, "promot", TWO)
        with block as tuned:
            tuned.begin(members)
            for pause in pauses:
                tuned.train(pause)
                assert len(tuned.fits[0].losses) == pause
            tuned.train()
            found.append([part.values.clone() for part in parts_of(tuned).values()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_stage_keeps_the_checkpoint_that_is_best_on_dev_rows(bench):
    engine = bench.engine("stacked")
    looked = []
    block, members = bench.tuned(engine, "promot", TWO)
    with block as tuned:
        tuned.begin(members)
        phases, judge = tuned._phases, tuned._judge

        def judged(devs):
            found = judge(devs)
            prompts = parts_of(tuned)["soft-prompt"].values
            looked.append([(one.value, -one.loss) for one in found] + [prompts.clone()])
            # Told that the second checkpoint was the best of the first, and the last of the other.
            n = len(looked)
            return [
                replace(found[0], value=100.0 if n == 2 else 0.0),
                replace(found[1], value=float(n)),
            ]

        phases._judge = judged
        tuned.train(3)
        kept = parts_of(tuned)["soft-prompt"].values
        assert len(looked) == 3  # one after each step
        assert torch.equal(kept[0], looked[1][2][0])
        assert torch.equal(kept[1], looked[2][2][1])
        assert not torch.equal(kept[0], looked[2][2][0])


def test_of_equally_good_checkpoints_the_first_is_kept(bench):
    engine = bench.engine("plain")
    block, members = bench.tuned(engine, "promot", TWO[:1])
    seen = []
    with block as tuned:
        tuned.begin(members)
        judge = tuned._judge

        def judged(devs):
            seen.append(parts_of(tuned)["soft-prompt"].values.clone())
            return [replace(one, value=50.0, loss=1.0) for one in judge(devs)]

        tuned._phases._judge = judged
        tuned.train(3)
        assert torch.equal(parts_of(tuned)["soft-prompt"].values, seen[0])


@pytest.mark.parametrize("engine_name", ["stacked", "plain"])
@pytest.mark.parametrize("method", ["ia3", "promot", "promot-lora-first"])
def test_untrained_and_off_it_is_the_base_model(bench, method, engine_name):
    engine = bench.engine(engine_name)
    data, examples, rows = bench.test_rows(engine, "rate")
    base = engine.evaluate(bench.base, data, examples, rows)
    block, _ = bench.tuned(engine, method, TWO[:1])
    with block as tuned:
        (found,) = tuned.evaluate(data, examples, [rows])
        (scored,) = tuned.losses([rows])
    assert found.losses == pytest.approx(base.losses, abs=1e-12)
    assert found.outputs == base.outputs
    assert [one.nll_sum / one.n_tokens for one in scored] == pytest.approx(base.losses, abs=1e-12)


def test_full_fine_tuning_behind_a_soft_prompt_starts_at_the_base(bench):
    engine = bench.engine("stacked", promot={"steps": 2, "update": "full"}, method="promot")
    data, examples, rows = bench.test_rows(engine, "rate")
    base = engine.evaluate(bench.base, data, examples, rows)
    before = snapshot(bench.base)
    block, members = bench.tuned(engine, "promot", TWO[:1])
    with block as tuned:
        (found,) = tuned.evaluate(data, examples, [rows])
        assert found.losses == pytest.approx(base.losses, abs=1e-12)
        tuned.begin(members)
        tuned.train(2)
        own = snapshot(tuned._parts.model)
        tuned.train()
        after = snapshot(tuned._parts.model)
        assert any(not torch.equal(own[name], after[name]) for name in own)
        soft = {n for n in own if torch.equal(own[n], before[n.replace(".base.", ".")])}
        assert soft == set(own)  # stage 1 had changed no weight
    assert_same(bench.base, before)


def test_the_soft_prompt_is_on_for_its_own_task_alone(bench):
    engine = bench.engine("stacked")
    tests = {task: bench.test_rows(engine, task) for task in ("sentiment", "colour", "rate")}
    bases = {task: engine.evaluate(bench.base, *test) for task, test in tests.items()}
    block, members = bench.tuned(engine, "promot", TWO)
    with block as tuned:
        tuned.begin(members)
        tuned.train(3)  # stage 1 alone: without its prompt each is still the base
        for task, (data, examples, rows) in tests.items():
            base = bases[task]
            found = tuned.evaluate(data, examples, [rows, rows])
            for (own, _), one in zip(TWO, found, strict=True):
                same = one.losses == pytest.approx(base.losses, abs=1e-9)
                assert same == (own != task)


@pytest.mark.parametrize("method", ["promot", "promot-lora-first"])
def test_a_later_stage_finds_each_task_behind_its_own_part(bench, method, tmp_path):
    engine = bench.engine("stacked")
    own, rate = bench.test_rows(engine, "sentiment"), bench.test_rows(engine, "rate")
    block, members = bench.tuned(engine, method, TWO[:1])
    with block as tuned:
        tuned.begin(members)
        tuned.train()
        was = [tuned.evaluate(data, examples, [rows])[0] for data, examples, rows in (own, rate)]
        tuned.save(0, tmp_path / "s")
    recipe = make_method(method, engine.study).recipe(1)
    start = AdapterStart(5, carried=tmp_path / "s", removable=tmp_path / "s")
    block, _ = bench.tuned(engine, method, [("colour", 5)], recipe, [start])
    with block as later:
        for before, (data, examples, rows) in zip(was, (own, rate), strict=True):
            (found,) = later.evaluate(data, examples, [rows])
            assert found.losses == pytest.approx(before.losses, abs=1e-12)
        later.save(0, tmp_path / "t")
    kept = load_file(tmp_path / "t" / "removable.safetensors")
    assert sorted(kept) == ["colour", "sentiment"]
    assert torch.equal(
        kept["sentiment"], load_file(tmp_path / "s" / "removable.safetensors")["sentiment"]
    )


@pytest.mark.parametrize("method", ALWAYS_ON)
def test_what_is_always_on_is_carried_exactly(bench, method, tmp_path):
    engine = bench.engine("stacked")
    data, examples, rows = bench.test_rows(engine, "rate")
    block, members = bench.tuned(engine, method, TWO[:1])
    with block as tuned:
        tuned.begin(members)
        tuned.train()
        (was,) = tuned.evaluate(data, examples, [rows])
        tuned.save(0, tmp_path / "s")
    start = AdapterStart(5, carried=tmp_path / "s")
    block, _ = bench.tuned(engine, method, [("colour", 5)], starts=[start])
    with block as later:
        (found,) = later.evaluate(data, examples, [rows])
        (scored,) = later.losses([rows])
    assert found.losses == was.losses
    assert [one.nll_sum / one.n_tokens for one in scored] == pytest.approx(was.losses, abs=1e-9)


def test_a_state_that_is_gone_is_named(bench, tmp_path):
    engine = bench.engine("stacked")
    for method, start in (
        ("ia3", AdapterStart(5, carried=tmp_path)),
        ("promot", AdapterStart(5, removable=tmp_path)),
    ):
        block, _ = bench.tuned(engine, method, [("colour", 5)], starts=[start])
        with pytest.raises(InputError, match=r"missing.*Run its spec\.json again"), block:
            pass


def test_one_that_diverges_in_stage_1_stops_and_the_others_go_on(bench):
    engine = bench.engine("stacked")
    block, members = bench.tuned(engine, "promot", TWO)
    with block as tuned:
        with torch.no_grad():
            parts_of(tuned)["soft-prompt"].values[0] = float("nan")
        tuned.begin(members)
        tuned.train()
        first, second = tuned.fits
        assert first.diverged and len(first.losses) < 5
        assert not second.diverged and len(second.losses) == 5
        alone = parts_of(tuned)["lora"].values[1].clone()
    block, members = bench.tuned(bench.engine("plain"), "promot", TWO[1:])
    with block as tuned:
        tuned.begin(members)
        tuned.train()
        torch.testing.assert_close(parts_of(tuned)["lora"].values[0], alone, rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", ["promot", "prompt-tuning"])
def test_drawn_prompts_are_read_behind_what_is_on_too_with_mixed_rows_among_them(bench, method):
    engine = bench.engine("stacked")
    data, _, _ = bench.test_rows(engine, "colour")
    prompt = engine.plan.originals["colour"]
    mixed = [("colour", engine.encoder.encode_split(data, "train", 6, prompt))]
    found = []
    for drawn in (False, True):
        block, (member,) = bench.tuned(engine, method, TWO[:1])
        # Two prompts that say the same are one.
        twice = Drawn([member.rows, member.rows], 1) if drawn else None
        with block as tuned:
            tuned.begin([replace(member, mixed=mixed, drawn=twice)])
            tuned.train()
            found.append([part.values.clone() for part in parts_of(tuned).values()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("update", ["lora", "full"])
def test_gradient_checkpointing_changes_nothing(bench, update):
    found = []
    for wanted in (False, True):
        engine = bench.engine(
            "stacked",
            memory={"gradient_checkpointing": wanted},
            promot={"steps": 2, "select_every": 2, "dev_examples": 2, "update": update},
        )
        block, members = bench.tuned(engine, "promot", TWO[:1])
        with block as tuned:
            tuned.begin(members)
            tuned.train()
            found.append(tuned.fits[0].losses)
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_chains_of_other_pasts_share_a_stack_each_with_its_own_soft_prompts(bench, tmp_path):
    """One has learned sentiment then colour, the other rate then sentiment; job is next."""
    engine = bench.engine("stacked", current=["sentiment", "colour", "job"])
    tests = {task: bench.test_rows(engine, task) for task in ("sentiment", "colour", "rate")}
    orders, starts, was = [("sentiment", "colour"), ("rate", "sentiment")], [], []
    for k, order in enumerate(orders):
        start = AdapterStart(k)
        for i, task in enumerate(order):
            recipe = make_method("promot", engine.study).recipe(i)
            block, members = bench.tuned(engine, "promot", [(task, 20 + k)], recipe, [start])
            with block as tuned:
                tuned.begin(members)
                tuned.train()
                folder = tmp_path / f"{k}-{i}"
                tuned.save(0, folder)
                start = AdapterStart(5, carried=folder, removable=folder)
                if i == 1:
                    found = {
                        name: tuned.evaluate(data, examples, [rows])[0].losses
                        for name, (data, examples, rows) in tests.items()
                    }
        starts.append(start)
        was.append(found)
    recipe = make_method("promot", engine.study).recipe(2)
    block, _ = bench.tuned(engine, "promot", [("job", 5), ("job", 6)], recipe, starts)
    with block as later:
        for name, (data, examples, rows) in tests.items():
            for own, found in zip(was, later.evaluate(data, examples, [rows] * 2), strict=True):
                assert found.losses == pytest.approx(own[name], abs=1e-12), name


@pytest.mark.parametrize("method", ["promot", "promot-lora-first", "ia3", "prefix-tuning"])
def test_a_task_that_nothing_was_trained_on_is_scored_as_it_is_tested(bench, method):
    engine = bench.engine("stacked")
    data, examples, rows = bench.test_rows(engine, "rate")
    block, members = bench.tuned(engine, method, TWO[:1])
    with block as tuned:
        tuned.begin(members)
        tuned.train()
        (tested,) = tuned.evaluate(data, examples, [rows])
        (scored,) = tuned.losses([rows])
        chosen = tuned.lowest([rows], 4, lambda *told: None)
    losses = [
        [one.nll_sum / one.n_tokens for one in own] for own in (scored, chosen.candidates[0].losses)
    ]
    assert losses[0] == pytest.approx(tested.losses, abs=1e-12)
    assert losses[1] == pytest.approx(tested.losses, abs=1e-12)

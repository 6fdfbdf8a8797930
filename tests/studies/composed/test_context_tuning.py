"""Context tuning keeps what it promises, on both engines, with prompts of unequal length."""

from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from sapo_analysis.errors import InputError
from sapo_analysis.learning.format_gradient import answered
from sapo_analysis.learning.members import Member
from sapo_analysis.methods import make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.encoding import encode
from sapo_analysis.studies.composed import Begun, check_recipe, composed, step_tokens
from tests.studies.composed.conftest import assert_same, snapshot
from tests.tiny_sequence import tiny_sequence

METHODS = ["ct-prompt", "ct-kv"]
SHORT, LONG = "Judge it.", "Read the text and then say with a single word what it is about, please."
K = 2


@pytest.fixture
def engine_of(bench):
    def made(name, **own):
        settings = {"demonstrations": K, "token_drop": 0.2, "learning_rate": 0.01, **own}
        return bench.engine(name, context_tuning=settings, training=TRAINING)

    return made


TRAINING = {"examples": 6, "batch_size": 3, "steps": 3}


def tuned(bench, engine, method, which, recipe=None, starts=None):
    """A block with fine-tunes of tasks under prompts, and their members."""
    made = make_method(method, engine.study)
    starts = starts or [AdapterStart(seed) for *_, seed in which]
    begun = [
        Begun(start, engine.plan.tasks[task], engine.plan.originals[task].text, prompt)
        for start, (task, prompt, _) in zip(starts, which, strict=True)
    ]
    members = [
        Member(
            [
                encode(engine.encoder.tokenizer, prompt, data.suffix, row)
                for row in data.examples("train", TRAINING["examples"])
            ],
            made.training(0),
            seed,
        )
        for task, prompt, seed in which
        for data in [engine.plan.tasks[task]]
    ]
    return composed(engine, bench.base, recipe or made.recipe(0), begun), members


def part_of(block):
    return next(iter(block._parts.by_name.values()))


BOTH = [("sentiment", SHORT, 11), ("sentiment", LONG, 12)]


@pytest.mark.parametrize("method", METHODS)
def test_before_the_first_step_it_is_in_context_learning(bench, engine_of, method):
    """Of every task: demonstrations of one, and texts of another under its own prompt."""
    engine = engine_of("stacked")
    shown = engine.plan.tasks["sentiment"].examples("train", K)
    plain = engine_of("plain")
    for name in ("sentiment", "rate"):
        data, examples, rows = bench.test_rows(engine, name)
        expected = []
        for _, prompt, _ in BOTH:
            behind = [_after_turns(engine, prompt, shown, row) for row in rows]
            expected.append(engine.evaluate(bench.base, data, examples, behind))
        with tuned(bench, engine, method, BOTH)[0] as block:
            found = block.evaluate(data, examples, [rows, rows])
            scored = block.losses([rows, rows])
        with tuned(bench, plain, method, BOTH[1:])[0] as block:
            found += block.evaluate(data, examples, [rows])
        for one, other in zip(found, [*expected, expected[1]], strict=True):
            assert one.losses == pytest.approx(other.losses, abs=1e-9)
            assert one.outputs == other.outputs
        for one, other in zip(scored, expected, strict=True):
            losses = [loss.nll_sum / loss.n_tokens for loss in one]
            assert losses == pytest.approx(other.losses, abs=1e-9)


def _after_turns(engine, prompt, shown, row):
    """A row with demonstrations of another prompt before it; this model's layout has no head."""
    tokenizer, suffix = engine.encoder.tokenizer, engine.plan.tasks["sentiment"].suffix
    turns = [token for one in shown for token in encode(tokenizer, prompt, suffix, one).ids]
    n = len(turns)
    return replace(
        row, ids=turns + row.ids, target_start=row.target_start + n, content_end=row.content_end + n
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_stack_of_unequal_lengths_trains_each_as_the_plain_loop_does(bench, engine_of, method):
    before = snapshot(bench.base)
    block, members = tuned(bench, engine_of("stacked"), method, BOTH)
    with block as stack:
        stack.begin(members)
        stack.train(1)  # where it pauses decides nothing
        stack.train()
        together = [part_of(stack).of(k) for k in range(2)]
        losses = [fit.losses for fit in stack.fits]
        left = part_of(stack).leaves["prompt" if method == "ct-prompt" else "keys"][0]
        shorter, longer = part_of(stack).lengths
        assert shorter < longer and not left[..., shorter:, :].any()
    plain = engine_of("plain")
    for k, one in enumerate(BOTH):
        block, members = tuned(bench, plain, method, [one])
        with block as alone:
            started = part_of(alone).of(0)
            alone.begin(members)
            alone.train()
            for name, weights in part_of(alone).of(0).items():
                torch.testing.assert_close(weights, together[k][name], rtol=0, atol=1e-9)
                assert not torch.equal(weights, started[name])
            assert alone.fits[0].losses == pytest.approx(losses[k], rel=1e-9)
    assert_same(bench.base, before)


@pytest.mark.parametrize("engine_name", ["stacked", "plain"])
def test_tokens_read_are_foreseen(bench, engine_of, engine_name):
    engine = engine_of(engine_name)
    # Two steps of three rows meet each of six rows once.
    settings = engine.study.training.model_copy(update={"steps": 2})
    engine.study = engine.study.model_copy(update={"training": settings})
    recipe = make_method("ct-kv", engine.study).recipe(0)
    block, (member,) = tuned(bench, engine, "ct-kv", BOTH[1:], recipe)
    begun = Begun(AdapterStart(0), engine.plan.tasks["sentiment"], "", LONG)
    foreseen = 2 * step_tokens(engine, recipe, begun, member.rows)
    with block as stack:
        stack.begin([member])
        stack.train()
        (fit,) = stack.fits
    if engine_name == "stacked":
        assert fit.tokens == pytest.approx(foreseen)
    else:  # Hidden tokens are padding there.
        assert 0.6 * foreseen < fit.tokens < foreseen


@pytest.mark.parametrize("method", METHODS)
def test_a_demonstration_that_is_trained_on_misses_its_own_slice_alone(bench, engine_of, method):
    engine = engine_of("stacked", token_drop=0.0)
    block, (member,) = tuned(bench, engine, method, BOTH[:1])
    with block as stack:
        rows = stack._standing.member(0, member).rows
        context = stack._parts.contexts[0]
        whole = stack._standing.rows(0, "sentiment", member.rows)
        for i, (row, full) in enumerate(zip(rows, whole, strict=True)):
            own = set(context.slice_of(i)) if i < K else set()
            assert set(full.ids) - set(row.ids) == {full.ids[place] for place in own}
        assert rows[K:] == whole[K:]
        # What its slice is changes nothing of its loss; what the other one is does.
        leaf = part_of(stack).leaves["prompt" if method == "ct-prompt" else "values"]
        was = _sums(engine, stack, rows)
        for i in range(K):
            saved = leaf.detach().clone()
            with torch.no_grad():
                leaf[..., list(context.slice_of(i)), :] += 0.3
            now = _sums(engine, stack, rows)
            changed = [a != b for a, b in zip(was, now, strict=True)]
            assert changed == [row != i for row in range(len(rows))]
            with torch.no_grad():
                leaf.copy_(saved)


def _sums(engine, stack, rows):
    # One by one: where they share a prefix is no matter then.
    model = stack._parts.model
    return [engine.losses_all(model, [[row]])[0][0].nll_sum for row in rows]


def test_a_training_row_with_the_input_of_a_demonstration_misses_it_too(bench, engine_of):
    engine = engine_of("stacked", token_drop=0.0)
    data = engine.plan.tasks["sentiment"]
    rows = data.examples("train")
    twice = [*rows[:4], rows[1], rows[5]]
    again = replace(data, load=lambda split: twice if split == "train" else rows)
    engine.plan.tasks["sentiment"] = again
    block, (member,) = tuned(bench, engine, "ct-prompt", BOTH[:1])
    with block as stack:
        found = stack._standing.member(0, member).rows
    assert found[4] == found[1] and found[5].positions is None


@pytest.mark.parametrize("name", ["stacked", "plain"])
def test_a_look_at_a_gradient_shows_no_training_row_its_own_demonstration(bench, engine_of, name):
    """Looks read training rows, also in another order and with other labels (`Shuffled`)."""
    engine = engine_of(name, demonstrations=3)
    block, (member,) = tuned(bench, engine, "ct-prompt", BOTH[:1])
    with block as one:
        one.begin([member])
        mixed = [member.rows[2], answered(member.rows[0], member.rows[1]), member.rows[3]]
        slices, leaf = one._parts.contexts[0].slice_of, part_of(one).leaves["prompt"]

        def gradients():
            found = [one.gradients([[row]])[0].by_module.values() for row in mixed]
            return [torch.cat([own.flatten() for own in each]) for each in found]

        was = gradients()
        for i in (0, 1, 2):
            saved = leaf.detach().clone()
            with torch.no_grad():
                leaf[:, list(slices(i))] += 0.3
            moved = [not torch.equal(a, b) for a, b in zip(was, gradients(), strict=True)]
            assert moved == [i != 2, i != 0, True]
            with torch.no_grad():
                leaf.copy_(saved)


def test_without_leaving_out_and_dropping_every_row_sees_all(bench, engine_of):
    engine = engine_of("stacked", token_drop=0.0, leave_one_out=False)
    block, (member,) = tuned(bench, engine, "ct-prompt", BOTH[:1])
    with block as stack:
        read = stack._standing.member(0, member)
        assert read.changed is None and all(row.positions is None for row in read.rows)


@pytest.mark.parametrize("method", METHODS)
def test_later_tasks_of_a_sequence_find_each_task_behind_its_own_context(
    bench, engine_of, method, tmp_path
):
    """One chain has learned sentiment, the other a task under a longer prompt; colour is next."""
    engine = engine_of("stacked")
    study = tiny_sequence(strategies=[f"original+{method}"]).model_copy(
        update={"context_tuning": engine.study.context_tuning, "training": engine.study.training}
    )
    recipe = make_method(method, study).recipe(0)
    assert not recipe.always_on
    names = ("sentiment", "rate", "colour")
    tests = {name: bench.test_rows(engine, name) for name in names}
    starts, was = [], []
    for k, one in enumerate([("sentiment", SHORT, 1), ("rate", LONG, 2)]):
        block, members = tuned(bench, engine, method, [one], recipe)
        with block as stack:
            stack.begin(members)
            stack.train()
            was.append({name: stack.evaluate(*_one(tests[name]))[0].losses for name in names})
            stack.save(0, tmp_path / f"{k}")
        starts.append(AdapterStart(5 + k, removable=tmp_path / f"{k}"))
    which = [("colour", LONG, 5), ("colour", SHORT, 6)]
    block, members = tuned(bench, engine, method, which, recipe, starts)
    with block as later:
        later.begin(members)
        later.train()
        for name in ("sentiment", "rate"):
            data, examples, rows = tests[name]
            found = later.evaluate(data, examples, [rows, rows])
            for own, one in zip(was, found, strict=True):
                assert one.losses == pytest.approx(own[name], abs=1e-9), name
        later.save(1, tmp_path / "t")
    kept = load_file(tmp_path / "t" / "removable.safetensors")
    assert sorted(kept) == ["colour", "rate"]
    assert torch.equal(kept["rate"], load_file(tmp_path / "1" / "removable.safetensors")["rate"])
    data, examples, rows = tests["colour"]
    base = engine.evaluate(bench.base, data, examples, rows)
    # Before it was learned no context was on for it.
    assert was[0]["colour"] == pytest.approx(base.losses, abs=1e-9)


def _one(test):
    data, examples, rows = test
    return data, examples, [rows]


@pytest.mark.parametrize("method", METHODS)
def test_peft_reads_a_kept_context_as_it_is(bench, engine_of, method, tmp_path):
    engine = engine_of("stacked")
    _, _, rows = bench.test_rows(engine, "rate")
    block, members = tuned(bench, engine, method, BOTH)
    with block as stack:
        stack.begin(members)
        stack.train()
        stack.export(0, tmp_path, "pocket")
        (found, _) = stack.losses([rows[:1], rows[:1]])
    loaded = PeftModel.from_pretrained(bench.base, str(tmp_path)).eval()
    ids = torch.tensor([rows[0].ids])
    logits = loaded(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -ids.shape[1] :]
    start = rows[0].target_start
    nll = -logits.log_softmax(-1)[range(start - 1, ids.shape[1] - 1), rows[0].ids[start:]].sum()
    assert found[0].nll_sum == pytest.approx(float(nll.detach()), abs=1e-5)


def check(bench, engine, method="ct-prompt", longest=80, prompts=(SHORT, LONG)):
    begun = [
        Begun(AdapterStart(0), engine.plan.tasks["sentiment"], "", prompt) for prompt in prompts
    ]
    _, _, rows = bench.test_rows(engine, "sentiment")
    recipe = make_method(method, engine.study).recipe(0)
    check_recipe(engine, bench.base, recipe, begun, rows, longest)


def test_demonstrations_that_leave_no_room_are_refused_with_what_fits(bench, engine_of):
    engine = engine_of("stacked", demonstrations=4)
    check(bench, engine)
    shown = engine.plan.tasks["sentiment"].examples("train", 4)
    suffix = engine.plan.tasks["sentiment"].suffix
    ends = [0]
    for one in shown:
        ends.append(ends[-1] + len(encode(engine.encoder.tokenizer, LONG, suffix, one).ids))
    check(bench, engine, longest=512 - ends[4])
    with pytest.raises(
        InputError, match=rf"demonstrations is 4.*{LONG}.*take {ends[4]} .*most 3 fit"
    ):
        check(bench, engine, longest=512 - ends[4] + 1)
    with pytest.raises(InputError, match="at most 1 fit"):
        check(bench, engine, longest=512 - ends[1])
    with pytest.raises(InputError, match=r"none fits, so shorten inputs\.max_tokens first"):
        check(bench, engine, longest=512 - ends[1] + 1)

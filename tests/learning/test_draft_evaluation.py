"""Gold drafts: answers and losses are those of plain greedy decoding, for every adapter."""

import pytest

from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.learning.training import train
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task

N = 24
TASKS = ("sentiment", "last_word", "product", "translate")


def test_rows(encoder, name, prompt=0):
    return encoder.encode_split(get_task(name), "test", N, get_prompts(name)[prompt])


test_rows.__test__ = False


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("size", [5, N])
def test_a_model_is_measured_as_by_plain_decoding(model64, encoder, name, size):
    task, rows = get_task(name), test_rows(encoder, name)
    examples = task.examples("test", N)
    plain = evaluate(model64, encoder, task, examples, rows, N)
    (found,) = evaluate_stacked(model64, encoder, task, examples, [rows], size)
    assert found.outputs == plain.outputs
    assert (found.value, found.correct) == (plain.value, plain.correct)
    assert found.losses == pytest.approx(plain.losses, rel=1e-10)
    assert found.loss == pytest.approx(plain.loss, rel=1e-10)


def test_right_and_wrong_answers_were_among_them(model64, encoder):
    # Else the test above would not reach the decoding, or not the acceptance of a draft.
    shares = []
    for name in TASKS:
        task = get_task(name)
        rows = test_rows(encoder, name)
        (found,) = evaluate_stacked(model64, encoder, task, task.examples("test", N), [rows], N)
        shares.append(sum(found.correct) / N)
    assert max(shares) == 1.0 and min(shares) < 0.5


def test_each_adapter_of_a_stack_is_measured_as_it_is_alone(model64, encoder):
    members = [
        Member(
            encoder.encode_split(get_task(name), "train", 40, get_prompts(name)[1]),
            TrainingSettings(steps=6, batch_size=8),
            seed,
        )
        for name, seed in (("sentiment", 5), ("last_word", 5), ("product", 9))
    ]
    lora = LoraSettings(lora_dropout=0.1)  # in training alone
    found = {}
    with stacked_adapters(model64, lora, [m.seed for m in members]) as adapters:
        train_stacked(model64, adapters, members, encoder.pad_id)
        for name in TASKS:
            task = get_task(name)
            rows = [test_rows(encoder, name, prompt) for prompt in (0, 0, 2)]
            examples = task.examples("test", N)
            found[name] = evaluate_stacked(model64, encoder, task, examples, rows, 10)
    for k, member in enumerate(members):
        with fresh_adapter(model64, lora, member.seed) as adapted:
            train(adapted, member.rows, member.settings, member.seed, encoder.pad_id)
            for name in TASKS:
                task = get_task(name)
                rows = test_rows(encoder, name, (0, 0, 2)[k])
                plain = evaluate(adapted, encoder, task, task.examples("test", N), rows, N)
                assert found[name][k].outputs == plain.outputs
                assert found[name][k].losses == pytest.approx(plain.losses, rel=1e-9)
    assert len({tuple(e.outputs) for e in found["product"]}) == 3


def test_an_answer_longer_than_the_limit_is_cut_there(model64, encoder):
    from dataclasses import replace

    for limit in (1, 2, 3):
        task = replace(get_task("last_word"), max_new_tokens=limit)
        rows, examples = test_rows(encoder, "last_word"), task.examples("test", N)
        plain = evaluate(model64, encoder, task, examples, rows, N)
        (found,) = evaluate_stacked(model64, encoder, task, examples, [rows], N)
        assert found.outputs == plain.outputs


def test_an_edited_draft_is_not_believed(model64, encoder):
    from dataclasses import replace

    task = get_task("last_word")
    rows, examples = test_rows(encoder, "last_word"), task.examples("test", N)
    (right,) = evaluate_stacked(model64, encoder, task, examples, [rows], N)
    wrong_token = rows[0].ids[rows[0].target_start] + 1
    edited = [
        replace(row, ids=[*row.ids[:-2], wrong_token, row.ids[-1]])
        for row in rows
        if row.n_target >= 3
    ]
    kept = [i for i, row in enumerate(rows) if row.n_target >= 3]
    (found,) = evaluate_stacked(model64, encoder, task, [examples[i] for i in kept], [edited], N)
    assert found.outputs == [right.outputs[i] for i in kept]


def test_the_head_is_computed_for_targets_and_written_tokens_alone(model64, encoder):
    task, rows = get_task("last_word"), test_rows(encoder, "last_word")
    (found,) = evaluate_stacked(model64, encoder, task, task.examples("test", N), [rows], N)
    assert found.value == 100.0  # so nothing had to be decoded
    assert found.logits == sum(row.n_target for row in rows)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_broken_adapter_spoils_no_other(pocket_model, encoder, place):
    task, rows = get_task("product"), test_rows(encoder, "product")
    examples = task.examples("test", N)
    # Prompts of unequal length, so that there is padding in the rows.
    stack = [rows, test_rows(encoder, "product", 2), test_rows(encoder, "product", 3)]
    with stacked_adapters(pocket_model, LoraSettings(), [0, 0, 0]) as adapters:
        sound = evaluate_stacked(pocket_model, encoder, task, examples, stack, N)
        adapters.values[place] = float("nan")
        found = evaluate_stacked(pocket_model, encoder, task, examples, stack, N)
    for k in range(3):
        if k == place:
            assert found[k].loss != found[k].loss
        else:
            assert found[k].outputs == sound[k].outputs
            assert found[k].loss == pytest.approx(sound[k].loss, rel=1e-6)

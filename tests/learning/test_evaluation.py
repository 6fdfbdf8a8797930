"""Greedy answers against an unbatched loop; scores of perfect and empty predictors."""

import pytest
import torch

from sapo_analysis.learning.evaluation import evaluate, greedy_answers
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task, list_tasks, score


def greedy_by_hand(model, context, stop, max_new):
    ids = list(context)
    for _ in range(max_new):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] in stop:
            break
    return ids[len(context) :]


@pytest.mark.parametrize("name", ["sentiment", "last_word"])
def test_batched_answers_equal_unbatched_greedy_decoding(pocket_model, encoder, name):
    task = get_task(name)
    rows = encoder.encode_split(task, "test", 9, get_prompts(name)[0])
    found, _ = greedy_answers(pocket_model, encoder, rows, task.max_new_tokens, 4)
    decode = encoder.tokenizer.decode
    for row, answer in zip(rows, found, strict=True):
        ids = greedy_by_hand(pocket_model, row.context, encoder.stop_ids, task.max_new_tokens)
        assert answer == decode(ids, skip_special_tokens=True).strip()


def test_an_evaluation_holds_the_score_and_the_loss_of_its_parts(pocket_model, encoder):
    task = get_task("sentiment")
    examples = task.examples("test", 10)
    rows = encoder.encode_split(task, "test", 10, get_prompts("sentiment")[0])
    result = evaluate(pocket_model, encoder, task, examples, rows, 3)
    assert result.value == 100 * sum(result.correct) / 10
    assert result.value == score(task, result.outputs, [e.target for e in examples])
    losses = example_losses(pocket_model, rows, 10, encoder.tokenizer.pad_token_id)
    expected = sum(x.nll_sum for x in losses) / sum(x.n_tokens for x in losses)
    assert result.loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", list_tasks(), ids=lambda task: task.name)
def test_a_perfect_predictor_scores_100_and_an_empty_one_0(task):
    targets = [example.target for example in task.examples("test")]
    assert score(task, targets, targets) == 100.0
    assert score(task, [""] * len(targets), targets) == 0.0


def test_answers_fit_the_decoding_limit(encoder):
    # A gold answer longer than max_new_tokens could never be given.
    for task in list_tasks():
        for row in encoder.encode_split(task, "test", 200, get_prompts(task.name)[0]):
            assert row.n_target <= task.max_new_tokens, task.name

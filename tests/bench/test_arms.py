"""Every arm does the same job: the same weights, losses and answers."""

import math
from pathlib import Path

import pytest

from sapo_analysis.bench.arms import ours, plain, trainer
from sapo_analysis.bench.arms.weights import distance, relative_difference
from sapo_analysis.bench.greedy import greedy_tokens, left_after_draft
from sapo_analysis.bench.largest import largest
from sapo_analysis.bench.workload import SHARE_RIGHT, in_float64
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.pre_update_loss import batch_mean


def test_answers_differ_in_length_so_that_weighting_by_tokens_matters(work):
    assert len({row.n_target for row in work.train[0]}) > 1
    assert len({len(row.ids) for row in work.train[0]}) > 1
    assert work.train[0][0].ids[:8] == work.train[0][1].ids[:8] != work.train[1][0].ids[:8]


@pytest.mark.parametrize("micro_batch", [4, 2, 1])
def test_trainer_trains_the_plain_loops_weights_whatever_its_micro_batch(work, micro_batch):
    expected = plain.train(work, 1, 3)
    assert distance(trainer.train(work, 1, 3, micro_batch), expected) < 1e-5
    assert distance(plain.train(work, 1, 2), expected) > 1e-3


def test_trainers_number_is_the_released_average(work):
    losses = plain.score(work, 2, 24)
    expected = [
        batch_mean([x.nll_sum for x in own], [x.n_tokens for x in own], 5) for own in losses
    ]
    assert trainer.score(work, 2, 5) == pytest.approx(expected, rel=1e-5)


def test_trained_adapters_are_measured_alike(work, tmp_path):
    folders = [tmp_path / str(k) for k in range(2)]
    with ours.trained(work, range(2), 3) as adapters:
        for k, folder in enumerate(folders):
            adapters.save(k, folder)
    expected = plain.evaluate(work, folders, 2, 8)
    found = ours.evaluate(work, folders, 2, 8)
    by_trainer = trainer.evaluate(work, folders, 2, 3)
    assert len(expected) == len(found) == len(by_trainer) == 2 * 2 * len(work.evaluated)
    for one, two, (_, written) in zip(expected, found, by_trainer, strict=True):
        assert one.outputs == two.outputs == written
        assert two.loss == pytest.approx(one.loss, rel=1e-5)
    assert expected[0].loss == expected[1].loss != expected[2].loss  # adapter by adapter


def test_fresh_adapters_are_right_on_the_known_share(work):
    (part,) = work.evaluated
    written = greedy_tokens(work.model, work.encoder, part.rows, part.task.max_new_tokens, 8)
    left = left_after_draft(part.rows, written)
    assert sum(n == 0 for n in left) >= round(SHARE_RIGHT * len(part.rows))
    assert max(left) > 0


def test_what_is_left_after_a_draft():
    row = Encoded([9, 9, 1, 2, 3], 2, 5)
    assert left_after_draft([row] * 4, [[1, 2, 3], [1, 2, 4], [5, 6, 7, 8], [1, 2]]) == [0, 0, 3, 0]


def test_float64_copies_leave_the_model_as_it_was(work):
    before = {name: type(module) for name, module in work.model.named_modules()}
    precise = in_float64(work.model)
    assert {p.dtype.itemsize for p in precise.parameters()} == {8}
    assert {name: type(module) for name, module in work.model.named_modules()} == before


def test_relative_difference_is_by_matrix_and_distance_over_all(work):
    one = plain.train(work, 1, 1)
    name = next(iter(one[0]))
    other = [{**one[0], name: one[0][name] * 1.5}]
    assert relative_difference(other, one) == pytest.approx(0.5)
    assert 0 < distance(other, one) < 0.5
    assert relative_difference([{}], one) == float("inf")
    name = list(one[0])[-1]
    broken = [{**one[0], name: one[0][name] * math.nan}]
    assert math.isnan(relative_difference(broken, one)) and math.isnan(distance(broken, one))


def test_what_is_not_a_number_is_never_passed_over():
    assert largest([1.0, 3.0, 2.0]) == 3.0
    assert math.isnan(largest([1.0, math.nan, 2.0]))
    assert largest([]) == 0.0


def test_folders_are_left_empty(work, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer.train(work, 1, 1, 4)
    trainer.score(work, 1, 8)
    assert list(Path().iterdir()) == []

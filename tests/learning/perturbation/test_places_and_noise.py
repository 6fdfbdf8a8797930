"""Where embeddings are perturbed, and how long the noise is that is added there."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from sapo_analysis.learning.batching import collate
from sapo_analysis.learning.perturbation import (
    Perturber,
    met_in_packed_rows,
    met_in_padded_rows,
)
from sapo_analysis.learning.perturbation.embedding import mean_norm
from sapo_analysis.learning.perturbation.noise import noise
from sapo_analysis.learning.perturbation.places import Met, drawing
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.packing import Pack
from sapo_analysis.models.soft_prompt import standing_before
from tests.learning.perturbation.conftest import LENGTH, VOCABULARY, perturbation, soft_prompts
from tests.models.families import model_of
from tests.models.soft_parts import some_rows

CPU = torch.device("cpu")


def never():
    raise AssertionError("noise looks for nothing")


def change(model, met, ids):
    """What a perturbed pass adds to the embeddings of some ids [rows, tokens, size]."""
    perturber = Perturber(model, perturbation("noise"))
    embedding = model.get_input_embeddings()
    with torch.no_grad(), perturber.reading(met, never):
        perturbed = embedding(ids)
    return perturbed - embedding(ids).detach()


@pytest.mark.parametrize("hidden", [(), (LENGTH, LENGTH + 2)])
def test_noise_is_at_text_alone_and_the_same_wherever_a_token_stands(small, hidden):
    prompts = soft_prompts(small, [1])
    rows = [row.without(hidden) for row in prompts.tokens.before(some_rows(3, seed=2))]
    inputs, _ = collate(rows, 0, CPU)
    pack = Pack([rows], [0], 0, CPU)
    with standing_before(small, prompts):
        padded = change(small, met_in_padded_rows(rows, seed=5, step=2), inputs["input_ids"])
        in_one_row = change(small, met_in_packed_rows([rows], [5], step=2), pack.ids)[0]
    at = 0
    for i, row in enumerate(rows):
        own = padded[i, list(row.places)]
        assert torch.equal(own, in_one_row[at : at + len(row.ids)])
        at += len(row.ids)
        # By hand: after the virtual tokens, before the answer.
        is_changed = [LENGTH <= t < row.target_start for t in range(len(row.ids))]
        assert own.abs().sum(dim=1).bool().tolist() == is_changed
        absent = sorted(set(range(padded.shape[1])) - set(row.places))
        assert not padded[i, absent].any()


def test_noise_depends_on_seed_step_and_place_and_on_no_other_row():
    rows = some_rows(3, seed=2)
    longer = [rows[0], some_rows(5, seed=3)[4], rows[2]]

    def drawn(batch, seed=5, step=2):
        met = met_in_padded_rows(batch, seed, step)
        parts = [row.target_start for row in batch]
        return noise(met, VOCABULARY, 32, 1.0, CPU).split(parts)

    one, other = drawn(rows), drawn(longer)
    assert torch.equal(one[0], other[0]) and torch.equal(one[2], other[2])
    assert not torch.equal(one[0], drawn(rows, seed=6)[0])
    assert not torch.equal(one[0], drawn(rows, step=3)[0])
    n = min(map(len, one))
    assert not torch.equal(one[0][:n], one[1][:n])
    assert len({drawing(5, step, i) for step in range(40) for i in range(8)}) == 320


def test_noise_is_gaussian_and_as_long_as_it_says():
    n, size, length = 4000, 48, 0.7
    row = Encoded([7] * (n + 1), n, n + 1)
    found = noise([Met(row, 3, range(n + 1))], VOCABULARY, size, length, CPU).double().numpy()
    assert found.shape == (n, size)
    # The squared norm is length² · χ²(size) / size: its mean over n has this standard error.
    error = length**2 * math.sqrt(2 / size / n)
    assert abs(np.square(found).sum(axis=1).mean() - length**2) < 4 * error
    spread = length / math.sqrt(size)
    assert stats.kstest(found.ravel()[::7], "norm", args=(0, spread)).pvalue > 0.01


def test_strength_is_in_mean_norms_of_what_the_embedding_gives(small, encoder):
    by_hand = float(small.get_input_embeddings().weight.norm(dim=1).mean())
    assert mean_norm(small) == pytest.approx(by_hand, rel=1e-12)
    with standing_before(small, soft_prompts(small, [1])):
        assert mean_norm(small) == pytest.approx(by_hand, rel=1e-12)
    # This one gives √size times what its weights are.
    gemma = model_of("gemma3", encoder.tokenizer)
    weights = gemma.get_input_embeddings().weight.detach()
    expected = math.sqrt(weights.shape[1]) * float(weights.norm(dim=1).mean())
    assert mean_norm(gemma) == pytest.approx(expected, rel=1e-5)
    rows = some_rows(2, seed=4)
    met = met_in_padded_rows(rows, 1, 0)
    added = change(small, met, collate(rows, 0, CPU)[0]["input_ids"])
    expected = noise(met, VOCABULARY, 32, 0.3 * by_hand, CPU).double()
    torch.testing.assert_close(added[0, : rows[0].target_start], expected[: rows[0].target_start])

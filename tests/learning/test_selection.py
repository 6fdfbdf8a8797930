"""Selection: the winner is that of full scoring, for fewer evaluations."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.learning import candidate_losses
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.selection import scored_in_full, select_prompt
from sapo_analysis.pre_update_loss import batch_mean
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task

BATCH = 8


def test_a_selection_from_nothing_is_refused(pocket_model):
    with pytest.raises(InputError, match="1 prompts on 0 examples"):
        select_prompt(pocket_model, [[]], 0, BATCH)


def rows_of(encoder, name, n, n_prompts=None):
    prompts = [p for p in get_prompts(name) if not p.test_only][:n_prompts]
    return [encoder.encode_split(get_task(name), "train", n, p) for p in prompts]


def full_values(model, rows, pad_id):
    found = []
    for own in rows:
        losses = packed_losses(model, own, pad_id)
        found.append(batch_mean([x.nll_sum for x in losses], [x.n_tokens for x in losses], BATCH))
    return found


# "product": targets of several lengths; "last_word": close losses; 60 is no multiple of the batch.
@pytest.mark.parametrize("name", ["sentiment", "product", "last_word"])
def test_selection_finds_the_argmin_of_full_scoring(pocket_model, encoder, name):
    rows = rows_of(encoder, name, 60)
    expected = full_values(pocket_model, rows, encoder.pad_id)
    found = select_prompt(pocket_model, rows, encoder.pad_id, BATCH)
    assert found.winner == expected.index(min(expected))
    assert found.n_full == len(rows) * 60
    assert found.n_evaluations == sum(c.n_examples for c in found.candidates) < found.n_full
    assert found.n_repeated == 60 and found.n_rechecked == 0
    assert 0 <= found.noise < 1e-5
    for candidate, value in zip(found.candidates, expected, strict=True):
        assert candidate.exact == (candidate.n_examples == 60) == (candidate.losses is not None)
        assert candidate.precise is None
        if candidate.exact:
            assert candidate.value == pytest.approx(value, rel=1e-5)
        else:
            assert min(expected) < candidate.value < value * (1 + 1e-5)
    known = sorted(expected)
    assert found.gap is None or found.gap == pytest.approx(known[1] - known[0], abs=1e-5)


def test_it_tells_of_every_loss_as_it_arrives_and_ends_with_the_exact_ones(pocket_model, encoder):
    rows = rows_of(encoder, "product", 60)
    told = []
    found = select_prompt(
        pocket_model, rows, encoder.pad_id, BATCH, heard=lambda *about: told.append(about)
    )
    assert [k for k, _, n in told[: len(rows)]] == list(range(len(rows)))
    assert {n for _, _, n in told[: len(rows)]} == {16}
    last = {k: (loss, n) for k, loss, n in told}
    for k, candidate in enumerate(found.candidates):
        assert last[k][1] == candidate.n_examples
        if candidate.exact:
            assert last[k][0] == pytest.approx(candidate.value, rel=1e-9)


def test_losses_that_are_all_known_are_selected_from_as_a_race_would(pocket_model, encoder):
    rows = rows_of(encoder, "sentiment", 30, n_prompts=5)
    losses = [packed_losses(pocket_model, own, encoder.pad_id) for own in rows]
    told = []
    found = scored_in_full(iter(losses), BATCH, lambda *about: told.append(about))
    expected = full_values(pocket_model, rows, encoder.pad_id)
    assert [c.value for c in found.candidates] == expected
    assert found.winner == expected.index(min(expected))
    assert told == [(k, value, 30) for k, value in enumerate(expected)]
    assert found.n_evaluations == found.n_full == 150
    twice = scored_in_full([losses[0], losses[0]], BATCH)
    assert twice.winner == 0 and twice.gap == 0


def test_in_float64_values_and_losses_are_those_of_full_scoring(model64, encoder):
    rows = rows_of(encoder, "product", 40, n_prompts=4)
    expected = full_values(model64, rows, encoder.pad_id)
    found = select_prompt(model64, rows, encoder.pad_id, BATCH)
    assert found.winner == expected.index(min(expected))
    assert found.noise < 1e-12
    winner = found.candidates[found.winner]
    assert winner.value == pytest.approx(min(expected), rel=1e-12)
    full = packed_losses(model64, rows[found.winner], encoder.pad_id)
    for own, other in zip(winner.losses, full, strict=True):
        assert own.nll_sum == pytest.approx(other.nll_sum, rel=1e-11)
        assert (own.n_tokens, own.content_tokens) == (other.n_tokens, other.content_tokens)


def test_passes_of_a_few_tokens_find_the_same(model64, encoder, monkeypatch):
    rows = rows_of(encoder, "product", 40, n_prompts=4)
    whole = select_prompt(model64, rows, encoder.pad_id, BATCH)
    monkeypatch.setattr(candidate_losses, "TOKENS_PER_PASS", 50)
    parts = select_prompt(model64, rows, encoder.pad_id, BATCH)
    assert parts.winner == whole.winner
    for own, other in zip(parts.candidates, whole.candidates, strict=True):
        assert own.n_examples == other.n_examples
        assert own.value == pytest.approx(other.value, rel=1e-11)


def test_a_model_that_reads_no_packed_rows_is_asked_text_by_text(model64, encoder, monkeypatch):
    rows = rows_of(encoder, "product", 30, n_prompts=3)
    packed = select_prompt(model64, rows, encoder.pad_id, BATCH)

    def refuse(*_):
        raise InputError("no packed rows")

    monkeypatch.setattr(candidate_losses, "check_packed", refuse)
    monkeypatch.setattr(candidate_losses, "packed", refuse)
    plain = select_prompt(model64, rows, encoder.pad_id, BATCH)
    assert plain.winner == packed.winner and plain.n_evaluations == packed.n_evaluations
    for own, other in zip(plain.candidates, packed.candidates, strict=True):
        assert own.value == pytest.approx(other.value, rel=1e-11)


@pytest.fixture(scope="module")
def model16():
    from sapo_analysis.model_files import find_model
    from sapo_analysis.models.loading import choose_device, load_model

    return load_model(find_model("pocket"), choose_device("cpu"), "bfloat16")


def in_float32(model):
    import copy

    return copy.deepcopy(model).float()


def test_in_bfloat16_float32_weights_decide_between_candidates_that_rounding_cannot_part(
    model16, encoder
):
    # The two prompts that are nearest to each other, and all with a higher loss.
    rows = rows_of(encoder, "add", 250)
    values = full_values(in_float32(model16), rows, encoder.pad_id)
    order = sorted(range(len(rows)), key=values.__getitem__)
    nearest = min(range(len(rows) - 1), key=lambda i: values[order[i + 1]] - values[order[i]])
    rows, expected = ([own[k] for k in order[nearest:]] for own in (rows, values))
    found = select_prompt(model16, rows, encoder.pad_id, BATCH)
    assert found.winner == expected.index(min(expected))
    rechecked = [c.precise for c in found.candidates if c.precise is not None]
    assert found.n_rechecked == len(rechecked) * 250 >= 500
    assert found.gap == pytest.approx(sorted(expected)[1] - min(expected), abs=1e-6)
    # What it says of single prompts is what the model itself says.
    (own,) = full_values(model16, [rows[found.winner]], encoder.pad_id)
    assert found.candidates[found.winner].value == pytest.approx(own, abs=1e-2)
    assert found.noise > 1e-5


def test_in_bfloat16_a_clear_winner_needs_no_second_look(model16, encoder):
    rows = rows_of(encoder, "topic", 60)
    precise = in_float32(model16)
    values = full_values(precise, rows, encoder.pad_id)
    ends = [values.index(max(values)), values.index(min(values))]
    rows, expected = [rows[k] for k in ends], [values[k] for k in ends]
    found = select_prompt(model16, rows, encoder.pad_id, BATCH, precise=precise)
    assert found.winner == expected.index(min(expected))
    assert found.n_rechecked == 0 and found.noise > 1e-5


def test_a_quantized_model_has_no_float32_weights_and_its_rounding_is_seen(
    model16, encoder, monkeypatch
):
    monkeypatch.setattr(model16, "is_quantized", True, raising=False)
    rows = rows_of(encoder, "topic", 60)
    values = full_values(model16, rows, encoder.pad_id)
    ends = [values.index(max(values)), values.index(min(values))]
    found = select_prompt(model16, [rows[k] for k in ends], encoder.pad_id, BATCH)
    assert found.winner == 1 and found.n_rechecked == 0 and found.n_repeated > 0


def test_the_model_is_as_it_was(pocket_model, encoder):
    from sapo_analysis.learning.scoring import example_losses

    rows = rows_of(encoder, "sentiment", 20, n_prompts=3)
    before = example_losses(pocket_model, rows[0], 20, encoder.pad_id)
    select_prompt(pocket_model, rows, encoder.pad_id, BATCH)
    assert example_losses(pocket_model, rows[0], 20, encoder.pad_id) == before

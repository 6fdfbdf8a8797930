"""Passes that stay within bounds, and are halved where the memory is full all the same."""

from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma4TextConfig, MambaConfig, Qwen3Config

from sapo_analysis.errors import WorkError
from sapo_analysis.learning import batching, draft_evaluation, evaluation, packed_scoring, scoring
from sapo_analysis.learning.batching import bounded_batches, in_halves_when_full
from sapo_analysis.models.loading import choose_device
from sapo_analysis.models.room import most_kept_tokens, most_logits
from sapo_analysis.prompts import get_prompts
from sapo_analysis.studies.memory import halved_when_full
from sapo_analysis.studies.meter import Meter, model_sizes
from sapo_analysis.tasks import get_task

FULL = torch.OutOfMemoryError("CUDA out of memory")
N = 8


def test_batches_end_at_their_size_or_where_padding_would_take_too_much():
    lengths = [1, 2, 3, 9, 9, 1, 1, 1, 1, 30]
    found = [list(batch) for batch in bounded_batches(lengths, 3, lambda n: n, 18)]
    assert found == [[1, 2, 3], [9, 9], [1, 1, 1], [1], [30]]
    assert list(bounded_batches([], 3, len, 18)) == []


def test_a_batch_is_halved_until_it_fits_and_one_item_that_does_not_is_an_error():
    done = []

    def work(batch):
        if len(batch) > 2:
            raise FULL
        done.append(list(batch))

    in_halves_when_full(work, [1, 2, 3, 4, 5])
    assert done == [[1, 2], [3], [4, 5]]
    with pytest.raises(torch.OutOfMemoryError):
        in_halves_when_full(lambda _: (_ for _ in ()).throw(FULL), [1, 2])
    with pytest.raises(RuntimeError, match="else"):
        in_halves_when_full(lambda _: (_ for _ in ()).throw(RuntimeError("else")), [1, 2])


def test_bounds_follow_from_the_model_and_pocket_studies_never_reach_them(pocket_model):
    shape = {"hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 8}
    config = Qwen3Config(
        **shape, head_dim=128, num_hidden_layers=28, intermediate_size=3072, vocab_size=151_936
    )
    with torch.device("meta"):
        large = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    assert most_kept_tokens(large) == 2**31 // (28 * 2 * 8 * 128 * 2)  # 18,724
    assert most_logits(large) == 2**30 // (4 * 151_936)  # 1,766
    context = pocket_model.config.max_position_embeddings
    assert most_logits(pocket_model) >= 64 * context
    assert most_kept_tokens(pocket_model) >= 16 * 64 * context


@pytest.mark.parametrize("make", [MambaConfig, Gemma4TextConfig])
def test_layers_that_keep_no_keys_or_unlike_ones_are_bounded_by_what_they_read(make):
    config = make(num_hidden_layers=2, hidden_size=64, vocab_size=128)
    model = SimpleNamespace(config=config, dtype=torch.bfloat16)
    assert most_kept_tokens(model) == 2**31 // (2 * 2 * 64 * 2)


@pytest.fixture
def small_memory(monkeypatch):
    """Passes of more than three examples do not fit."""
    loss, pack = scoring.token_losses, packed_scoring.Pack
    contexts = evaluation.collate_contexts

    def token_losses(logits, labels):
        if len(labels) > 3:
            raise FULL
        return loss(logits, labels)

    def collate_contexts(rows, *more):
        if len(rows) > 3:
            raise FULL
        return contexts(rows, *more)

    def make(rows, *more, **settings):
        if len(rows[0]) > 3:
            raise FULL
        return pack(rows, *more, **settings)

    monkeypatch.setattr(batching, "free_memory", lambda: None)  # it takes its time
    monkeypatch.setattr(scoring, "token_losses", token_losses)
    monkeypatch.setattr(evaluation, "collate_contexts", collate_contexts)
    monkeypatch.setattr(packed_scoring, "Pack", make)
    monkeypatch.setattr(draft_evaluation, "Pack", make)


def test_scoring_and_evaluation_go_on_in_smaller_passes(pocket_model, encoder, request):
    task = get_task("product")
    rows = encoder.encode_split(task, "test", N, get_prompts(task)[0])
    examples = task.examples("test", N)

    def measured():
        losses = [
            scoring.example_losses(pocket_model, rows, N, encoder.pad_id),
            packed_scoring.packed_losses(pocket_model, rows, encoder.pad_id),
        ]
        return [
            [loss.nll_sum for own in losses for loss in own],
            evaluation.evaluate(pocket_model, encoder, task, examples, rows, N),
            *draft_evaluation.evaluate_stacked(
                pocket_model, encoder, task, examples, [rows, rows], N
            ),
        ]

    expected = measured()
    request.getfixturevalue("small_memory")
    found = measured()
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    for own, before in zip(found[1:], expected[1:], strict=True):
        assert own.outputs == before.outputs
        assert own.losses == pytest.approx(before.losses, rel=1e-5)
    assert found[1].tokens == expected[1].tokens


def test_a_single_adapter_that_does_not_fit_says_what_helps(pocket_model):
    class Engine:
        sizes = model_sizes(pocket_model)
        device = choose_device("cpu")

    def work(*_):
        raise FULL

    with pytest.raises(WorkError, match=r"single adapter.*gradient_checkpointing"):
        halved_when_full(work, [1], Meter(Engine.sizes), Engine(), lambda _: None)

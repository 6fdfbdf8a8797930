"""What soft prompts start from, and what cannot be started from."""

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.models.soft_prompt_start import (
    at_random,
    from_labels,
    from_text,
    from_vocabulary,
)
from tests.models.families import model_of


@pytest.fixture(scope="module")
def gemma(encoder):
    return model_of("gemma", encoder.tokenizer)  # whose embedding scales what it looks up


def embedded(model, ids):
    return model.get_input_embeddings()(torch.tensor(ids))


def test_a_text_is_repeated_or_cut_to_the_length(gemma, encoder):
    text = "Is the review good or bad?"
    ids = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    n = len(ids)
    for length, expected in ((n - 2, ids[:-2]), (n, ids), (2 * n + 1, ids + ids + ids[:1])):
        found = from_text(gemma, encoder.tokenizer, text, length)
        assert torch.equal(found, embedded(gemma, expected))


def test_label_words_follow_each_other(gemma, encoder):
    ids = encoder.tokenizer("positive negative", add_special_tokens=False)["input_ids"]
    found = from_labels(gemma, encoder.tokenizer, ["positive", "negative"], len(ids), "sentiment")
    assert torch.equal(found, embedded(gemma, ids))


@pytest.mark.parametrize("length", [50, 5000])
def test_vocabulary_samples_are_tokens_of_texts_by_seed(gemma, encoder, length):
    table = embedded(gemma, list(range(len(encoder.tokenizer))))
    found = from_vocabulary(gemma, encoder.tokenizer, length, seed=3)
    places = torch.cdist(found, table).argmin(dim=1)
    assert torch.equal(found, table[places])
    special = {i for i, t in encoder.tokenizer.added_tokens_decoder.items() if t.special}
    assert special and not special & set(places.tolist())
    if length == 50:
        assert len(set(places.tolist())) == 50
    assert torch.equal(found, from_vocabulary(gemma, encoder.tokenizer, length, seed=3))
    assert not torch.equal(found, from_vocabulary(gemma, encoder.tokenizer, length, seed=4))


def test_random_numbers_are_even_and_as_large_as_what_texts_are_read_as(gemma, encoder):
    found = at_random(gemma, 200, seed=5)
    looked_up = embedded(gemma, list(range(len(encoder.tokenizer))))
    assert float(found.std()) == pytest.approx(float(looked_up.std()), rel=0.02)
    assert float(found.abs().max()) == pytest.approx(3**0.5 * float(looked_up.std()), rel=0.01)
    assert torch.equal(found, at_random(gemma, 200, seed=5))
    assert not torch.equal(found, at_random(gemma, 200, seed=6))


def test_what_has_no_token_or_label_is_refused(gemma, encoder):
    with pytest.raises(InputError, match=r"'' has no token.*soft_prompt\.init"):
        from_text(gemma, encoder.tokenizer, "", 3)
    with pytest.raises(InputError, match=r"Task 'translate' has no labels.*text, vocabulary"):
        from_labels(gemma, encoder.tokenizer, [], 3, "translate")

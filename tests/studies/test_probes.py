"""The engine's answers about prompts, in this process."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.studies import probes


def test_the_winner_is_the_lowest_of_all_losses():
    full = probes.score("pocket", "place", None, 40)
    found = probes.select("pocket", "place", None, 40)
    lowest = min(full["prompts"], key=lambda p: p["pre_update_loss"])
    assert found["winner"] == lowest["prompt_id"]
    assert found["n_full"] == 40 * len(full["prompts"]) > found["n_evaluations"]
    assert all(p["exact"] and p["n_examples"] == 40 for p in full["prompts"])
    assert {p["exact"] for p in found["prompts"]} == {True, False}
    for own, other in zip(found["prompts"], full["prompts"], strict=True):
        assert own.keys() == other.keys()
        assert own["prompt_id"] == other["prompt_id"]
        if own["exact"]:
            for name in ("pre_update_loss", "token_mean", "example_mean", "content"):
                assert own[name] == pytest.approx(other[name], rel=1e-5)
        else:
            assert lowest["pre_update_loss"] < own["pre_update_loss"] < other["pre_update_loss"]
            assert own["n_examples"] < 40 and own["content"] is None


def test_losses_are_the_same_where_packed_rows_cannot_be_read(monkeypatch):
    texts = ["Good or bad?"]
    packed = probes.score("pocket", "sentiment", texts, 12)
    monkeypatch.setattr(probes, "reads_packed", lambda *_: False)
    plain = probes.score("pocket", "sentiment", texts, 12)
    for own, other in zip(plain["prompts"], packed["prompts"], strict=True):
        assert own["pre_update_loss"] == pytest.approx(other["pre_update_loss"], rel=1e-5)
    with pytest.raises(InputError, match="LlamaForCausalLM does not read packed rows"):
        probes.rank_labels("pocket", "sentiment", texts, 12)


def test_labels_are_ranked_prompt_by_prompt():
    found = probes.rank_labels("pocket", "place", ["In or out?"], 12)
    assert found["labels"] == ["indoors", "outdoors"] and found["n_examples"] == 12
    assert [p["text"] for p in found["prompts"]][1] == "In or out?"
    for prompt in found["prompts"]:
        for rule in ("label_rank_sum", "label_rank_mean", "label_rank_trie"):
            assert 0 <= prompt[rule] <= 100


def test_a_task_without_labels_is_refused_before_the_model_is_loaded(monkeypatch):
    monkeypatch.setattr(probes, "load_model", None)
    with pytest.raises(InputError, match="Task 'translate' has no labels"):
        probes.rank_labels("pocket", "translate", None, 12)

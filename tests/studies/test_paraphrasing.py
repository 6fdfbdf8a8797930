"""A local model as paraphraser: seeds, layouts, bounds; and odd texts reach a model as they are."""

from __future__ import annotations

import pytest

from sapo_analysis import worker
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import token_texts
from sapo_analysis.models.loading import load_tokenizer
from sapo_analysis.prompts import get_prompts
from sapo_analysis.prompts.checks import checker_of
from sapo_analysis.prompts.replies import candidates_of
from sapo_analysis.studies import paraphrasing
from sapo_analysis.studies.paraphrasing import paraphrase
from sapo_analysis.tasks import Example, get_task


def texts(**options):
    given = {"n": 3, "temperature": 2.0, "seed": 0, **options}
    payload = {"model": "pocket", "task": "sentiment", **given}
    return [reply["text"] for reply in worker._PROBES["paraphrase"](payload)["replies"]]


def test_a_seed_decides_what_is_written():
    first = texts()
    assert len(first) == 3 and len(set(first)) > 1
    assert texts() == first != texts(seed=1)


def test_batches_are_drawn_one_by_one_and_temperature_0_does_not_draw(monkeypatch):
    monkeypatch.setattr(paraphrasing, "AT_ONCE", 2)
    five = texts(n=5)
    assert len(five) == 5 and texts(n=2) == five[:2] != five[2:4]
    assert texts(n=1, temperature=0) == texts(n=1, temperature=0, seed=5)


def test_what_the_pocket_model_writes_is_refused():
    replies = {f"reply {i}": (text, False) for i, text in enumerate(texts(temperature=0.6))}
    found = checker_of(get_task("sentiment"), get_prompts("sentiment")).check(
        candidates_of(replies)
    )
    assert [one.verdict for one in found] == ["refused"] * 3
    assert all("does not name the label" in one.reasons[0] for one in found)


def test_a_model_without_a_chat_template_continues_a_plain_text(monkeypatch):
    asked = []

    def plain(files):
        tokenizer = load_tokenizer(files)
        tokenizer.chat_template = None
        return tokenizer

    def sampled(model, encoder, rows, *rest):
        asked.append(encoder.tokenizer.decode(rows[0]))
        ids = encoder.tokenizer("Say positive or negative.\nThen more")["input_ids"]
        return [ids for _ in rows]

    monkeypatch.setattr(paraphrasing, "load_tokenizer", plain)
    monkeypatch.setattr(paraphrasing, "_sampled", sampled)
    found = paraphrase("pocket", "sentiment", 1, 0.6, 0)
    assert found["chat_template"] is False
    assert asked[0].startswith(f"Instruction: {get_prompts('sentiment')[0].text}\nThe same")
    assert found["replies"] == [{"text": "Say positive or negative.", "cut_off": False}]


def test_a_reply_that_does_not_end_is_cut_off_and_refused(monkeypatch):
    monkeypatch.setattr(paraphrasing, "_sampled", lambda *_: [[50] * 64])
    (reply,) = paraphrase("pocket", "sentiment", 1, 0.6, 0)["replies"]
    assert reply["cut_off"]
    task, bank = get_task("sentiment"), get_prompts("sentiment")
    (found,) = checker_of(task, bank).check(candidates_of({"reply 1": (reply["text"], True)}))
    assert found.verdict == "refused" and "was cut off" in found.reasons[0]


def test_a_request_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(paraphrasing, "context_length", lambda model: 300)
    with pytest.raises(InputError, match="model 'pocket' reads at most 300. Use one that reads"):
        paraphrase("pocket", "sentiment", 1, 0.6, 0)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"n": 0}, "Ask for 1 to 500"),
        ({"seed": -1}, "Seed -1"),
        ({"temperature": 0}, "the same every time"),
    ],
)
def test_wrong_numbers_are_refused_before_a_model_is_loaded(options, why, monkeypatch):
    monkeypatch.delattr(paraphrasing, "load_model")
    with pytest.raises(InputError, match=why):
        texts(**options)


@pytest.mark.parametrize("odd", ["Put {0} and {{1}} here", "Use %s, %(x)d and $y", "{text:>3} {"])
def test_braces_and_percent_signs_reach_the_model_as_they_are(odd):
    tokenizer = load_tokenizer(find_model("pocket"))
    pieces = token_texts(tokenizer, odd, "", Example("in {0}", "out"))
    assert f"{odd}\n\nText:\nin {{0}}" in "".join(pieces)

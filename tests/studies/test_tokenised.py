"""What the tokenizer makes of prompts: counts, and one example token by token."""

import copy

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.models.encoding import count_tokens, encode, token_texts
from sapo_analysis.prompts import get_prompts
from sapo_analysis.studies import tokenised
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import Example

HOSTILE = 'Ünïcode 中文 🙂 {0} <b>"x"</b>\n\u202eabc'


def test_tokens_are_counted_as_runs_count_them(encoder):
    texts = [prompt.text for prompt in get_prompts("place")] + [HOSTILE]
    found = tokenised.tokens("pocket", texts)["n_tokens"]
    assert found == count_tokens(encoder.tokenizer, texts)
    assert tokenised.tokens("pocket", []) == {"model": "pocket", "n_tokens": []}


@pytest.mark.parametrize("text", ["Positive or negative?", HOSTILE])
def test_the_exact_prompt_is_what_the_encoder_trains_on(encoder, text):
    task = get_task("sentiment")
    for row in (0, 7):
        found = tokenised.exact_prompt("pocket", "sentiment", text, row=row)
        example = task.examples("train")[row]
        own = encode(encoder.tokenizer, text, task.suffix, example)
        assert found["n_tokens"] == len(own.ids) == len(found["tokens"])
        assert found["n_scored"] == own.n_target == sum(t["scored"] for t in found["tokens"])
        by_kind = {
            kind: "".join(t["text"] for t in found["tokens"] if t["kind"] == kind)
            for kind in ("context", "answer", "end")
        }
        assert by_kind["answer"] == example.target
        assert text in by_kind["context"] and example.input in by_kind["context"]
        assert (
            encoder.tokenizer("".join(by_kind.values()), add_special_tokens=False)["input_ids"]
            == own.ids
        )
        assert by_kind["end"] == encoder.tokenizer.eos_token
        assert found["fits"] and found["chat_template"]


def test_a_model_without_a_chat_template_keeps_every_character(encoder):
    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.chat_template = None
    texts = token_texts(tokenizer, HOSTILE, "In one word.", Example("a", "b"))
    assert "".join(texts) == (
        f"{HOSTILE}\n\nText:\na\n\nIn one word.\n\nAnswer: b{tokenizer.eos_token}"
    )


def test_a_prompt_that_does_not_fit_says_so():
    found = tokenised.exact_prompt("pocket", "sentiment", "word " * 2000)
    assert not found["fits"] and found["n_tokens"] > found["max_length"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": "nope"}, "Unknown model 'nope'"),
        ({"task_name": "../x"}, "Unknown task '../x'"),
        ({"text": " "}, "is empty"),
        ({"split": "all"}, "Unknown split 'all'"),
        ({"row": 600}, "has 600 train examples, number 600"),
        ({"row": -1}, "number -1"),
    ],
)
def test_what_cannot_be_asked_is_refused(wrong, says):
    asked = {"model": "pocket", "task_name": "sentiment", "text": "Judge it.", **wrong}
    with pytest.raises(InputError, match=says):
        tokenised.exact_prompt(**asked)


def test_the_worker_answers_both_questions(monkeypatch, capsys):
    import io
    import json
    import sys

    from sapo_analysis import worker

    def ask(kind, payload):
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(payload)))
        return worker.main([kind]), json.loads(capsys.readouterr().out)

    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert ask("tokens", {"model": "pocket", "texts": ["Judge it."]})[1]["n_tokens"][0] > 0
    asked = {"model": "pocket", "task": "sentiment", "prompt": "Judge it.", "row": 3}
    found = tokenised.exact_prompt("pocket", "sentiment", "Judge it.", row=3)
    assert ask("exact_prompt", asked) == (0, found)
    status, refusal = ask("exact_prompt", {**asked, "row": 600})
    assert status == 2 and "number 600" in refusal["error"]

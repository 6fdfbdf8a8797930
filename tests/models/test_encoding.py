"""What is trained and scored, read back as text; what does not fit; what must stay as it is."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.models.encoding import Encoder, encode
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import Example

EXAMPLE = Example("the soup was lovely", "positive")


def test_target_tokens_are_the_answer_and_the_end_of_turn(encoder):
    tokenizer = encoder.tokenizer
    row = encode(tokenizer, "Say positive or negative.", "", EXAMPLE)
    assert tokenizer.decode(row.ids[row.target_start : row.content_end]) == "positive"
    assert row.ids[row.content_end :] == [tokenizer.eos_token_id]
    assert tokenizer.decode(row.context, skip_special_tokens=True).endswith("the soup was lovely")


def test_context_equals_the_generation_prompt_tokenised_alone(encoder):
    tokenizer = encoder.tokenizer
    row = encode(tokenizer, "Judge it.", "Answer in one word.", EXAMPLE)
    content = "Judge it.\n\nText:\nthe soup was lovely\n\nAnswer in one word."
    message = {"role": "user", "content": content}
    text = tokenizer.apply_chat_template([message], add_generation_prompt=True, tokenize=False)
    assert row.context == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("prompt", ["{0}", "Use {braces}, {{more}}, %s {", "Ünïcode 中文 \\n"])
def test_a_prompt_reaches_the_model_as_it_is_written(encoder, prompt):
    row = encode(encoder.tokenizer, prompt, "", EXAMPLE)
    text = encoder.tokenizer.decode(row.context, skip_special_tokens=True)
    assert prompt in text
    assert "the soup was lovely" in text


def test_a_prompt_of_ten_thousand_words_is_refused_with_its_length(encoder):
    task = get_task("sentiment")
    long = Prompt("sentiment", "own-01", "word " * 10_000, "own")
    with pytest.raises(InputError, match=r"'own-01'.*'sentiment'.*tokens.*at most"):
        encoder.encode_split(task, "train", 2, long)


def test_room_for_the_answer_is_kept_in_test_examples(encoder):
    task = get_task("sentiment")
    prompt = Prompt("sentiment", "own-01", "Judge it.", "own")
    longest = max(len(row.ids) for row in encoder.encode_split(task, "test", 5, prompt))
    tight = Encoder(encoder.tokenizer, longest + task.max_new_tokens - 1)
    with pytest.raises(InputError, match="test example"):
        tight.encode_split(task, "test", 5, prompt)


def test_a_model_without_a_chat_template_gets_the_plain_layout(encoder):
    import copy

    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.chat_template = None
    row = encode(tokenizer, "Judge it.", "", EXAMPLE)
    whole = tokenizer.decode(row.ids[: row.content_end])
    assert whole.endswith("Judge it.\n\nText:\nthe soup was lovely\n\nAnswer: positive")
    assert tokenizer.decode(row.ids[row.target_start : row.content_end]).strip() == "positive"
    assert row.ids[-1] == tokenizer.eos_token_id


def test_a_template_that_rewrites_the_answer_is_refused(encoder):
    import copy

    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.chat_template = "{% for m in messages %}[{{ m['content'] | upper }}]{% endfor %}"
    with pytest.raises(InputError, match="chat template"):
        encode(tokenizer, "Judge it.", "", EXAMPLE)

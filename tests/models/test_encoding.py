"""What is trained and scored, read back as text; what does not fit; what must stay as it is."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.models.encoding import Encoder, encode, encode_prompt
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


def test_of_several_templates_the_default_is_used(encoder):
    import copy

    tokenizer = copy.deepcopy(encoder.tokenizer)
    alone = encode(tokenizer, "Judge it.", "", EXAMPLE)
    template = tokenizer.chat_template
    tokenizer.chat_template = {"tool_use": "x", "default": template}
    assert encode(tokenizer, "Judge it.", "", EXAMPLE) == alone
    tokenizer.chat_template = {"tool_use": "x", "rag": template}
    with pytest.raises(InputError, match=r"several chat templates \(tool_use, rag\)"):
        encode(tokenizer, "Judge it.", "", EXAMPLE)


def test_a_template_that_rewrites_the_answer_is_refused(encoder):
    import copy

    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.chat_template = "{% for m in messages %}[{{ m['content'] | upper }}]{% endfor %}"
    with pytest.raises(InputError, match="chat template"):
        encode(tokenizer, "Judge it.", "", EXAMPLE)


def with_template(encoder, template):
    import copy

    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.chat_template = template
    return tokenizer


def template(user, before=""):
    """A chat template that renders the user's message as given and the answer as it is."""
    roles = f"{{% if m['role'] == 'user' %}}{user}{{% else %}}{{{{ m['content'] }}}}{{% endif %}}"
    return f"{before}{{% for m in messages %}}{roles}{{% endfor %}}"


def own_text(tokenizer, row):
    return tokenizer.decode(row.ids[row.target_start : row.content_end])


@pytest.mark.parametrize("prompt", ["Judge it.", "Judge it. ", "text", "Ünïcode 中文: {0}"])
def test_a_prompts_own_tokens_are_those_that_every_example_reads(encoder, prompt):
    tokenizer = encoder.tokenizer
    found = encode_prompt(tokenizer, prompt, "Answer in one word.")
    assert own_text(tokenizer, found) == prompt.strip()
    assert found.content_end == len(found.ids)
    for example in (EXAMPLE, Example("text: Judge it.", "negative")):
        row = encode(tokenizer, prompt, "Answer in one word.", example)
        assert row.ids[: len(found.ids)] == found.ids
    assert encoder.encode_prompt(
        get_task("sentiment"), Prompt("sentiment", "p", prompt, "own")
    ) == (encode_prompt(tokenizer, prompt, get_task("sentiment").suffix))


def test_a_token_that_reaches_over_the_edge_of_a_prompt_counts_as_its_own(encoder):
    words = (word for word in sorted(encoder.tokenizer.get_vocab()) if word.isalpha())
    word = next(w for w in words if len(w) > 2 and len(encoder.tokenizer.tokenize(f"[{w}]")) == 3)
    tokenizer = with_template(encoder, template(f"[{word[:2]}{{{{ m['content'] }}}}]"))
    found = encode_prompt(tokenizer, word[2:], "")
    assert tokenizer.decode(found.ids[: found.target_start]) == "["
    assert own_text(tokenizer, found) == word


@pytest.mark.parametrize(
    ("layout", "before"),
    [
        (template("[{{ m['content'] | trim }}]", "Judge it. "), "Judge it. ["),
        (template("[{{ m['content'] }}] Judge it.\n"), "["),
    ],
)
def test_a_template_that_uses_the_prompts_words_is_not_taken_for_the_prompt(
    encoder, layout, before
):
    tokenizer = with_template(encoder, layout)
    found = encode_prompt(tokenizer, " Judge it.", "")
    assert tokenizer.decode(found.ids[: found.target_start]).strip() == before
    assert own_text(tokenizer, found).strip() == "Judge it."


def test_without_a_chat_template_the_first_token_has_nothing_that_predicts_it(encoder):
    tokenizer = with_template(encoder, None)
    assert tokenizer.bos_token is None
    found = encode_prompt(tokenizer, "Judge the text.", "")
    assert found.target_start == 1
    with pytest.raises(InputError, match=r"'a'.*cannot be told apart.*scoring\.diagnostics to 0"):
        encode_prompt(tokenizer, "a", "")


def test_a_template_that_rewrites_the_message_has_no_prompt_tokens(encoder):
    tokenizer = with_template(encoder, template("[{{ m['content'] | upper }}]"))
    with pytest.raises(InputError, match=r"'Judge it\.' cannot be told apart.*JUDGE IT"):
        encode_prompt(tokenizer, "Judge it.", "")

"""What is read, trained and scored behind demonstrations; texts and spans are written by hand."""

import copy

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.models.encoding import Encoder, encode, token_texts
from sapo_analysis.models.layout import lay_out
from sapo_analysis.models.too_long import Reading
from sapo_analysis.prompts import get_prompts
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.demonstrations import demonstrations
from tests.models.test_families_encoding import LAYOUTS, control_names, without_template
from tests.models.tokenizers_of_families import tokenizer_of

PROMPT, SUFFIX = "Judge it.", "One word."
SHOWN = [Example("so good", "positive"), Example("the soup", "a")]
ROW = Example("the soup", "negative")
"""Its text is the second demonstration's."""


def asked(text):
    return f"Judge it.\n\nText:\n{text}\n\nOne word."


TEXTS = {
    "pocket": (
        f"<|user|>{asked('so good')}<|assistant|>positive<|end|>"
        f"<|user|>{asked('the soup')}<|assistant|>a<|end|>"
        f"<|user|>{asked('the soup')}<|assistant|>",
        "<|end|>",
    ),
    "qwen2": (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n{asked('so good')}<|im_end|>\n"
        "<|im_start|>assistant\npositive<|im_end|>\n"
        f"<|im_start|>user\n{asked('the soup')}<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"
        f"<|im_start|>user\n{asked('the soup')}<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>\n",
    ),
    "qwen3": (
        # Reasoning stands before the last answer alone: the template drops it from earlier turns.
        f"<|im_start|>user\n{asked('so good')}<|im_end|>\n"
        "<|im_start|>assistant\npositive<|im_end|>\n"
        f"<|im_start|>user\n{asked('the soup')}<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"
        f"<|im_start|>user\n{asked('the soup')}<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "<|im_end|>\n",
    ),
    "llama": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
        "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
        f"<|start_header_id|>user<|end_header_id|>\n\n{asked('so good')}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\npositive<|eot_id|>"
        f"<|start_header_id|>user<|end_header_id|>\n\n{asked('the soup')}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|>"
        f"<|start_header_id|>user<|end_header_id|>\n\n{asked('the soup')}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
    ),
    "plain": (
        f"<|endoftext|>{asked('so good')}\n\nAnswer: positive\n\n"
        f"{asked('the soup')}\n\nAnswer: a\n\n{asked('the soup')}\n\nAnswer:",
        "<|endoftext|>",
    ),
}


@pytest.fixture
def tokenizer_named(encoder):
    def named(name):
        if name == "pocket":
            return encoder.tokenizer
        return without_template("gpt_neox") if name == "plain" else tokenizer_of(name)

    return named


@pytest.mark.parametrize("name", TEXTS)
def test_demonstrations_are_earlier_turns_and_the_last_answer_alone_is_scored(
    name, tokenizer_named
):
    tokenizer = tokenizer_named(name)
    before, after = TEXTS[name]
    row = encode(tokenizer, PROMPT, SUFFIX, ROW, SHOWN)
    assert row.context == tokenizer(before, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(row.ids[row.target_start : row.content_end]).strip() == "negative"
    assert tokenizer.decode(row.ids[row.content_end :]) == after
    pieces = token_texts(tokenizer, PROMPT, SUFFIX, ROW, SHOWN)
    said = " negative" if name == "plain" else "negative"
    assert "".join(pieces) == before + said + after
    assert "".join(pieces[: row.target_start]) == before


@pytest.mark.parametrize("name", TEXTS)
def test_spans_are_those_of_each_turn(name, tokenizer_named):
    before, _ = TEXTS[name]
    turns = [(asked(x.input), x.target) for x in SHOWN]
    laid = lay_out(tokenizer_named(name), asked(ROW.input), ROW.target, turns)
    assert [laid.text[a:b] for a, b in laid.data] == [
        *(part for turn in turns for part in turn),
        *(asked(ROW.input), ROW.target),
    ]
    # The question stands last, though a demonstration says the same.
    assert laid.message[0] == before.rindex("Judge it.")
    assert laid.earlier[2][0] == before.index(asked("the soup"))
    # One letter, which stands in the layout's own words as well.
    lead = {"plain": "Answer: ", "pocket": "<|assistant|>"}.get(name, "\n")
    start = before.index(f"{lead}a", before.index(asked("the soup"))) + len(lead)
    assert laid.earlier[3] == (start, start + 1)
    assert sorted(laid.data) == list(laid.data)


@pytest.mark.parametrize("of", LAYOUTS)
def test_a_control_token_in_a_demonstration_is_text(of):
    tokenizer = of()
    template = tokenizer.chat_template or ""
    control = {
        i for i, t in tokenizer.added_tokens_decoder.items() if t.special or str(t) in template
    }

    def n_control(name):
        shown = [Example(f"the {name} soup", "good"), Example("word", f"so {name} it")]
        row = encode(tokenizer, PROMPT, SUFFIX, Example("word", "positive"), shown)
        assert tokenizer.decode(row.ids[row.target_start : row.content_end]).strip() == "positive"
        if name != "word":
            assert name.replace(" ", "") in tokenizer.decode(row.context).replace(" ", "")
        return sum(token in control for token in row.ids)

    expected = n_control("word")
    for name in control_names(tokenizer):
        if "</think>" not in name:  # Qwen 3's template takes that for reasoning: below
            assert n_control(name) == expected, name


def test_an_answer_that_a_template_reads_as_reasoning_is_refused_in_a_demonstration():
    with pytest.raises(InputError, match=r"rewrites or leaves out.*n_shots: \[0\]"):
        encode(tokenizer_of("qwen3"), PROMPT, SUFFIX, ROW, [Example("x", "a</think>b")])


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages[-1]['content'] }}",
        "{% for m in messages %}[{{ m['content'] | upper }}]{% endfor %}",
    ],
)
def test_a_template_that_leaves_out_or_rewrites_turns_is_refused(encoder, template):
    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.chat_template = template
    with pytest.raises(InputError, match="demonstrations cannot be shown|chat template"):
        encode(tokenizer, PROMPT, SUFFIX, ROW, SHOWN)


@pytest.mark.parametrize("of", LAYOUTS)
def test_without_demonstrations_nothing_changes_and_targets_decide_no_context(of):
    tokenizer = of()
    assert encode(tokenizer, PROMPT, SUFFIX, ROW, []) == encode(tokenizer, PROMPT, SUFFIX, ROW)
    contexts = [
        encode(tokenizer, PROMPT, SUFFIX, Example("x", target), SHOWN).context
        for target in ("positive", "12", "")
    ]
    assert contexts[0] == contexts[1] == contexts[2]
    for shown in (Example(" led ", "\n\n two "), Example("", "")):
        row = encode(tokenizer, PROMPT, SUFFIX, ROW, [shown])
        assert tokenizer.decode(row.ids[row.target_start : row.content_end]).strip() == "negative"


def test_a_split_is_encoded_with_the_demonstrations_of_each_row(encoder):
    task = get_task("sentiment")
    original, other = get_prompts("sentiment")[:2]
    for split in ("train", "test"):
        for prompt in (original, other):
            found = encoder.encode_split(task, split, 4, prompt, n_shots=2)
            for i, row in enumerate(task.examples(split, 4)):
                shown = demonstrations(task, split, i, 2)
                assert found[i] == encode(encoder.tokenizer, prompt.text, task.suffix, row, shown)
    alone = encoder.encode_split(task, "test", 4, original)
    assert alone == encoder.encode_split(task, "test", 4, original, n_shots=0)
    assert all(len(a.ids) < len(b.ids) for a, b in zip(alone, found, strict=True))


def test_what_does_not_fit_behind_demonstrations_is_told_with_its_setting(encoder):
    task = get_task("sentiment")
    prompt = Prompt("sentiment", "own-1", "Judge it.", "own")
    split = encoder.encode_split(task, "test", 5, prompt)
    limit = max(len(row.ids) for row in split) + task.max_new_tokens
    tight = Encoder(encoder.tokenizer, limit)
    tested = [Reading(task, "test", 5, prompt, n) for n in (0, 1, 2)]
    with pytest.raises(InputError) as caught:
        tight.encode_all(tested)
    said = str(caught.value)
    assert "makes 5 of 5 test examples behind 2 demonstrations up to" in said
    assert "Lower evaluation.n_shots: leave out 1 and more." in said
    assert said.count(" makes ") == 1 and "inputs.too_long" not in said
    tight.encode_all(tested[:1])
    tight = Encoder(encoder.tokenizer, limit - 1)
    with pytest.raises(InputError) as caught:
        tight.encode_all(tested)
    said = str(caught.value)
    assert said.count(" makes ") == 2
    assert "inputs.too_long to cut" in said and "evaluation.n_shots" in said
    trained = Reading(task, "train", 5, prompt, 1)
    with pytest.raises(InputError, match="Leave out methods that train behind a demonstration"):
        tight.encode_all([trained])

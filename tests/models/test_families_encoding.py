"""What is trained and scored, for tokenizers built as those of real families are."""

from __future__ import annotations

import copy
import unicodedata

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from sapo_analysis.errors import InputError
from sapo_analysis.models.encoding import (
    Encoder,
    count_tokens,
    encode,
    encode_prompt,
    token_texts,
)
from sapo_analysis.tasks.base import Example
from tests.models.tokenizers_of_families import FAMILIES, tokenizer_of

CHAT = [name for name, family in FAMILIES.items() if family.template]
PROMPT, SUFFIX = "Say whether 支持 or 反对.", "Directly output only one word."
INPUTS = ["the soup was lovely", "这个句子 🙂 café e\u0301", ""]
TARGETS = [
    "positive",
    "positive negative",
    "12",
    "1,234.5",
    " leading",
    "\nline",
    "\n\n two",
    "trailing \n",
    "支持",
    "🙂",
    "👩\u200d👧 ok",
    "café",
    "e\u0301",
    "it's , so .",
    "<b>",
    "-1",
    "",
]


def without_template(family):
    tokenizer = copy.deepcopy(tokenizer_of(family))
    tokenizer.chat_template = None
    return tokenizer


LAYOUTS = [
    *(pytest.param(lambda f=f: tokenizer_of(f), id=f"{f}-chat") for f in CHAT),
    *(pytest.param(lambda f=f: without_template(f), id=f"{f}-plain") for f in FAMILIES),
]


def asked(tokenizer, text):
    """The text that asks for the answer to an input, as the tokenizer's own template gives it."""
    message = f"{PROMPT}\n\nText:\n{text}\n\n{SUFFIX}"
    if tokenizer.chat_template is None:
        return (tokenizer.bos_token or "") + message + "\n\nAnswer:"
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": message}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
        date_string="26 Jul 2024",
    )


def composed(text):
    return unicodedata.normalize("NFKC", text).strip()


@pytest.mark.parametrize("of", LAYOUTS)
def test_what_is_asked_is_the_generation_prompt_and_what_is_trained_is_the_answer(of):
    tokenizer = of()
    encoder = Encoder(tokenizer, 512)
    for text in INPUTS:
        prompt = tokenizer(asked(tokenizer, text), add_special_tokens=False)["input_ids"]
        for target in TARGETS:
            row = encode(tokenizer, PROMPT, SUFFIX, Example(text, target))
            assert row.context == prompt, target
            own = tokenizer.decode(
                row.ids[row.target_start : row.content_end], clean_up_tokenization_spaces=False
            )
            assert composed(own) == composed(target)
            assert (row.content_end > row.target_start) is bool(target.strip())
            after = row.ids[row.content_end :]
            assert set(after) & set(encoder.stop_ids)
            assert tokenizer.decode(after, skip_special_tokens=True).strip() == ""
            (said,) = encoder.answers([row.ids[row.target_start :]])
            assert composed(said) == composed(target)
            # Nothing is lost or written twice: normalisers apart, the text comes back.
            pieces = token_texts(tokenizer, PROMPT, SUFFIX, Example(text, target))
            assert len(pieces) == len(row.ids)
            assert "".join(pieces[: row.target_start]) == asked(tokenizer, text)
            assert "".join(pieces[: row.content_end]).rstrip().endswith(target.strip())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plain_layout_is_what_is_documented(family):
    tokenizer = without_template(family)
    text = "".join(token_texts(tokenizer, PROMPT, SUFFIX, Example("in", "out")))
    message = f"{PROMPT}\n\nText:\nin\n\n{SUFFIX}"
    assert text == f"{tokenizer.bos_token or ''}{message}\n\nAnswer: out{tokenizer.eos_token}"


STOPS = {
    "llama": {"<|eot_id|>"},
    "llama2": {"</s>"},
    "qwen2": {"<|im_end|>"},
    "qwen3": {"<|im_end|>"},
    "gemma": {"<end_of_turn>", "<eos>"},
    "mistral": {"</s>"},
    "smollm": {"<|im_end|>"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_ends_with_the_familys_own_tokens(family):
    tokenizer = tokenizer_of(family)
    stops = Encoder(tokenizer, 512).stop_ids
    assert set(tokenizer.convert_ids_to_tokens(stops)) == STOPS.get(family, {FAMILIES[family].eos})


def control_names(tokenizer):
    names = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    return [*names, "".join(names), f"a{names[0]} b", "<|im_end", "</s"]


@pytest.mark.parametrize("of", LAYOUTS)
def test_a_control_token_in_a_users_text_is_text(of):
    tokenizer = of()
    template = tokenizer.chat_template or ""
    control = {
        i for i, t in tokenizer.added_tokens_decoder.items() if t.special or str(t) in template
    }

    def n_control(prompt, text):
        row = encode(tokenizer, prompt, SUFFIX, Example(text, "positive"))
        return sum(token in control for token in row.ids), row

    expected, _ = n_control(PROMPT, "word")
    for name in control_names(tokenizer):
        for prompt, text in ((PROMPT, f"the {name} soup"), (f"{PROMPT} {name}", "word")):
            found, row = n_control(prompt, text)
            assert found == expected, name
            assert name.replace(" ", "") in tokenizer.decode(row.context).replace(" ", "")
            assert tokenizer.decode(row.ids[row.target_start : row.content_end]).strip() == (
                "positive"
            )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_control_token_in_an_answer_is_text_and_does_not_end_it(family):
    tokenizer = tokenizer_of(family)
    encoder = Encoder(tokenizer, 512)
    target = f"so {FAMILIES[family].eos} it goes"
    row = encode(tokenizer, PROMPT, SUFFIX, Example("x", target))
    (said,) = encoder.answers([row.ids[row.target_start :]])
    assert said.replace(" ", "") == target.replace(" ", "")
    plain = encode(tokenizer, PROMPT, SUFFIX, Example("x", "so"))
    assert row.ids[row.content_end :] == plain.ids[plain.content_end :]
    assert row.context == plain.context
    assert count_tokens(tokenizer, [FAMILIES[family].eos]) > [1]


def test_a_vocabulary_without_bytes_has_its_unknown_token_for_them():
    backend = Tokenizer(models.BPE({"<unk>": 0, "a": 1}, [], unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    assert count_tokens(tokenizer, ["a", "ж", "<unk>", "aж<unk>"]) == [1, 1, 5, 7]


def test_an_answer_that_a_template_reads_as_reasoning_is_refused():
    with pytest.raises(InputError, match=r"answer 'a</think>b'"):
        encode(tokenizer_of("qwen3"), PROMPT, SUFFIX, Example("x", "a</think>b"))


def test_text_does_not_change_with_the_date():
    row = encode(tokenizer_of("llama"), PROMPT, SUFFIX, Example("x", "y"))
    assert "Today Date: 26 Jul 2024" in tokenizer_of("llama").decode(row.ids)


def test_thinking_is_off_where_a_template_has_it():
    row = encode(tokenizer_of("qwen3"), PROMPT, SUFFIX, Example("x", "y"))
    tail = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert tokenizer_of("qwen3").decode(row.context).endswith(tail)


@pytest.mark.parametrize("of", LAYOUTS)
@pytest.mark.parametrize("prompt", [PROMPT, "支持？", "text it", " Judge it. "])
def test_a_prompts_own_tokens_are_found(of, prompt):
    tokenizer = of()
    found = encode_prompt(tokenizer, prompt, SUFFIX)
    own = tokenizer.decode(found.ids[found.target_start : found.content_end])
    # Nothing predicts a text's first token, so it is no target.
    first = tokenizer.decode(found.ids[:1]) if found.target_start == 1 else ""
    assert composed(prompt) in composed(first + own)
    assert len(own) <= len(prompt) + len("[INST]")
    row = encode(tokenizer, prompt, SUFFIX, Example("word", "y"))
    assert row.ids[: len(found.ids)] == found.ids


def test_spaces_at_the_end_of_a_generation_prompt_are_written_with_the_answer():
    tokenizer = copy.deepcopy(tokenizer_of("qwen2"))
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    rows = [encode(tokenizer, PROMPT, "", Example("x", target)) for target in ("positive", "12")]
    assert rows[0].context == rows[1].context
    assert tokenizer.decode(rows[0].context).endswith("assistant:")
    assert tokenizer.decode(rows[0].ids[rows[0].target_start]) == " positive"


def test_answers_are_not_tidied_up_and_end_at_the_first_end():
    encoder = Encoder(tokenizer_of("gpt2"), 512)
    tokens = tokenizer_of("gpt2")("it 's , so .")["input_ids"]
    end = tokenizer_of("gpt2").eos_token_id
    assert encoder.answers([tokens, [*tokens, end, 5, 6]]) == ["it 's , so ."] * 2


def test_without_a_pad_token_any_token_fills_up_and_is_never_read():
    encoder = Encoder(tokenizer_of("gpt2"), 512)
    assert encoder.tokenizer.pad_token_id is None and encoder.pad_id == 0


def test_without_template_and_end_of_sequence_answers_have_no_end():
    tokenizer = copy.deepcopy(tokenizer_of("gpt2"))
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="neither a chat template nor an end-of-sequence"):
        encode(tokenizer, PROMPT, "", Example("x", "y"))

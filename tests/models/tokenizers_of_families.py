"""Small tokenizers built as those of real model families are: same parts, templates, tokens.

Each is trained here on a few sentences. Normaliser, pre-tokenizer, model, decoder, offsets and chat
template are those that the family's published tokenizer.json and tokenizer_config.json describe;
the vocabulary alone is small.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

_VOCABULARY = 600
TEXTS = [
    "Say whether the review is positive or negative. Directly output only one word.",
    "Text:\nthe soup was lovely\n\nAnswer: positive",
    "Text:\nthe waiter was rude and the bill wrong\n\nAnswer: negative",
    "How many letters are in the list? Answer with a number: 0 1 2 3 10 25 100 1234",
    "Translate the sentence. Antworte mit einem Wort. Réponds par un mot. café, naïve, Straße",
    "这个句子支持还是反对？请直接输出一个词。支持 反对 中立",
    "user assistant system model You are a helpful assistant. Today is 26 Jul 2024.",
    "an answer, a question; yes or no. Yes! No? 'It isn't', they'll say: it's 5 stars",
] * 4

# What the published tokenizers split text with before they merge.
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN = _LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")

_CHATML = """\
{%- for message in messages %}
{%- if loop.first and messages[0]['role'] != 'system' and SYSTEM %}
{{- '<|im_start|>system\n' + SYSTEM + '<|im_end|>\n' }}
{%- endif %}
{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""

_QWEN_3 = r"""
{%- for message in messages %}
{%- if message.role == 'user' %}
{{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == 'assistant' %}
{%- set content = message.content %}
{%- set reasoning_content = '' %}
{%- if '</think>' in content %}
{%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1] %}
{%- set content = content.split('</think>')[-1].lstrip('\n') %}
{%- endif %}
{%- if loop.last or reasoning_content %}
{{- '<|im_start|>assistant\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' }}
{{- content.lstrip('\n') }}
{%- else %}
{{- '<|im_start|>assistant\n' + content }}
{%- endif %}
{{- '<|im_end|>\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}
{{- '<think>\n\n</think>\n\n' }}
{%- endif %}
{%- endif %}"""

_LLAMA_3_CHAT = r"""{{- bos_token }}
{%- if not date_string is defined %}
{%- if strftime_now is defined %}
{%- set date_string = strftime_now("%d %b %Y") %}
{%- else %}
{%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
{{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}"""

_LLAMA_2_CHAT = """\
{%- for message in messages %}
{%- if message['role'] == 'user' %}
{{- bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}
{%- else %}
{{- ' '  + message['content'].strip() + ' ' + eos_token }}
{%- endif %}
{%- endfor %}"""

_MISTRAL_CHAT = """\
{{- bos_token }}
{%- for message in messages %}
{%- if message['role'] == 'user' %}
{{- '[INST] ' + message['content'] + '[/INST]' }}
{%- else %}
{{- ' ' + message['content'] | trim + eos_token }}
{%- endif %}
{%- endfor %}"""

_GEMMA_CHAT = """\
{{- bos_token }}
{%- for message in messages %}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{- '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{%- endif %}"""


def _byte_level(
    split: Callable[[], list[Any]], special: list[str], normalize: bool, trim_offsets: bool
) -> Tokenizer:
    """Byte-level BPE; `split` makes what comes before the bytes."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=False))
    if normalize:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim_offsets)
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _by_regex(pattern: str) -> list[Any]:
    return [
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]


_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _pieces(
    special: list[str], normalizer: Any, split: Any, decoder: list[Any], before: str = ""
) -> Tokenizer:
    """BPE over pieces with ▁ for a space; a character that it lacks falls back to its bytes.

    Trained word by word, each with `before` in front: without a pre-tokenizer whole sentences would
    be learned as one piece.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if split is not None:
        tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *decoder]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY + 256,
        special_tokens=[*special, *_BYTES],
        show_progress=False,
        limit_alphabet=100,  # most Chinese characters are left to their bytes
    )
    words = [before + word for text in TEXTS for word in text.split(" ")]
    tokenizer.train_from_iterator(words, trainer)
    # In published files bytes are pieces of the vocabulary and no added tokens.
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] not in _BYTES]
    return Tokenizer.from_str(json.dumps(content))


def _llama_2() -> Tokenizer:
    prepend = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return _pieces(["<unk>", "<s>", "</s>"], prepend, None, [decoders.Strip(" ", 1, 0)])


def _mistral() -> Tokenizer:
    split = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    return _pieces(special, None, split, [decoders.Strip(" ", 1, 0)])


def _gemma() -> Tokenizer:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    split = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    return _pieces(special, normalizers.Replace(" ", "▁"), split, [], before=" ")


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace("▁", prepend_scheme="always")]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    content = json.loads(tokenizer.to_str())
    content["model"]["vocab"] += [[byte, -20.0] for byte in _BYTES]
    content["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(content))


@dataclass(frozen=True)
class Family:
    """How one family's tokenizer is made and set up."""

    make: Callable[[], Tokenizer]
    bos: str | None
    eos: str
    pad: str | None
    template: str | None
    text: tuple[str, ...] = ()
    """Added tokens that are no special tokens."""


_CHATML_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_LLAMA_TOKENS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
]


def _chatml(system: str) -> str:
    return f"{{%- set SYSTEM = '{system}' %}}" + _CHATML


FAMILIES = {
    "llama": Family(
        lambda: _byte_level(lambda: _by_regex(_LLAMA_3), _LLAMA_TOKENS, False, True),
        "<|begin_of_text|>",
        "<|eot_id|>",
        None,
        _LLAMA_3_CHAT,
    ),
    "llama2": Family(_llama_2, "<s>", "</s>", None, _LLAMA_2_CHAT),
    "qwen2": Family(
        lambda: _byte_level(lambda: _by_regex(_QWEN), _CHATML_TOKENS, True, False),
        None,
        "<|im_end|>",
        "<|endoftext|>",
        _chatml("You are a helpful assistant."),
    ),
    "qwen3": Family(
        lambda: _byte_level(lambda: _by_regex(_QWEN), _CHATML_TOKENS, True, False),
        None,
        "<|im_end|>",
        "<|endoftext|>",
        _QWEN_3,
        ("<think>", "</think>"),
    ),
    "gemma": Family(_gemma, "<bos>", "<eos>", "<pad>", _GEMMA_CHAT),
    "mistral": Family(_mistral, "<s>", "</s>", None, _MISTRAL_CHAT),
    "gpt_neox": Family(
        lambda: _byte_level(
            lambda: [pre_tokenizers.ByteLevel(add_prefix_space=False)],
            ["<|endoftext|>", "<|padding|>"],
            True,
            True,
        ),
        "<|endoftext|>",
        "<|endoftext|>",
        None,
        None,
    ),
    "gpt2": Family(
        lambda: _byte_level(
            lambda: [pre_tokenizers.ByteLevel(add_prefix_space=False)],
            ["<|endoftext|>"],
            False,
            False,
        ),
        "<|endoftext|>",
        "<|endoftext|>",
        None,
        None,
    ),
    "smollm": Family(
        lambda: _byte_level(
            lambda: [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ],
            _CHATML_TOKENS,
            False,
            True,
        ),
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
        _chatml("You are a helpful AI assistant named SmolLM."),
    ),
    "unigram": Family(_unigram, "<s>", "</s>", None, None),
}
"""Families by name; `unigram` stands for SentencePiece's other model, in no chat model here."""


@cache
def tokenizer_of(family: str) -> PreTrainedTokenizerFast:
    """A family's tokenizer, trained small. Shared: copy it before changing anything in it."""
    of = FAMILIES[family]
    backend = of.make()
    backend.add_tokens([AddedToken(token, special=False) for token in of.text])
    fast: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerFast = fast(
        tokenizer_object=backend,
        bos_token=of.bos,
        eos_token=of.eos,
        pad_token=of.pad,
        chat_template=of.template,
        clean_up_tokenization_spaces=True,  # as many published configurations have it
    )
    return tokenizer

"""Demonstrations as virtual tokens: untrained, a text behind them is in-context learning."""

import copy
from contextlib import contextmanager

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.learning.candidate_losses import stacked_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.models.context_tokens import context_tokens
from sapo_analysis.models.encoding import Encoded, encode
from sapo_analysis.models.prefix import Prefixes, initial_prefix, prefix_before
from sapo_analysis.models.soft_prompt import SoftPrompts, standing_before
from sapo_analysis.models.soft_prompt_start import embedded
from sapo_analysis.models.virtual_tokens import VirtualTokens
from sapo_analysis.tasks.base import Example
from tests.models.families import model_of
from tests.models.test_families_encoding import without_template
from tests.models.tokenizers_of_families import tokenizer_of
from tests.norm64 import in_float64

PROMPT, SUFFIX = "Judge it.", "One word."
SHOWN = [Example("so good", "positive"), Example("the soup", "a"), Example("no", "negative")]
ROWS = [Example("the soup", "negative"), Example("so good", "positive"), Example("12", "")]


def asked(text):
    return f"Judge it.\n\nText:\n{text}\n\nOne word."


def context(tokenizer, n=3, probes=ROWS):
    return context_tokens(tokenizer, PROMPT, SUFFIX, SHOWN[:n], probes)


HEADS = {
    "qwen3": ("", "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n"),
    "qwen2": (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
        "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n",
    ),
    "gemma": (
        "<bos>",
        "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n{}<end_of_turn>\n",
    ),
    "mistral": ("<s>", "[INST] {}[/INST] {}</s>"),
    "gpt_neox": ("<|endoftext|>", "{}\n\nAnswer: {}\n\n"),
}
"""What the layout puts before the first turn, and a turn, both by hand."""


@pytest.fixture(scope="module", params=HEADS)
def family(request):
    of = without_template if request.param == "gpt_neox" else tokenizer_of
    return request.param, of(request.param)


def test_a_text_behind_demonstrations_is_head_turns_and_the_rest_of_the_text_alone(family):
    name, tokenizer = family
    head, turn = HEADS[name]
    found = context(tokenizer)
    assert tokenizer.decode(list(found.head)) == head
    for i, shown in enumerate(SHOWN):
        own = [found.ids[place] for place in found.slice_of(i)]
        assert tokenizer.decode(own) == turn.format(asked(shown.input), shown.target)
    for row in ROWS:
        alone = encode(tokenizer, PROMPT, SUFFIX, row).ids
        n = len(found.head)
        whole = encode(tokenizer, PROMPT, SUFFIX, row, SHOWN).ids
        assert whole == [*found.head, *found.ids, *alone[n:]]


@contextmanager
def standing(model, part, contexts):
    """Untrained virtual tokens of each context at work in the model."""
    if part == "soft prompt":
        prompts = SoftPrompts(model, [embedded(model, own.ids) for own in contexts])
        enter = standing_before
    else:
        heads = [embedded(model, own.head) if own.head else None for own in contexts]
        texts = [embedded(model, own.ids) for own in contexts]
        prompts = Prefixes(model, list(map(initial_prefix, [model] * len(texts), texts, heads)))
        enter = prefix_before
    with enter(model, prompts):
        yield prompts


@pytest.mark.parametrize("part", ["soft prompt", "prefix"])
def test_untrained_it_is_in_context_learning(family, part):
    name, tokenizer = family
    if name == "gpt_neox" and part == "prefix":
        pytest.skip("has no keys and values by themselves")
    model = in_float64(model_of(name, tokenizer))
    found = [context(tokenizer, n) for n in (3, 1)]
    alone = [encode(tokenizer, PROMPT, SUFFIX, row) for row in ROWS]
    expected = [
        sums(example_losses(model, shown, 2, 0))
        for shown in (
            [encode(tokenizer, PROMPT, SUFFIX, row, SHOWN[:n]) for row in ROWS] for n in (3, 1)
        )
    ]
    with standing(model, part, found) as prompts:
        rows = [
            prompts.tokens.before(alone, 0, n, own.head)
            for n, own in zip(prompts.lengths, found, strict=True)
        ]
        for k, losses in enumerate(stacked_losses(model, rows, 0)):
            assert sums(losses) == pytest.approx(expected[k], abs=1e-9)
    with standing(model, part, found[1:]) as prompts:
        rows = prompts.tokens.before(alone, head=found[1].head)
        assert sums(example_losses(model, rows, 3, 0)) == pytest.approx(expected[1], abs=1e-9)


def sums(losses):
    return [loss.nll_sum for loss in losses]


def test_a_layout_in_which_demonstrations_change_more_is_refused(encoder):
    tokenizer = copy.deepcopy(encoder.tokenizer)
    asked_twice = "(messages | selectattr('role', 'equalto', 'user') | list | length) > 1"
    tokenizer.chat_template = (
        f"{{% if {asked_twice} %}}Again: {{% endif %}}{tokenizer.chat_template}"
    )
    with pytest.raises(InputError, match="changes more of a text.*method than context tuning"):
        context(tokenizer)


def test_tokens_that_the_place_in_a_text_changes_are_refused():
    # That tokenizer puts a space before the first word of a text.
    with pytest.raises(InputError, match="changes more of a text"):
        context(without_template("llama2"))


def test_a_text_without_the_head_is_refused(encoder):
    model = model_of("llama", encoder.tokenizer)
    tokens = VirtualTokens.of(model, 3)
    row = Encoded([7, 5, 6, 8], 2, 3)
    (moved,) = tokens.before([row], length=2, head=[7])
    assert moved.ids == [7, tokens.first, tokens.first + 1, 5, 6, 8]
    assert (moved.target_start, moved.content_end) == (4, 5)
    with pytest.raises(InputError, match=r"begins with the tokens \[7\], and others with \[9\]"):
        tokens.before([row], head=[9])

"""The prompts of the pocket suite: enough of each kind, faithful, varied, told apart."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.prompts import Prompt, check_prompts, get_prompts, original
from sapo_analysis.tasks import get_task, list_tasks
from sapo_analysis.tasks.pocket import SHIPPED, task_file
from tests.prompts.rules import content_phrases, read_tasks, spans, words

NAMES = [task.name for task in list_tasks()]
BANK = [prompt for name in NAMES for prompt in get_prompts(name)]


def _labels(prompt: Prompt) -> tuple[str, ...]:
    return get_task(prompt.task).labels


@pytest.mark.parametrize("name", NAMES)
def test_original_first_then_the_promised_kinds(name: str) -> None:
    first, *paraphrases = get_prompts(name)
    assert first == original(name)
    assert first.source == "original" and not first.test_only
    kinds = Counter((p.source, p.test_only) for p in paraphrases)
    assert kinds == {("seen", False): 12, ("novel", False): 8, ("novel", True): 4}
    check_prompts([p.text for p in (first, *paraphrases)])


def test_ids_and_wordings_are_unique() -> None:
    folded = [" ".join(words(p.text)) for p in BANK]
    assert len(folded) == len(set(folded)) == 25 * len(NAMES)
    assert len({p.prompt_id for p in BANK}) == len(BANK)


def test_every_wording_keeps_the_label_words_as_they_are() -> None:
    for prompt in BANK:
        for label in _labels(prompt):
            assert re.search(rf"\b{label}\b", prompt.text), prompt


def test_no_two_prompts_share_five_words_in_a_row_beyond_the_label_words() -> None:
    owners = defaultdict(list)
    for prompt in BANK:
        for span in spans(prompt.text, _labels(prompt)):
            owners[span].append(prompt.prompt_id)
    assert {span: ids for span, ids in owners.items() if len(ids) > 1} == {}


def test_no_content_phrase_of_a_novel_prompt_was_pretrained() -> None:
    shown = {
        phrase
        for prompt in BANK
        if prompt.source != "novel"
        for phrase in content_phrases(prompt.text, _labels(prompt))
    }
    novel = [prompt for prompt in BANK if prompt.source == "novel"]
    pretrained = {p.prompt_id: content_phrases(p.text, _labels(p)) & shown for p in novel}
    assert {prompt_id: phrases for prompt_id, phrases in pretrained.items() if phrases} == {}


def test_no_prompt_gives_away_a_fact_of_its_task() -> None:
    # Label words stand in every prompt, so there no fact word may; else not both halves of a fact.
    for prompt in BANK:
        text = {w.removesuffix(end) for w in words(prompt.text) for end in ("", "s", "es")}
        said = {w.lower() for w in text}
        facts = task_file(prompt.task).answer_of
        given = [f for f, answer in facts.items() if {f.lower(), answer.lower()} <= said and f]
        assert not given, (prompt, given)


def test_a_bag_of_words_reader_finds_the_task_of_every_prompt() -> None:
    read = read_tasks([(prompt.task, prompt.text) for prompt in BANK])
    wrong = {p.prompt_id: task for p, task in zip(BANK, read, strict=True) if task != p.task}
    assert wrong == {}


def test_the_reader_can_fail() -> None:
    texts = [("a", "red or blue"), ("a", "blue or red"), ("b", "green"), ("b", "red or blue")]
    assert read_tasks(texts)[3] == "a"


def test_lengths_and_structures_vary() -> None:
    for name in NAMES:
        lengths = [len(words(p.text)) for p in get_prompts(name)]
        assert min(lengths) <= 9 and max(lengths) >= 15, (name, lengths)
        openings = {words(p.text)[0] for p in get_prompts(name)}
        assert len(openings) >= 12, (name, openings)
        questions = sum("?" in p.text for p in get_prompts(name))
        assert 4 <= questions <= 21, (name, questions)


def test_frequencies_come_from_the_model_at_hand(tmp_path: Path) -> None:
    assert all(p.frequency is None for p in get_prompts("add", model_folder=None))
    assert all(p.frequency is None for p in get_prompts("add", model_folder=tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    reworded = {"add": {get_prompts("add")[3].text: 7, "As add-13 once read.": 8}}
    (other / "prompt_frequencies.json").write_text(json.dumps(reworded), "utf-8")
    frequencies = {p.prompt_id: p.frequency for p in get_prompts("add", model_folder=other)}
    assert frequencies["add-03"] == 7 and frequencies["add-13"] == 0


@pytest.mark.parametrize("text", ['{"add-03": 7}', '{"add": {"Add.": "often"}}', "[]", "{"])
def test_frequencies_that_are_not_by_text_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "prompt_frequencies.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match="not count prompts by task and text.*Pretrain the model"):
        get_prompts("add", model_folder=tmp_path)


def test_the_shipped_model_met_exactly_the_seen_prompts() -> None:
    for prompt in (prompt for prompt in BANK if prompt.task in SHIPPED):
        assert prompt.frequency is not None
        assert (prompt.frequency > 0) == (prompt.source != "novel"), prompt


def test_unknown_task_is_an_input_error() -> None:
    with pytest.raises(InputError, match="Unknown task 'nope'"):
        get_prompts("nope")

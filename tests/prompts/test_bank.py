"""The prompt bank of the pocket suite: enough wordings, all different, all with the label words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.prompts import get_prompts, original, read_bank
from sapo_analysis.tasks import get_task, list_tasks

NAMES = [task.name for task in list_tasks()]


@pytest.mark.parametrize("name", NAMES)
def test_original_first_then_enough_paraphrases(name: str) -> None:
    first, *paraphrases = get_prompts(name)
    assert first.source == "original"
    assert first == original(name)
    assert not first.test_only
    assert len(paraphrases) >= 16
    assert {p.source for p in paraphrases} == {"seen", "novel"}
    assert sum(p.test_only for p in paraphrases) >= 4
    # Test-only prompts come from both sources, and enough of both stay for training.
    for source in ("seen", "novel"):
        of_source = [p for p in paraphrases if p.source == source]
        assert sum(p.test_only for p in of_source) >= 2
        assert sum(not p.test_only for p in of_source) >= 4


def test_no_wording_stands_twice_in_the_bank() -> None:
    prompts = [p for name in NAMES for p in get_prompts(name)]
    folded = [re.sub(r"\W+", " ", p.text).casefold().strip() for p in prompts]
    assert len(folded) == len(set(folded))
    assert len({p.prompt_id for p in prompts}) == len(prompts)


@pytest.mark.parametrize("name", NAMES)
def test_every_wording_keeps_the_label_words(name: str) -> None:
    for prompt in get_prompts(name):
        for label in get_task(name).labels:
            assert re.search(rf"\b{label}\b", prompt.text, re.IGNORECASE), prompt


def test_frequencies_are_zero_for_novel_and_positive_for_seen(tmp_path: Path) -> None:
    for name in NAMES:
        for prompt in get_prompts(name):
            assert prompt.frequency is not None
            assert (prompt.frequency > 0) == (prompt.source != "novel"), prompt


def test_frequency_is_none_where_it_is_not_known(tmp_path: Path) -> None:
    row = {"id": "x-00", "text": "Do {x}.", "source": "original", "test_only": False}
    path = tmp_path / "bank.json"
    path.write_text(json.dumps({"prompts": {"x": [row]}}), "utf-8")
    (prompt,) = read_bank(path)["x"]
    assert prompt.frequency is None
    assert prompt.text == "Do {x}."


def test_unknown_task_is_an_input_error() -> None:
    with pytest.raises(InputError, match="Unknown task 'nope'"):
        get_prompts("nope")

"""The wordings of the shipped task cards and of the shipped paraphrases: fit to be trained with."""

import json
from pathlib import Path

import pytest
import yaml

from sapo_analysis.prompts.checks import Checker
from sapo_analysis.prompts.paste import Candidate
from sapo_analysis.tasks import Task, Wording
from sapo_analysis.tasks.shipped_cards import card_names, shipped_card

PARAPHRASES = Path(__file__).resolve().parents[2] / "sapo_analysis" / "data" / "paraphrases"
RELEASED = Path(__file__).resolve().parents[3] / "shared" / "data" / "SUPERNI" / "instructions.json"
FILES = sorted(PARAPHRASES.glob("*.yaml"), key=lambda path: path.name)


def task(name, wordings, labels, suffix):
    return Task(
        name=name,
        title=name,
        family="",
        suite="added",
        labels=tuple(labels),
        metric="exact_match",
        suffix=suffix,
        max_new_tokens=1,
        role="",
        sizes={},
        load=lambda split: [],
        wordings=wordings,
    )


def verdicts(of):
    """What becomes of each wording but the original, were it pasted in, in their order."""
    original, *others = [wording.text for wording in of.wordings]
    checker = Checker(of, original, [(original, "the original")])
    found = checker.check([Candidate(text, text) for text in others])
    return [(each.text, each.verdict, each.reasons) for each in found if each.verdict != "use"]


def lengths(of):
    original, *others = [len(wording.text) for wording in of.wordings]
    return [length / original for length in others]


@pytest.mark.parametrize("name", card_names())
def test_a_card_has_twelve_paraphrases_fit_for_use(name):
    card = shipped_card(name)
    own = task(name, card.prompts.wordings, card.labels, card.suffix)
    assert len(card.prompts.paraphrases) == 12 and len(card.prompts.test_only) == 2
    assert verdicts(own) == []
    assert min(lengths(own)) < 0.8 and max(lengths(own)) > 1.2
    # The format line is the only place that says how to answer: prompts leave labels in it alone.
    assert all(label in card.suffix for label in card.labels)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_paraphrases_of_a_released_task_are_fit_for_use(path):
    if not RELEASED.exists():
        pytest.skip("the released tasks are not at ../shared/data")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(content) == ["task", "original", "paraphrases", "test_only"]
    assert content["task"] == path.stem
    released = json.loads(RELEASED.read_text(encoding="utf-8"))[path.stem]
    assert content["original"] == released["instruction"]
    assert len(content["paraphrases"]) >= 12 and len(content["test_only"]) == 2
    texts = [content["original"], *content["paraphrases"], *content["test_only"]]
    wordings = tuple(Wording(text, "paraphrase") for text in texts)
    own = task(path.stem, wordings, released["labels"], released["suffix"])
    assert verdicts(own) == []
    assert min(lengths(own)) < 0.8 and max(lengths(own)) > 1.1


def test_five_released_tasks_have_paraphrases():
    assert [path.stem.split("_")[0] for path in FILES] == [
        "task1310",
        "task1343",
        "task195",
        "task273",
        "task363",
    ]

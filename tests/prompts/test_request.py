"""The request for a chatbot: everything it has to know, and a reply that can be pasted back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.prompts import original
from sapo_analysis.prompts.request import request_text
from sapo_analysis.tasks import Example, get_task, list_tasks


@pytest.mark.parametrize("task", list_tasks(), ids=lambda task: task.name)
def test_it_names_instruction_labels_number_and_layout(task) -> None:
    said = request_text(task, original(task.name).text, 12)
    assert original(task.name).text in said and task.title in said
    assert "Write 12 paraphrases" in said and "the 12 paraphrases alone, one per line" in said
    assert all(label in said for label in task.labels)
    assert ("exactly as written" in said) == bool(task.labels)
    for example in task.examples("train", 2):
        assert f"{example.input}\n=> {example.target}" in said
    assert 'Do not write the text, a placeholder for it, or "Text:"' in said
    assert "appended by itself" not in said  # these tasks have no answer-format line


def test_it_names_the_answer_format_line_and_one_paraphrase_is_one() -> None:
    task = replace(get_task("add"), suffix="Only the number.")
    said = request_text(task, "Add {them} up.", 1)
    assert 'appended by itself: "Only the number."' in said
    assert "Write 1 paraphrase of" in said and "Add {them} up." in said


def test_long_examples_are_shown_by_their_beginning_and_one_is_enough() -> None:
    rows = {"train": [Example("word " * 1000, "y" * 700)], "dev": [], "test": []}
    task = replace(get_task("add"), load=lambda split: rows[split])
    said = request_text(task, "Add.", 1)
    assert "word …\n=> yyy" in said.replace("word  …", "word …") and len(said) < 2500


@pytest.mark.parametrize("n", [0, -1, 101, 2.5, "12"])
def test_a_number_that_makes_no_sense_is_refused(n) -> None:
    with pytest.raises(InputError, match="Ask for 1 to 100"):
        request_text(get_task("add"), "Add.", n)

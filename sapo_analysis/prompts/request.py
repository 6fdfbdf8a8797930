"""The request that a user copies into any chatbot, and whose reply is pasted back."""

from __future__ import annotations

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import Example, Task

MAX_WANTED = 100
_LONGEST = 600
"""Characters of an example's text that are shown: enough to see what kind of text it is."""


def request_text(task: Task, original: str, n: int) -> str:
    """A request for `n` paraphrases of a task's original prompt, as plain text.

    It says what the task is, with two training examples, which label words have to stay, what is
    appended and must not be written, and how to answer so that `paste.parse_text` can read it.

    Raises:
        InputError: `n` is not between 1 and `MAX_WANTED`.
    """
    if not isinstance(n, int) or not 1 <= n <= MAX_WANTED:
        raise InputError(f"{n!r} paraphrases cannot be asked for. Ask for 1 to {MAX_WANTED}.")
    rules = "\n".join(f"- {rule}" for rule in rules_of(task))
    examples = "\n".join(
        f"{_short(row.input)}\n=> {_short(row.target)}" for row in shown_examples(task)
    )
    return f"""\
Write {n} paraphrase{"s" if n > 1 else ""} of this instruction for a language model:

{original}

The task is called "{task.title}". The model reads the instruction, then a text, and answers.
Two texts with their answers, so that you know what is meant:

{examples}

Rules:
{rules}

Answer with the {n} paraphrase{"s" if n > 1 else ""} alone, one per line: no numbers, no \
quotation marks, no headings, no comments."""


def shown_examples(task: Task) -> list[Example]:
    """The training examples that a request shows: the first two, or as many as there are."""
    return task.examples("train")[:2]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def rules_of(task: Task) -> list[str]:
    """What a request asks of every paraphrase, a line each."""
    rules = ["Keep the meaning: the same text must get the same answer."]
    if task.labels:
        labels = ", ".join(task.labels)
        rules.append(f"Use each of these words exactly as written in every paraphrase: {labels}.")
    rules += [
        "Do not give away answers, and do not use the examples above.",
        'Do not write the text, a placeholder for it, or "Text:"; the text follows by itself.',
    ]
    if task.suffix:
        rules.append(f'Do not write this line, which is appended by itself: "{task.suffix}"')
    rules += [
        "Stay in the language of the instruction.",
        "Vary words, order and form (question, command, description); no two should look alike.",
        "Keep between half and twice the length of the instruction.",
        "Each paraphrase is one line.",
    ]
    return rules

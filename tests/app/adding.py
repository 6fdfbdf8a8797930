"""A task of forty-odd rows in a runs folder, as `Add a task` leaves it."""

import json

from sapo_analysis.tasks.adding import add_rows
from sapo_analysis.tasks.card import CardPrompts, Columns, TaskCard

EVIL = "*x* <img src=q onerror=alert(1)> [y](javascript:alert(1)) :red[z] $m$"
ROWS = [{"text": f"{EVIL} {i}", "label": i % 2, "stars": i % 5} for i in range(60)]


def jsonl(rows):
    """Rows as the lines of a file."""
    return "\n".join(json.dumps(row) for row in rows).encode()


def add_reviews(folder, name="reviews", card=None):
    """Add a task with two labels and two paraphrases to a runs folder."""
    made = TaskCard(
        name=name,
        title="Reviews",
        labels=("bad", "good"),
        metric="label_accuracy",
        max_new_tokens=4,
        columns=Columns(input="text", target="label", answers={"0": "bad", "1": "good"}),
        prompts=CardPrompts(
            original="Is it bad or good?",
            paraphrases=("Say whether it is good or bad.", "bad or good?"),
        ),
    )
    if card is not None:
        made = card.model_copy(update={"columns": made.columns, "labels": made.labels})
    return add_rows(folder, made, {"train": ROWS}, {}).task

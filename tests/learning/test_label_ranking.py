"""Label ranking against one plain forward pass per label, and per step of the trie."""

from dataclasses import replace

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning import label_ranking
from sapo_analysis.learning.label_ranking import rank_labels
from sapo_analysis.models.encoding import Encoded, encode
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import Example

N = 20


def log_p(model, ids):
    """log p of every next token after `ids` [vocabulary]."""
    return model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)


@torch.no_grad()
def reference(model, rows):
    """(by sum, by mean, by trie) for one example's labels, each read by itself, token by token."""
    sums, means = [], []
    for row in rows:
        steps = [
            -log_p(model, row.ids[:t])[row.ids[t]].item()
            for t in range(row.target_start, len(row.ids))
        ]
        sums.append(sum(steps))
        means.append(sum(steps) / len(steps))
    alive, written = list(range(len(rows))), rows[0].context
    while len(alive) > 1:
        after = log_p(model, written)
        allowed = [rows[c].ids[len(written)] for c in alive]
        token = max(allowed, key=lambda token: after[token].item())
        alive = [c for c in alive if rows[c].ids[len(written)] == token]
        written = [*written, token]
    return sums.index(min(sums)), means.index(min(means)), alive[0]


# The second set: labels that begin others, labels of several lengths, and none that is expected.
LABELS = {
    "as given": ("sport", "music", "weather", "school"),
    "uneven": ("two", "two storm clouds", "no", "storm clouds", "otter otter otter"),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("size", [3, N])
def test_choices_and_accuracies_are_those_of_reading_each_label_alone(
    model64, encoder, labels, size
):
    task = replace(get_task("topic"), labels=LABELS[labels])
    prompt = get_prompts("topic")[3]
    examples = [
        Example(x.input, task.labels[i % len(task.labels)])
        for i, x in enumerate(task.examples("test", N))
    ]
    found = rank_labels(model64, encoder, task, examples, prompt, size)
    expected = [
        reference(
            model64,
            [
                encode(encoder.tokenizer, prompt.text, task.suffix, Example(x.input, label))
                for label in task.labels
            ],
        )
        for x in examples
    ]
    chosen = list(zip(found.by_sum, found.by_mean, found.by_trie, strict=True))
    assert chosen == expected
    targets = [task.labels.index(x.target) for x in examples]
    for accuracy, chosen in (
        (found.label_rank_sum, found.by_sum),
        (found.label_rank_mean, found.by_mean),
        (found.label_rank_trie, found.by_trie),
    ):
        assert accuracy == 100 * sum(c == t for c, t in zip(chosen, targets, strict=True)) / N
    assert 0 < found.label_rank_sum < 100
    if labels == "uneven":  # else the rules were not told apart
        assert found.by_sum != found.by_mean and found.by_sum != found.by_trie


def test_contexts_that_part_before_the_answer_are_compared_from_there(
    model64, encoder, monkeypatch
):
    # As if a tokenizer merged the context's last token into the second label alone.
    rows = [Encoded([5, 6, 7, 8, 9], 4, 5), Encoded([5, 6, 17, 9], 2, 4)]
    known = dict(zip(("positive", "negative"), rows, strict=True))
    monkeypatch.setattr(label_ranking, "encode", lambda *a: known[a[3].target])
    task = get_task("sentiment")
    found = rank_labels(
        model64, encoder, task, [Example("x", "negative")], get_prompts("sentiment")[0], 4
    )
    expected = reference(model64, [replace(row, target_start=2) for row in rows])
    assert (found.by_sum, found.by_mean, found.by_trie) == tuple([c] for c in expected)


def test_a_template_without_an_end_of_turn_leaves_the_shorter_label(model64, encoder, monkeypatch):
    rows = [Encoded([5, 6, 7, 8], 2, 4), Encoded([5, 6, 7], 2, 3)]
    known = dict(zip(("positive", "negative"), rows, strict=True))
    monkeypatch.setattr(label_ranking, "encode", lambda *a: known[a[3].target])
    task = get_task("sentiment")
    found = rank_labels(
        model64, encoder, task, [Example("x", "negative")], get_prompts("sentiment")[0], 4
    )
    assert found.by_trie == [1] and found.label_rank_trie == 100.0


def test_what_cannot_be_ranked_is_refused(model64, encoder):
    prompt = get_prompts("sentiment")[0]
    with pytest.raises(InputError, match="Task 'translate' has no labels to rank"):
        rank_labels(model64, encoder, get_task("translate"), [Example("a", "b")], prompt, 4)
    with pytest.raises(InputError, match="No examples of task 'sentiment'"):
        rank_labels(model64, encoder, get_task("sentiment"), [], prompt, 4)
    long = Example("word " * 2000, "positive")
    with pytest.raises(InputError, match="makes example 0 .* reads at most"):
        rank_labels(model64, encoder, get_task("sentiment"), [long], prompt, 4)

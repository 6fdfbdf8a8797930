"""The engine's answers under prompts, in this process."""

from sapo_analysis.prompts import original
from sapo_analysis.studies import equivalence as asking
from sapo_analysis.studies.equivalence import equivalence
from sapo_analysis.tasks import get_task


def test_answers_come_per_text_and_stay_out_where_an_example_does_not_fit(monkeypatch):
    task = get_task("sentiment")
    text = original(task).text
    whole = equivalence("pocket", "sentiment", [text, ""], 6)
    first, without = whole["answers"]
    assert [len(first), len(without)] == [6, 6] and set(first) <= set(task.labels)
    assert without != first and len(whole["fingerprint"]) == 64
    lengths = []
    monkeypatch.setattr(
        asking, "_fits", lambda *where: lengths.append(where[2].target_start) or len(lengths) % 2
    )
    (some,) = equivalence("pocket", "sentiment", [text], 6)["answers"]
    assert some == [first[0], None, first[2], None, first[4], None]
    monkeypatch.undo()
    # A text fits with room for the longest answer alone.
    room = lengths[0] + task.max_new_tokens
    for length in (room, room - 1):
        monkeypatch.setattr(asking, "context_length", lambda _, length=length: length)
        (found,) = equivalence("pocket", "sentiment", [text], 1)["answers"]
        assert found == ([first[0]] if length == room else [None])

"""`sapo score` and `sapo rank`: what they ask the engine, what they show."""

import json

import pytest
from typer.testing import CliRunner

from sapo_analysis import jobs
from sapo_analysis.cli import app


def prompt(i, **rest):
    return {
        "prompt_id": f"p-{i}",
        "text": f"[red]Prompt[/red] {i}",
        "source": "own",
        "n_tokens": 4,
        **rest,
    }


def losses(i, value, n=250, exact=True):
    others = dict.fromkeys(["token_mean", "example_mean", "content"], 0.5 if exact else None)
    return prompt(i, pre_update_loss=value, **others, n_examples=n, exact=exact)


SCORES = {
    "model": "pocket",
    "task": "sentiment",
    "n_examples": 250,
    "prompts": [losses(0, 2.0), losses(1, 1.0)],
}
SELECTION = {
    **SCORES,
    "winner": "p-2",
    "gap": 0.5,
    "noise": 2e-8,
    "n_evaluations": 556,
    "n_full": 1000,
    "n_repeated": 64,
    "n_rechecked": 0,
    "prompts": [
        losses(0, 1.2348, 40, exact=False),
        losses(1, 1.5),
        losses(2, 1.0),
        losses(3, 1.1, 16, exact=False),
    ],
}
RANKS = {
    "model": "pocket",
    "task": "sentiment",
    "labels": ["positive", "negative"],
    "n_examples": 100,
    "prompts": [prompt(0, label_rank_sum=61.0, label_rank_mean=62.0, label_rank_trie=63.0)],
}


def ok(command, *arguments):
    asked = [command, "--model", "pocket", "--task", "sentiment", *map(str, arguments)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def answers(monkeypatch):
    """What the engine is asked; it answers from here."""
    asked = []
    known = {"score": SCORES, "select": SELECTION, "rank_labels": RANKS}

    def probe(kind, payload):
        asked.append((kind, payload))
        return known[kind]

    monkeypatch.setattr(jobs, "probe", probe)
    return asked


def test_score_shows_prompts_by_loss_and_obeys_no_markup(answers, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("First {brace}\nline two\n---\nSecond\n")
    text = ok("score", "--prompts", file)
    assert answers[0][0] == "score"
    assert answers[0][1]["prompts"] == ["First {brace}\nline two", "Second"]
    assert text.index("[red]Prompt[/red] 1") < text.index("[red]Prompt[/red] 0")
    assert "≥" not in text and "evaluations" not in text
    assert json.loads(ok("score", "--json")) == SCORES


def test_the_winner_stands_first_and_lower_bounds_are_marked(answers):
    text = ok("score", "--winner")
    assert answers[0][0] == "select"
    lines = [line for line in text.splitlines() if "Prompt" in line]
    assert [line.split()[1] for line in lines] == ["p-2", "p-1", "p-3", "p-0"]
    assert "≥" not in lines[0] + lines[1]
    assert "≥ 1.100" in lines[2] and "≥ 1.234" in lines[3]  # rounded down: a bound stays one
    assert "556 of 1,000 evaluations (56 %)" in text and "64 to measure" in text
    assert "0.5 higher" in text and "Rounding alone" not in text


def test_a_tie_within_rounding_is_named(answers, monkeypatch):
    monkeypatch.setitem(SELECTION, "gap", 1e-8)
    assert "Rounding alone may have decided" in ok("score", "--winner")


def test_an_unknown_second_is_not_spoken_of(answers, monkeypatch):
    monkeypatch.setitem(SELECTION, "gap", None)
    assert "second lowest" not in ok("score", "--winner")


def test_the_json_says_which_losses_are_exact(answers):
    found = json.loads(ok("score", "--winner", "--json"))
    assert [p["exact"] for p in found["prompts"]] == [False, True, True, False]
    assert found["winner"] == "p-2" and found["prompts"][0]["content"] is None


def test_rank_shows_each_rule_under_its_own_name(answers):
    text = ok("rank")
    assert answers[0] == (
        "rank_labels",
        {
            "model": "pocket",
            "task": "sentiment",
            "prompts": None,
            "examples": 100,
            "tasks_from": (),
        },
    )
    for said in ("label_rank_sum", "label_rank_mean", "label_rank_trie", "62.000", "positive"):
        assert said in text
    assert json.loads(ok("rank", "--json")) == RANKS


@pytest.mark.parametrize("command", ["score", "rank"])
def test_unknown_names_are_refused_without_the_engine(answers, command):
    for model, task, said in (("nope", "place", "model 'nope'"), ("pocket", "nope", "task 'nope'")):
        result = CliRunner().invoke(app, [command, "--model", model, "--task", task])
        assert result.exit_code == 2 and f"Unknown {said}" in result.stderr
    assert answers == []

"""`sapo equivalence`: the shipped model asked once, what is shown of its answers."""

import json

import pytest
from typer.testing import CliRunner

from sapo_analysis import jobs
from sapo_analysis.cli import app
from sapo_analysis.store.base_answers import FOLDER
from sapo_analysis.store.own_prompts import add_own_prompts

SYNONYM = "Give a synonym of the adjective."
N = 40


def equivalence(folder, *options):
    return CliRunner().invoke(app, ["equivalence", *options, "--runs", str(folder)])


def test_a_prompt_of_another_meaning_is_seen_and_nothing_is_asked_twice(
    tmp_path, monkeypatch, in_this_process
):
    add_own_prompts(tmp_path, "opposite", [SYNONYM], "pasted")
    asked = []
    answer = jobs.probe

    def probe(kind, payload, **rest):
        asked.append((kind, len(payload["prompts"])))
        # Only what the test looks at: the bank would take ten seconds.
        few = [*payload["prompts"][:3], SYNONYM, ""]
        found = answer(kind, {**payload, "prompts": few})
        by_text = dict(zip(few, found["answers"], strict=True))
        answers = [by_text.get(text, by_text[few[0]]) for text in payload["prompts"]]
        return {**found, "answers": answers}

    monkeypatch.setattr(jobs, "probe", probe)
    done = equivalence(tmp_path, "opposite", "--n", str(N), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    prompts = {prompt["prompt_id"]: prompt for prompt in found["prompts"]}
    assert found["n_examples"] == N and found["cannot_tell"] == ""
    assert found["original"]["alike"] == 1.0 and found["original"]["score"] > 40
    assert prompts["opposite-01"]["lower"] > found["without_instruction"]["alike"]
    assert prompts["opposite-01"]["remark"].startswith("above")
    assert prompts["own-01"]["remark"] == "not above no instruction"
    assert len(list((tmp_path / FOLDER).glob("opposite.*.json"))) == 1
    shown = equivalence(tmp_path, "opposite", "--n", "30").stdout
    assert "Without any instruction" in shown and SYNONYM in shown
    assert "cannot be told" not in shown and asked == [("equivalence", len(prompts) + 2)]


@pytest.mark.parametrize(("n", "task"), [("0", "opposite"), ("201", "opposite"), ("5", "nope")])
def test_what_cannot_be_asked_is_refused_before_a_model_is_loaded(tmp_path, monkeypatch, n, task):
    monkeypatch.setattr(jobs, "probe", None)
    done = equivalence(tmp_path, task, "--n", n)
    assert done.exit_code == 2
    assert ("Unknown task" if task == "nope" else "200 dev examples") in done.stderr

"""Tasks of cards in a study: as the past, the current task and forgetting probes."""

import json
from pathlib import Path

from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.runner import run_to_end
from sapo_analysis.tasks.adding import add_rows
from sapo_analysis.tasks.shipped_cards import shipped_card

FIXTURES = Path(__file__).resolve().parents[1] / "tasks" / "fixtures" / "cards"


def rows(name, start, stop):
    own = [json.loads(line) for line in (FIXTURES / f"{name}.jsonl").read_text().splitlines()]
    numbered = [own[i % len(own)] | {"idx": i} for i in range(start, stop)]
    text = "sentence" if name == "sst2" else "question"
    return [row | {text: f"{row[text]} {row['idx']}"} for row in numbered]


def test_a_study_over_tasks_of_cards_runs_to_its_end(tmp_path):
    for name in ("sst2", "boolq", "gsm8k"):
        tables = {"train": rows(name, 0, 12), "dev": rows(name, 12, 20), "test": rows(name, 20, 25)}
        add_rows(tmp_path, shipped_card(name), tables, {})
    study = ParaphraseStudy.model_validate(
        {
            "name": "cards",
            "tasks_from": [str(tmp_path / ".tasks")],
            "past": ["boolq"],
            "current": ["sst2"],
            "unseen": ["gsm8k"],
            "retained": ["first_word"],
            "prompts": 2,
            "seeds": [0],
            "training": {"examples": 8, "batch_size": 4, "steps": 2},
            "scoring": {"examples": 4},
            "evaluation": {"examples": 4, "n_predictions_kept": 2},
            "device": "cpu",
        }
    )
    path = create_run(tmp_path / "runs", study)
    run_to_end(path)
    run = open_run(path)
    prompts = run.table("prompts")
    own = prompts[prompts["task"] == "sst2"]
    wordings = shipped_card("sst2").prompts.wordings
    assert "sst2-00" in set(own["prompt_id"]) and len(own) > 2
    for prompt in own.itertuples():
        wording = wordings[int(prompt.prompt_id.removeprefix("sst2-"))]
        assert (prompt.text, prompt.source) == (wording.text, wording.source)
    scores = run.table("scores")
    roles = scores[["eval_task", "role", "metric"]].drop_duplicates()
    found = {(row.eval_task, row.role): row.metric for row in roles.itertuples()}
    assert found["sst2", "current"] == found["boolq", "past"] == "label_accuracy"
    assert found["gsm8k", "unseen"] == "numeric_match"
    assert scores["value"].between(0, 100).all() and (scores["n_examples"] > 0).all()

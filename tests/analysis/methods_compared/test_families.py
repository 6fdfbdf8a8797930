"""Which runs are one study with several methods, what they said, and what fine-tunes took."""

import pandas as pd
import pytest

from sapo_analysis.analysis.methods_compared import (
    comparable_families,
    fine_tune_costs,
    format_curves,
    paired_difference,
    said_of_methods,
    side_by_side,
    telling_examples,
)
from sapo_analysis.methods import FAMILIES, known_methods
from sapo_analysis.paper.citations import bibtex
from sapo_analysis.store import open_run
from tests.methods_runs import write_lora


def ids(families):
    return [[run.run_id for run in family] for family in families]


def test_a_family_has_several_methods_and_everything_else_alike(pair, chains, tmp_path):
    lone = open_run(write_lora(tmp_path, n_tasks=4, n_prompts=2))  # other tasks, one method
    other = open_run(write_lora(tmp_path, n_tasks=5, n_prompts=2, seeds=(0, 2)))
    damaged = open_run(write_lora(tmp_path, n_tasks=5, n_prompts=2, n_shots=(0,)))
    for file in (damaged.path / "tables" / "prompts").iterdir():
        file.write_bytes(b"PAR1")
    found = comparable_families([damaged, lone, chains, other, *pair])
    assert ids(found) == [[chains.run_id], [run.run_id for run in pair]]


def test_what_studies_said_is_beside_plain_lora_with_original_prompts(pair, chains):
    found = said_of_methods([*pair, chains])
    assert set(found["name"]) == {"promot", "original+promot"}
    assert set(found["method"]) == {"promot"}
    own = found[found["study"] == chains.run_id].set_index("outcome")
    whole = paired_difference(chains, "original+lora")
    theirs = whole.query("name == 'original+promot' and n_shots == 0").set_index("outcome")
    assert own["value"].to_dict() == pytest.approx(theirs["value"].to_dict())
    assert own["verdict"].to_dict() == theirs["verdict"].to_dict()
    assert said_of_methods([pair[0]]).empty


def test_costs_are_means_over_main_fine_tunes(pair, chains):
    found = fine_tune_costs(pair[1]).to_dict("records")
    curves = pair[1].table("curves").query("series == 'train_loss'")
    trials = pair[1].table("trials").query("purpose == 'main' and status == 'done'")
    of_main = curves[curves["trial_id"].isin(trials["trial_id"])]
    (row,) = found
    assert row["method"] == "promot" and row["n_fine_tunes"] == len(trials) == 30
    assert row["steps"] == of_main.groupby("trial_id")["step"].max().mean() + 1
    assert row["train_seconds"] == 1 and row["tokens"] == 1000  # of every made-up trial
    took = fine_tune_costs(chains).set_index("method")
    # Two policies, three orders, two seeds, three stages; 6 s each, and no losses were made up.
    assert took["n_fine_tunes"].to_dict() == {"lora": 36, "promot": 36}
    assert set(took["train_seconds"]) == {6.0} and took["steps"].isna().all()


def test_one_method_has_a_line_per_task(pair):
    found = format_curves(pair, "promot")
    assert set(found["name"]) == {f"current-{i}" for i in range(5)}
    assert set(found["method"]) == {"promot"} and set(found["n_tasks"]) == {1}
    assert found["lower"].isna().all() and set(found["first_stage_ends"]) == {50.0}
    over = format_curves(pair).query("name == 'promot' and series == 'tuned_score' and step == 25")
    each = found.query("series == 'tuned_score' and step == 25")["value"]
    assert each.mean() == pytest.approx(over["value"].iloc[0])


def test_examples_in_the_tuned_format_come_first(pair):
    outputs = side_by_side(pair)
    found = telling_examples(outputs)
    assert len(found) == len(outputs.drop_duplicates(["eval_task", "example"]))
    assert found["n_in_format"].is_monotonic_decreasing
    made = pd.DataFrame(
        {
            "eval_task": ["a"] * 4 + ["b"] * 2,
            "example": [0, 0, 1, 1, 0, 0],
            "input": ["x"] * 2 + ["y"] * 2 + ["z"] * 2,
            "output": ["1", "2", "1", "1", "yes", "yes"],
            "in_format": [False] * 4 + [True, True],
            "gold_in_format": [False] * 6,
        }
    )
    first = telling_examples(made)
    assert first[["eval_task", "example"]].to_numpy().tolist() == [["b", 0], ["a", 0], ["a", 1]]
    gold_is_too = telling_examples(made.assign(gold_in_format=True))
    assert gold_is_too["n_in_format"].eq(0).all()


def test_every_method_has_facts_and_its_reference_is_in_the_bibliography():
    for method in known_methods().values():
        facts = method.facts
        assert facts.words and facts.trains and facts.family in FAMILIES
        if facts.cites and facts.reference:
            key = facts.cites[-1]
            entry = bibtex([key])
            author = facts.reference.removeprefix("after ").split(",")[0].split()[0]
            assert author in entry
            assert f"year = {{{year_of(facts.reference)}}}" in entry, key


def year_of(reference):
    return next(word.strip(",") for word in reference.split() if word.strip(",").isdigit())

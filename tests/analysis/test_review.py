"""A report's further sections are what the functions of the same names give."""

import json

import pandas as pd
import pytest

from sapo_analysis.analysis import (
    claim_1_shares,
    claim_sentences,
    claims,
    confounders,
    corrected_correlation,
    cross_task_structure,
    indicator_board,
    influence,
    leave_one_out,
    original_prompts,
    plan_study,
    repeated_measures_correlation,
    report,
    selection_value,
    task_slopes,
    theil_sen,
    variance_components,
    within_task_correlation,
)
from sapo_analysis.analysis.estimate import FORMS, SCOPES, plain
from sapo_analysis.analysis.read_out import payoff_sentence, structure_sentence, winner_sentence
from sapo_analysis.analysis.review import MOST_INFLUENTIAL
from sapo_analysis.store import open_run
from tests.synthetic import write_run

OF = {"y": "generalization_loss", "role": "unseen"}
OUTCOMES = [
    (name + ending, role)
    for name, role in (
        ("forgetting", "past"),
        ("forgetting", "retained"),
        ("generalization", "unseen"),
    )
    for ending in ("", "_loss")
]


@pytest.fixture(scope="module")
def document(synthetic):
    return report(synthetic, n_permutations=99)


def of(rows):
    """Those about one outcome in one form."""
    return [row for row in rows if row["y"] == OF["y"] and row["role"] == OF["role"]]


def test_other_levels_stand_beside_the_headline(df, document):
    slopes = [theil_sen(df, scope=scope, **OF) for scope in SCOPES] + task_slopes(df, **OF)
    assert of(document["slopes"]) == [one.to_dict() for one in slopes]
    kendall = [
        within_task_correlation(df, scope=scope, statistic="kendall", n_permutations=0, **OF)
        for scope in SCOPES
    ]
    rest = [*kendall, repeated_measures_correlation(df, **OF)]
    assert of(document["secondary"]) == [one.to_dict() for one in rest]


def test_every_outcome_has_its_sections(df, synthetic, document):
    value = selection_value(df, original=original_prompts([synthetic]), **OF)
    in_words = {"sentence": payoff_sentence(value)}
    assert of(document["selection_value"]) == [{**value.to_dict(), **in_words}]
    board = indicator_board(df, n_permutations=99, **OF)
    in_words = {"sentence": winner_sentence(board)}
    assert of(document["indicator_board"]) == [{**board.to_dict(), **in_words}]
    assert of(document["corrected"]) == [corrected_correlation(df, **OF).to_dict()]
    for name in ("selection_value", "indicator_board", "corrected"):
        assert [(row["y"], row["role"]) for row in document[name]] == OUTCOMES
    held = [one.to_dict() for one in confounders(df, n_permutations=99, **OF)]
    assert of([row["estimate"] for row in document["partial"]]) == [row["estimate"] for row in held]
    (left,) = [row for row in document["influence"] if row["quantity"] == OF["y"]]
    assert left["leave_one_out"] == leave_one_out(df, **OF).to_dict()
    assert left["points"] == plain(influence(df, **OF).head(MOST_INFLUENTIAL).to_dict("records"))
    (plans,) = [row for row in document["planning"] if row["quantity"] == OF["y"]]
    assert plans["for_width"] == plan_study(df, half_width=0.2, **OF).to_dict()
    assert plans["for_power"] == plan_study(df, power=0.8, **OF).to_dict()


def test_noise_claims_and_their_sentences(df, synthetic, document):
    for name, function in (
        ("variance_components", variance_components),
        ("claim_1_shares", claim_1_shares),
    ):
        assert document[name] == plain(function(df).to_dict("records"))
    for form in FORMS:
        own = cross_task_structure(df, form, n_permutations=99)
        in_words = {"sentence": structure_sentence(own)}
        assert document["structure"][form] == {**own.to_dict(), **in_words}
    judged = claims(df, n_permutations=99)
    said = claim_sentences(judged, df, synthetic)
    assert document["sentences"] == [one.to_dict() for one in said]


@pytest.mark.parametrize(
    "shape",
    [
        {"n_tasks": 1, "n_prompts": 1},
        {"n_tasks": 1, "n_prompts": 2, "seeds": [0, 1]},
        {"n_tasks": 2, "n_prompts": 3},
        {"n_tasks": 1, "n_prompts": 6},
        {"n_tasks": 2, "n_prompts": 5, "n_past": 0, "n_retained": 0},
        {"n_tasks": 3, "n_prompts": 5, "weights": "random"},
        {"n_tasks": 2, "n_prompts": 6, "seeds": [0, 1], "finish": False},
    ],
)
def test_a_study_too_small_for_a_number_says_so(tmp_path, shape):
    document = report(open_run(write_run(tmp_path, **shape)), n_permutations=9)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert len(document["sentences"]) == 5
    for row in document["corrected"]:
        if len(shape.get("seeds", [0])) < 2:
            assert row["value"] is None and row["method"]
    for row in document["selection_value"]:
        rules = {rule["rule"]: rule for rule in row["rules"]}
        if len(shape.get("seeds", [0])) < 2:
            assert rules["hindsight_best"]["value"] is None
    if shape["n_tasks"] == 1:
        new = [e for e in document["estimates"] if e["scope"] == "new_tasks"]
        assert new and all(e["lower"] is None and e["upper"] is None for e in new)


def test_a_value_that_is_missing_never_becomes_a_number(tmp_path):
    path = write_run(tmp_path, n_tasks=4, n_prompts=6, seeds=[0, 1])
    file = path / "tables/indicators/all.parquet"
    rows = pd.read_parquet(file)
    rows = rows[~((rows["name"] == "prompt_length") & (rows["prompt_id"] == "para-03"))]
    rows.to_parquet(file, index=False)
    document = report(open_run(path), n_permutations=9)
    of_length = [row for row in document["partial"] if row["given"] == ["prompt_length"]]
    assert {row["estimate"]["n_prompts"] for row in of_length} == {5}
    assert all("Prompts left out" in row["estimate"]["method"] for row in of_length)

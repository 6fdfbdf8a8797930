"""Sentences about the larger results: each number is the result's, each direction is right."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis.between_tasks.structure import cross_task_structure
from sapo_analysis.analysis.indicators.board import indicator_board
from sapo_analysis.analysis.noise.claim_1_shares import claim_1_shares
from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.analysis.read_out import (
    payoff_sentence,
    shares_sentence,
    structure_sentence,
    winner_sentence,
)
from sapo_analysis.analysis.wording import signed
from sapo_analysis.analysis.worth.payoff import selection_value


def picks(slope, k=5, noise=0.2, seeds=2, y="forgetting", original="p1", role="past"):
    """k tasks x 4 prompts; y rises by `slope` per nat of loss; p1 has the second lowest loss."""
    rng = np.random.default_rng(3)
    rows = [
        {"current_task": f"t{t}", "prompt_id": f"p{p}", "seed": s, "role": role}
        | {"pre_update_loss": float(p), y: slope * p + noise * rng.standard_normal()}
        for t in range(k)
        for p in range(4)
        for s in range(seeds)
    ]
    originals = dict.fromkeys((f"t{t}" for t in range(k)), original)
    return selection_value(pd.DataFrame(rows), y, original=originals if original else None)


@pytest.mark.parametrize(
    ("y", "slope", "said"),
    [
        ("forgetting", 3, "forgets {} points less than a random prompt, beyond chance"),
        ("forgetting", -3, "forgets {} points more than a random prompt, beyond chance"),
        ("forgetting", 0, "than a random prompt, which may be chance"),
        ("generalization", -3, "generalizes {} points more than a random prompt, beyond chance"),
        ("generalization", 3, "generalizes {} points less than a random prompt, beyond chance"),
        ("forgetting_loss", 3, "forgets {} nats per token less than a random prompt"),
    ],
)
def test_a_pick_is_worth_what_it_gains(y, slope, said):
    found = picks(slope, y=y)
    gains = found.contrasts.set_index("against")["gain"]
    sentence = payoff_sentence(found)
    assert sentence.startswith("Picking by lowest pre-update loss ")
    digits = 3 if y.endswith("loss") else 2
    assert said.format(f"{abs(gains['random']):.{digits}f}") in sentence
    assert f"{abs(gains['original']):.{digits}f} " in sentence.partition("random prompt")[2]
    assert "95 % for new tasks" in sentence


def test_few_tasks_speak_of_themselves_and_what_is_not_known_is_said():
    few = payoff_sentence(picks(3, k=3))
    assert "95 % for these tasks" in few and "new tasks" not in few
    assert "without an interval" in payoff_sentence(picks(3, k=1, seeds=1))
    assert payoff_sentence(picks(3, original=None)).endswith("The original prompt is not known.")
    empty = dataclasses.replace(picks(3), by_task=pd.DataFrame())
    assert payoff_sentence(empty).startswith("No task has two prompts")


def test_a_unit_of_spread_is_short():
    assert "sd over prompts less" in payoff_sentence(dataclasses.replace(picks(3), unit=SD_UNIT))


def test_shares_are_percent_and_their_difference_percentage_points(df):
    found = claim_1_shares(df)
    row = found[found["form"] == "score"].iloc[0]
    sentence = shares_sentence(found, "score")
    assert f"{100 * row['share_cross_task']:.0f} %".replace("-", "−") in sentence
    points = signed(100 * row["difference"], 0)
    ends = f"{signed(100 * row['lower'], 0)} to {signed(100 * row['upper'], 0)}"
    assert f"{points} percentage points (95 % for new tasks: {ends})" in sentence
    one_seed = claim_1_shares(df[df["seed"] == 0])
    assert shares_sentence(one_seed, "loss").startswith("No shares can be compared: left out")


def test_the_parts_of_claim_2_are_told_apart(df):
    found = cross_task_structure(df, "score", 99)
    part = found.prompt["new_tasks"]
    sentence = structure_sentence(found)
    assert f"r = {signed(found.raw['new_tasks'].value)}; prompts make {signed(part.value)}" in (
        sentence
    )
    assert f"{signed(part.lower)} to {signed(part.upper)}; p = {part.p:.2g}" in sentence
    assert sentence.endswith(f"one trial {signed(found.seed['new_tasks'].value)}.")
    few = cross_task_structure(df[df["current_task"].isin(["current-0", "current-1"])], "score", 0)
    assert "for these tasks" in structure_sentence(few) and "p =" not in structure_sentence(few)
    alone = cross_task_structure(df[df["seed"] == 0], "score", 0)
    assert "with one seed it cannot be told" in structure_sentence(alone)
    none = cross_task_structure(df[df["prompt_id"] == "original"], "score", 0)
    assert structure_sentence(none).startswith("No correlation of impacts can be given: ")


def test_the_winner_stands_beside_the_indicator_named_beforehand(df):
    board = indicator_board(df, "forgetting", "past", n_permutations=99)
    sentence = winner_sentence(board)
    winner = board.winner
    assert re.match(rf"The best of {len(board.rows)} indicators, chosen on the other", sentence)
    assert f"r = {signed(winner.r)} on the task left out" in sentence
    assert f"p = {winner.p:.2g}, for all that were tried" in sentence
    named = next(row for row in board.rows if row.indicator == "pre_update_loss")
    assert f"Pre-update loss, named beforehand, has {signed(named.r)} (95 %" in sentence
    two = indicator_board(
        df[df["current_task"].isin(["current-0", "current-1"])], "forgetting", "past"
    )
    said = winner_sentence(two)
    assert "No best indicator can be judged on tasks left out: no indicator enters in 3" in said
    assert "95 % for new tasks, from 2 only" in said
    none = indicator_board(
        df[df["prompt_id"].isin(["original", "para-01"])], "forgetting", "past", n_permutations=0
    )
    assert "Pre-update loss, named beforehand, has no correlation." in winner_sentence(none)

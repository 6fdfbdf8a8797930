"""Standings while chains are under way: hand-worked, and equal to the metrics at the end."""

import math

import pytest

from sapo_analysis.analysis.sequences import chain_metrics, choices, sequence_scores
from sapo_analysis.analysis.sequences.so_far import COLUMNS, standings
from sapo_analysis.store import open_run
from tests.synthetic_sequence import write_sequence_run


def worked(strategy, order, seed, stage, position, prompt):
    """After stage i: 50 + 10 i on the first task, 40 on others learned, 20 + i not learned."""
    more = 5.0 if strategy.startswith("sapo") else 0.0
    if stage == 0:
        return 20.0
    if position > stage:
        return 20.0 + stage
    return (50.0 + 10 * stage if position == 1 else 40.0) + more


def made(folder, **settings):
    run = open_run(write_sequence_run(folder, worked, **settings))
    return standings(sequence_scores(run), choices(run)).set_index("strategy")


def test_after_one_stage_of_three(tmp_path):
    found = made(tmp_path, stages=1)
    own = found.loc["original+lora"]
    assert (own["chains"], own["stages_done"]) == (1, 1)
    assert own["ap"] == 60.0 and math.isnan(own["bwt"]) and own["fwt"] == 1.0
    assert math.isnan(own["over_original"])
    assert found.loc["sapo+lora", "over_original"] == 5.0
    assert math.isnan(found.loc["sapo+lora", "lower"])  # one chain says nothing of a spread
    assert found.loc["sapo+lora", "share"] == pytest.approx(2 / 8)
    assert found.loc["original+lora", "share"] == 0.0


def test_after_two_stages_of_three(tmp_path):
    own = made(tmp_path, stages=2).loc["original+lora"]
    assert own["ap"] == (70 + 40) / 2
    assert own["bwt"] == 10.0  # the first task rose from 60 to 70
    assert own["fwt"] == ((21 + 21) / 2 - 20 + (22 - 20)) / 2


def test_at_the_end_they_are_the_metrics(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked))
    scores = sequence_scores(run)
    metrics = chain_metrics(scores).query("test_prompts == 'original'").set_index("strategy")
    found = standings(scores, choices(run)).set_index("strategy")
    for name in ("ap", "bwt", "fwt"):
        assert found[name].to_dict() == pytest.approx(metrics[name].to_dict())


def test_a_pair_is_compared_at_the_last_stage_that_both_have(tmp_path):
    found = made(tmp_path, diverged=[("original+lora", 2)])
    assert found.loc["original+lora", "stages_done"] == 1
    assert found.loc["sapo+lora", "over_original"] == 5.0


def test_nothing_yet_is_an_empty_table(tmp_path):
    run = open_run(write_sequence_run(tmp_path, worked, stages=0))
    found = standings(sequence_scores(run), choices(run))
    assert found.empty and list(found.columns) == COLUMNS


def test_a_rival_without_original_has_no_difference(tmp_path):
    found = made(tmp_path, strategies=["sapo", "random"])
    assert found["over_original"].isna().all()

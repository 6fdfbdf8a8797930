"""Indicators that need a prompt's losses or its text alone."""

import math

import pytest

from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies import rows

LOSSES = [ExampleLoss(2.0, 2, 1.0, 1), ExampleLoss(1.0, 4, 0.5, 2)]


def indicators(frequency):
    prompt = Prompt("sentiment", "p", "Judge it.", "own", frequency=frequency)
    found = rows.indicators("theta-0", prompt, LOSSES, 3, 8)
    assert {row["n_examples"] for row in found} == {2} and all(row["exact"] for row in found)
    return {row["name"]: row["value"] for row in found}


def test_how_often_a_prompt_was_met_in_pretraining_in_three_forms():
    assert indicators(9)["prompt_frequency"] == 9
    assert indicators(9)["log_prompt_frequency"] == pytest.approx(math.log(10))
    assert indicators(9)["prompt_seen"] == 1
    never = indicators(0)
    assert (never["prompt_frequency"], never["log_prompt_frequency"], never["prompt_seen"]) == (
        0,
        0,
        0,
    )
    assert indicators(1)["prompt_seen"] == 1


def test_an_unknown_frequency_is_left_out_in_every_form():
    found = indicators(None)
    assert not {"prompt_frequency", "log_prompt_frequency", "prompt_seen"} & found.keys()
    assert found["pre_update_loss_token_mean"] == pytest.approx(3 / 6)
    assert found["prompt_length"] == 3

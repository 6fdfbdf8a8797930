"""Messages about specs are written for who wrote the YAML, not for who knows pydantic."""

from __future__ import annotations

from typing import Any

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.spec import parse_study

SOUND: dict[str, Any] = {"kind": "sequence", "orders": [["colour", "job"]]}


def message(**given: Any) -> str:
    with pytest.raises(InputError) as error:
        parse_study({**SOUND, **given}, "a.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strategies": "sapo"}, "strategies: must be a list (got 'sapo')."),
        ({"strategies": []}, "strategies: must name at least 1 (got [])."),
        ({"strategies": [3]}, "strategies.0: must be text (got 3)."),
        ({"seeds": 3}, "seeds: must be a list (got 3)."),
        ({"own_prompts": 3}, "own_prompts: must be a table of names and values (got 3)."),
        ({"scoring": 3}, "scoring: must be a table of settings (got 3)."),
        ({"scoring": {"example": 3}}, "scoring.example: unknown setting. Did you mean 'examples'?"),
        ({"name": "Foo"}, "name: must be the start of the run's id (a-z, 0-9, hyphen"),
    ],
)
def test_types_are_named_as_in_yaml(given: dict[str, Any], said: str) -> None:
    assert said in message(**given)


def test_one_number_of_demonstrations_is_answered_with_a_list() -> None:
    said = message(evaluation={"n_shots": 1})
    assert "n_shots is 1; write a list that begins with 0, as in [0, 1]" in said
    assert "as in [0] (got 0)" in message(evaluation={"n_shots": 0})


@pytest.mark.parametrize(
    ("method", "meant"),
    [("ProMoT", "promot"), ("Prompt tuning", "prompt-tuning"), ("lorra", "lora")],
)
def test_a_misspelt_method_is_answered_with_the_known_ones(method: str, meant: str) -> None:
    with pytest.raises(InputError) as error:
        parse_study({"current": ["job"], "unseen": ["add"], "method": method}, "a.yaml")
    said = f"method: Unknown method {method!r}. Did you mean {meant!r}? Known: ct-kv, ct-prompt,"
    assert said in str(error.value) and "promot-multi-task" not in str(error.value)


@pytest.mark.parametrize("value", [-1, "x", {"seen": -3}, ["colour-01", 3]])
def test_a_setting_of_several_forms_is_one_line(value: object) -> None:
    lines = message(prompts=value).splitlines()
    assert len(lines) == 2, "the heading and one problem"
    assert lines[1].startswith("  prompts: expected paraphrases per trained task")
    assert lines[1].endswith(f"(got {value!r}).")


def test_a_setting_of_several_forms_inside_another() -> None:
    said = message(lora={"target_modules": 3})
    assert "lora.target_modules: expected names of the linear layers" in said
    assert "(got 3)" in said


def test_an_optional_number_keeps_its_own_message() -> None:
    said = message(evaluation={"final_examples": 0})
    assert "evaluation.final_examples: Input should be greater than 0 (got 0)." in said


def test_a_list_is_not_called_short_because_its_entries_were_refused() -> None:
    said = message(orders=[["colour", 1]])
    assert said.endswith("orders.0.1: must be text (got 1).")
    assert "at least" not in said


def test_every_problem_is_said() -> None:
    said = message(seeds=[], model="")
    assert "seeds: must name at least 1" in said
    assert "model: String should have at least 1 character" in said


def test_nothing_is_known_inside_a_setting_without_settings() -> None:
    assert "orderss: unknown setting. Did you mean 'orders'?" in message(orderss=1)

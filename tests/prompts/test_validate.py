"""What makes a set of prompts unusable, and what does not."""

from __future__ import annotations

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.prompts import check_prompts


def test_braces_percent_signs_and_line_breaks_are_fine() -> None:
    check_prompts(["Do {x} with %s", "Do {}", "One\n\ntwo", "One\n\ntwo three", "\u202eabc", "= 1"])


@pytest.mark.parametrize("empty", ["", "   ", "\n\t\u00a0"])
def test_empty_prompt_is_named(empty: str) -> None:
    with pytest.raises(InputError, match=r"Prompt b is empty .* Write an instruction"):
        check_prompts(["one", empty], ["a", "b"])


def test_missing_prompt_is_named() -> None:
    with pytest.raises(InputError, match="Prompt number 2 is missing"):
        check_prompts(["one", None])


def test_duplicates_are_found_after_folding_white_space() -> None:
    with pytest.raises(InputError, match="Prompt c repeats prompt a"):
        check_prompts(["one two", "three", " one\n two "], ["a", "b", "c"])


def test_case_makes_a_difference() -> None:
    check_prompts(["One", "one"])


def test_no_prompts_and_unequal_names_are_refused() -> None:
    with pytest.raises(InputError, match="No prompts"):
        check_prompts([])
    with pytest.raises(InputError, match="2 prompts came with 1 names"):
        check_prompts(["a", "b"], ["x"])

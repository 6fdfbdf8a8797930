"""Whether prompts are answered alike: shares, intervals, and what makes them worth nothing."""

from math import isnan

import pytest
from statsmodels.stats.proportion import proportion_confint

from sapo_analysis.analysis.equivalence import WITHOUT, equivalence, folded, wilson
from sapo_analysis.tasks import get_task

TASK = get_task("sentiment")
TARGETS = [row.target for row in TASK.examples("dev", 20)]
FLIP = {"positive": "negative", "negative": "positive"}


def told(**answers):
    """The comparison of prompts with an original that answers 16 of 20 right."""
    original = [*TARGETS[:16], *(FLIP[t] for t in TARGETS[16:])]
    given = {"original": original, WITHOUT: ["what"] * 20, **answers}
    return equivalence(TASK, "original", given)


def test_a_wilson_interval_is_statsmodels_and_ends_at_0_and_1():
    for yes, n in ((0, 7), (3, 7), (7, 7), (50, 100), (99, 100), (1, 1)):
        expected = proportion_confint(yes, n, method="wilson")
        assert wilson(yes, n) == pytest.approx(expected, abs=2e-5)
    assert wilson(0, 5)[0] == 0.0 and wilson(5, 5)[1] == 1.0
    assert all(map(isnan, wilson(0, 0)))


def test_answers_are_compared_as_the_metric_folds_them():
    found = told(same=[f" {t.upper()}. " for t in TARGETS[:16]] + [FLIP[t] for t in TARGETS[16:]])
    (same,) = found.prompts
    assert (same.n_alike, same.n, same.share) == (20, 20, 1.0)
    assert (same.lower, same.upper) == wilson(20, 20)
    assert same.usable == 1.0 and same.score == pytest.approx(80.0)
    text = get_task("translate")
    assert folded(text, " a\n  b ") == "a b" != folded(text, "A b")
    # What is no label is compared as it stands.
    assert folded(TASK, "What?") == "What?"


def test_an_answer_that_is_always_the_same_is_seen_through():
    (always,) = told(always=["positive"] * 20).prompts
    assert always.by_chance == always.share  # what it says does not hang on the example
    found = told(always=["positive"] * 20, other=[FLIP[t] for t in TARGETS])
    assert [found.remark(p) for p in found.prompts] == ["not above chance"] * 2


def test_a_share_that_is_above_chance_by_chance_alone_is_not_called_above_it():
    # 12 of 20 alike where half would be by chance.
    some = [*TARGETS[:8], *(FLIP[t] for t in TARGETS[8:16]), *(FLIP[t] for t in TARGETS[16:])]
    found = told(some=some)
    (one,) = found.prompts
    assert one.n_alike == 12 and one.lower < one.by_chance < one.share
    assert found.remark(one) == "not above chance"


def test_a_model_that_answers_alike_without_an_instruction_is_seen_through():
    half = [*TARGETS[:10], *["it is neither of the two"] * 10]
    found = told(half=half, **{WITHOUT: half})
    assert found.cannot_tell == ""
    assert found.remark(found.prompts[0]) == "not above no instruction"
    found = told(half=half)
    assert found.remark(found.prompts[0]) == ("above chance and above no instruction")


def test_a_model_that_does_not_know_the_task_cannot_tell():
    strange = {"original": ["dog"] * 12 + TARGETS[12:], WITHOUT: ["cat"] * 20, "same": ["dog"] * 20}
    found = equivalence(TASK, "original", strange)
    assert found.cannot_tell.startswith("Under the original prompt 60 % of its answers are outside")
    assert found.remark(found.prompts[0]) == "cannot be told with this model"
    alike = {"original": TARGETS, WITHOUT: TARGETS, "same": TARGETS}
    said = equivalence(TASK, "original", alike).cannot_tell
    assert said.startswith("The instruction does not help it: it scores 100.0 under the original")
    none = {"original": [None] * 20, WITHOUT: [None] * 20, "same": ["positive"] * 20}
    found = equivalence(TASK, "original", none)
    assert "No dev example fits" in found.cannot_tell and isnan(found.prompts[0].share)


def test_examples_that_are_too_long_under_either_prompt_are_left_out():
    (some,) = told(some=[None, None, *TARGETS[2:]]).prompts
    assert (some.n, some.n_alike) == (18, 14) and some.score == 100.0
    # Of a text that fewer were asked about nothing is said.
    assert told(short=["positive"] * 5).prompts == ()

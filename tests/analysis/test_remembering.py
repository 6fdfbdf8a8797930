"""Answers are kept inside a block, for the very same table, and nowhere else."""

import pandas as pd
import pytest

from sapo_analysis.analysis import within_task_correlation
from sapo_analysis.analysis.prompt_means import prompt_means
from sapo_analysis.analysis.remembering import remembered, remembering
from sapo_analysis.errors import InputError


@pytest.fixture
def counted():
    asked = []

    @remembered
    def total(df, column, *, times=1):
        asked.append((column, times))
        return times * df[column].sum()

    return total, asked


def test_equal_questions_are_answered_once_within_a_block(counted):
    total, asked = counted
    df, other = pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [5, 6]})
    with remembering():
        assert [total(df, "a"), total(df, "a"), total(df, "a", times=2)] == [3, 3, 6]
        assert total(df, column="a", times=1) == 3
        with remembering():
            assert total(df, "a") == 3
        assert total(df, "a") == 3 and total(other, "a") == 11
    assert asked == [("a", 1), ("a", 2), ("a", 1)]
    assert total(df, "a") == 3 and len(asked) == 4


def test_a_table_that_is_gone_is_not_taken_for_the_next_one_at_its_place(counted):
    total, _ = counted
    with remembering():
        assert [total(pd.DataFrame({"a": [i]}), "a") for i in range(50)] == list(range(50))


def test_a_table_that_its_owner_changes_is_read_anew(table_of):
    df = table_of([0.5])
    settings = {"x": "x", "y": "y", "n_permutations": 0}
    assert within_task_correlation(df, **settings).value == pytest.approx(0.5)
    df["y"] = -df["y"]
    assert within_task_correlation(df, **settings).value == pytest.approx(-0.5)


def test_an_error_is_raised_again(table_of):
    df = table_of([0.5])
    with remembering():
        for _ in range(2):
            with pytest.raises(InputError, match="column"):
                prompt_means(df, "z", x="x")

"""The one wording for an unknown name."""

import pytest

from sapo_analysis.errors import unknown

KNOWN = ["task195_sentiment140", "task363_sst2", "task1310_a", "task1343_b", "add"]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("task195", " Did you mean 'task195_sentiment140'?"),
        ("TASK13", " Did you mean 'task1310_a' or 'task1343_b'?"),
        ("task363_sts2", " Did you mean 'task363_sst2'?"),
        ("task", ""),
        ("nothing like it", ""),
    ],
)
def test_what_may_have_been_meant_is_offered_before_all_that_is_known(value, hint):
    said = str(unknown("task", value, KNOWN, "See them."))
    listed = "add, task1310_a, task1343_b, task195_sentiment140, task363_sst2"
    assert said == f"Unknown task {value!r}.{hint} Known: {listed}. See them."

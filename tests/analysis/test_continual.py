import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.analysis import continual_metrics
from sapo_analysis.errors import InputError

R = [[80, 30, 20], [70, 85, 25], [60, 75, 90]]
R0 = [50, 20, 10]


def test_worked_example():
    found = continual_metrics(R, R0)
    assert (found.ap, found.bwt, found.fwt) == (75.0, -12.5, 12.5)
    assert found.bwt_final == (60 - 80 + 75 - 85) / 2


def test_one_task_has_no_transfer():
    found = continual_metrics([[80]], [50])
    assert found.ap == 80.0
    assert all(math.isnan(v) for v in (found.bwt, found.bwt_final, found.fwt))
    assert found.to_dict()["bwt"] is None


@given(st.floats(-50, 50))
def test_a_shift_of_every_score_moves_ap_alone(shift):
    moved = continual_metrics([[v + shift for v in row] for row in R], [v + shift for v in R0])
    assert moved.ap == pytest.approx(75 + shift)
    assert (moved.bwt, moved.bwt_final, moved.fwt) == pytest.approx((-12.5, -15.0, 12.5))


@pytest.mark.parametrize(
    ("scores", "base"),
    [
        ([[1, 2]], [1, 2]),
        ([[1, 2], [3]], [1, 2]),
        ([], []),
        ([[1, None], [3, 4]], [1, 2]),
        ([[1, 2], [3, 4]], [1, float("nan")]),
        ([["a", 2], [3, 4]], [1, 2]),
    ],
)
def test_missing_and_misshapen_scores_are_refused(scores, base):
    with pytest.raises(InputError):
        continual_metrics(scores, base)

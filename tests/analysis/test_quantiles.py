import pytest
from scipy import stats

from sapo_analysis.analysis.quantiles import chi_square, fisher_f, student

PROBABILITIES = [0.025, 0.5, 0.95, 0.975]


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize("df", [1, 2, 3, 10, 150])
def test_quantiles_are_those_of_scipy_stats(p, df):
    assert student(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-12, abs=1e-15)
    assert chi_square(p, df) == pytest.approx(stats.chi2.ppf(p, df), rel=1e-12)
    assert fisher_f(p, df, 7) == pytest.approx(stats.f.ppf(p, df, 7), rel=1e-12)


def test_quantiles_of_a_table():
    assert student(0.975, 4) == pytest.approx(2.776, abs=5e-4)
    assert chi_square(0.025, 3) == pytest.approx(0.2158, abs=5e-5)
    assert fisher_f(0.95, 3, 10) == pytest.approx(3.708, abs=5e-4)

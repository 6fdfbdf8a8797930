"""What a study of a size can show, before it is run."""

import math

import numpy as np
import pytest
from scipy.stats import nct, t

from sapo_analysis.analysis.levels.correlation import within_task_correlation
from sapo_analysis.analysis.next_study.power import detectable_correlation, power_of, precision_of
from sapo_analysis.errors import InputError


def test_the_precision_is_that_of_the_interval_for_these_tasks():
    import pandas as pd

    rng = np.random.default_rng(0)
    sizes = [7, 12, 20]
    rows = [
        {"current_task": f"t{i}", "prompt_id": str(k), "pre_update_loss": x, "forgetting": y}
        for i, n in enumerate(sizes)
        for k, (x, y) in enumerate(rng.standard_normal((n, 2)))
    ]
    e = within_task_correlation(pd.DataFrame(rows), scope="these_tasks", n_permutations=0)
    half = (math.atanh(e.upper) - math.atanh(e.lower)) / 2
    assert precision_of(sizes) == pytest.approx(math.tanh(half))


def test_tasks_without_four_prompts_have_no_precision():
    assert precision_of([3, 2]) is None
    assert precision_of([]) is None
    assert precision_of([3, 13]) == precision_of([13])


def test_the_detectable_correlation_has_the_wanted_power():
    r = detectable_correlation(8, [13, 13, 13])
    assert power_of(math.atanh(r), 1 / math.sqrt(10), 8) == pytest.approx(0.8, abs=1e-6)
    assert detectable_correlation(8, [21] * 3) < r < detectable_correlation(4, [13] * 3)


@pytest.mark.parametrize("k", [2, 4, 12, 200])
@pytest.mark.parametrize("effect", [0.0, 0.01, -0.3, 1.0, 30.0])
def test_power_is_that_of_the_t_test(k, effect):
    expected = nct.sf(t.ppf(0.975, k - 1), k - 1, abs(effect) / 0.5 * math.sqrt(k))
    assert power_of(effect, 0.5, k) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("k", "sizes"), [(1, [13]), (8, [3, 3])])
def test_too_few_tasks_or_prompts_are_refused(k, sizes):
    with pytest.raises(InputError):
        detectable_correlation(k, sizes)

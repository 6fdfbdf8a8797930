import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import impacts
from sapo_analysis.store import open_run
from tests.synthetic import write_run


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory):
    """Five current tasks x 12 prompts x 2 seeds, four noise seeds; r_true = 0.6."""
    folder = tmp_path_factory.mktemp("runs")
    return open_run(
        write_run(folder, n_tasks=5, n_prompts=12, seeds=[0, 1], noise_seeds=[10, 11, 12, 13])
    )


@pytest.fixture(scope="session")
def df(synthetic):
    return impacts(synthetic)


def exact(r, n, rng):
    """x and y with sample correlation exactly r."""
    x, e = rng.standard_normal((2, n))
    x = (x - x.mean()) / x.std()
    e = e - e.mean() - x * (x @ e) / (x @ x)
    return x, r * x + np.sqrt(1 - r**2) * e / e.std()


@pytest.fixture
def table_of():
    """A table of tasks with exactly these correlations of x and y over n prompts."""

    def make(correlations, n=12, seed=0):
        rng = np.random.default_rng(seed)
        parts = []
        for i, r in enumerate(correlations):
            x, y = exact(r, n, rng)
            prompts = [f"p{j:02d}" for j in range(n)]
            parts.append(
                pd.DataFrame(
                    {"current_task": f"task-{i:02d}", "prompt_id": prompts, "x": x, "y": y}
                )
            )
        return pd.concat(parts, ignore_index=True)

    return make

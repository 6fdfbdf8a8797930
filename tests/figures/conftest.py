import pytest

from sapo_analysis import analysis
from sapo_analysis.store import open_run
from tests.synthetic import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    settings = {"seeds": (0, 1), "noise_seeds": (7, 8, 9, 10), "n_past": 2}
    return open_run(write_run(folder, n_tasks=3, n_prompts=8, **settings))


@pytest.fixture(scope="session")
def df(run):
    return analysis.impacts(run)


@pytest.fixture(scope="session")
def prompts(run):
    return run.table("prompts")

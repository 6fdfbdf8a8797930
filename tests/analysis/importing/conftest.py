"""A run whose table is exported, and imported again."""

import pytest

from sapo_analysis import analysis
from sapo_analysis.store import open_run
from tests.synthetic import write_run


@pytest.fixture(scope="package")
def original(tmp_path_factory):
    return open_run(
        write_run(
            tmp_path_factory.mktemp("original"),
            n_tasks=4,
            n_prompts=6,
            seeds=(0, 1),
            noise_seeds=(7, 8),
        )
    )


@pytest.fixture(scope="package")
def exported(original):
    return analysis.impacts(original)


@pytest.fixture
def table(exported):
    """The main trials of two tasks, to be spoiled."""
    few = exported["current_task"].isin(["current-0", "current-1"])
    return exported[few & (exported["purpose"] == "main")].reset_index(drop=True)

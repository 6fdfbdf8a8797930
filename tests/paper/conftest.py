"""Numbers of small made-up runs, shared by all tests of papers; nobody changes them."""

import pytest

from sapo_analysis.paper.figures import every_figure
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.tables import every_table
from sapo_analysis.store import CACHED_RUNS, open_run
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run

ORDERS = [["a", "b", "c"], ["b", "c", "a"]]


def _score(strategy, order, seed, stage, position, prompt):
    return 40.0 + stage + len(strategy) + 3 * (position <= stage)


@pytest.fixture(scope="session")
def study_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper-study")
    settings = {"seeds": (0, 1), "noise_seeds": (7, 8, 9, 10), "n_past": 2}
    return open_run(write_run(folder, n_tasks=4, n_prompts=8, **settings))


@pytest.fixture(scope="session")
def study_numbers(study_run):
    return numbers_of([study_run])


@pytest.fixture(scope="session")
def sequence_numbers(tmp_path_factory):
    path = write_sequence_run(
        tmp_path_factory.mktemp("paper-sequence"),
        _score,
        orders=ORDERS,
        strategies=["original", "random", "sapo", "paft", "original+o-lora"],
        losses={"00": 1.5, "01": 1.0, "02": 4.0},
    )
    return numbers_of([open_run(path)])


@pytest.fixture(scope="session")
def all_made(study_numbers, sequence_numbers):
    """Every figure and table of both, by kind of study."""
    both = {"study": study_numbers, "sequence": sequence_numbers}
    made = {name: [*every_figure(numbers), *every_table(numbers)] for name, numbers in both.items()}
    found = {name: [one for one in own if one.spec is not None] for name, own in made.items()}
    assert all(len(own) > 8 for own in found.values())
    return found


@pytest.fixture(scope="session")
def main_numbers():
    """Those of the shipped study; they take seconds."""
    return numbers_of([open_run(path) for path in sorted(CACHED_RUNS.glob("pocket-1-main-*"))])


@pytest.fixture(scope="session")
def order_numbers():
    """Those of the shipped family of sequences; they take seconds."""
    return numbers_of([open_run(path) for path in sorted(CACHED_RUNS.glob("pocket-1-order-*"))])

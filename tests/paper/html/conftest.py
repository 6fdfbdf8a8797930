"""The pages of small made-up runs, each written once."""

import pytest

from sapo_analysis import analysis
from sapo_analysis.paper.html import static_report
from tests.paper.html.reading import Page


@pytest.fixture(scope="session")
def study_html(study_numbers):
    return static_report(study_numbers)


@pytest.fixture(scope="session")
def study_page(study_html):
    return Page(study_html)


@pytest.fixture(scope="session")
def study_report(study_numbers):
    return analysis.report(list(study_numbers.runs), n_permutations=0)


@pytest.fixture(scope="session")
def sequence_html(sequence_numbers):
    return static_report(sequence_numbers)


@pytest.fixture(scope="session")
def sequence_page(sequence_html):
    return Page(sequence_html)

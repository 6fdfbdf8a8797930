"""What tests of reuse share: a study and a finished run of it."""

import pytest

from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.runner import run_to_end
from tests.reuse.making import changed, paraphrases
from tests.tiny import tiny_study


@pytest.fixture(scope="package")
def study():
    """One past task, two current ones, two prompts each, two seeds."""
    tiny = tiny_study()
    return changed(
        tiny, past=tiny.past[:1], unseen=tiny.past[1:], prompts=paraphrases(tiny.current, 1)
    )


@pytest.fixture(scope="package")
def source(study, tmp_path_factory):
    path = create_run(tmp_path_factory.mktemp("runs"), study)
    run_to_end(path)
    return open_run(path)

"""What many tests share: the shipped model, its encoder, a study of seconds."""

import gc
import os

import pytest
from hypothesis import settings

from sapo_analysis.spec import ParaphraseStudy
from tests.tiny import tiny_study

# A busy machine is no reason to fail, and a failure has to come again.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

# What was imported stays to the end, and looking for rubbish in it again and again took a
# twentieth of the time.
gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that two processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def own_locks(tmp_path_factory):
    """Two test processes at once, and a study beside them, do not wait for each other's device."""
    os.environ["SAPO_LOCKS"] = str(tmp_path_factory.mktemp("locks"))


@pytest.fixture(scope="session")
def pocket_model():
    from sapo_analysis.model_files import find_model
    from sapo_analysis.models.loading import choose_device, load_model

    return load_model(find_model("pocket"), choose_device("cpu"), "float32")


@pytest.fixture(scope="module")
def model64(pocket_model):
    """The shipped model in float64, a module's own copy."""
    from tests.norm64 import in_float64

    return in_float64(pocket_model)


@pytest.fixture(scope="session")
def encoder(pocket_model):
    from sapo_analysis.model_files import find_model
    from sapo_analysis.models.encoding import Encoder
    from sapo_analysis.models.loading import context_length, load_tokenizer

    return Encoder(load_tokenizer(find_model("pocket")), context_length(pocket_model))


@pytest.fixture
def in_this_process():
    """Nothing that the jobs do starts a process."""
    from tests.in_process import working

    with working():
        yield


@pytest.fixture(name="tiny_study")
def tiny_study_fixture() -> ParaphraseStudy:
    return tiny_study()

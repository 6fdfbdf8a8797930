import pytest

from sapo_analysis.store import open_run
from tests.methods_runs import write_lora, write_promot, write_sequence


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """LoRA and ProMoT on the same study."""
    folder = tmp_path_factory.mktemp("pair")
    return [open_run(write_lora(folder)), open_run(write_promot(folder))]


@pytest.fixture(scope="session")
def chains(tmp_path_factory):
    """Two policies, each with LoRA and ProMoT, in three orders and two seeds."""
    return open_run(write_sequence(tmp_path_factory.mktemp("chains")))

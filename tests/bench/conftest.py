"""A bench of seconds: the smallest model and the shortest jobs."""

import gc
from dataclasses import replace

import pytest
import torch

from sapo_analysis.bench.presets import find_preset
from sapo_analysis.bench.workload import make_workload, small_preset
from sapo_analysis.models.loading import choose_device
from sapo_analysis.spec import LoraSettings

MICRO = replace(
    small_preset(find_preset("tiny")),
    name="micro",
    n_single=1,
    steps=(1, 2),
    eval_batches=(3, 8),
    repeats=2,
)


@pytest.fixture(autouse=True)
def threads():
    """Arms set the number of threads; other tests are to find it as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def young_heap():
    """transformers' Trainer looks for garbage at each end: not among all that was imported."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def micro():
    return MICRO


@pytest.fixture(scope="session")
def work():
    return make_workload(MICRO, choose_device("cpu"), LoraSettings())

"""Operations counted by hand, and by torch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sapo_analysis.bench.floor import (
    Peak,
    Reading,
    Sizes,
    decoding_seconds,
    forward_flops,
    last_layer_share,
    measure_peak,
    reading,
    sizes_of,
    training_flops,
)
from sapo_analysis.models.encoding import Encoded

ROWS = [Encoded([7, 8, 9, 1, 2], 3, 4), Encoded([7, 8, 5, 3], 3, 4)]
SIZES = Sizes(body=100, head=10, attention=3, last=30, weight_bytes=440)


def test_a_shared_prefix_is_read_once():
    # Prefix 7 8; then 9 1 2 and 5 3. Pairs: 3 in the prefix, 3·2 + 6 and 2·2 + 3 after it.
    assert reading(ROWS, shared=True) == Reading(tokens=7, targets=3, pairs=22)
    assert reading(ROWS, shared=False) == Reading(tokens=9, targets=3, pairs=15 + 10)


def test_operations_by_hand():
    read = Reading(tokens=7, targets=3, pairs=22)
    assert forward_flops(SIZES, read) == 2 * 100 * 7 + 2 * 10 * 3 + 4 * 3 * 22 == 1724
    by_hand = 4 * 100 * 7 + 6 * 5 * 7 + 4 * 10 * 3 + 3.5 * 4 * 3 * 22
    assert training_flops(SIZES, read, n_lora=5) == by_hand == 4054
    assert last_layer_share(SIZES, read) == 2 * 30 * 4 / 1724


def test_writing_on_costs_its_operations_or_one_reading_of_the_weights():
    # Two answers, one step and three: steps of 2, 1 and 1 rows.
    slow_memory = Peak(flops=1e9, bandwidth=440.0)
    assert decoding_seconds(SIZES, slow_memory, [1, 3]) == 3.0
    slow_maths = Peak(flops=220.0, bandwidth=1e9)
    assert decoding_seconds(SIZES, slow_maths, [1, 3]) == 2.0 + 1.0 + 1.0
    assert decoding_seconds(SIZES, slow_maths, []) == 0.0


def test_the_weights_of_a_model_are_those_torch_multiplies_by(work):
    sizes = sizes_of(work.model)
    assert (sizes.body, sizes.head, sizes.attention) == (106_496, 256 * 64, 2 * 64)
    assert sizes.last == 53_248 - 2 * 64 * 64  # one layer less its keys and values
    ids = torch.arange(3, 14)[None]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work.model(input_ids=ids)
    counted = counter.get_flop_counts()["Global"]
    products = sum(n for name, n in counted.items() if "attention" not in str(name))
    assert products == 2 * (sizes.body + sizes.head) * ids.numel()


def test_the_peak_is_a_rate(monkeypatch):
    monkeypatch.setattr("sapo_analysis.bench.floor._GEMM", {"cpu": 64})
    monkeypatch.setattr("sapo_analysis.bench.floor._TRIAD", {"cpu": 1024})
    monkeypatch.setattr("sapo_analysis.bench.floor._quickest", lambda work: 2.0)
    peak = measure_peak("cpu", torch.float32)
    assert peak.flops == pytest.approx(64**3)
    assert peak.bandwidth == pytest.approx(3 * 1024 * 4 / 2)

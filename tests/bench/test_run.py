"""A whole bench at the smallest size: what the answer holds."""

import json
import math

import pytest
import torch

from sapo_analysis.bench import evaluation, memory, run, scoring, training
from sapo_analysis.bench.presets import find_preset
from sapo_analysis.bench.workload import make_workload, spread_first
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.models.loading import Device, choose_device
from sapo_analysis.spec import LoraSettings

SECTIONS = ("scoring", "training", "evaluation")


@pytest.fixture(autouse=True)
def small_peak(monkeypatch):
    monkeypatch.setattr("sapo_analysis.bench.floor._GEMM", {"cpu": 64})
    monkeypatch.setattr("sapo_analysis.bench.floor._TRIAD", {"cpu": 1024})


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(memory, "_in_own_process", lambda work, n: 1000 + 10 * n)
    monkeypatch.setattr(run, "_NOISE_STEPS", 3)
    monkeypatch.setattr(run, "run_gate", lambda small, say: [])  # has its own tests


def test_the_answer_is_plain_data_with_every_section(micro, quick, monkeypatch):
    lines = []
    two_cores = {"threads": 2}
    monkeypatch.setattr(torch, "get_num_threads", lambda: two_cores["threads"])
    monkeypatch.setattr(torch, "set_num_threads", lambda n: two_cores.update(threads=n))
    lora = LoraSettings(target_modules=("q_proj", "v_proj"), lora_dropout=0.1)
    answer = json.loads(json.dumps(run.bench(micro, lora, "cpu", say=lines.append)))
    assert "study" not in answer  # random weights have no tasks
    for name in SECTIONS:
        found = answer[name]
        seconds = found["seconds"]
        assert set(seconds) == {"trainer", "plain", "ours"}
        for own in seconds.values():
            assert set(own) == {"median", "q1", "q3", "cpu", "startup"}
        ours = seconds["ours"]["median"]
        assert found["speedup_vs_trainer"] == pytest.approx(seconds["trainer"]["median"] / ours)
        assert found["speedup_vs_plain"] == pytest.approx(seconds["plain"]["median"] / ours)
        assert found["floor_fraction"] == pytest.approx(found["floor_seconds"] / ours)
        assert 0 <= found["max_relative_difference"] < 1e-3
        assert (found["mfu"], found["mfu_reason"]) == (None, "not measured on a GPU")
    assert answer["settings"]["dropout"] == 0.1
    assert answer["settings"]["targets"] == "q_proj, v_proj"
    assert answer["memory"]["peak_bytes_per_adapter"] == 10
    assert math.isfinite(answer["numerical_noise"]["weights"])
    assert {cell["section"] for cell in answer["trainer_grid"]} == set(SECTIONS)
    tried = [cell["micro_batch"] for cell in answer["trainer_grid"] if "micro_batch" in cell]
    assert set(tried) == {4, 2, 1}
    in_grid = {section: set() for section in SECTIONS}
    for cell in answer["trainer_grid"]:
        in_grid[cell["section"]].add(cell["threads"])
    assert all(found == {1, 2} for found in in_grid.values())  # each section tries all threads
    assert sum(cell["chosen"] for cell in answer["trainer_grid"]) == 3
    assert any("micro_batch 2" in line for line in lines)  # the grid is printed


def test_only_the_sections_asked_for_are_measured(micro, quick, monkeypatch):
    for part in (training, evaluation):
        monkeypatch.setattr(part, "measure", None)
    answer = run.bench(micro, LoraSettings(), "cpu", ("scoring",), say=lambda line: None)
    assert "scoring" in answer and not {"training", "evaluation", "memory"} & set(answer)


def test_a_section_whose_numbers_differ_is_not_timed(work, monkeypatch):
    monkeypatch.setattr(scoring, "worst_average", lambda *rest: 0.5)
    monkeypatch.setattr(scoring, "interleave", None)
    with pytest.raises(WorkError, match="scores per example: they differ by 0.5"):
        scoring.measure(work, None, print)


def test_answers_may_differ_by_ties_alone(work, monkeypatch):
    monkeypatch.setattr(evaluation, "_difference", lambda *rest: (0.0, 0.03))
    monkeypatch.setattr(evaluation, "interleave", None)
    with pytest.raises(WorkError, match="share of answers that differ: .* 0.03, allowed is 0.02"):
        evaluation.measure(work, None, print)


def test_the_floor_of_a_step_reads_a_prefix_once_only_without_dropout(work):
    shared = training.step_reading(work)
    dropped = LoraSettings(lora_dropout=0.1)
    apart = training.step_reading(make_workload(work.preset, choose_device("cpu"), dropped))
    assert apart.tokens - shared.tokens == 3 * 8  # of four rows, three repeat the prefix
    assert apart.targets == shared.targets
    # r · (in + out) of each of the seven linear layers of each of two layers
    assert training.n_lora(work) == 8 * 2 * (4 * (64 + 64) + 3 * (64 + 192))


def test_the_adapters_of_the_one_by_one_arms_are_spread_by_length():
    stack = [[Encoded([0] * n, 1, 2)] for n in (5, 9, 3, 7, 4)]

    def lengths(n):
        return [len(rows[0].ids) for rows in spread_first(stack, n)]

    assert lengths(1) == [5, 3, 4, 7, 9]
    assert lengths(2) == [4, 7, 3, 5, 9]
    assert lengths(3) == [3, 5, 9, 4, 7]
    assert lengths(5) == [3, 4, 5, 7, 9]


def test_a_step_of_the_stack_is_the_mean_of_its_adapters(work):
    each = [training.step_reading(work, [k]).tokens for k in range(len(work.train))]
    assert training.step_reading(work).tokens == pytest.approx(sum(each) / len(each), abs=1)


def test_presets_for_a_gpu_and_studies_without_tasks_are_refused(micro):
    with pytest.raises(InputError, match="'qwen3-0.6b'.* is for a GPU.*--preset pocket"):
        run.bench(find_preset("qwen3-0.6b"), LoraSettings(), "cpu")
    with pytest.raises(InputError, match="no study"):
        run.bench(micro, LoraSettings(), "cpu", ("study",))


def test_layers_that_the_model_does_not_have_are_refused(micro):
    lora = LoraSettings(target_modules=("q_proj", "w_proj"))
    with pytest.raises(InputError, match="Unknown target module 'w_proj'.*up_proj"):
        make_workload(micro, choose_device("cpu"), lora)


def test_utilisation_is_stated_where_the_datasheet_speaks_of_the_same():
    h100 = Device("cuda", "", "NVIDIA H100 80GB HBM3")
    assert run.utilisation(h100, torch.bfloat16, 98.9e12) == (0.1, None)
    refused = [
        (Device("cpu", "", ""), torch.bfloat16, 1e12, "not measured on a GPU"),
        (h100, torch.float32, 1e12, "the weights are float32"),
        (h100, torch.bfloat16, None, "bound by memory"),
        (Device("cuda", "", "Other"), torch.bfloat16, 1e12, "not known here"),
    ]
    for device, dtype, rate, reason in refused:
        mfu, why = run.utilisation(device, dtype, rate)
        assert mfu is None and reason in why


def test_memory_is_measured_in_a_process_of_its_own(work):
    torch.set_num_threads(2)
    assert memory._in_own_process(work, 1) > 10_000_000
    assert torch.get_num_threads() == 2  # that process takes one; this one keeps its own

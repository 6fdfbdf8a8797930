"""`sapo bench` from the terminal: refusals in the usual form, tables with their settings."""

import json

import pytest
from typer.testing import CliRunner

from sapo_analysis import jobs
from sapo_analysis.bench.presets import PRESETS
from sapo_analysis.cli import app

SECONDS = {"median": 0.002, "q1": 0.001, "q3": 0.003, "cpu": 0.002, "startup": 0.1}
SECTION = {
    "speedup_vs_trainer": 3.0,
    "speedup_vs_plain": 2.0,
    "floor_fraction": 0.4,
    "max_relative_difference": 1e-7,
    "unit": "step",
    "floor_seconds": 0.001,
    "seconds": {"trainer": {**SECONDS, "median": 0.006}, "plain": SECONDS, "ours": SECONDS},
    "threads": {"trainer": 2, "plain": 1, "ours": 1},
    "mfu": None,
    "mfu_reason": "not measured on a GPU",
}
ANSWER = {
    "preset": "tiny",
    "settings": {"dtype": "float32", "text": "dropout 0.1, adapters on q_proj, v_proj, r 8"},
    "machine": {"cpu": "A CPU", "cores": 2, "torch": "2.13", "device": "cpu", "hardware": ""},
    "date": "2026-01-01T00:00:00+00:00",
    "load": {"before": 0.5, "after": None},
    "gate": {"weights, float64": {"difference": 1e-13, "bound": 1e-10}},
    "peak_gflops": 100.0,
    "training": {**SECTION, "tokens_per_step": {"single": 410, "stack": 402}},
    "evaluation": {**SECTION, "answers_that_differ": 0.005, "share_settled_by_draft": 0.7},
    "study": {
        **SECTION,
        "speedup_vs_trainer_in_process": 1.5,
        "max_training_loss_difference": 0.0012,
        "max_score_difference_points": 2.0,
    },
    "trainer_grid": [
        {"section": "training", "threads": 2, "micro_batch": 8, "seconds": 0.5, "chosen": True}
    ],
    "memory": {
        "peak_bytes_per_adapter": 1e6,
        "peak_bytes_stack": 5e8,
        "stack": 16,
        "of": "the whole process",
    },
    "numerical_noise": {"steps": 50, "stacks": [[16], [8, 8]], "weights": 1e-3, "loss": 1e-2},
}


def sapo(*arguments):
    return CliRunner().invoke(app, ["bench", *arguments])


def test_an_unknown_preset_is_refused_with_the_known_ones():
    result = sapo("--preset", "smal")
    assert result.exit_code == 2 and result.stdout == ""
    wanted = "Error: Unknown preset 'smal'. Did you mean 'small' or 'small-32k'?"
    assert result.stderr.startswith(wanted)
    assert all(name in result.stderr for name in PRESETS)


def test_an_unknown_section_is_refused():
    result = sapo("--only", "speed", "--json")
    assert result.exit_code == 2 and result.stdout == ""
    assert "Known: evaluation, scoring, study, training" in result.stderr


@pytest.mark.parametrize("wrong", [["--dropout", "1"], ["--dropout", "-0.1"], ["--device", "tpu"]])
def test_settings_out_of_range_are_refused(wrong):
    result = sapo(*wrong)
    assert result.exit_code == 2 and wrong[0] in result.stderr


@pytest.fixture
def asked(monkeypatch):
    payloads = []

    def probe(kind, payload, timeout, echo):
        assert kind == "bench" and echo
        payloads.append(payload)
        return ANSWER

    monkeypatch.setattr(jobs, "probe", probe)
    return payloads


def test_options_reach_the_engine_and_json_is_all_there_is(asked):
    options = ["--preset", "tiny", "--dropout", "0.1", "--targets", "q_proj,v_proj"]
    result = sapo(*options, "--device", "cpu", "--only", "training", "--only", "study", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout) == ANSWER
    assert asked == [
        {
            "preset": "tiny",
            "dropout": 0.1,
            "targets": "q_proj,v_proj",
            "device": "cpu",
            "only": ["training", "study"],
        }
    ]


def test_every_table_names_its_settings(asked):
    result = sapo("--preset", "tiny")
    assert result.exit_code == 0
    text = result.stdout
    assert text.count(ANSWER["settings"]["text"]) == 4  # three sections and the grid
    assert "Tokens of a step: 410 in Trainer's and the plain loop's adapters, 402" in text
    assert "Answers that differ from the plain loop's: 0.5 %" in text
    assert "3.00× as fast as Trainer + peft, 2.00× as the plain loop; 0.40 of the floor" in text
    assert "in one process: 1.50×" in text and "2.0 points" in text
    assert "training losses differ by up to 0.12 %" in text
    assert "not measured on a GPU" in text
    assert "1 MB per adapter" in text and "Numerical noise: 50 float32 steps" in text

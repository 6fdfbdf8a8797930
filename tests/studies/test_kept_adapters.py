"""Adapters that a run keeps: in peft's format, one per fine-tune, under the model's public name."""

import json
import math
from dataclasses import replace

import pytest
import torch
from peft import PeftModel

from sapo_analysis.models.loading import choose_device, load_model
from sapo_analysis.models.lora import merge_adapter
from sapo_analysis.plan import plan_of
from sapo_analysis.store import layout
from sapo_analysis.studies.paraphrase import ParaphraseWork
from sapo_analysis.studies.sequence import SequenceWork
from tests.tiny_sequence import tiny_sequence

CPU = choose_device("cpu")
IDS = torch.tensor([[5, 6, 7, 8]])


def kept(folder):
    return {path.name: path for path in (folder / layout.ADAPTERS).iterdir()}


@pytest.mark.parametrize("engine", ["stacked", "plain"])
def test_each_fine_tune_leaves_its_adapter(tiny_study, tmp_path, engine):
    study = tiny_study.model_copy(
        update={"past": ("translate",), "current": ("sentiment",), "seeds": (0,), "prompts": 1}
    )
    study = study.model_copy(update={"noise_seeds": (), "keep_adapters": True})
    work = ParaphraseWork(plan_of(study, engine), CPU, tmp_path / "states")
    for group in work.plan.groups:
        work.run(group)
    stages = [group.stage.trial_id for group in work.plan.groups if group.stage is not None]
    trials = [trial.trial_id for trial in work.plan.trials]
    found = kept(tmp_path)
    assert set(found) == {*stages, *trials} and len(stages) == 1 and len(trials) == 2
    settings = json.loads((found[trials[0]] / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "pocket"
    assert {path.name for path in found[trials[0]].iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    # As a user takes it up: base, the past task's adapter, then the trial's.
    base = load_model(work.plan.model, CPU, "float32")
    state = merge_adapter(base, found[stages[0]])
    expected = work.states.at(work.plan.trials[0].state_id)(input_ids=IDS).logits
    assert torch.equal(state(input_ids=IDS).logits, expected)
    tuned = PeftModel.from_pretrained(state, str(found[trials[0]])).eval()
    assert (tuned(input_ids=IDS).logits - expected).abs().max() > 1e-3


def test_a_sequence_keeps_them_too_and_a_study_keeps_none_unasked(tmp_path):
    for wanted in (True, False):
        study = tiny_sequence(strategies=["original"], keep_adapters=wanted)
        plan = plan_of(study)
        folder = tmp_path / str(wanted)
        work = SequenceWork(plan, CPU, folder / "states")
        for group in plan.groups:
            work.run(group)
        if wanted:
            assert set(kept(folder)) == set(work.book.trained) and len(kept(folder)) == 2
        else:
            assert not (folder / layout.ADAPTERS).exists()


def test_keeping_them_changes_no_id(tiny_study):
    plain, keeping = (
        plan_of(tiny_study.model_copy(update={"keep_adapters": wanted})) for wanted in (False, True)
    )
    assert [t.trial_id for t in plain.trials] == [t.trial_id for t in keeping.trials]


def overflowed(measured):
    """What was measured, the first fine-tune's last update gone too far."""
    ((*which, result), *rest), *others = measured
    return [[(*which, replace(result, loss=math.inf)), *rest], *others]


def test_of_a_trial_whose_last_update_overflowed_none_is_kept(tiny_study, tmp_path, monkeypatch):
    study = tiny_study.model_copy(
        update={"past": (), "current": ("sentiment",), "seeds": (0,), "prompts": 1}
    )
    study = study.model_copy(update={"noise_seeds": (), "keep_adapters": True})
    work = ParaphraseWork(plan_of(study), CPU, tmp_path / "states")
    measure = work.measure_trials
    monkeypatch.setattr(work, "measure_trials", lambda *given: overflowed(measure(*given)))
    (group,) = (group for group in work.plan.groups if group.kind == "trials")
    trials = work.run(group)["trials"]
    assert [trial["status"] for trial in trials] == ["diverged", "done"]
    assert set(kept(tmp_path)) == {trials[1]["trial_id"]}


def test_nor_of_one_of_a_sequence(tmp_path, monkeypatch):
    plan = plan_of(tiny_sequence(strategies=["original"], keep_adapters=True))
    work = SequenceWork(plan, CPU, tmp_path / "states")
    measure = work._exam.of_stage
    monkeypatch.setattr(work._exam, "of_stage", lambda *given: overflowed(measure(*given)))
    for group in plan.groups:
        work.run(group)
    assert [trained.result for trained in work.book.trained.values()] == [None]
    assert not (tmp_path / layout.ADAPTERS).exists()

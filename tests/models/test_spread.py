"""A model whose layers are on the disk until they compute, against the same model in memory."""

import gc
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, MixtralConfig

from sapo_analysis.errors import InputError
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.training import Training
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.model_files import ModelFiles, find_model
from sapo_analysis.models import weights
from sapo_analysis.models.checkpointing import checkpointed
from sapo_analysis.models.loading import choose_device, load_model
from sapo_analysis.models.lora import fresh_adapter, save_adapter, started_adapter, with_adapter
from sapo_analysis.models.spread import is_spread, reading_device
from sapo_analysis.plan import plan_of
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import (
    PRESETS,
    LoraSettings,
    MemorySettings,
    ParaphraseStudy,
    TrainingSettings,
    load_study,
    read_spec_data,
)
from sapo_analysis.studies.paraphrase import ParaphraseWork
from sapo_analysis.tasks import get_task

CPU = choose_device("cpu")
LARGE = PRESETS.parent / "large-model.yaml"
SPREAD = MemorySettings(max_memory={"cpu": "3MiB"}, gradient_checkpointing=True)
LORA = LoraSettings(r=2, lora_dropout=0.1)
IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture(scope="module")
def spread():
    return load_model(find_model("pocket"), CPU, "float32", SPREAD)


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False).logits


def test_layers_are_in_memory_and_on_the_disk_and_read_as_ever(spread, pocket_model):
    assert set(spread.hf_device_map.values()) == {"cpu", "disk"}
    assert is_spread(spread) and not is_spread(pocket_model)
    assert reading_device(spread) == torch.device("cpu")
    assert spread.model.layers[-1].mlp.up_proj.weight.device.type == "meta"
    assert torch.equal(logits(spread), logits(pocket_model))


def test_training_gives_the_same_adapter_and_leaves_the_layers_where_they_were(
    spread, pocket_model, encoder, tmp_path
):
    rows = encoder.encode_split(get_task("sentiment"), "train", 12, get_prompts("sentiment")[0])
    member = Member(rows, TrainingSettings(steps=3, batch_size=4), 5)
    losses = {}
    for name, model in (("spread", spread), ("whole", pocket_model)):
        with fresh_adapter(model, LORA, 5) as adapted, checkpointed(adapted):
            training = Training(adapted, member, encoder.pad_id)
            training.advance()
            losses[name] = training.fit.losses
            save_adapter(adapted, tmp_path / name)
    assert losses["spread"] == pytest.approx(losses["whole"], rel=1e-6)
    found, expected = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("spread", "whole")
    )
    assert found.keys() == expected.keys()
    for name, weight in found.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-6, atol=1e-6)
    assert torch.equal(logits(spread), logits(pocket_model))


def test_earlier_adapters_stand_beside_layers_that_are_away(spread, pocket_model, tmp_path):
    with fresh_adapter(pocket_model, LORA, 1) as adapted:
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02)
        adapted.eval()
        expected = logits(adapted)
        save_adapter(adapted, tmp_path)
    start = AdapterStart(7, frozen=(tmp_path,))
    with started_adapter(spread, LORA, start) as adapted:
        torch.testing.assert_close(logits(adapted.eval()), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(logits(spread), logits(pocket_model))
    fresh = load_model(find_model("pocket"), CPU, "float32", SPREAD)
    torch.testing.assert_close(
        logits(with_adapter(fresh, tmp_path)), expected, rtol=1e-5, atol=1e-5
    )


def offload_folders():
    return sorted(Path(tempfile.gettempdir()).glob("sapo-offload-*"))


def test_what_is_kept_on_the_disk_goes_with_the_model_or_when_it_does_not_load(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = offload_folders()
    model = load_model(find_model("pocket"), CPU, "float32", SPREAD)
    assert len(offload_folders()) == len(before) + 1
    del model
    gc.collect()
    assert offload_folders() == before
    monkeypatch.setattr(weights, "_refuse_incomplete", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load_model(find_model("pocket"), CPU, "float32", SPREAD)
    assert offload_folders() == before


def test_random_weights_stay_on_the_disk_as_long_as_their_model(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = find_model("random:pocket")
    model = load_model(files, CPU, "float32", SPREAD)
    assert is_spread(model)
    assert torch.equal(logits(model), logits(load_model(files, CPU, "float32")))
    del model
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_away_may_have_any_name(tmp_path):
    config = MixtralConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=4,
    )
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(tmp_path)
    memory = MemorySettings(max_memory={"cpu": "300KiB"})
    files = ModelFiles("mixtral", tmp_path, "trained", "mixtral")
    spread, whole = (load_model(files, CPU, "float32", m) for m in (memory, None))
    assert spread.model.layers[-1].mlp.experts.down_proj.device.type == "meta"
    settings = LoraSettings(r=2, target_modules=("q_proj", "v_proj"))
    with fresh_adapter(spread, settings, 0) as adapted:
        torch.testing.assert_close(logits(adapted.eval()), logits(whole))


def study(**memory):
    """The shipped study of a large model, with fewer rows, steps and prompts."""
    smaller = {
        "prompts": 1,
        "unseen": [],
        "training": {"examples": 8, "batch_size": 4, "steps": 2},
        "scoring": {"examples": 4},
        "evaluation": {"examples": 3, "n_predictions_kept": 3},
        "device": "cpu",
        "dtype": "float32",
        "memory": memory,
    }
    return ParaphraseStudy(**{**read_spec_data(LARGE), **smaller})


def test_the_shipped_study_of_a_large_model_spreads_it_and_keeps_its_adapters():
    large = load_study(LARGE)
    assert large.memory.max_memory.keys() == {"0", "cpu"} and large.memory.gradient_checkpointing
    assert large.keep_adapters
    assert len(plan_of(large, "plain").trials) == 13


def test_a_study_of_a_spread_model_measures_what_that_of_a_whole_one_does(tmp_path):
    found = {}
    for name, memory in (("whole", {}), ("spread", SPREAD.model_dump())):
        plan = plan_of(study(**memory), "plain")
        work = ParaphraseWork(plan, CPU, tmp_path / name / "states")
        groups = [work.run(group) for group in plan.groups[:4]]
        assert [group.kind for group in plan.groups[:4]] == ["base", "stage", "score", "trials"]
        assert is_spread(work.states.at(plan.groups[2].state_id)) == bool(memory)
        found[name] = [
            (row["loss"], row["value"]) for rows in groups for row in rows.get("scores", [])
        ]
    assert len(found["whole"]) >= 6
    for spread, whole in zip(found["spread"], found["whole"], strict=True):
        # The state's adapter is merged into whole weights, which rounds once more.
        assert spread == pytest.approx(whole, rel=1e-4, abs=1e-6)


def test_the_stacked_engine_and_devices_that_are_not_there_are_refused():
    with pytest.raises(InputError, match=r"memory.max_memory.*--engine plain"):
        plan_of(study(max_memory={"cpu": "3MiB"}), "stacked")
    before = offload_folders()
    n = torch.cuda.device_count()
    absent = MemorySettings(max_memory={str(n): "1GiB"})
    with pytest.raises(InputError, match=rf"names GPU {n}, and torch sees {n} here"):
        load_model(find_model("pocket"), CPU, "float32", absent)
    assert offload_folders() == before


@pytest.mark.parametrize(
    ("memory", "why"),
    [
        ({"max_memory": {"gpu": "1GiB"}}, "'gpu' is no device"),
        ({"max_memory": {0: "lots"}}, "'lots' is no amount of memory"),
        ({"max_memory": {}}, "no device is named"),
        ({"max_memory": {0: "1GiB"}, "quantization": "4bit"}, "do not go together"),
    ],
)
def test_settings_that_say_nothing_are_refused(memory, why):
    with pytest.raises(InputError, match=why):
        study(**memory)


def test_gradient_indicators_need_whole_weights():
    spread = study(max_memory={0: "1GiB"}).model_dump(mode="json")
    assert spread["memory"]["max_memory"] == {"0": "1GiB"}
    with pytest.raises(InputError, match=r"Set scoring.diagnostics to 0"):
        ParaphraseStudy(**{**spread, "scoring": {"examples": 4, "diagnostics": 2}})

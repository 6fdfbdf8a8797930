"""The parent state against its weights by hand: W + α/r · B₁A₁ + α/r · B₂A₂."""

import pytest
import torch
from safetensors.torch import load_file

from sapo_analysis.errors import InputError
from sapo_analysis.models.loading import choose_device
from sapo_analysis.plan import BASE_STATE, make_plan
from sapo_analysis.studies.paraphrase import ParaphraseWork


@pytest.fixture
def work(tiny_study, tmp_path):
    study = tiny_study.model_copy(
        update={"lora": tiny_study.lora.model_copy(update={"r": 4, "lora_alpha": 12})}
    )
    return ParaphraseWork(make_plan(study, "plain"), choose_device("cpu"), tmp_path / "states")


def stages_of(work):
    return [group for group in work.plan.groups if group.kind == "stage"]


def test_a_state_is_the_base_plus_every_earlier_adapter_at_full_scale(work):
    groups = stages_of(work)
    assert [group.stage.task for group in groups] == ["translate", "topic"]
    for group in groups:
        work.run(group)
    base = dict(work.states.at(BASE_STATE).named_parameters())
    state = dict(work.states.at(groups[-1].stage.state_id).named_parameters())
    expected = {name: weight.double() for name, weight in base.items()}
    changed = set()
    for group in groups:
        adapter = load_file(work.states.folder(group.stage.state_id) / "adapter_model.safetensors")
        for key in (key for key in adapter if "lora_A" in key):
            name = key.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
            b = adapter[key.replace("lora_A", "lora_B")].double()
            assert b.abs().max() > 0, "an untrained adapter would prove nothing"
            expected[name] = expected[name] + 12 / 4 * b @ adapter[key].double()
            changed.add(name)
    assert len(changed) == 4 * 7  # every linear layer of every block
    for name, weight in state.items():
        assert (weight.double() - expected[name]).abs().max() < 1e-6, name
    moved = max((state[name] - base[name]).abs().max() for name in changed)
    assert moved > 1e-3  # a thousand times the tolerance


def test_a_resumed_state_has_the_very_weights_of_an_undisturbed_one(work):
    for group in stages_of(work):
        work.run(group)
    last = stages_of(work)[-1].stage.state_id
    first = work.states.at(last).state_dict()
    again = ParaphraseWork(work.plan, work.engine.device, work.states.folder(last).parent)
    for name, weight in again.states.at(last).state_dict().items():
        assert torch.equal(weight, first[name]), name


def test_a_missing_adapter_is_named_and_never_looked_for_on_a_hub(work):
    with pytest.raises(InputError, match=r"adapter of an earlier stage is missing.*spec.json"):
        work.states.at(stages_of(work)[0].stage.state_id)

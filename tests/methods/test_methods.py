"""What each method makes of the stages behind a chain."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sapo_analysis.errors import InputError
from sapo_analysis.learning.kept_information import keep_information
from sapo_analysis.learning.members import Replay
from sapo_analysis.methods import Learned, make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.adapter_layout import AdapterLayout
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import METHODS
from tests.tiny_sequence import tiny_sequence

STUDY = tiny_sequence(ewc={"weight": 3.0}, o_lora={"weight": 0.25}, replay={"ratio": 0.5})
LAYOUT = AdapterLayout({"q_proj": (torch.Size([1, 2]), torch.Size([2, 1]))})


def learned(folder, name, first):
    rows = [Encoded([first, 7, 100 + i, 5], 2, 3) for i in range(3)]
    prompt = Prompt(name, f"{name}-00", f"{name}.", "original")
    return Learned(name, prompt, folder / name, rows)


@pytest.fixture
def past(tmp_path):
    """Two stages; of each the folder its adapter would be in."""
    stages = (learned(tmp_path, "a", 1), learned(tmp_path, "b", 2))
    for stage in stages:
        stage.folder.mkdir()
    return stages


def write_adapter(folder: Path, a, b):
    (folder / "adapter_config.json").write_text("{}")
    prefix = "base_model.model.q_proj.lora_"
    save_file(
        {f"{prefix}A.weight": torch.tensor([a]), f"{prefix}B.weight": torch.tensor(b)},
        folder / "adapter_model.safetensors",
    )


@pytest.mark.parametrize("name", ["lora", "ewc", "replay", "full"])
def test_one_set_of_weights_is_carried_on_from_the_last_stage(past, name):
    method = make_method(name, STUDY)
    assert method.start(5, past) == AdapterStart(5, carried=past[1].folder)
    assert method.start(5, ()) == AdapterStart(5)


@pytest.mark.parametrize("name", ["lora-inc", "o-lora"])
def test_every_earlier_adapter_is_frozen_beside_a_fresh_one(past, name):
    found = make_method(name, STUDY).start(5, past)
    assert found == AdapterStart(5, frozen=(past[0].folder, past[1].folder))


@pytest.mark.parametrize("name", METHODS)
def test_without_a_past_there_is_nothing_to_hold_or_to_replay(name):
    method = make_method(name, STUDY)
    assert method.replay(()) is None
    # A loss on the prompt itself asks for no past.
    assert (method.penalty((), LAYOUT) is None) == (not name.startswith("tsloss"))


@pytest.mark.parametrize("name", [name for name in METHODS if name != "replay"])
def test_only_replay_replays(past, name):
    assert make_method(name, STUDY).replay(past) is None


def test_replay_draws_from_all_earlier_tasks(past):
    found = make_method("replay", STUDY).replay(past)
    # Half of a batch of four.
    assert found == Replay([*past[0].rows, *past[1].rows], 2)


def test_o_lora_holds_against_every_earlier_adapter(past):
    write_adapter(past[0].folder, [1.0, 0.0], [[1.0], [1.0]])
    write_adapter(past[1].folder, [0.0, -2.0], [[1.0], [1.0]])
    penalty = make_method("o-lora", STUDY).penalty(past, LAYOUT)
    # A_new = (3, 4): |1 · 3| + |−2 · 4|, which grows by 1 and by 2 along its two weights.
    weights = torch.tensor([3.0, 4.0, 9.0, 9.0])
    assert penalty.gradient(weights).tolist() == [0.25 * 1, 0.25 * 2, 0, 0]


def test_ewc_holds_each_earlier_task_at_its_own_weights(past):
    # In the order in which stages are learned: the second adds to what the first left.
    at = [torch.tensor([1.0, 2.0, 0.0, 0.0]), torch.tensor([0.0, 4.0, 1.0, 0.0])]
    information = [torch.tensor([1.0, 0.5, 0.0, 2.0]), torch.tensor([3.0, 0.0, 1.0, 1.0])]
    keep_information(None, past[0].folder, at[0], information[0])
    keep_information(past[0].folder, past[1].folder, at[1], information[1])
    penalty = make_method("ewc", STUDY).penalty(past, LAYOUT)
    weights = torch.tensor([2.0, 1.0, 3.0, -1.0], requires_grad=True)
    by_hand = sum((f * (weights - w).square()).sum() for f, w in zip(information, at, strict=True))
    by_hand = 3.0 / 2 * by_hand
    by_hand.backward()
    assert penalty.gradient(weights.detach()).tolist() == pytest.approx(weights.grad.tolist())


def test_ewc_without_what_an_earlier_stage_left_is_refused(past):
    with pytest.raises(InputError, match=r"information of an earlier stage is missing"):
        make_method("ewc", STUDY).penalty(past, LAYOUT)


def test_full_fine_tuning_has_a_learning_rate_of_its_own():
    assert make_method("full", STUDY).training(0).learning_rate == STUDY.full.learning_rate
    adapters = ["lora", "lora-inc", "o-lora", "ewc", "replay", "lora-1-shot"]
    assert all(make_method(name, STUDY).training(1) == STUDY.training for name in adapters)
    assert STUDY.full.learning_rate != STUDY.training.learning_rate


def test_first_stages_are_shared_by_methods_that_do_the_same_there():
    first = {name: make_method(name, STUDY).decides(0) for name in METHODS}
    assert {name for name, what in first.items() if what is None} == {
        *("lora", "lora-inc", "o-lora", "replay", "multi-task")
    }
    later = [str(make_method(name, STUDY).decides(1)) for name in METHODS]
    assert len(set(later)) == len(METHODS)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("o-lora", {"o_lora": {"weight": 1.0}}),
        ("ewc", {"ewc": {"weight": 1.0}}),
        ("ewc", {"ewc": {"weight": 3.0, "examples": 7}}),
        ("replay", {"replay": {"ratio": 1.0}}),
        ("full", {"full": {"learning_rate": 1.0}}),
    ],
)
def test_what_decides_a_fine_tune_is_in_its_name(name, change):
    other = STUDY.model_copy(update={key: getattr(tiny_sequence(**change), key) for key in change})
    assert make_method(name, STUDY).decides(1) != make_method(name, other).decides(1)

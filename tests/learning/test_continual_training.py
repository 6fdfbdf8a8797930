"""Penalties, replay and drawn prompts: a stack against peft one by one, in float64."""

import pytest
import torch

from sapo_analysis.learning.members import Drawn, Member, Replay
from sapo_analysis.learning.penalties import EwcPenalty, OrthogonalPenalty
from sapo_analysis.learning.stacked_training import StackedTraining
from sapo_analysis.learning.training import Training
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.lora import adapter_layout, save_adapter, started_adapter
from sapo_analysis.models.saved_adapter import read_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task
from tests.learning.test_penalties import orthogonal

LORA = LoraSettings(r=2, lora_alpha=6, target_modules=("q_proj", "down_proj"))
SETTINGS = TrainingSettings(steps=8, batch_size=4, learning_rate=1e-2, max_grad_norm=2.0)


@pytest.fixture(scope="module")
def rows(encoder):
    def encode(task, prompt=0):
        return encoder.encode_split(get_task(task), "train", 16, get_prompts(task)[prompt])

    return encode


@pytest.fixture(scope="module")
def saved(model64, encoder, rows, tmp_path_factory):
    """Two adapters of earlier stages."""
    folders = []
    for seed, task in enumerate(("sentiment", "translate")):
        folders.append(tmp_path_factory.mktemp(task))
        with started_adapter(model64, LORA, AdapterStart(seed)) as adapted:
            Training(adapted, Member(rows(task), SETTINGS, seed), encoder.pad_id).advance()
            save_adapter(adapted, folders[-1])
    return folders


def flat(adapted):
    return torch.cat([p.detach().flatten() for p in adapted.parameters() if p.requires_grad])


@pytest.fixture(scope="module")
def stages(model64, rows, saved):
    """(start, member) of every kind of stage, in one stack."""
    with started_adapter(model64, LORA, AdapterStart(0)) as adapted:
        layout = adapter_layout(adapted)
        size = len(flat(adapted))
    old = [{name: a for name, (a, _) in read_adapter(f).items()} for f in saved]
    draw = torch.Generator().manual_seed(1)
    information = torch.rand(size, generator=draw, dtype=torch.float64)
    anchored = torch.randn(size, generator=draw, dtype=torch.float64) * 0.1
    own = rows("add")
    carried, frozen = {"carried": saved[1]}, {"frozen": tuple(saved)}
    return {
        "lora": (AdapterStart(7, **carried), Member(own, SETTINGS, 7)),
        "lora-inc": (AdapterStart(7, **frozen), Member(own, SETTINGS, 7)),
        "o-lora": (
            AdapterStart(7, **frozen),
            Member(own, SETTINGS, 7, penalty=OrthogonalPenalty(0.5, layout, old)),
        ),
        "o-lora without weight": (
            AdapterStart(7, **frozen),
            Member(own, SETTINGS, 7, penalty=OrthogonalPenalty(0.0, layout, old)),
        ),
        "ewc": (
            AdapterStart(7, **carried),
            Member(own, SETTINGS, 7, penalty=EwcPenalty(3.0, information, anchored)),
        ),
        "ewc without weight": (
            AdapterStart(7, **carried),
            Member(own, SETTINGS, 7, penalty=EwcPenalty(0.0, information, anchored)),
        ),
        "replay": (
            AdapterStart(7, **carried),
            Member(own, SETTINGS, 7, replay=Replay(rows("sentiment"), 2)),
        ),
        "replay of nothing": (
            AdapterStart(7, **carried),
            Member(own, SETTINGS, 7, replay=Replay(rows("sentiment"), 0)),
        ),
        "paft": (
            AdapterStart(7, **carried),
            Member(own, SETTINGS, 7, drawn=Drawn([rows("add", i) for i in range(4)], 2)),
        ),
    }


@pytest.fixture(scope="module")
def stacked(model64, encoder, stages):
    starts, members = zip(*stages.values(), strict=True)
    with stacked_adapters(model64, LORA, starts) as adapters:
        training = StackedTraining(model64, adapters, members, encoder.pad_id)
        training.advance()
        return dict(
            zip(stages, zip(adapters.values.detach(), training.fits, strict=True), strict=True)
        )


NAMES = ["lora", "lora-inc", "o-lora", "ewc", "replay", "paft"]


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_trains_as_peft_does_one_by_one(model64, encoder, stages, stacked, name):
    start, member = stages[name]
    with started_adapter(model64, LORA, start) as adapted:
        training = Training(adapted, member, encoder.pad_id)
        training.advance()
        expected = flat(adapted)
    weights, fit = stacked[name]
    assert fit.losses == pytest.approx(training.fit.losses, rel=1e-9)
    assert fit.grad_norms == pytest.approx(training.fit.grad_norms, rel=1e-9)
    assert (weights - expected).abs().max() < 1e-10


@pytest.mark.parametrize(
    ("without", "plain"),
    [
        ("o-lora without weight", "lora-inc"),
        ("ewc without weight", "lora"),
        ("replay of nothing", "lora"),
    ],
)
def test_a_method_without_its_weight_is_the_one_it_builds_on(stacked, without, plain):
    assert torch.equal(stacked[without][0], stacked[plain][0])
    assert stacked[without][1] == stacked[plain][1]


@pytest.mark.parametrize(
    ("method", "plain"),
    [("o-lora", "lora-inc"), ("ewc", "lora"), ("replay", "lora"), ("paft", "lora")],
)
def test_and_with_it_is_another(stacked, method, plain):
    assert (stacked[method][0] - stacked[plain][0]).abs().max() > 1e-4


def test_the_penalty_of_o_lora_keeps_the_new_adapter_nearer_to_orthogonal(model64, saved, stacked):
    with started_adapter(model64, LORA, AdapterStart(0)) as adapted:
        layout = adapter_layout(adapted)
    old = [{name: a for name, (a, _) in read_adapter(f).items()} for f in saved]
    with_it, without = (
        orthogonal(1.0, layout, old, stacked[name][0]) for name in ("o-lora", "lora-inc")
    )
    assert with_it < without


def test_a_stage_carries_on_from_the_adapter_it_was_given(model64, encoder, stages, saved):
    start, member = stages["lora"]
    with started_adapter(model64, LORA, start) as adapted:
        carried = {
            name: weights for name, weights in adapted.named_parameters() if weights.requires_grad
        }
        for module, (a, b) in read_adapter(saved[1]).items():
            own = {n.split("lora_")[1][0]: w for n, w in carried.items() if f".{module}." in n}
            assert torch.equal(own["A"].detach(), a.to(own["A"])) and b.abs().max() > 0
            assert torch.equal(own["B"].detach(), b.to(own["B"]))

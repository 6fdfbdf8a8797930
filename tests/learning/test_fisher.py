"""Fisher information of adapters: in a stack, one by one, and from autograd by hand."""

import pytest
import torch

from sapo_analysis.learning.fisher import fisher, stacked_fisher
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.scoring import total_nll
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.lora import started_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task

LORA = LoraSettings(r=2, target_modules=("q_proj", "down_proj"))


@pytest.fixture(scope="module")
def encoded(encoder):
    return [
        encoder.encode_split(get_task(task), "train", n, get_prompts(task)[0])
        for task, n in (("sentiment", 5), ("add", 3))
    ]


@pytest.fixture(scope="module")
def trained(model64, encoder, encoded, tmp_path_factory):
    """Two adapters that have moved, saved."""
    folders = [tmp_path_factory.mktemp(f"adapter-{k}") for k in range(2)]
    settings = TrainingSettings(steps=3, batch_size=2)
    with stacked_adapters(model64, LORA, [4, 5]) as adapters:
        members = [Member(rows, settings, k) for k, rows in enumerate(encoded)]
        train_stacked(model64, adapters, members, encoder.pad_id)
        for k, folder in enumerate(folders):
            adapters.save(k, folder)
    return folders


def test_it_is_the_mean_square_of_each_examples_own_gradient(model64, encoder, encoded, trained):
    starts = [AdapterStart(0, carried=folder) for folder in trained]
    with stacked_adapters(model64, LORA, starts) as adapters:
        found = stacked_fisher(model64, adapters, encoded, encoder.pad_id)
    for k, start in enumerate(starts):
        with started_adapter(model64, LORA, start) as adapted:
            alone = fisher(adapted, encoded[k], encoder.pad_id)
            parameters = [p for p in adapted.parameters() if p.requires_grad]
            by_hand = torch.zeros_like(alone)
            for row in encoded[k]:
                loss = total_nll(adapted, [row], encoder.pad_id)
                gradients = torch.autograd.grad(loss, parameters)
                by_hand += torch.cat([g.flatten() for g in gradients]) ** 2 / len(encoded[k])
        assert by_hand.max() > 0
        assert torch.allclose(alone, by_hand, rtol=1e-10)
        assert torch.allclose(found[k], by_hand, rtol=1e-8, atol=1e-14)


def test_an_adapter_without_rows_has_none(model64, encoder, encoded, trained):
    starts = [AdapterStart(0, carried=folder) for folder in trained]
    with stacked_adapters(model64, LORA, starts) as adapters:
        found = stacked_fisher(model64, adapters, [encoded[0], []], encoder.pad_id)
        both = stacked_fisher(model64, adapters, encoded, encoder.pad_id)
    assert found[1].abs().max() == 0
    assert torch.allclose(found[0], both[0], rtol=1e-10)


def test_the_plain_engine_takes_it_without_dropout(encoded):
    from sapo_analysis.models.loading import choose_device, load_model
    from sapo_analysis.plan import make_sequence_plan
    from sapo_analysis.studies.engines import make_engine
    from tests.tiny_sequence import tiny_sequence

    study = tiny_sequence(lora={"lora_dropout": 0.4, "r": 2}, strategies=["original+ewc"])
    plan = make_sequence_plan(study, "plain")
    device = choose_device("cpu")
    base = load_model(plan.model, device, "float32")
    engine = make_engine(plan, device, base)
    with engine.adapters(base, [AdapterStart(3)]) as tuned:
        first, again = (tuned.information([encoded[0]])[0] for _ in range(2))
    assert torch.equal(first, again) and first.max() > 0

"""The stacked path on a GPU: what the plain one gives there."""

import pytest
import torch

from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.packed_scoring import packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.learning.training import train
from sapo_analysis.model_files import find_model
from sapo_analysis.models.loading import choose_device, load_model
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use"),
]


@pytest.fixture(scope="module")
def model():
    return load_model(find_model("pocket"), choose_device("cuda"), "float32")


def test_scores_agree(model, encoder):
    rows = encoder.encode_split(get_task("product"), "train", 40, get_prompts("product")[1])
    plain = [x.nll_sum for x in example_losses(model, rows, 8, encoder.pad_id)]
    found = [x.nll_sum for x in packed_losses(model, rows, encoder.pad_id)]
    assert found == pytest.approx(plain, rel=1e-5, abs=2e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_first_steps_and_answers_agree(model, encoder, dropout):
    task = get_task("sentiment")
    lora = LoraSettings(lora_dropout=dropout)
    members = [
        Member(
            encoder.encode_split(task, "train", 40, prompt),
            TrainingSettings(steps=4, batch_size=8),
            seed,
        )
        for prompt, seed in zip(get_prompts("sentiment")[:3], (1, 2, 3), strict=True)
    ]
    tests, examples = (
        encoder.encode_split(task, "test", 20, get_prompts("sentiment")[0]),
        task.examples("test", 20),
    )
    with stacked_adapters(model, lora, [m.seed for m in members]) as adapters:
        fits = train_stacked(model, adapters, members, encoder.pad_id)
        found = evaluate_stacked(model, encoder, task, examples, [tests] * 3, 20)
    assert len({tuple(fit.losses) for fit in fits}) == 3
    if dropout:
        return  # a GPU's own dropout kernel draws other masks than a stream per adapter
    for member, fit, own in zip(members, fits, found, strict=True):
        with fresh_adapter(model, lora, member.seed) as adapted:
            plain = train(adapted, member.rows, member.settings, member.seed, encoder.pad_id)
            alone = evaluate(adapted, encoder, task, examples, tests, 20)
        assert fit.losses == pytest.approx(plain.losses, rel=1e-2)
        assert own.loss == pytest.approx(alone.loss, rel=1e-2)

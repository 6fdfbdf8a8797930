"""Every family of models: both engines agree, or the stacked one says which engine to take."""

import math

import pytest
import torch
from peft import PeftModel

import sapo_analysis as sapo
from sapo_analysis.errors import InputError
from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.packed_scoring import check_packed, packed_losses
from sapo_analysis.learning.scoring import example_losses
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.learning.training import train
from sapo_analysis.model_files import find_model
from sapo_analysis.models.checkpointing import checkpointed
from sapo_analysis.models.encoding import Encoder
from sapo_analysis.models.loading import choose_device, context_length, load_model, load_tokenizer
from sapo_analysis.models.lora import adapted_layers, fresh_adapter, merge_adapter, save_adapter
from sapo_analysis.models.packed import layout_again
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task
from tests.models.families import CONTEXT, FAMILIES, NOT_STACKED, TOKENIZERS, build
from tests.models.tokenizers_of_families import tokenizer_of
from tests.norm64 import in_float64

CPU = choose_device("cpu")
LORA = LoraSettings(r=2, lora_dropout=0.1)
N = 6


class Loaded:
    """A family's model with its own tokenizer, and some rows of two tasks."""

    def __init__(self, family, folder):
        self.family = family
        build(family, folder, tokenizer_of(TOKENIZERS.get(family, family)))
        self.files = find_model(str(folder))
        self.model = load_model(self.files, CPU, "float32")
        self.encoder = Encoder(load_tokenizer(self.files), context_length(self.model))
        self.task = get_task("sentiment")
        self.examples = self.task.examples("test", N)
        self.rows = self.encode("test", 0)

    def encode(self, split, prompt):
        return self.encoder.encode_split(self.task, split, N, get_prompts(self.task)[prompt])


@pytest.fixture(scope="module", params=FAMILIES)
def loaded(request, tmp_path_factory):
    return Loaded(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def stacking(loaded):
    if loaded.family in NOT_STACKED:
        pytest.skip("its attention cannot be packed")
    return loaded


def test_losses_and_answers_are_those_of_single_texts(stacking):
    one, pad_id = stacking, stacking.encoder.pad_id
    plain = example_losses(one.model, one.rows, 2, pad_id)
    for found, expected in zip(packed_losses(one.model, one.rows, pad_id), plain, strict=True):
        assert found.nll_sum == pytest.approx(expected.nll_sum, rel=1e-5)
    measured = one.task, one.examples
    expected = evaluate(one.model, one.encoder, *measured, one.rows, 4)
    (found,) = evaluate_stacked(one.model, one.encoder, *measured, [one.rows], 4)
    assert found.outputs == expected.outputs and len(set(found.outputs)) > 1
    assert found.losses == pytest.approx(expected.losses, rel=1e-5)


def test_stacked_training_is_training_one_by_one_also_when_layers_are_computed_twice(stacking):
    model, pad_id = in_float64(stacking.model), stacking.encoder.pad_id
    settings = TrainingSettings(steps=2, batch_size=3, learning_rate=1e-2)
    members = [Member(stacking.encode("train", i), settings, 7 + i) for i in range(2)]
    with (
        stacked_adapters(model, LORA, [m.seed for m in members]) as adapters,
        checkpointed(model, layout_again, adapters.dropout.again),
    ):
        fits = train_stacked(model, adapters, members, pad_id)
        values = adapters.values.clone()
    for k, member in enumerate(members):
        with fresh_adapter(model, LORA, member.seed) as adapted:
            fit = train(adapted, member.rows, settings, member.seed, pad_id)
            weights = [p.detach().flatten() for p in adapted.parameters() if p.requires_grad]
        assert fits[k].losses == pytest.approx(fit.losses, rel=1e-10)
        torch.testing.assert_close(values[k], torch.cat(weights), rtol=1e-8, atol=1e-10)


def test_what_cannot_be_packed_is_refused_with_the_engine_to_take(tmp_path):
    for family, why in NOT_STACKED.items():
        one = Loaded(family, tmp_path / family)
        with pytest.raises(InputError, match=f"{why}.*Use --engine plain"):
            check_packed(one.model, one.rows, one.encoder.pad_id)


def test_saved_adapters_load_in_plain_peft_and_merge(loaded, tmp_path):
    model, pad_id = loaded.model, loaded.encoder.pad_id
    rows, settings = loaded.encode("train", 1), TrainingSettings(steps=1, batch_size=3)
    ids = torch.tensor([rows[0].ids])
    expected = {}
    with fresh_adapter(model, LORA, 5) as adapted, checkpointed(adapted):
        train(adapted, rows, settings, 5, pad_id)
        expected["plain"] = adapted(input_ids=ids).logits.detach()
        save_adapter(adapted, tmp_path / "plain")
    if loaded.family not in NOT_STACKED:
        with stacked_adapters(model, LORA, [5]) as adapters:
            train_stacked(model, adapters, [Member(rows, settings, 5)], pad_id)
            expected["stacked"] = model(input_ids=ids).logits
            adapters.save(0, tmp_path / "stacked")
    for engine, logits in expected.items():
        fresh = load_model(loaded.files, CPU, "float32")
        untouched = fresh(input_ids=ids).logits
        reloaded = PeftModel.from_pretrained(fresh, str(tmp_path / engine)).eval()
        torch.testing.assert_close(reloaded(input_ids=ids).logits, logits, rtol=1e-5, atol=1e-6)
        merged = merge_adapter(reloaded.unload(), tmp_path / engine)
        torch.testing.assert_close(merged(input_ids=ids).logits, logits, rtol=1e-4, atol=1e-4)
        assert (logits - untouched).abs().max() > 1e-3


def test_every_linear_layer_but_the_head_is_adapted(loaded):
    names = adapted_layers(loaded.model, LoraSettings())
    per_layer = {"gpt2": 4, "gpt_neox": 4}.get(loaded.family, 7)
    assert len(names) == per_layer * loaded.model.config.num_hidden_layers
    assert loaded.encoder.max_length == CONTEXT


def test_bfloat16_weights_give_losses_near_those_of_float32(loaded):
    half = load_model(loaded.files, CPU, "bfloat16")
    mine, whole = (
        example_losses(m, loaded.rows, N, loaded.encoder.pad_id) for m in (half, loaded.model)
    )
    for found, expected in zip(mine, whole, strict=True):
        assert math.isclose(found.nll_sum, expected.nll_sum, rel_tol=0.05, abs_tol=0.5)


@pytest.mark.slow
def test_a_study_of_random_weights_goes_through_a_worker_and_gets_no_verdict(tmp_path):
    family = "qwen3"
    folder = build(family, tmp_path / family, tokenizer_of(family))
    study = sapo.ParaphraseStudy(
        model=f"random:{folder}",
        current=["sentiment"],
        unseen=["product"],
        prompts=1,
        seeds=[0],
        training={"examples": 4, "batch_size": 2, "steps": 1},
        scoring={"examples": 2},
        evaluation={"examples": 2, "n_predictions_kept": 2},
        device="cpu",
    )
    run = sapo.run(study, tmp_path / "runs")
    assert run.is_complete and run.has_random_weights
    assert run.provenance["model"]["name"] == f"random:{family}"  # and not where it is
    assert len(run.impacts()) == 2 * 2
    said = sapo.report(run)
    assert said["verdicts"] == [] and "random weights" in said["no_verdict"]

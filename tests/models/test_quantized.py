"""A base model in 8 and 4 bits: bitsandbytes where it is, a clear word where it is not."""

from importlib.util import find_spec

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.packed_scoring import check_packed
from sapo_analysis.learning.scoring import example_losses, total_nll
from sapo_analysis.learning.stacked_check import check_stacked
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.learning.training import train
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.model_files import find_model
from sapo_analysis.models import quantized
from sapo_analysis.models.checkpointing import checkpointed
from sapo_analysis.models.loading import choose_device, load_model, load_tokenizer
from sapo_analysis.models.lora import fresh_adapter, save_adapter, started_adapter, with_adapter
from sapo_analysis.models.packed import layout_again
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, MemorySettings, TrainingSettings
from sapo_analysis.studies.meter import model_sizes
from sapo_analysis.tasks import get_task

CPU = choose_device("cpu")
LORA = LoraSettings(r=2)
installed = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)


def test_without_the_package_it_is_named(monkeypatch):
    monkeypatch.setattr(quantized, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"'4bit'.*bitsandbytes is not installed.*bfloat16"):
        load_model(find_model("pocket"), CPU, "float32", MemorySettings(quantization="4bit"))
    assert load_tokenizer(find_model("pocket"))


@pytest.fixture(scope="module", params=["8bit", "4bit"])
def model(request):
    memory = MemorySettings(quantization=request.param)
    return load_model(find_model("pocket"), CPU, "float32", memory)


def some_rows(encoder):
    return encoder.encode_split(get_task("topic"), "test", 6, get_prompts("topic")[0])


@installed
@pytest.mark.filterwarnings("ignore")
def test_losses_are_near_those_of_whole_weights(model, pocket_model, encoder):
    rows = some_rows(encoder)
    whole, found = (example_losses(m, rows, 3, encoder.pad_id) for m in (pocket_model, model))
    assert sum(x.nll_sum for x in found) == pytest.approx(
        sum(x.nll_sum for x in whole), rel=0.5, abs=1.0
    )
    assert model_sizes(model) == model_sizes(pocket_model)
    held = sum(p.numel() * p.element_size() for p in model.parameters())
    assert held < 0.6 * sum(p.numel() * p.element_size() for p in pocket_model.parameters())


@installed
@pytest.mark.filterwarnings("ignore")
def test_adapters_stack_and_train_on_it(model, encoder):
    rows = some_rows(encoder)
    check_packed(model, rows, encoder.pad_id)
    check_stacked(model, LORA, rows, encoder.pad_id)
    member = Member(rows, TrainingSettings(steps=3, batch_size=3), 1)
    with fresh_adapter(model, LORA, 1) as adapted:
        alone = train(adapted, rows, member.settings, 1, encoder.pad_id)
    with (
        stacked_adapters(model, LORA, [1, 1]) as adapters,
        checkpointed(model, layout_again, adapters.dropout.again),
    ):
        fits = train_stacked(model, adapters, [member, member], encoder.pad_id)
    for fit in fits:
        assert fit.losses == pytest.approx(alone.losses, rel=0.05)


def dequantized(model):
    """The model that the quantized weights stand for."""
    from bitsandbytes.functional import dequantize_4bit

    twin = load_model(find_model("pocket"), CPU, "float32")
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if type(weight).__name__ == "Params4bit":
            whole = dequantize_4bit(weight.data, weight.quant_state)
        elif type(weight).__name__ == "Int8Params":
            whole = module.weight.CB.float() * module.weight.SCB[:, None] / 127
        else:
            continue
        twin.get_submodule(name).weight.data = whole.float()
    return twin


@installed
@pytest.mark.filterwarnings("ignore")
def test_adapters_learn_as_on_the_weights_that_the_bits_stand_for(encoder, tmp_path):
    # Evaluated first: a layer must not forget its gradients over that.
    for kind, tolerance in (("4bit", 1e-5), ("8bit", 2e-2)):
        memory = MemorySettings(quantization=kind)
        quantized_model = load_model(find_model("pocket"), CPU, "float32", memory)
        twin = dequantized(quantized_model)
        rows = encoder.encode_split(get_task("product"), "train", 6, get_prompts("product")[1])
        example_losses(quantized_model, rows, 3, encoder.pad_id)
        gradients = []
        for model in (quantized_model, twin):
            with fresh_adapter(model, LORA, 1) as adapted:
                total_nll(adapted, rows, encoder.pad_id).backward()
                found = [p.grad.flatten() for p in adapted.parameters() if p.requires_grad]
                gradients.append(torch.cat(found))
        ours, expected = gradients
        assert (ours - expected).norm() <= tolerance * expected.norm(), kind


@installed
@pytest.mark.filterwarnings("ignore")
def test_earlier_adapters_are_not_merged_into_rounded_weights(model, encoder, tmp_path):
    ids = torch.tensor([some_rows(encoder)[0].ids])
    kind = "4bit" if getattr(model, "is_loaded_in_4bit", False) else "8bit"
    with fresh_adapter(model, LORA, 1) as adapted:
        draw = torch.Generator().manual_seed(0)
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.05, generator=draw)
        adapted.eval()
        expected = adapted(input_ids=ids).logits
        save_adapter(adapted, tmp_path)
    moved = float((model(input_ids=ids).logits - expected).abs().max())
    assert moved > 2
    near = {"rtol": 0, "atol": 0.05 * moved}  # their kernels have 16 bits
    with started_adapter(model, LORA, AdapterStart(7, frozen=(tmp_path,))) as adapted:
        torch.testing.assert_close(adapted(input_ids=ids).logits, expected, **near)
    fresh = load_model(find_model("pocket"), CPU, "float32", MemorySettings(quantization=kind))
    state = with_adapter(fresh, tmp_path)
    torch.testing.assert_close(state(input_ids=ids).logits, expected, **near)

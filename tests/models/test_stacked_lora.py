"""Stacked adapters: they start as peft's, reach peft through files, and leave no trace."""

import json

import pytest
import torch
from peft import PeftModel

from sapo_analysis.errors import InputError
from sapo_analysis.models.lora import fresh_adapter, merge_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.spec import LoraSettings

LORA = LoraSettings(r=4, lora_alpha=12)
IDS = torch.tensor([[5, 6, 7, 8, 9]])


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits


def scatter(adapters):
    """Give every weight a value of its own: fresh adapters do nothing."""
    with torch.no_grad():
        adapters.values.copy_(
            torch.randn(
                adapters.values.shape,
                generator=torch.Generator().manual_seed(3),
                dtype=adapters.values.dtype,
            )
            * 0.02
        )


def test_each_adapter_starts_as_peft_starts_it(pocket_model):
    with stacked_adapters(pocket_model, LORA, [7, 8, 7]) as adapters:
        own = {
            name: (m.a.detach().clone(), m.b.detach().clone())
            for name, m in adapters.modules.items()
        }
    for k, seed in enumerate([7, 8, 7]):
        with fresh_adapter(pocket_model, LORA, seed) as adapted:
            found = {
                name: module
                for name, module in adapted.base_model.model.named_modules()
                if hasattr(module, "lora_A")
            }
            assert found.keys() == own.keys()
            for name, module in found.items():
                assert torch.equal(own[name][0][k], module.lora_A["default"].weight)
                assert torch.equal(own[name][1][k], module.lora_B["default"].weight)


def test_every_row_is_the_model_with_its_own_adapter(model64):
    with stacked_adapters(model64, LORA, [1, 2, 3]) as adapters:
        scatter(adapters)
        stacked = logits_of_rows(model64, 3)
        updates = [
            {n: 12 / 4 * (m.b[k] @ m.a[k]).detach() for n, m in adapters.modules.items()}
            for k in range(3)
        ]
    for k, update in enumerate(updates):
        for name, delta in update.items():
            model64.get_submodule(name).weight.data += delta
        expected = logits(model64)[0]
        for name, delta in update.items():
            model64.get_submodule(name).weight.data -= delta
        torch.testing.assert_close(stacked[k], expected, rtol=1e-9, atol=1e-9)


def logits_of_rows(model, n):
    with torch.no_grad():
        return model(input_ids=IDS.expand(n, -1)).logits


def test_peft_reloads_a_saved_adapter_to_equal_logits(model64, tmp_path):
    with stacked_adapters(model64, LORA, [1, 2]) as adapters:
        scatter(adapters)
        stacked = logits_of_rows(model64, 2)
        for k in range(2):
            adapters.save(k, tmp_path / str(k))
    for k in range(2):
        config = json.loads((tmp_path / str(k) / "adapter_config.json").read_text())
        assert (config["r"], config["lora_alpha"], config["inference_mode"]) == (4, 12, True)
        loaded = PeftModel.from_pretrained(model64, str(tmp_path / str(k)))
        torch.testing.assert_close(logits(loaded)[0], stacked[k], rtol=1e-12, atol=1e-12)
        loaded.unload()


def test_a_saved_adapter_merges_into_the_next_state(pocket_model, tmp_path):
    import copy

    with stacked_adapters(pocket_model, LORA, [1]) as adapters:
        scatter(adapters)
        with_adapter = logits(pocket_model)
        adapters.save(0, tmp_path)
    merged = merge_adapter(copy.deepcopy(pocket_model), tmp_path)
    torch.testing.assert_close(logits(merged), with_adapter, rtol=1e-4, atol=1e-4)


def test_an_adapter_that_peft_wrote_is_loaded_into_a_place_of_the_stack(pocket_model, tmp_path):
    with fresh_adapter(pocket_model, LORA, seed=5) as adapted:
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02, generator=torch.Generator().manual_seed(1))
        expected = logits(adapted)
        adapted.save_pretrained(str(tmp_path))
    with stacked_adapters(pocket_model, LORA, [1, 2]) as adapters:
        adapters.load(1, tmp_path)
        found = logits_of_rows(pocket_model, 2)
    torch.testing.assert_close(found[1], expected[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0], expected[0], atol=1e-3)


def test_an_adapter_of_another_rank_is_refused(pocket_model, tmp_path):
    with stacked_adapters(pocket_model, LORA, [1]) as adapters:
        adapters.save(0, tmp_path)
    with (
        stacked_adapters(pocket_model, LoraSettings(r=2), [1]) as adapters,
        pytest.raises(InputError, match="another rank"),
    ):
        adapters.load(0, tmp_path)


def test_the_model_is_as_it_was_after_the_block(pocket_model):
    before, modules = logits(pocket_model), list(pocket_model.named_modules())
    with pytest.raises(ZeroDivisionError), stacked_adapters(pocket_model, LORA, [1]) as adapters:
        scatter(adapters)
        raise ZeroDivisionError
    assert torch.equal(logits(pocket_model), before)
    assert list(pocket_model.named_modules()) == modules
    assert not any(p.requires_grad for p in pocket_model.parameters())


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_a_target_that_is_no_inner_linear_layer_is_refused(pocket_model, target):
    before = logits(pocket_model)
    lora = LoraSettings(target_modules=("q_proj", target))
    with (
        pytest.raises(InputError, match=f"{target}.*--engine plain"),
        stacked_adapters(pocket_model, lora, [1]),
    ):
        pass
    assert torch.equal(logits(pocket_model), before)


def test_a_bfloat16_base_keeps_adapters_in_float32(tmp_path):
    from sapo_analysis.model_files import find_model
    from sapo_analysis.models.loading import choose_device, load_model

    model = load_model(find_model("pocket"), choose_device("cpu"), "bfloat16")
    with stacked_adapters(model, LORA, [1]) as adapters:
        assert adapters.values.dtype == torch.float32
        scatter(adapters)
        stacked = logits(model)
        adapters.save(0, tmp_path)
    loaded = PeftModel.from_pretrained(model, str(tmp_path))
    torch.testing.assert_close(logits(loaded), stacked, rtol=0.05, atol=0.1)


def test_a_stack_on_a_stack_is_of_the_models_own_layers(pocket_model):
    lora, small = LoraSettings(target_modules=("v_proj",)), LoraSettings(r=2)
    before, modules = logits(pocket_model), list(pocket_model.named_modules())
    with stacked_adapters(pocket_model, lora, [3]) as alone:
        start, names = alone.values.clone(), list(alone.modules)
    with (
        stacked_adapters(pocket_model, small, [4]) as first,
        # Settings that were not asked for yet, so that peft is.
        stacked_adapters(pocket_model, LoraSettings(r=3), [3]) as second,
        stacked_adapters(pocket_model, lora, [3]) as third,
    ):
        assert list(second.modules) == list(first.modules)
        assert list(third.modules) == names
        assert torch.equal(third.values, start)
        scatter(first)
        assert not torch.allclose(logits(pocket_model), before, atol=1e-3)
    assert list(pocket_model.named_modules()) == modules

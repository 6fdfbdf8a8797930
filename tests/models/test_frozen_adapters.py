"""Earlier adapters beside a new one: at full scale, as if they were merged."""

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.lora import adapter_layout, save_adapter, started_adapter
from sapo_analysis.models.packed import packed
from sapo_analysis.models.packing import Pack
from sapo_analysis.models.saved_adapter import read_adapter
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings
from sapo_analysis.tasks import get_task

LORA = LoraSettings(r=4, lora_alpha=12, target_modules=("q_proj", "v_proj", "down_proj"))


@pytest.fixture(scope="module")
def saved(model64, tmp_path_factory):
    """Three adapters that all change the model."""
    folders = []
    for seed in range(3):
        folders.append(tmp_path_factory.mktemp(f"adapter-{seed}"))
        with started_adapter(model64, LORA, AdapterStart(seed)) as adapted:
            draw = torch.Generator().manual_seed(seed)
            for name, weight in adapted.named_parameters():
                if "lora_B" in name:
                    weight.data = 0.2 * torch.randn(weight.shape, generator=draw).to(weight)
            save_adapter(adapted, folders[-1])
    return folders


@pytest.fixture(scope="module")
def rows(encoder):
    return encoder.encode_split(get_task("sentiment"), "train", 4, get_prompts("sentiment")[0])


def logits(model, rows, encoder):
    pack = Pack([rows], [0], encoder.pad_id, model.device)
    with torch.no_grad(), packed(model) as reader:
        return reader.logits(pack)[0]


def by_hand(model, folders):
    """base + (alpha / r) Σ B A, written into a copy's weights."""
    import copy

    merged = copy.deepcopy(model)
    for folder in folders:
        for name, (a, b) in read_adapter(folder).items():
            weight = merged.get_submodule(name).weight
            weight.data += LORA.lora_alpha / LORA.r * (b.to(weight) @ a.to(weight))
    return merged


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_model_is_the_base_plus_the_sum_of_all_adapters_at_full_scale(
    model64, encoder, saved, rows, n
):
    expected = logits(by_hand(model64, saved[:n]), rows, encoder)
    start = AdapterStart(9, frozen=tuple(saved[:n]))  # a fresh adapter adds nothing yet
    with stacked_adapters(model64, LORA, [start]):
        stacked = logits(model64, rows, encoder)
    with started_adapter(model64, LORA, start) as adapted:
        inputs, _ = collate(rows, encoder.pad_id, adapted.device)
        plain = adapted(**inputs, use_cache=False).logits
    assert (expected - logits(model64, rows, encoder)).abs().max() > 0.1
    assert torch.allclose(stacked, expected, atol=1e-10)
    for i, row in enumerate(rows):
        own = plain[i, row.target_start - 1 : len(row.ids) - 1]
        at = sum(r.n_target for r in rows[:i])
        assert torch.allclose(own, expected[at : at + row.n_target], atol=1e-10)


def test_adapters_of_one_stack_may_have_other_pasts(model64, encoder, saved, rows):
    starts = [
        AdapterStart(9, frozen=(saved[0], saved[2])),
        AdapterStart(9),
        AdapterStart(9, carried=saved[1]),
    ]
    with stacked_adapters(model64, LORA, starts):
        pack = Pack([rows] * 3, [0] * 3, encoder.pad_id, model64.device)
        with torch.no_grad(), packed(model64) as reader:
            together = reader.logits(pack)
    for k, folders in enumerate(([saved[0], saved[2]], [], [saved[1]])):
        alone = logits(by_hand(model64, folders), rows, encoder)
        assert torch.allclose(together[k], alone, atol=1e-10)


def test_the_base_is_as_it_was_afterwards(model64, encoder, saved, rows):
    before = logits(model64, rows, encoder)
    with stacked_adapters(model64, LORA, [AdapterStart(1, saved[0], (saved[1],))]):
        assert not torch.equal(logits(model64, rows, encoder), before)
    with started_adapter(model64, LORA, AdapterStart(1, None, tuple(saved))):
        pass
    assert torch.equal(logits(model64, rows, encoder), before)


def test_a_stack_and_peft_lay_out_an_adapters_weights_alike(model64, saved):
    with stacked_adapters(model64, LORA, [AdapterStart(0, carried=saved[0])]) as adapters:
        stacked, layout = adapters.values[0].detach().clone(), adapters.layout
    with started_adapter(model64, LORA, AdapterStart(0, carried=saved[0])) as adapted:
        plain = torch.cat([p.detach().flatten() for p in adapted.parameters() if p.requires_grad])
        assert adapter_layout(adapted) == layout
    assert torch.equal(stacked, plain)
    for name, (a, _) in read_adapter(saved[0]).items():
        assert torch.equal(stacked[layout.places_of_a(name)], a.to(stacked))
    assert sorted(map(len, layout.modules_by_input())) == [4, 8]


@pytest.mark.parametrize("kind", ["carried", "frozen"])
def test_an_adapter_that_does_not_fit_or_is_missing_is_refused(model64, saved, tmp_path, kind):
    def start(folder):
        own = folder if kind == "carried" else (folder,)
        return AdapterStart(0, **{kind: own})

    other = LORA.model_copy(update={"r": 2})
    with (
        pytest.raises(InputError, match="does not fit this stack"),
        stacked_adapters(model64, other, [start(saved[0])]),
    ):
        pass
    with (
        pytest.raises(InputError, match="is missing"),
        stacked_adapters(model64, LORA, [start(tmp_path)]),
    ):
        pass
    with (
        pytest.raises(InputError, match="is missing"),
        started_adapter(model64, LORA, start(tmp_path)),
    ):
        pass

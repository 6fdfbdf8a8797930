"""Layers computed twice: the same gradients, with less kept in between."""

from contextlib import nullcontext

import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning.members import Member
from sapo_analysis.learning.stacked_training import train_stacked
from sapo_analysis.learning.training import train
from sapo_analysis.models.checkpointing import checkpointed
from sapo_analysis.models.lora import fresh_adapter
from sapo_analysis.models.packed import layout_again
from sapo_analysis.models.stacked_lora import stacked_adapters
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task

SETTINGS = TrainingSettings(steps=3, batch_size=4)


@pytest.fixture(scope="module")
def members(encoder):
    def member(task, prompt, seed):
        rows = encoder.encode_split(get_task(task), "train", 12, get_prompts(task)[prompt])
        return Member(rows, SETTINGS, seed)

    return [member("sentiment", 0, 5), member("last_word", 3, 6)]


def alone(model, lora, members, pad_id, twice):
    found = []
    for member in members:
        with fresh_adapter(model, lora, member.seed) as adapted:
            with checkpointed(adapted) if twice else nullcontext():
                fit = train(adapted, member.rows, member.settings, member.seed, pad_id)
            weights = [p.detach().flatten() for p in adapted.parameters() if p.requires_grad]
            found.append((fit.losses, torch.cat(weights)))
    return found


def together(model, lora, members, pad_id, twice):
    with stacked_adapters(model, lora, [m.seed for m in members]) as adapters:
        again = (layout_again, adapters.dropout.again)
        with checkpointed(model, *again) if twice else nullcontext():
            fits = train_stacked(model, adapters, members, pad_id)
        return list(zip([fit.losses for fit in fits], adapters.values.clone(), strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("way", [alone, together])
def test_training_is_the_same_when_layers_are_computed_twice(
    model64, encoder, members, way, dropout
):
    lora = LoraSettings(r=2, lora_dropout=dropout)
    once, twice = (way(model64, lora, members, encoder.pad_id, t) for t in (False, True))
    for (losses, weights), (own_losses, own_weights) in zip(once, twice, strict=True):
        assert own_losses == pytest.approx(losses, rel=1e-12)
        torch.testing.assert_close(own_weights, weights, rtol=1e-9, atol=1e-12)


def kept_for_the_gradient(model, ids, twice):
    """Bytes that a pass keeps until its gradient, counted by storage; weights are there anyway."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        fresh_adapter(model, LoraSettings(r=2), 0) as adapted,
        checkpointed(adapted) if twice else nullcontext(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        logits = adapted(input_ids=ids, use_cache=False).logits
        del logits
    return sum(kept.values())


def test_of_a_layer_its_input_alone_is_kept(pocket_model):
    ids = torch.arange(5, 69).expand(4, -1)
    inputs = 4 * 64 * pocket_model.config.hidden_size * 4
    n_layers = pocket_model.config.num_hidden_layers
    twice = kept_for_the_gradient(pocket_model, ids, True) + n_layers * inputs
    assert twice < 0.3 * kept_for_the_gradient(pocket_model, ids, False)


def test_the_layers_are_as_they_were_afterwards(pocket_model):
    before = [dict(vars(layer)) for layer in pocket_model.model.layers]
    with pytest.raises(ZeroDivisionError), checkpointed(pocket_model):
        raise ZeroDivisionError
    assert [vars(layer) for layer in pocket_model.model.layers] == before


def test_a_model_without_known_layers_is_refused():
    with pytest.raises(InputError, match=r"gradient_checkpointing to false"):
        with checkpointed(torch.nn.Linear(2, 2)):
            pass

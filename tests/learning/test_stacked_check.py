"""The trial of a stack before a study: it passes where it may and finds what it must."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.learning.stacked_check import check_stacked
from sapo_analysis.models.stacked_lora import StackedLinear
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings
from sapo_analysis.tasks import get_task


@pytest.fixture
def rows(encoder):
    return encoder.encode_split(get_task("topic"), "test", 4, get_prompts("topic")[0])


@pytest.mark.parametrize("lora", [LoraSettings(), LoraSettings(r=2, target_modules=("q_proj",))])
def test_adapters_on_the_shipped_model_do_not_act_on_each_other(pocket_model, encoder, rows, lora):
    check_stacked(pocket_model, lora, rows, encoder.pad_id)


def test_a_layer_that_mixes_the_rows_is_found(pocket_model, encoder, rows, monkeypatch):
    right = StackedLinear.forward

    def mixed(layer, x):
        return right(layer, x.flip(0)).flip(0) if len(x) > 1 else right(layer, x)

    monkeypatch.setattr(StackedLinear, "forward", mixed)
    with pytest.raises(InputError, match=r"act on each other.*--engine plain"):
        check_stacked(pocket_model, LoraSettings(), rows, encoder.pad_id)

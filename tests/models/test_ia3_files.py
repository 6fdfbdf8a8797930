"""Scales of IA3 as peft's files, both ways."""

import pytest
import torch
from peft import IA3Config, PeftModel, get_peft_model

from sapo_analysis.errors import InputError
from sapo_analysis.learning.batching import collate
from sapo_analysis.models.ia3_files import export_ia3, read_ia3
from sapo_analysis.models.soft_prompt_files import export_soft_prompt
from sapo_analysis.models.stacked_ia3 import StackedIa3, scaled_by
from tests.models.families import model_of
from tests.models.soft_parts import some_rows


@pytest.mark.filterwarnings("ignore:fan_in_fan_out:UserWarning")  # peft on GPT-2's layers
@pytest.mark.parametrize("family", ["qwen3", "gpt2"])
def test_peft_reads_it_exactly_and_it_comes_back(encoder, family, tmp_path):
    model = model_of(family, encoder.tokenizer)
    inputs, _ = collate(some_rows(2, seed=7), 0, model.device)
    ia3 = StackedIa3(model, 2)
    with torch.no_grad():
        ia3.values += 0.2 * torch.randn_like(ia3.values)
    export_ia3(tmp_path, ia3, 1, "some/model")
    other = StackedIa3(model, 1)
    other.fill(0, read_ia3(tmp_path, other))
    assert torch.equal(other.values[0], ia3.values[1])
    with scaled_by(model, other):
        expected = model(**inputs).logits
    found = PeftModel.from_pretrained(model, str(tmp_path))(**inputs).logits
    torch.testing.assert_close(found, expected)


def test_what_does_not_fit_is_refused(encoder, tmp_path):
    model = model_of("qwen3", encoder.tokenizer)
    ia3 = StackedIa3(model, 1)
    with pytest.raises(InputError, match="holds no adapter, not one of IA3"):
        read_ia3(tmp_path, ia3)
    export_soft_prompt(tmp_path, torch.zeros(4, 64), model, "some/model")
    with pytest.raises(InputError, match="kind PROMPT_TUNING"):
        read_ia3(tmp_path, ia3)
    # peft's own choice for this family: queries in place of keys.
    get_peft_model(model_of("qwen3", encoder.tokenizer), IA3Config()).save_pretrained(str(tmp_path))
    with pytest.raises(InputError, match=r"k_proj\).*scales k_proj, v_proj, down_proj"):
        read_ia3(tmp_path, ia3)

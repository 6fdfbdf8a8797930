"""Recipes that cannot be carried out are refused before anything is trained."""

import pytest
import torch
from safetensors.torch import save_file

from sapo_analysis.errors import InputError
from sapo_analysis.methods import make_method
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.models.soft_prompt_files import OWN
from sapo_analysis.studies.composed import Begun, check_recipe


def check(bench, method, tasks=("sentiment", "add"), **changes):
    engine = bench.engine("stacked", current=list(tasks), method=method, **changes)
    begun = [
        Begun(AdapterStart(0), engine.plan.tasks[task], engine.plan.originals[task].text)
        for task in tasks
    ]
    _, _, rows = bench.test_rows(engine, "sentiment")
    check_recipe(engine, bench.base, make_method(method, engine.study).recipe(0), begun, rows, 80)


@pytest.mark.parametrize("method", ["promot", "prefix-tuning"])
def test_labels_are_asked_for_of_every_task_not_of_the_first_alone(bench, method):
    with pytest.raises(InputError, match="'add' has no labels"):
        check(bench, method, soft_prompt={"virtual_tokens": 4, "init": "labels"})
    # A prompt encoder starts from its own numbers.
    check(bench, "p-tuning", soft_prompt={"virtual_tokens": 4, "init": "labels"})


@pytest.mark.parametrize("method", ["promot", "prefix-tuning", "p-tuning"])
def test_a_soft_prompt_that_no_context_has_room_for_is_refused_before_it_is_made(bench, method):
    with pytest.raises(InputError, match="virtual_tokens is 1000000000, and the longest text"):
        check(bench, method, soft_prompt={"virtual_tokens": 10**9})


def test_a_saved_soft_prompt_of_another_length_is_refused_with_both_lengths(bench, tmp_path):
    size = bench.base.get_input_embeddings().weight.shape[1]
    save_file({"prompt": torch.zeros(7, size)}, tmp_path / OWN)
    saved = {"tasks": ["sentiment"], "promot": {"stage_1_from": str(tmp_path)}}
    with pytest.raises(InputError, match=r"has 7 virtual tokens, and .* is 5\. Set .* to 7"):
        check(bench, "promot", **saved)
    check(bench, "promot", **saved, soft_prompt={"virtual_tokens": 7})

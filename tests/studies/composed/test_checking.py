"""Recipes that cannot be carried out are refused before anything is trained."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.methods import make_method
from sapo_analysis.models.adapter_start import AdapterStart
from sapo_analysis.studies.composed import Begun, check_recipe


def check(bench, method, **changes):
    engine = bench.engine("stacked", current=["sentiment", "add"], **changes)
    begun = [
        Begun(AdapterStart(0), engine.plan.tasks[task], engine.plan.originals[task].text)
        for task in ("sentiment", "add")
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

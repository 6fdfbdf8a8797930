"""Memory: a study of four times as many adapters needs no more of it."""

import pytest

from sapo_analysis import jobs
from sapo_analysis.plan import make_plan
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import open_run

pytestmark = pytest.mark.slow


def peak_bytes(path):
    return open_run(path).provenance["cost"]["peak_bytes"]


def test_more_adapters_than_fit_into_a_stack_need_no_more_memory(tmp_path):
    def study(seeds):
        return ParaphraseStudy(
            current=["sentiment"],
            unseen=["product"],
            prompts=14,
            own_prompts={"sentiment": ["How does the text sound?"]},
            seeds=seeds,
            training={"examples": 64, "steps": 3},
            scoring={"examples": 32},
            evaluation={"examples": 64},
            device="cpu",
        )

    few, many = study([0]), study([0, 1, 2, 3])
    plan = make_plan(few)
    assert len(plan.trials) == plan.chunk == 16 and len(make_plan(many).trials) == 64
    small, large = (peak_bytes(jobs.run_study(s, tmp_path)) for s in (few, many))
    # The allocator keeps some more after four times as many passes, and no more after that. A stack
    # of all 64 would take more than twice as much.
    assert large <= 1.25 * small

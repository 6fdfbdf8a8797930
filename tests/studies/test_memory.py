"""Memory: a study of twice as many adapters needs no more of it."""

import pytest

from sapo_analysis import jobs
from sapo_analysis.plan import make_plan
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import open_run
from tests.forked_jobs import asked

pytestmark = pytest.mark.slow


def peak_bytes(path):
    return open_run(path).provenance["cost"]["peak_bytes"]


def test_more_adapters_than_fit_into_a_stack_need_no_more_memory(tmp_path):
    def study(n_prompts):
        return ParaphraseStudy(
            current=["sentiment"],
            unseen=["product"],
            prompts=1,
            own_prompts={"sentiment": [f"How does text {i} sound?" for i in range(n_prompts - 2)]},
            seeds=[0],
            training={"examples": 16, "steps": 2},
            scoring={"examples": 9},
            evaluation={"examples": 24},
            device="cpu",
        )

    few, many = study(16), study(32)
    plan = make_plan(few)
    assert len(plan.trials) == plan.chunk == 16 and len(make_plan(many).trials) == 32
    small, large = (peak_bytes(asked(jobs.run_study, s, tmp_path)) for s in (few, many))
    # The allocator keeps some more after twice as many passes. A stack of all 32 would take more
    # than 1.4 times as much.
    assert large <= 1.25 * small

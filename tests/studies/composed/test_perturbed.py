"""PTP by its recipe in both engines: the same fine-tune, and tokens as the estimate says."""

from types import SimpleNamespace

import pytest

from sapo_analysis.methods import make_method
from sapo_analysis.studies.calibrate import _fine_tune_tokens

METHOD, TASK = "ptp-adversarial", "sentiment"
# 24 rows are met evenly in two steps of twelve, so an average step is exact.
SETTINGS = {"training": {"examples": 24, "batch_size": 12, "steps": 2}}
SETTINGS |= {"method": METHOD, "ptp": {"adversarial_steps": 1}}


def trained(bench, name):
    """One engine's fine-tune, and the tokens that the estimate has for it."""
    engine = bench.engine(name, **SETTINGS)
    block, members = bench.tuned(engine, METHOD, [(TASK, 1)])
    with block as tuned:
        tuned.begin(members)
        tuned.train()
        (fit,) = tuned.fits
    work = SimpleNamespace(plan=engine.plan, engine=engine, tuners=None)
    work.own_member = lambda *which: bench.member(
        engine, TASK, 1, make_method(METHOD, engine.study)
    )
    return fit, _fine_tune_tokens(work, TASK, engine.plan.originals[TASK])


def test_both_engines_train_alike_and_read_what_was_estimated(bench):
    (plain, estimate), (stacked, shared) = trained(bench, "plain"), trained(bench, "stacked")
    assert plain.losses == pytest.approx(stacked.losses, rel=1e-9)
    assert plain.grad_norms == pytest.approx(stacked.grad_norms, rel=1e-9)
    assert plain.tokens == estimate and stacked.tokens == shared < estimate
    # Of three passes one is clean, and one sought what to add; neither of these two shares.
    assert plain.reread == stacked.reread == 2 * 2 * 12
    assert plain.searched == stacked.searched == estimate / 3

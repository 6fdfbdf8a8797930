"""TSLoss in training: the same in both engines, nothing by weight 0; looks at prompts are free."""

from dataclasses import replace

import pytest
import torch

from sapo_analysis.methods import make_method
from tests.studies.composed.conftest import study_of

pytestmark = pytest.mark.slow


def trained(bench, engine, name, seeds=(11,), **changes):
    """Soft prompts [K, tokens, size] and losses after training."""
    block, members = bench.tuned(
        bench.engine(engine, **changes), name, [("sentiment", seed) for seed in seeds]
    )
    method = make_method(name, study_of(**changes))
    with block as tuned:
        tuned.begin([replace(m, penalty=method.penalty((), tuned.layout)) for m in members])
        tuned.train()
        return torch.stack(tuned.soft_prompts()), [fit.losses for fit in tuned.fits]


STEPS = {"training": {"examples": 24, "batch_size": 3, "steps": 3}}


def test_both_engines_train_the_same_prompts(bench):
    changes = {**STEPS, "ts_loss": {"h0": 0.5, "h1": 0.5}}
    together, losses = trained(bench, "stacked", "tsloss", (11, 12), **changes)
    for k, seed in enumerate((11, 12)):
        alone, own = trained(bench, "plain", "tsloss", (seed,), **changes)
        torch.testing.assert_close(alone[0], together[k], rtol=0, atol=1e-9)
        assert own[0] == pytest.approx(losses[k], rel=1e-9)
    without, _ = trained(bench, "stacked", "prompt-tuning", (11, 12), **STEPS)
    assert (together - without).abs().max() > 1e-3


@pytest.mark.parametrize("engine", ["stacked", "plain"])
def test_by_weight_0_it_is_prompt_tuning(bench, engine):
    expected, losses = trained(bench, engine, "prompt-tuning", **STEPS)
    nothing = dict.fromkeys(("h0", "h1", "surrogate_h0", "surrogate_h1", "l2", "distance"), 0.0)
    for name in ("tsloss", "tsloss-surrogate", "tsloss-l2"):
        found, own = trained(bench, engine, name, ts_loss=nothing, **STEPS)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        assert own[0] == pytest.approx(losses[0], abs=1e-6)


@pytest.mark.parametrize("name", ["p-tuning", "promot"])
def test_a_look_at_a_soft_prompt_changes_nothing(bench, name):
    found = []
    for looks in (False, True):
        block, members = bench.tuned(bench.engine("stacked", **STEPS), name, [("sentiment", 11)])
        with block as tuned:
            tuned.begin(members)
            for step in range(1, tuned.total_steps + 1):
                tuned.train(step)
                if looks:
                    (prompt,) = tuned.soft_prompts()
                    prompt.fill_(torch.nan)  # a copy
            found.append([part.values.clone() for part in tuned._parts.by_name.values()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))

"""Training losses by step against a case worked by hand."""

import math

import pandas as pd
import pytest

from sapo_analysis.analysis.training_losses import losses_by_prompt, thinned
from sapo_analysis.errors import InputError
from sapo_analysis.store import create_run, open_run
from tests.synthetic import write_run
from tests.tiny import tiny_study
from tests.watched import rewrite

PROMPTS = {"original": 0.0, "para-01": 1.0, "para-02": 3.0}
"""Added to a prompt's curve."""
LOSSES = {"original": 1.5, "para-01": 1.0, "para-02": 2.0}
"""Pre-update losses at every state."""


def worked(path, unequal=False):
    """Curves of four steps: 8, 6, 4, 2, more by the prompt and by a tenth per seed."""
    trials = pd.read_parquet(path / "tables/trials/all.parquet")
    rows = [
        {
            "trial_id": t.trial_id,
            "step": step,
            "series": "train_loss",
            "value": 8.0 - 2 * step + PROMPTS.get(t.prompt_id, 99) + t.seed / 10,
        }
        for t in trials.itertuples()
        for step in range(4)
        if not (unequal and t.prompt_id == "para-02" and t.seed == 1)
    ]
    rewrite(path, "curves", lambda _: pd.DataFrame(rows))
    named = "name == 'pre_update_loss'"
    rewrite(
        path,
        "indicators",
        lambda t: t.assign(value=t["value"].where(~t.eval(named), t["prompt_id"].map(LOSSES))),
    )
    return open_run(path)


@pytest.fixture
def made(tmp_path):
    return write_run(tmp_path, n_tasks=1, n_prompts=3, seeds=(0, 1), noise_seeds=(7, 8))


def test_pick_original_and_all_prompts_are_means_over_steps_and_seeds(made):
    table = losses_by_prompt(worked(made), points=2)
    assert set(table["task"]) == {"current-0"} and set(table["n_seeds"]) == {2}
    found = {kind: rows.reset_index(drop=True) for kind, rows in table.groupby("kind")}
    assert set(found) == {"pick", "original", "prompts"}
    assert all(rows["step"].tolist() == [0.5, 2.5] for rows in found.values())
    # Steps 0 and 1: (8 + 6) / 2 = 7, and 3 for the others; seeds 0 and 1 add 0.05 in the mean.
    assert found["original"]["loss"].tolist() == pytest.approx([7.05, 3.05])
    assert found["pick"]["loss"].tolist() == pytest.approx([8.05, 4.05])
    assert found["prompts"]["loss"].tolist() == pytest.approx([7.05 + 4 / 3, 3.05 + 4 / 3])
    assert found["prompts"]["lower"].tolist() == pytest.approx([7.05, 3.05])
    assert found["prompts"]["upper"].tolist() == pytest.approx([10.05, 6.05])
    assert found["pick"]["lower"].isna().all()


def test_each_seed_picks_at_its_own_state(made):
    run = worked(made)
    trials = run.table("trials")
    second = set(trials.loc[(trials["purpose"] == "main") & (trials["seed"] == 1), "state_id"])
    first = set(trials.loc[(trials["purpose"] == "main") & (trials["seed"] == 0), "state_id"])
    assert first.isdisjoint(second)

    def flip(table):
        here = table["state_id"].isin(second) & (table["name"] == "pre_update_loss")
        return table.assign(value=table["value"].where(~here, -table["value"]))

    rewrite(made, "indicators", flip)
    table = losses_by_prompt(open_run(made), points=1).query("kind == 'pick'")
    # Seed 0 picks para-01 (mean 5 + 1), seed 1 the highest, para-02 (mean 5 + 3 + 0.1).
    assert table["loss"].tolist() == pytest.approx([(6 + 8.1) / 2])


def test_seeds_that_a_prompt_lacks_do_not_enter(made):
    table = losses_by_prompt(worked(made, unequal=True), points=1)
    assert set(table["n_seeds"]) == {1}
    assert table.query("kind == 'original'")["loss"].tolist() == pytest.approx([5.0])


def test_a_run_without_training_losses_says_so(tmp_path):
    with pytest.raises(InputError, match="No main trial with training losses has ended"):
        losses_by_prompt(open_run(create_run(tmp_path, tiny_study())))


def test_a_curve_is_thinned_by_means_of_neighbours():
    curves = pd.DataFrame({"k": "a", "step": range(5), "loss": [1.0, 3.0, 5.0, 7.0, 20.0]})
    found = thinned(curves, ["k"], 3)
    assert found["step"].tolist() == [0.5, 2.5, 4.0] and found["loss"].tolist() == [2, 6, 20]
    assert thinned(curves, ["k"], 9)["loss"].tolist() == curves["loss"].tolist()
    assert math.isclose(thinned(curves, ["k"], 1)["loss"].item(), 36 / 5)

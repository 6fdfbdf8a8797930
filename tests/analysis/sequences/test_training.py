"""Training losses of sequences against a case worked by hand."""

import pandas as pd
import pytest

from sapo_analysis.analysis.sequences import losses_by_stage
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.analysis.sequences.test_metrics import worked
from tests.synthetic_sequence import write_sequence_run
from tests.watched import rewrite

ORDERS = [["a", "b", "c"], ["c", "a", "b"]]


def with_curves(path):
    """Two steps a stage: 2 and 1, plus ten per stage, plus one per seed, plus 100 on c > a > b."""
    chains = pd.read_parquet(path / "tables/chains/all.parquet")
    rows = [
        {
            "trial_id": c.trial_id,
            "step": step,
            "series": "train_loss",
            "value": 2.0 - step + 10 * c.stage + c.seed + 100 * (c.order == "c > a > b"),
        }
        for c in chains.itertuples()
        for step in range(2)
    ]
    rewrite(path, "curves", lambda _: pd.DataFrame(rows))
    return open_run(path)


def made(folder, **settings):
    chosen = {"orders": ORDERS, "strategies": ["original", "sapo"], "seeds": [0, 2]} | settings
    return with_curves(write_sequence_run(folder, worked, **chosen))


def test_means_over_seeds_and_then_orders(tmp_path):
    run = made(tmp_path)
    table = losses_by_stage(run)
    own = table[(table["strategy"] == "sapo+lora") & (table["stage"] == 3)]
    assert own["step"].tolist() == [0, 1]
    # 2 + 30, seeds add 1 in the mean, orders 50.
    assert own["loss"].tolist() == [83.0, 82.0]
    assert set(table["n_orders"]) == {2} and set(table["n_chains"]) == {4}
    assert losses_by_stage(run, points=1)["loss"].tolist() == [62.5, 72.5, 82.5] * 2
    one = losses_by_stage(run, order="a > b > c", points=1)
    assert one["loss"].tolist() == [12.5, 22.5, 32.5] * 2 and set(one["n_orders"]) == {1}


def test_orders_weigh_alike_however_many_seeds_they_have(tmp_path):
    gap = [("sapo+lora", 2, "c > a > b")]
    run = made(tmp_path, diverged=gap)
    table = losses_by_stage(run, points=1)
    # Every chain of sapo on c > a > b broke off: none of its stages enters.
    own = table[table["strategy"] == "sapo+lora"]
    assert own["loss"].tolist() == [12.5, 22.5, 32.5] and set(own["n_orders"]) == {1}
    assert set(table.loc[table["strategy"] == "original+lora", "n_orders"]) == {2}


def test_nothing_complete_and_no_such_order_are_said(tmp_path):
    with pytest.raises(InputError, match="No chain with training losses is complete"):
        losses_by_stage(made(tmp_path, stages=2, state="running"))
    with pytest.raises(InputError, match="No chain of the order 'x'"):
        losses_by_stage(made(tmp_path, name="other"), order="x")

"""Contrasts against scipy and statsmodels, verdicts against their rules."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sapo_analysis.analysis.sequences import chain_metrics, contrasts, sequence_scores
from sapo_analysis.analysis.sequences.contrasts import primary_method, t_test
from sapo_analysis.analysis.sequences.verdicts import adaptive_verdict, primary_verdict
from sapo_analysis.spec import SequenceStudy
from sapo_analysis.store import open_run
from tests.analysis.sequences.test_metrics import ORDERS, noisy, worked
from tests.synthetic_sequence import write_sequence_run

STRATEGIES = [
    *("original", "random", "sapo", "sapp", "sapo-once"),
    *("original+o-lora", "random+o-lora", "sapo+o-lora"),
]


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    path = write_sequence_run(
        tmp_path_factory.mktemp("runs"), noisy, orders=ORDERS, seeds=[0, 1], strategies=STRATEGIES
    )
    return chain_metrics(sequence_scores(open_run(path)))


def test_differences_are_paired_by_order_and_seed(metrics):
    found = contrasts(metrics)
    own = metrics[metrics["test_prompts"] == "original"]
    table = own.pivot(index=["order", "seed"], columns="strategy", values="bwt")
    per_order = (table["sapp+lora"] - table["original+lora"]).groupby("order").mean()
    (row,) = found[
        (found["strategy"] == "sapp+lora")
        & (found["metric"] == "bwt")
        & (found["test_prompts"] == "original")
    ].to_dict("records")
    assert row["reference"] == "original+lora"
    assert row["value"] == pytest.approx(per_order.mean())
    test = stats.ttest_1samp(per_order, 0)
    assert row["p"] == pytest.approx(test.pvalue)
    interval = test.confidence_interval(0.95)
    assert (row["lower"], row["upper"]) == pytest.approx((interval.low, interval.high))


def test_every_policy_stands_against_original_and_sapo_against_its_rivals(metrics):
    found = contrasts(metrics)
    pairs = set(zip(found["strategy"], found["reference"], strict=True))
    assert pairs == {
        ("random+lora", "original+lora"),
        ("sapo+lora", "original+lora"),
        ("sapp+lora", "original+lora"),
        ("sapo-once+lora", "original+lora"),
        ("sapo+lora", "random+lora"),
        ("sapo+lora", "sapo-once+lora"),
        ("random+o-lora", "original+o-lora"),
        ("sapo+o-lora", "original+o-lora"),
        ("sapo+o-lora", "random+o-lora"),
    }


def test_holm_runs_over_every_tested_contrast_but_the_primary(metrics):
    found = contrasts(metrics)
    (primary,) = found[found["is_primary"]].to_dict("records")
    named = tuple(primary[k] for k in ("strategy", "reference", "metric", "test_prompts"))
    assert named == ("sapo+lora", "random+lora", "ap", "original")
    assert primary["p"] > 0 and math.isnan(primary["p_holm"])
    others = found[found["p_holm"].notna()]
    assert set(others["test_prompts"]) == {"original"}
    assert set(others["metric"]) == {"ap", "bwt", "fwt"}
    assert len(others) == 9 * 3 - 1
    expected = multipletests(others["p"], method="holm")[1]
    assert others["p_holm"].tolist() == pytest.approx(expected.tolist())


def test_without_the_two_there_is_no_primary_contrast(tmp_path):
    path = write_sequence_run(tmp_path, noisy, orders=ORDERS, strategies=["original", "sapp"])
    found = contrasts(chain_metrics(sequence_scores(open_run(path))))
    assert len(found) > 0 and not found["is_primary"].any()


def test_nothing_is_tested_on_fewer_than_three_orders(metrics):
    two = contrasts(metrics[metrics["order"] != "a > b > c"])
    assert set(two["n_orders"]) == {2} and two["value"].notna().all()
    assert two[["lower", "p", "p_holm"]].isna().all().all()
    assert two["is_primary"].sum() == 1


@pytest.mark.parametrize(
    ("names", "method"),
    [
        (["random", "sapo+o-lora", "random+o-lora", "sapo"], "lora"),
        (["original", "sapo+o-lora", "random+o-lora", "sapo"], "o-lora"),
        (["sapo+ewc", "sapo+lora-inc", "random+lora-inc", "random+ewc"], "ewc"),
        (["original", "sapo"], "lora"),
    ],
)
def test_the_primary_contrast_is_that_of_the_method_in_which_both_run(names, method):
    assert (
        primary_method(SequenceStudy(orders=["a", "b"], strategies=names).chosen_strategies)
        == method
    )


def test_the_primary_contrast_of_another_method(metrics):
    (row,) = contrasts(metrics, "o-lora").query("is_primary").to_dict("records")
    assert (row["strategy"], row["reference"]) == ("sapo+o-lora", "random+o-lora")


def test_a_single_strategy_or_unfinished_chains_give_an_empty_table(tmp_path):
    alone = write_sequence_run(tmp_path, worked, strategies=["sapo"])
    assert contrasts(chain_metrics(sequence_scores(open_run(alone)))).empty
    half = write_sequence_run(tmp_path, worked, name="half", stages=1, state="running")
    assert contrasts(chain_metrics(sequence_scores(open_run(half)))).empty


def test_only_what_both_have_is_compared(metrics):
    gone = (metrics["strategy"] == "sapo+lora") & (metrics["order"] == "a > b > c")
    found = contrasts(metrics[~gone])
    row = found[found["is_primary"]].iloc[0]
    assert (row["n_orders"], row["unit"]) == (2, "orders")


def test_a_seed_that_one_of_the_two_lacks_counts_for_neither(metrics):
    gone = (metrics["strategy"] == "random+lora") & (metrics["seed"] == 1)
    gone &= metrics["order"] == "a > b > c"
    row = contrasts(metrics[~gone]).query("is_primary").iloc[0]
    own = metrics[metrics["test_prompts"] == "original"]
    table = own.pivot(index=["order", "seed"], columns="strategy", values="ap")
    shared = (table["sapo+lora"] - table["random+lora"]).drop(("a > b > c", 1))
    assert row["value"] == pytest.approx(shared.groupby("order").mean().mean())
    assert row["n_seeds"] == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0], math.nan),
        ([0.0, 0.0, 0.0], 1.0),
        ([0.0, 0.0], math.nan),
        ([1.0, 2.0], math.nan),
        ([2.0, 2.0, 2.0], math.nan),
        ([0.1 + 0.2, 0.3, 0.3], math.nan),
        ([], math.nan),
    ],
)
def test_a_p_that_does_not_exist_is_not_made_up(values, expected):
    assert t_test(np.array(values)) == pytest.approx(expected, nan_ok=True)


def test_orders_that_all_say_the_same_have_no_spread_to_make_an_interval_of(tmp_path):
    def same(strategy, order, seed, stage, position, prompt):
        return 50.0 + 5 * (strategy == "sapo+lora")

    run = open_run(write_sequence_run(tmp_path, same, orders=ORDERS))
    found = contrasts(chain_metrics(sequence_scores(run)))
    (primary,) = found[found["is_primary"]].to_dict("records")
    assert primary["value"] == 5.0 and math.isnan(primary["lower"]) and math.isnan(primary["p"])
    assert primary_verdict(primary) == "unclear"


def test_t_is_scipys():
    values = np.array([0.4, -0.3, 1.9, 0.8, 2.2])
    assert t_test(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def row_of(lower, upper, n=5, unit="orders", value=1.0):
    bounds = {"value": value, "lower": lower, "upper": upper}
    return {**bounds, "n_orders": n, "unit": unit, "n_seeds": 3}


@pytest.mark.parametrize(
    ("row", "primary", "adaptive"),
    [
        (row_of(0.1, 9), "better", "not shown"),
        (row_of(0.1, 2.9), "better", "as well"),
        (row_of(-9, -0.1), "worse", "not shown"),
        (row_of(-2.9, -0.1), "worse", "as well"),
        (row_of(-1, 2.9), "unclear", "as well"),
        (row_of(-1, 3.1), "unclear", "not shown"),
        (row_of(-3.1, 1), "unclear", "not shown"),
        (row_of(0.1, 9, n=2), "too few", "too few"),
        (row_of(0.1, 9, n=1, unit="seeds of one order"), "too few", "too few"),
        (row_of(None, None), "unclear", "not shown"),
        (row_of(math.nan, math.nan), "unclear", "not shown"),
        # Where the two always choose alike they are one, and no spread is needed to see it.
        (row_of(None, None, value=0.0), "unclear", "as well"),
        (row_of(None, None, n=2, value=0.0), "too few", "too few"),
    ],
)
def test_verdicts_follow_the_interval(row, primary, adaptive):
    assert primary_verdict(row) == primary
    assert adaptive_verdict(row) == adaptive

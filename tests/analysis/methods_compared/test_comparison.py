"""Everything beside plain LoRA: picks and differences by hand, intervals by scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from sapo_analysis.analysis.methods_compared import (
    comparison,
    comparison_report,
    counts_in_words,
    paired_difference,
    relative_costs,
    run_families,
)
from sapo_analysis.analysis.methods_compared.comparison import NO_REFERENCE, holm, study_words
from sapo_analysis.analysis.methods_compared.costs import choosing_ratios
from sapo_analysis.analysis.methods_compared.picks import SIMULATED, picks
from sapo_analysis.analysis.methods_compared.seed_spread import (
    SeedSpread,
    SpreadRatio,
    seed_spreads,
    spread_ratio,
    spread_verdict,
)
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import open_run
from tests.methods_runs import write_lora, write_promot
from tests.watched import rewrite

NUMBERS = ["difference", "lower", "upper"]
SMALL = {"n_tasks": 1, "n_prompts": 2, "n_unseen": 1, "n_shots": (0,), "diagnostics": {"every": 0}}


@pytest.fixture(scope="module")
def found(pair):
    return comparison(pair).set_index(["name", "outcome"])


@pytest.fixture(scope="module")
def of_chains(chains):
    return comparison(chains).set_index(["name", "outcome"])


def forgotten(run):
    """Points lost on past tasks by main trial: task, prompt, seed, value."""
    scores, trials = run.table("scores"), run.table("trials")
    main = trials[trials["purpose"] == "main"]
    key = ["state_id", "eval_task", "test_prompt"]
    own = scores.query("n_shots == 0 and role == 'past' and trial_id.notna()")
    before = scores[scores["trial_id"].isna() & (scores["n_shots"] == 0)]
    both = own.merge(before[[*key, "value"]], on=key, suffixes=("", "_before"))
    both["lost"] = both["value_before"] - both["value"]
    lost = both.groupby("trial_id")["lost"].mean()
    named = main[["trial_id", "current_task", "prompt_id", "seed", "state_id"]]
    return named.assign(value=named["trial_id"].map(lost)).rename(columns={"current_task": "task"})


def test_picks_are_what_each_policy_would_have_trained_with(pair):
    run = pair[0]
    losses = run.table("indicators").query("name == 'pre_update_loss'")
    at = forgotten(run).merge(
        losses.rename(columns={"value": "loss"}), on=["state_id", "task", "prompt_id"]
    )
    mine = picks([run])
    assert list(dict.fromkeys(mine["policy"])) == list(SIMULATED)
    by = at.groupby(["task", "seed"])["loss"]
    for policy, wanted in (("sapo", by.idxmin()), ("sapp", by.idxmax())):
        own = mine[mine["policy"] == policy].set_index(["tuned_task", "seed"])["prompt_id"]
        assert own.sort_index().tolist() == at.loc[wanted, "prompt_id"].tolist()
    assert set(mine.query("policy == 'original'")["prompt_id"]) == {"original"}
    lengths = run.table("prompts").set_index(["task", "prompt_id"])["n_tokens"]
    for row in mine.query("policy == 'shortest'").itertuples():
        assert lengths[row.tuned_task, row.prompt_id] == lengths[row.tuned_task].min()
    assert len(mine.query("policy == 'random'")) == 5 * 3 * 2  # tasks × prompts × seeds


def test_ties_keep_the_original_and_what_is_not_known_is_not_chosen(tmp_path):
    def same(table):
        is_loss = table["name"] == "pre_update_loss"
        return table.assign(value=table["value"].mask(is_loss, 2.0))

    few = {**SMALL, "seeds": (0,)}
    path = write_lora(tmp_path, **{**few, "n_prompts": 3})
    rewrite(path, "indicators", same)
    assert set(picks([open_run(path)]).query("policy in ('sapo', 'sapp')")["prompt_id"]) == {
        "original"
    }
    rewrite(path, "indicators", lambda t: t[t["name"] != "pre_update_loss"])
    assert set(picks([open_run(path)])["policy"]) == {"original", "random", "shortest"}
    diverged = write_lora(tmp_path / "diverged", **few, diverged=["t-current-0-original-0"])
    assert "original" not in set(picks([open_run(diverged)])["policy"])


def test_one_prompt_leaves_nothing_to_choose(tmp_path):
    run = open_run(write_lora(tmp_path, **{**SMALL, "n_prompts": 1}))
    assert set(picks([run])["policy"]) == {"original"}


@pytest.mark.parametrize(("policy", "method"), [("random", 1), ("original", 1), ("random", 0)])
def test_differences_to_plain_lora_with_the_original_prompt(pair, found, policy, method):
    mine, plain = forgotten(pair[method]), forgotten(pair[0]).query("prompt_id == 'original'")
    if policy == "original":
        mine = mine.query("prompt_id == 'original'")
    at = ["task", "seed"]
    gap = mine.groupby(at)["value"].mean() - plain.groupby(at)["value"].mean()
    per_task = gap.groupby(level="task").mean()
    row = found.loc[(f"{policy}+{('lora', 'promot')[method]}", "forgetting_past")]
    assert row["difference"] == pytest.approx(per_task.mean())
    if per_task.round(9).nunique() > 1:
        ends = stats.t.interval(0.95, 4, loc=per_task.mean(), scale=stats.sem(per_task))
        assert (row["lower"], row["upper"]) == pytest.approx(ends)
        assert row["p"] == pytest.approx(stats.ttest_1samp(per_task, 0).pvalue)
    assert row["value"] == pytest.approx(
        mine.groupby(at)["value"].mean().groupby("task").mean().mean()
    )
    assert (row["n_units"], row["unit"]) == (5, "tuned tasks")
    assert counts_in_words(row) == (
        f"5 tuned tasks × {'3 prompts' if policy == 'random' else '1 prompt'} × 2 seeds"
    )


def test_the_reference_is_held_to_nothing(pair, found):
    row = found.loc[("original+lora", "tuned_score")]
    assert row["is_reference"] and row["verdict"] == "" and np.isnan(row["difference"])
    assert found.index[0][0] == "original+lora" and found["is_reference"].sum() == 6 + 1
    assert set(found["study"]) == {", ".join(run.run_id for run in pair)}
    assert row["study_words"] == f"{pair[0].run_id} and 1 more" and study_words(["a"]) == "a"
    assert found.loc[("sapo+promot", "tuned_score"), "words"] == "sapo, ProMoT"


def test_verdicts_are_corrected_over_the_rows_of_an_outcome(found):
    for _, own in found.reset_index().groupby("outcome"):
        tested = own.dropna(subset=["p"])
        if len(tested):
            assert tested["p_holm"].tolist() == pytest.approx(step_down(tested["p"].tolist()))
        lost = own["verdict"].isin(["better", "worse"]) & ~(own["p_holm"].astype(float) < 0.05)
        assert (own.loc[lost, "verdict_holm"] == "unclear").all()
        assert (own.loc[~lost, "verdict_holm"] == own.loc[~lost, "verdict"]).all()
    # 4 · 0.01; 3 · 0.03; 2 · 0.04 is less than the one before it, which stands.
    assert holm(np.array([0.04, 0.01, 0.03, 0.5])).tolist() == pytest.approx(
        [0.09, 0.04, 0.09, 0.5]
    )


def step_down(p):
    """Holm's correction as it is written: each p times how many are left, never below the last."""
    found, highest = [0.0] * len(p), 0.0
    for left, i in zip(range(len(p), 0, -1), sorted(range(len(p)), key=p.__getitem__), strict=True):
        highest = max(highest, min(1.0, left * p[i]))
        found[i] = highest
    return found


def test_seed_spread_is_within_task_and_prompt(pair, found):
    own = forgotten(pair[0])
    cells = own.groupby(["task", "prompt_id"])["value"]
    row = found.loc[("random+lora", "forgetting_past")]
    assert row["seed_sd"] == pytest.approx(np.sqrt(cells.var(ddof=1).mean()))
    assert row["seed_df"] == 5 * 3 * (2 - 1)
    # Its ratio to that of original prompts alone, with other degrees of freedom.
    by_task = cells.var(ddof=1).groupby("task").mean()
    plain = own.query("prompt_id == 'original'").groupby("task")["value"].var(ddof=1)

    def off(df):
        return special.digamma(df / 2) - np.log(df / 2)

    logs = (np.log(by_task) - np.log(plain) - off(3) + off(1)) / 2
    assert row["seed_ratio"] == pytest.approx(np.exp(logs.mean()))
    ends = np.exp(stats.t.interval(0.95, 4, loc=logs.mean(), scale=stats.sem(logs)))
    assert (row["seed_ratio_lower"], row["seed_ratio_upper"]) == pytest.approx(tuple(ends))
    assert row["seed_n_units"] == 5 and row["seed_verdict"] in (
        "unclear",
        "steadier",
        "less steady",
    )


def test_a_spread_of_nothing_has_no_ratio():
    rows = pd.DataFrame(
        {
            "name": ["a"] * 4,
            **{"tuned_task": ["t", "t", "u", "u"], "prompt_id": ["p"] * 4, "seed": [0, 1, 0, 1]},
            **{"order": [""] * 4, "stage": [0] * 4, "value": [1.0, 3.0, 5.0, 5.0]},
        }
    )
    own = seed_spreads(rows, ["name"], in_sequence=False)[("a",)]
    assert own.df == 2 and own.sd == pytest.approx(1.0)  # (2 + 0) ÷ 2, and its root
    ratio = spread_ratio(own, own)
    assert ratio.n == 1 and ratio.value == pytest.approx(1) and np.isnan(ratio.lower)
    once = seed_spreads(rows.iloc[[0, 2]], ["name"], in_sequence=False)[("a",)]
    assert np.isnan(once.sd) and np.isnan(spread_ratio(once, own).value)


@pytest.mark.parametrize(
    ("ends", "n", "unit", "verdict"),
    [
        ((0.3, 0.8), 5, "tuned tasks", "steadier"),
        ((1.2, 2.0), 5, "orders", "less steady"),
        ((0.8, 1.2), 5, "tuned tasks", "unclear"),
        ((0.3, 0.8), 3, "tuned tasks", "too few"),
        ((0.3, 0.8), 5, "seeds of one order", "too few"),
    ],
)
def test_steadiness_is_judged_by_the_ratio_s_interval(ends, n, unit, verdict):
    assert spread_verdict(SpreadRatio(np.sqrt(ends[0] * ends[1]), *ends, n), unit) == verdict
    assert spread_verdict(SpreadRatio(np.nan, np.nan, np.nan, 0), unit) == ""


def test_the_ratio_s_interval_covers_where_tasks_vary_unlike_each_other():
    rng = np.random.default_rng(0)

    def spread(sd, n_prompts):
        values = sd[:, None, None] * rng.standard_normal((6, n_prompts, 3))
        variances = values.var(axis=2, ddof=1).mean(axis=1)
        return SeedSpread(0, 0, {i: (v, 2 * n_prompts) for i, v in enumerate(variances)})

    n, hits, logs = 400, 0, []
    for _ in range(n):
        sd = np.exp(rng.standard_normal(6))
        ratio = spread_ratio(spread(0.5 * sd, 4), spread(sd, 1))
        hits += ratio.lower <= 0.5 <= ratio.upper
        logs.append(np.log(ratio.value))
    assert 0.92 <= hits / n <= 0.98 and np.mean(logs) == pytest.approx(np.log(0.5), abs=0.05)


def test_strategies_of_sequences_are_those_of_the_paired_differences(chains, of_chains):
    wanted = paired_difference(chains, "original+lora").query("n_shots == 0")
    wanted = wanted.set_index(["name", "outcome"])
    mine = of_chains[~of_chains["is_reference"].astype(bool)]
    assert set(mine.index) == set(wanted.index)
    wanted = wanted.rename(columns={"value": "difference"})
    for column in (*NUMBERS, "n_units", "n_tasks", "n_orders", "n_seeds"):
        theirs = wanted.loc[mine.index, column].astype(float)
        assert mine[column].astype(float).tolist() == pytest.approx(theirs.tolist(), nan_ok=True)
    assert (mine["verdict"] == wanted.loc[mine.index, "verdict"]).all()
    assert set(mine["unit"]) == {"orders"}


def test_of_sequences_the_seed_spread_is_within_order_and_stage(chains, of_chains):
    # Made-up scores are a point higher with seed 1, at every stage: variance ½ of two values.
    row = of_chains.loc[("original+promot", "tuned_score")]
    assert row["seed_sd"] == pytest.approx(np.sqrt(0.5)) and row["seed_df"] == 3 * 3
    assert row["seed_ratio"] == pytest.approx(1) and row["seed_n_units"] == 3
    assert of_chains.loc[("original+promot", "ap"), "seed_df"] == 3


def test_studies_that_differ_otherwise_are_not_pooled(tmp_path):
    plain = open_run(write_lora(tmp_path, **SMALL))
    other = open_run(write_promot(tmp_path, **SMALL, lora={"r": 4}))
    found = comparison([plain, other])
    assert list(dict.fromkeys(found["study"])) == [plain.run_id, other.run_id]
    mine, alone = (found[found["study"] == run.run_id] for run in (plain, other))
    assert alone["difference"].isna().all() and set(alone["verdict"]) == {""}
    assert NO_REFERENCE.lower() in alone["note"].iloc[0].lower() and not alone["is_reference"].any()
    assert alone["value"].notna().all() and alone["seed_sd"].notna().all()
    rows = comparison_report(plain)["comparison"]
    assert [row["name"] for row in rows] == mine["name"].tolist() and rows[0]["lower"] is None
    assert rows[-1]["difference"] == mine["difference"].iloc[-1]


def test_runs_under_way_and_controls_get_no_verdict(pair, tmp_path):
    control = open_run(write_lora(tmp_path, **SMALL, weights="random"))
    found = comparison(control)
    assert set(found["verdict"]) == {""} and "random weights" in found["note"].iloc[0]
    assert found["p_holm"].isna().all() and set(found["seed_verdict"]) == {""}
    assert len(run_families([*pair, control])) == 2
    running = open_run(write_lora(tmp_path / "running", **SMALL, finish=False))
    assert set(comparison(running)["verdict"]) == {""}


def test_damaged_and_missing_runs_are_refused(pair, tmp_path):
    path = write_lora(tmp_path, **SMALL)
    (path / "tables" / "prompts" / "all.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match="prompts"):
        comparison([pair[0], open_run(path)])
    with pytest.raises(InputError, match="No run was given"):
        comparison([])


def test_what_fine_tunes_cost_beside_plain_lora(pair):
    costs = relative_costs(pair).set_index("method")
    # Each made-up trial took 1 s, 1,000 tokens and 10⁹ operations, whatever its method.
    assert costs.loc["promot", ["train_seconds", "tokens", "model_flops"]].tolist() == [1, 1e3, 1e9]
    assert costs[["time_ratio", "tokens_ratio", "flops_ratio"]].eq(1).all(axis=None)
    assert costs["trained_values"].isna().all()
    alone = relative_costs([pair[1]])
    assert alone[["time_ratio", "tokens_ratio"]].isna().all(axis=None)


def test_times_of_other_machines_are_not_compared_and_values_are_as_the_run_counted(
    monkeypatch, pair
):
    provenance = pair[1].provenance
    said = {**provenance, "device": "cuda:0", "trained_values": {"promot": 2560}}
    kind = type(pair[1])
    of = {pair[0].run_id: pair[0].provenance, pair[1].run_id: said}
    monkeypatch.setattr(kind, "provenance", property(lambda run: of[run.run_id]))
    costs = relative_costs(pair).set_index("method")
    assert np.isnan(costs.loc["promot", "time_ratio"]) and costs.loc["promot", "tokens_ratio"] == 1
    assert costs.loc["promot", "trained_values"] == 2560
    of[pair[1].run_id] = {**provenance, "reused": [{"run": "other", "trials": 3}]}
    taken = relative_costs(pair).set_index("method")
    assert np.isnan(taken.loc["promot", "train_seconds"])


def test_choosing_is_told_in_fine_tunes_of_plain_lora(chains, of_chains):
    # 2 s to choose by losses, nothing else; 6 s to train.
    assert choosing_ratios([chains])["sapo", "promot"] == pytest.approx(2 / 6)
    assert of_chains.loc[("original+promot", "ap"), "choosing_ratio"] == 0
    assert of_chains.loc[("sapo+lora", "ap"), "time_ratio"] == 1

"""Whole sequence runs: what is measured where, both engines, a stop at any moment."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.models.loading import choose_device
from sapo_analysis.plan import make_sequence_plan, stream_seed
from sapo_analysis.pre_update_loss import batch_mean
from sapo_analysis.records import TABLES, tables_of
from sapo_analysis.spec import POLICIES
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.runner import run_to_end
from sapo_analysis.studies.sequence import SequenceWork
from tests.tiny_sequence import tiny_sequence

pytestmark = pytest.mark.slow

ALONG = ("lora-inc", "o-lora", "ewc", "replay", "full")
"""Methods made for sequences, and whole models; recipes are tried in `tests/studies/composed`."""
EVERYTHING = [*POLICIES, *(f"sapo+{m}" for m in ALONG), "random+lora-inc"]
CHAIN = ["order", "policy", "method", "seed", "stage"]
PLACES = ["policy", "method", "state_id", "trial_id", "task"]
"""What tells of which strategy a row of any table is."""


def keeping(n):
    return {"examples": 5, "final_examples": 8, "n_predictions_kept": n}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    def run(study, engine="stacked"):
        path = create_run(tmp_path_factory.mktemp("runs"), study)
        run_to_end(path, engine)
        return open_run(path)

    return run


@pytest.fixture(scope="module")
def study():
    return tiny_sequence(
        orders=["sentiment", "add", "job"], strategies=EVERYTHING, evaluation=keeping(7)
    )


@pytest.fixture(scope="module")
def finished(run_of, study):
    return run_of(study)


@pytest.fixture(scope="module")
def plain(run_of, study):
    """The strategies that differ in what the engine does: each method, and how policies choose."""
    asked = {"sapo", "sapp", "paft", *(f"sapo+{m}" for m in ALONG)}
    strategies = [strategy for strategy in EVERYTHING if strategy in asked]
    return run_of(study.model_copy(update={"strategies": tuple(strategies)}), "plain")


def test_every_stage_of_every_chain_is_there(finished, study):
    chains = finished.table("chains")
    expected = {
        (" > ".join(order), *strategy, seed, stage, order[stage - 1])
        for order in study.orders
        for strategy in study.chosen_strategies
        for seed in study.seeds
        for stage in (1, 2, 3)
    }
    assert set(chains[[*CHAIN, "task"]].itertuples(index=False, name=None)) == expected
    assert finished.status.total == finished.status.done == len(expected)


def test_a_chain_goes_on_from_the_state_its_last_stage_reached(finished):
    states = finished.table("states").set_index("state_id")
    for _, chain in finished.table("chains").groupby(CHAIN[:-1], sort=False):
        assert list(chain["stage"]) == [1, 2, 3]
        assert list(chain["state_id"]) == ["theta-0", *chain["result_state_id"][:-1]]
        for i, state_id in enumerate(chain["result_state_id"], start=1):
            assert list(states.loc[state_id, "learned"]) == list(chain["task"][:i])
    trials = finished.table("trials")
    assert trials["trial_id"].is_unique
    assert set(trials["trial_id"]) == set(finished.table("chains")["trial_id"])


def test_every_state_is_tested_on_every_task_under_every_kind_of_prompt(finished, study):
    scores = finished.table("scores")
    assert not scores.duplicated(list(TABLES["scores"].keys)).any()
    assert scores["trial_id"].isna().all()
    prompts = finished.table("prompts")
    fixed = set(prompts.query("test_only or source == 'original'")["prompt_id"])
    by_state = dict(list(scores.groupby("state_id")))
    for _, chain in finished.table("chains").groupby(CHAIN[:-1], sort=False):
        for stage, state_id in enumerate(chain["result_state_id"], start=1):
            own = by_state[state_id]
            chosen = set(chain["prompt_id"][:stage])
            assert set(own["test_prompt"]) == fixed | chosen
            assert set(own["n_examples"]) == ({5, 8} if stage == 3 else {5})
    assert set(by_state["theta-0"]["test_prompt"]) == fixed
    assert set(by_state["theta-0"]["n_examples"]) == {5, 8}


def test_outputs_of_every_state_under_original_prompts_are_kept_as_they_were_scored(finished):
    kept, scores = finished.table("predictions"), finished.table("scores")
    assert not kept.duplicated(list(TABLES["predictions"].keys)).any()
    assert kept["trial_id"].isna().all() and not kept[["step", "n_shots"]].any(axis=None)
    # More are asked for than every stage measures.
    assert set(kept["example"]) == set(range(5))
    key = ["state_id", "eval_task", "test_prompt"]
    prompts = finished.table("prompts")
    originals = set(prompts.loc[prompts["source"] == "original", "prompt_id"])
    scores = scores[scores["test_prompt"].isin(originals) & (scores["n_examples"] == 5)]
    measured = scores.set_index(key)["value"].sort_index()
    groups = kept.groupby(key)
    assert (groups.size() == 5).all()
    pd.testing.assert_series_equal(
        100 * groups["correct"].mean(), measured, check_names=False, rtol=1e-12
    )
    examples = finished.table("examples").query("split == 'test'")
    both = kept.merge(examples, left_on=["eval_task", "example"], right_on=["task", "example"])
    right = both[both["correct"]]
    assert len(both) == len(kept) and len(right) and (right["output"] == right["target"]).all()


def test_by_default_no_output_is_kept(run_of):
    run = run_of(tiny_sequence(strategies=["original"]))
    assert run.table("predictions").empty and len(run.table("scores"))


def test_sapo_takes_the_lowest_loss_at_its_own_state_and_sapo_once_at_the_base(finished):
    indicators = finished.table("indicators").query("name == 'pre_update_loss'")
    known = indicators.set_index(["state_id", "task", "prompt_id"])["value"].sort_index()
    chains = finished.table("chains")
    for row in chains[chains["policy"].isin(["sapo", "sapp", "sapo-once"])].itertuples():
        state = "theta-0" if row.policy == "sapo-once" else row.state_id
        losses = known.loc[state, row.task]
        best = losses.idxmax() if row.policy == "sapp" else losses.idxmin()
        assert row.prompt_id == best
    assert (chains.query("policy in ('original', 'random')")["choice_examples"] == 0).all()
    assert (chains[chains["policy"].isin(["sapo", "sapp"])]["choice_examples"] > 0).all()


def test_an_early_stop_saves_readings_and_changes_no_choice(finished, run_of, study):
    scoring = study.scoring.model_copy(update={"early_stop": False})
    choosing = ("sapo", "sapp", "sapo-once", "sapo+o-lora")
    full = run_of(study.model_copy(update={"scoring": scoring, "strategies": choosing}))
    chains, other = (
        run.table("chains").set_index(CHAIN)[["prompt_id", "trial_id"]] for run in (finished, full)
    )
    pd.testing.assert_frame_equal(chains.loc[other.index], other)
    assert full.table("indicators")["exact"].all()
    assert set(full.table("chains").query("policy == 'sapo'")["choice_examples"]) == {4 * 20}
    assert not finished.table("indicators").duplicated(list(TABLES["indicators"].keys)).any()
    exact, found = full.table("indicators"), finished.table("indicators")
    stopped = found[~found["exact"] & found["state_id"].isin(exact["state_id"])]
    bounds = stopped.merge(exact, on=["state_id", "task", "prompt_id", "name"])
    assert len(bounds) == len(stopped) > 0
    assert (bounds["value_x"] <= bounds["value_y"] * (1 + 1e-6)).all()


def test_both_engines_measure_the_same(finished, plain):
    for table, keys in (
        ("chains", CHAIN),
        ("trials", ["trial_id"]),
        ("states", ["state_id"]),
        ("scores", list(TABLES["scores"].keys)),
        ("curves", ["trial_id", "step", "series"]),
        ("indicators", ["state_id", "task", "prompt_id", "name"]),
    ):
        one, other = finished.table(table), plain.table(table)
        places = [key for key in PLACES if key in keys]
        one = one.merge(other[places].drop_duplicates())  # of the strategies that both have
        if table == "indicators":
            one = one[one["exact"]]  # the plain engine scores all in full
        both = one.merge(other, on=keys, suffixes=("", "_plain"), how="left", indicator=True)
        assert len(one) > 0 and (both["_merge"] == "both").all(), table
        assert len(one) == len(other) or table == "indicators"
        for column in one.columns.difference(keys):
            a, b = both[column], both[f"{column}_plain"]
            if (table, column) == ("scores", "value"):
                assert (a == b).mean() > 0.99  # an answer that hung on the last digit
            elif a.dtype.kind == "f" and not column.endswith("seconds"):
                # After training float32 agrees to no more: a gradient near zero takes another sign,
                # and Adam's first steps are as long. In float64 the engines agree to 1e-10.
                assert np.allclose(a, b, rtol=5e-2, atol=1e-3, equal_nan=True), (table, column)
            elif column in ("prompt_id", "result_state_id", "task", "status", "method"):
                assert list(a) == list(b), (table, column)


def test_chains_share_what_they_do_alike(finished):
    chains = finished.table("chains")
    first = chains[chains["stage"] == 1]
    by_method = first[first["policy"] == "sapo"].groupby("order")
    for _, own in by_method:
        shared = own[own["method"].isin(["lora", "lora-inc", "o-lora", "replay"])]
        assert shared["trial_id"].nunique() == 1  # nothing to be different about yet
        assert own["trial_id"].nunique() == 3  # EWC leaves something behind, full trains all
    second = chains[(chains["stage"] == 2) & (chains["policy"] == "sapo")]
    assert second.groupby("order")["trial_id"].nunique().eq(6).all()


def test_orders_that_begin_alike_share_their_states_and_choose_for_their_own_next_task(run_of):
    orders = [["sentiment", "add", "job"], ["sentiment", "job", "add"]]
    run = run_of(tiny_sequence(orders=orders, strategies=["sapo", "sapp", "sapo+lora-inc"]))
    chains = run.table("chains")
    first, second = (chains[chains["stage"] == stage] for stage in (1, 2))
    assert first.groupby("policy")["trial_id"].nunique().eq(1).all()
    assert second.groupby("policy")["state_id"].nunique().eq(1).all()
    assert set(second["task"]) == {"add", "job"}
    indicators = run.table("indicators")
    assert not indicators.duplicated(list(TABLES["indicators"].keys)).any()
    known = indicators.query("name == 'pre_update_loss'").set_index(["state_id", "task"])
    for row in second.itertuples():
        losses = known.loc[(row.state_id, row.task)].set_index("prompt_id")["value"]
        assert row.prompt_id == (losses.idxmax() if row.policy == "sapp" else losses.idxmin())
    alone = run_of(tiny_sequence(orders=orders[1:], strategies=["sapo", "sapp"]))
    expected = alone.table("chains").set_index(["policy", "stage"])["trial_id"]
    own = chains[(chains["order"] == "sentiment > job > add") & (chains["method"] == "lora")]
    assert own.set_index(["policy", "stage"])["trial_id"].to_dict() == expected.to_dict()


def test_drawn_prompts_make_another_fine_tune_than_the_original_alone(finished):
    chains = finished.table("chains").query("method == 'lora'").set_index(["order", "policy"])
    trials = finished.table("trials").set_index("trial_id")
    assert set(trials.loc[chains.xs("paft", level="policy")["trial_id"], "policy"]) == {"paft"}
    paft, original = (chains.xs(name, level="policy") for name in ("paft", "original"))
    assert list(paft["prompt_id"]) == list(original["prompt_id"])
    assert not set(paft["trial_id"]) & set(original["trial_id"])


def test_drawn_prompts_and_rows_of_earlier_tasks_come_together(run_of):
    chains = run_of(tiny_sequence(strategies=["paft+multi-task"])).table("chains")
    assert list(chains["train_examples"]) == [3 * 4, 2 * 3 * 4]


def test_strategies_share_initialisation_order_and_dropout_at_every_stage(tmp_path, monkeypatch):
    make, met = SequenceWork._member, {}

    def looks(work, tune, tuned):
        member = make(work, tune, tuned)
        place = (*tune.place.learned, tune.task)
        met.setdefault(place, []).append((tune.place.start.seed, member.seed))
        return member

    monkeypatch.setattr(SequenceWork, "_member", looks)
    orders = [["sentiment", "add", "job"], ["sentiment", "job", "add"]]
    strategies = ["sapp", "random+lora-inc", "original+replay", "sapo+ewc"]
    run_to_end(create_run(tmp_path, tiny_sequence(orders=orders, strategies=strategies)))
    # Whatever the strategy, and whatever is to be learned afterwards; at no two places alike.
    assert len(met) == 5 and len(met["sentiment", "add"]) == 4
    assert all(len(set(seeds)) == 1 and seeds[0][0] == seeds[0][1] for seeds in met.values())
    assert len({seeds[0] for seeds in met.values()}) == 5
    for (*learned, task), seeds in met.items():
        assert seeds[0][0] == stream_seed(0, " > ".join(learned), task)


def test_scoring_in_full_is_asked_for_where_a_policy_needs_it_alone(run_of):
    run = run_of(tiny_sequence(strategies=["sapp", "sapo-once"], scoring={"examples": 60}))
    at_base = run.table("indicators").query("state_id == 'theta-0' and name == 'pre_update_loss'")
    exact = at_base.groupby("task")["exact"]
    # sapp looks at the base model before the first task alone.
    assert exact.all().to_dict() == {"sentiment": True, "add": False}


@pytest.mark.parametrize("early_stop", [True, False])
def test_a_candidate_whose_loss_is_no_number_is_never_chosen_or_passed_over(tmp_path, early_stop):
    text = "Zebra quartz: add the two numbers."
    study = tiny_sequence(
        strategies=["sapo"],
        orders=["add", "job"],
        own_prompts={"add": [text]},
        scoring={"examples": 20, "early_stop": early_stop},
    )
    plan = make_sequence_plan(study)
    work = SequenceWork(plan, choose_device("cpu"), tmp_path)
    work.check()
    tokens = work.engine.encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    work.base.get_input_embeddings().weight.data[tokens] = float("nan")
    with pytest.raises(InputError, match="loss nan"):
        for group in plan.groups:
            if group.kind == "score":
                work.run(group)


@pytest.mark.parametrize(
    ("changes", "without", "base"),
    [
        ({"o_lora": {"weight": 0}}, "original+o-lora", "original+lora-inc"),
        ({"ewc": {"weight": 0, "examples": 3}}, "original+ewc", "original+lora"),
        ({"replay": {"ratio": 0}}, "original+replay", "original+lora"),
    ],
)
def test_a_method_without_its_weight_reaches_the_states_it_builds_on(
    run_of, changes, without, base
):
    run = run_of(tiny_sequence(strategies=[without, base], **changes))
    chains = run.table("chains")
    scores = run.table("scores").set_index(["state_id", "eval_task", "test_prompt", "n_examples"])
    curves = run.table("curves").set_index(["trial_id", "series", "step"])["value"]
    one, other = (
        chains[chains["policy"] + "+" + chains["method"] == name] for name in (without, base)
    )
    for a, b in zip(one.itertuples(), other.itertuples(), strict=True):
        assert a.trial_id != b.trial_id or a.stage == 1
        pd.testing.assert_series_equal(curves[a.trial_id], curves[b.trial_id], rtol=1e-6)
        pd.testing.assert_frame_equal(
            scores.loc[a.result_state_id][["value", "loss"]],
            scores.loc[b.result_state_id][["value", "loss"]],
            rtol=1e-5,
        )


def test_sapo_with_a_single_candidate_is_original(tmp_path):
    plan = make_sequence_plan(tiny_sequence(strategies=["original", "sapo"]))
    alone = replace(plan, prompts={task: own[:1] for task, own in plan.prompts.items()})
    work = SequenceWork(alone, choose_device("cpu"), tmp_path)
    work.check()
    rows = [row for group in alone.groups for row in work.run(group).get("chains", [])]
    by_policy = {
        policy: [row["trial_id"] for row in rows if row["policy"] == policy]
        for policy in ("original", "sapo")
    }
    assert by_policy["original"] == by_policy["sapo"] and len(by_policy["sapo"]) == 2


def same_tables(one, other, but=("costs",)):
    for name in {t.name for t in tables_of("sequence")} - set(but):
        a, b = one.table(name), other.table(name)
        if name == "chains":
            a, b = (t.drop(columns=["choice_seconds", "train_seconds"]) for t in (a, b))
        pd.testing.assert_frame_equal(a, b, check_exact=True)


@pytest.fixture(scope="module")
def undisturbed(run_of):
    return run_of(
        tiny_sequence(
            strategies=["original", "sapo+ewc", "sapo-once+o-lora", "sapp+full"],
            evaluation=keeping(2),
        )
    )


@pytest.mark.parametrize("after", [1, 3, 5, 6])
def test_a_run_stopped_after_any_group_ends_as_an_undisturbed_one(
    undisturbed, tmp_path, monkeypatch, after
):
    path = create_run(tmp_path, undisturbed.made_here("be run"))
    work_on, done = SequenceWork.run, []

    def stops(work, group):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(group.group_id)
        return work_on(work, group)

    monkeypatch.setattr(SequenceWork, "run", stops)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(path)
    assert open_run(path).status.state == "interrupted"
    monkeypatch.setattr(SequenceWork, "run", work_on)
    run_to_end(path)
    assert not (path / "states").exists()
    same_tables(open_run(path), undisturbed)


def stop_before_the_second_stage(path):
    work_on = SequenceWork.run

    def stops(work, group):
        if group.stage == 2:
            raise KeyboardInterrupt
        return work_on(work, group)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SequenceWork, "run", stops)
        run_to_end(path)


def test_a_resumed_run_without_its_states_says_what_is_missing(tmp_path):
    path = create_run(tmp_path, tiny_sequence(strategies=["original"]))
    stop_before_the_second_stage(path)
    for folder in (path / "states").iterdir():
        (folder / "adapter_config.json").unlink()
    with pytest.raises(InputError, match="adapter of an earlier stage is missing"):
        run_to_end(path)


def test_a_chain_that_diverges_ends_and_the_others_go_on(run_of):
    study = tiny_sequence(strategies=["original", "original+full"], full={"learning_rate": 1e30})
    run = run_of(study)
    chains = run.table("chains")
    ended = chains[chains["method"] == "full"]
    assert list(ended["stage"]) == [1] and ended["result_state_id"].isna().all()
    assert list(chains[chains["method"] == "lora"]["stage"]) == [1, 2]
    trials = run.table("trials").set_index("trial_id")["status"]
    assert trials[ended["trial_id"].iloc[0]] == "diverged"
    assert not set(run.table("scores")["state_id"]) & {f"s-{ended['trial_id'].iloc[0]}"}
    assert run.status.state == "done"


def test_a_last_update_that_overflows_ends_a_chain_too(run_of):
    # A single step: its loss is that of the state before, and finite.
    run = run_of(
        tiny_sequence(
            strategies=["original+full"],
            full={"learning_rate": 1e38},
            training={"examples": 24, "batch_size": 4, "steps": 1},
        )
    )
    losses = run.table("curves").query("series == 'train_loss'")["value"]
    assert len(losses) == 1 and np.isfinite(losses).all()
    assert list(run.table("chains")["result_state_id"].isna()) == [True]
    assert list(run.table("trials")["status"]) == ["diverged"]


def test_a_run_with_a_diverged_chain_is_resumed(tmp_path):
    study = tiny_sequence(strategies=["original", "original+full"], full={"learning_rate": 1e30})
    path = create_run(tmp_path, study)
    stop_before_the_second_stage(path)
    run_to_end(path)
    assert list(open_run(path).table("chains")["stage"]) == [1, 1, 2]


def test_in_bfloat16_all_candidates_are_scored_in_full(run_of):
    run = run_of(tiny_sequence(strategies=["sapo"], dtype="bfloat16", lora={"lora_dropout": 0.1}))
    indicators = run.table("indicators")
    assert indicators["exact"].all()
    known = indicators.query("name == 'pre_update_loss'").set_index(["state_id", "task"])
    for row in run.table("chains").itertuples():
        losses = known.loc[(row.state_id, row.task)].set_index("prompt_id")["value"]
        assert row.prompt_id == losses.idxmin()


def test_the_recorded_loss_is_that_of_the_state_before_the_stage(finished, encoder, pocket_model):
    from sapo_analysis.learning.scoring import example_losses

    task = finished.sequence.orders[0][0]
    plan = make_sequence_plan(finished.sequence)
    indicators = finished.table("indicators").set_index(["state_id", "task", "prompt_id", "name"])
    for prompt in plan.prompts[task]:
        rows = encoder.encode_split(plan.tasks[task], "train", 20, prompt)
        losses = example_losses(pocket_model, rows, 64, encoder.pad_id)
        expected = batch_mean([x.nll_sum for x in losses], [x.n_tokens for x in losses], 8)
        found = indicators.loc[("theta-0", task, prompt.prompt_id, "pre_update_loss")]
        assert found["value"] == pytest.approx(expected, rel=1e-5)


def test_what_it_tells_while_it_runs_is_gone_when_it_is_done(finished, tmp_path, monkeypatch):
    assert not (finished.path / "live.jsonl").exists()
    path = create_run(tmp_path, tiny_sequence())
    monkeypatch.setattr("sapo_analysis.store.writer.tidy", lambda path: None)
    run_to_end(path)
    lines = [json.loads(line) for line in (path / "live.jsonl").read_text().splitlines()]
    kinds = [line["event"] for line in lines]
    assert set(kinds) == {"scored", "chosen", "trained", "measured"}
    assert kinds.index("scored") < kinds.index("chosen") < kinds.index("trained")
    chosen = [line for line in lines if line["event"] == "chosen"]
    assert len(chosen) == 4 and chosen[1]["chain"]["strategy"] == "sapo+lora"

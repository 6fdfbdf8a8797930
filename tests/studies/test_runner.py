"""Whole runs: what is measured where, the same spec twice, and a kill at any moment."""

import json
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
import torch

from sapo_analysis.analysis import impacts
from sapo_analysis.errors import InputError
from sapo_analysis.plan import make_plan
from sapo_analysis.provenance import MACHINE
from sapo_analysis.records import tables_of
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.runner import run_to_end
from tests import scripts
from tests.tiny import tiny_study

NAMES = [table.name for table in tables_of("paraphrase")]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny_module_study(request):
    return tiny_study()


@pytest.fixture(scope="module")
def finished(tiny_module_study, tmp_path_factory):
    path = create_run(tmp_path_factory.mktemp("runs"), tiny_module_study)
    run_to_end(path)
    return open_run(path)


@pytest.fixture(scope="module")
def short_study(tiny_module_study):
    """Every kind of group once or twice: a kill needs no more."""
    return tiny_module_study.model_copy(update={"seeds": (0,), "noise_seeds": ()})


@pytest.fixture(scope="module")
def undisturbed(short_study, tmp_path_factory):
    path = create_run(tmp_path_factory.mktemp("runs"), short_study)
    run_to_end(path)
    return open_run(path)


def assert_same_tables(found, expected):
    for name in NAMES:
        if name != "costs":
            pd.testing.assert_frame_equal(found.table(name), expected.table(name), check_exact=True)


def test_every_planned_trial_is_measured_on_every_task(finished, tiny_module_study):
    plan = make_plan(tiny_module_study)
    trials = finished.table("trials")
    found = trials[trials["purpose"] != "past"]["trial_id"]
    assert list(found) == [t.trial_id for t in plan.trials]
    assert set(trials["status"]) == {"done"}
    scores = finished.table("scores")
    for trial in plan.trials:
        mine = scores[scores["trial_id"] == trial.trial_id]
        with_original = mine[mine["test_prompt"] == plan.prompts[trial.task][0].prompt_id]
        assert set(with_original["eval_task"]) >= {trial.task}
        assert set(mine["eval_task"]) == set(plan.tasks)
        current = mine[mine["eval_task"] == trial.task]
        assert trial.prompt.prompt_id in set(current["test_prompt"])
        assert set(current["role"]) == {"current"}
        roles = dict(zip(mine["eval_task"], mine["role"], strict=True))
        other = "place" if trial.task == "sentiment" else "sentiment"
        assert roles == {
            trial.task: "current",
            "translate": "past",
            "topic": "past",
            "first_word": "retained",
            other: "unseen",
        }


def test_replicates_share_the_state_that_one_state_seed_reached(finished):
    states = finished.table("states")
    assert [list(x) for x in states["learned"]] == [[], ["translate"], ["translate", "topic"]]
    assert states["parent_id"].iloc[2] == states["state_id"].iloc[1]
    trials = finished.table("trials")
    main = trials[trials["purpose"] == "main"]
    assert set(main["state_id"]) == {states["state_id"].iloc[2]}
    assert sorted(set(main["seed"])) == [0, 1]
    assert set(trials[trials["purpose"] == "noise"]["seed"]) == {7}
    repeats = trials[trials["purpose"] == "repeat"]
    assert set(repeats["seed"]) == {0} and len(repeats) == 4
    assert {t.removesuffix("-repeat") for t in repeats["trial_id"]} < set(main["trial_id"])


def test_before_is_the_parent_state_with_its_past_learned(finished, pocket_model):
    scores = finished.table("scores")
    of_states = scores[scores["trial_id"].isna()]
    key = ["eval_task", "test_prompt"]
    base = of_states[of_states["state_id"] == "theta-0"].set_index(key)["loss"]
    parent_id = finished.table("states")["state_id"].iloc[2]
    parent = of_states[of_states["state_id"] == parent_id].set_index(key)["loss"]
    # Three steps on `topic` have moved the parent state well away from the base model.
    topic = [k for k in base.index if k[0] == "topic"][0]
    assert abs(parent[topic] - base[topic]) > 0.05
    table = impacts(finished).query("eval_task == 'topic'")
    assert len(table) > 0
    assert set(table["loss_before"]) == {parent[topic]}


def test_before_equals_the_plain_base_model_when_nothing_was_learned(
    tiny_module_study, tmp_path, pocket_model, encoder
):
    from sapo_analysis.learning.scoring import example_losses
    from sapo_analysis.prompts import get_prompts
    from sapo_analysis.tasks import get_task

    study = tiny_module_study.model_copy(update={"past": (), "noise_seeds": (), "seeds": (0,)})
    path = create_run(tmp_path, study)
    run_to_end(path)
    run = open_run(path)
    losses = run.table("candidate_losses")
    assert set(losses["state_id"]) == {"theta-0"}
    for prompt in get_prompts("sentiment")[:1]:
        rows = encoder.encode_split(get_task("sentiment"), "train", 9, prompt)
        plain = example_losses(pocket_model, rows, 64, encoder.tokenizer.pad_token_id)
        mine = losses[(losses["task"] == "sentiment") & (losses["prompt_id"] == prompt.prompt_id)]
        assert list(mine["nll_sum"]) == pytest.approx([x.nll_sum for x in plain], rel=1e-5)


@pytest.fixture(scope="module")
def finished_plain(short_study, tmp_path_factory):
    path = create_run(tmp_path_factory.mktemp("runs"), short_study)
    run_to_end(path, engine="plain")
    return open_run(path)


def test_both_engines_measure_the_same(finished, finished_plain):
    for table, keys in (
        ("candidate_losses", ["state_id", "task", "prompt_id", "example"]),
        ("scores", ["state_id", "trial_id", "eval_task", "test_prompt"]),
        ("predictions", ["state_id", "trial_id", "eval_task", "test_prompt", "example"]),
        ("curves", ["trial_id", "step", "series"]),
    ):
        stacked, plain = finished.table(table), finished_plain.table(table)
        both = plain.merge(stacked, on=keys, suffixes=("", "_stacked"), how="left")
        assert len(both) == len(plain) > 0
        for column in plain.columns.difference(keys):
            own, other = both[column], both[f"{column}_stacked"]
            if own.dtype.kind == "f":
                assert np.allclose(own, other, rtol=1e-3, atol=1e-4), (table, column)
            else:
                assert list(own) == list(other), (table, column)
    states = finished.table("states")
    pd.testing.assert_frame_equal(states, finished_plain.table("states"))
    assert set(finished.table("trials").query("purpose == 'main'")["chunk"]) == {3}
    assert set(finished.table("trials").query("purpose == 'repeat'")["chunk"]) == {1}
    trials = finished_plain.table("trials")
    assert set(trials["chunk"]) == {1} and "repeat" not in set(trials["purpose"])


def test_a_run_goes_on_with_another_engine_where_its_user_allows_it(tiny_module_study, tmp_path):
    one_task = {"past": ("topic",), "current": ("sentiment",), "noise_seeds": ()}
    study = tiny_module_study.model_copy(update=one_task)
    path = create_run(tmp_path, study)
    stop_after_trial_groups(path, 1)
    with pytest.raises(InputError, match=r"engine: was 'stacked', is 'plain'"):
        run_to_end(path, engine="plain")
    run_to_end(path, engine="plain", allow_mixed=True)
    trials = open_run(path).table("trials")
    assert not trials["trial_id"].duplicated().any()
    planned = {t.trial_id for t in make_plan(study).trials if t.purpose != "repeat"}
    assert set(trials[trials["purpose"] != "past"]["trial_id"]) == planned
    made = trials[trials["purpose"] != "past"].groupby("engine")["chunk"].agg(["max", "size"])
    assert made.to_dict("index") == {
        "plain": {"max": 1, "size": len(planned) - 3},
        "stacked": {"max": 3, "size": 3},
    }


def test_a_kill_between_the_tables_of_a_group_leaves_no_trial_twice(tiny_module_study, tmp_path):
    one_task = {"past": (), "current": ("sentiment",), "noise_seeds": ()}
    path = create_run(tmp_path, tiny_module_study.model_copy(update=one_task))
    script = f"""
        import os, pathlib, signal
        from sapo_analysis.store import layout
        from sapo_analysis.studies import runner
        original = layout.write_atomically
        def write(path, data):
            if path.parent.name == 'costs' and '-trials-' in path.name:
                os.kill(os.getpid(), signal.SIGKILL)
            original(path, data)
        layout.write_atomically = write
        runner.run_to_end(pathlib.Path({str(path)!r}))
    """
    status, said = scripts.run(script)
    assert status == -signal.SIGKILL, said
    assert list((path / "tables" / "trials").glob("part-*-trials-*"))
    run_to_end(path, engine="plain", allow_mixed=True)
    run = open_run(path)
    assert not run.table("trials")["trial_id"].duplicated().any()
    keys = ["state_id", "trial_id", "eval_task", "test_prompt"]
    assert not run.table("scores").duplicated(keys).any()


def test_adapters_that_cannot_be_stacked_are_refused_before_anything_is_written(
    tiny_module_study, tmp_path
):
    lora = tiny_module_study.lora.model_copy(update={"target_modules": ("q_proj", "embed_tokens")})
    path = create_run(tmp_path, tiny_module_study.model_copy(update={"lora": lora}))
    with (
        pytest.warns(UserWarning, match="tie_word_embeddings"),
        pytest.raises(InputError, match=r"'model.embed_tokens'.*--engine plain"),
    ):
        run_to_end(path)
    assert not (path / "tables").exists()


def test_a_stack_that_the_memory_does_not_hold_is_halved_and_says_so(
    undisturbed, short_study, tmp_path, monkeypatch
):
    from sapo_analysis.studies import stacked

    def only_two(training, until=None):
        if len(training.fits) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        advance(training, until)

    advance = stacked.StackedTraining.advance
    monkeypatch.setattr(stacked.StackedTraining, "advance", only_two)
    path = create_run(tmp_path, short_study)
    run_to_end(path)
    run = open_run(path)
    assert set(run.table("trials").query("purpose == 'main'")["chunk"]) == {1, 2}
    same = ["trial_id", "status", "prompt_id", "seed"]
    pd.testing.assert_frame_equal(run.table("trials")[same], undisturbed.table("trials")[same])
    losses, expected = run.table("scores")["loss"], undisturbed.table("scores")["loss"]
    assert np.allclose(losses, expected, rtol=1e-3)


def test_a_failure_that_is_no_lack_of_memory_is_not_tried_again(
    tiny_module_study, tmp_path, monkeypatch
):
    from sapo_analysis.studies import stacked

    def broken(training, until=None):
        if len(training.fits) > 1:
            raise RuntimeError("something else")
        advance(training, until)

    advance = stacked.StackedTraining.advance
    monkeypatch.setattr(stacked.StackedTraining, "advance", broken)
    path = create_run(tmp_path, tiny_module_study)
    with pytest.raises(RuntimeError, match="something else"):
        run_to_end(path)
    assert open_run(path).status.state == "failed"


def test_the_same_spec_gives_the_same_tables(finished, tiny_module_study, tmp_path):
    path = create_run(tmp_path, tiny_module_study)
    run_to_end(path)
    assert_same_tables(open_run(path), finished)


def test_a_done_run_keeps_one_file_per_table_and_its_provenance(finished):
    for name in NAMES:
        assert [p.name for p in (finished.path / "tables" / name).iterdir()] == ["all.parquet"]
    assert not (finished.path / "states").exists()
    provenance = finished.provenance
    assert provenance["model"]["weights"] == "trained"
    assert provenance["cost"]["seconds"] > 0
    # r × layers × (inputs + outputs of q, k, v and o, and of the MLP's three).
    assert provenance["trained_values"] == {"lora": 8 * 4 * (4 * 256 + 3 * 512)}
    assert str(finished.path.parent) not in json.dumps(provenance)


KILLS = {
    "in scoring": "kill_at(stacked, 'packed_losses', 4)",
    "in training a past task": "kill_at(torch.optim.AdamW, 'step', 5)",
    "in training": "kill_at(torch.optim.AdamW, 'step', 14)",
    "in evaluation": "kill_at(stacked, 'evaluate_stacked', 8)",
    "between the tables of a group": "kill_at(os, 'replace', 40)",
    "while joining": "kill_at(writer.pa, 'concat_tables', 3)",
    "before tidying": "kill_at(writer, 'tidy', 1)",
    "while tidying": "kill_at(pathlib.Path, 'unlink', 7)",
}


@pytest.mark.parametrize("moment", KILLS)
def test_a_run_killed_at_any_moment_resumes_to_the_same_tables(
    moment, undisturbed, short_study, tmp_path
):
    path = create_run(tmp_path, short_study)
    script = f"""
        import os, pathlib, signal, sys, torch
        from sapo_analysis.store import writer
        from sapo_analysis.studies import runner, stacked

        def kill_at(place, name, n):
            original, calls = getattr(place, name), []
            def counted(*args, **kwargs):
                calls.append(1)
                if len(calls) == n:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*args, **kwargs)
            setattr(place, name, counted)

        {KILLS[moment]}
        runner.run_to_end(pathlib.Path({str(path)!r}))
    """
    status, said = scripts.run(script)
    assert status == -signal.SIGKILL, said
    assert open_run(path).status.state in ("interrupted", "done")
    run_to_end(path)
    resumed = open_run(path)
    assert resumed.status.state == "done"
    assert_same_tables(resumed, undisturbed)
    assert {p.name for p in (path / "tables").glob("*/*")} == {"all.parquet"}


def stop_after_trial_groups(path, n):
    """Work on a run in a process of its own that is killed after its n-th group of trials."""
    script = f"""
        import os, pathlib, signal
        from sapo_analysis.store import writer
        from sapo_analysis.studies import runner
        original, calls = writer.RunWriter.save_group, []
        def save(self, order, group_id, rows):
            original(self, order, group_id, rows)
            calls.append(group_id)
            if len([c for c in calls if c.startswith('trials')]) == {n}:
                os.kill(os.getpid(), signal.SIGKILL)
        writer.RunWriter.save_group = save
        runner.run_to_end(pathlib.Path({str(path)!r}))
    """
    status, said = scripts.run(script)
    assert status == -signal.SIGKILL, said


def test_a_partial_run_shows_the_groups_that_are_whole(finished, tiny_module_study, tmp_path):
    path = create_run(tmp_path, tiny_module_study)
    stop_after_trial_groups(path, 2)
    partial = open_run(path)
    assert partial.status.state == "interrupted"
    trials = partial.table("trials")
    whole = finished.table("trials")
    pd.testing.assert_frame_equal(trials, whole.iloc[: len(trials)])
    # Two stacks: the three prompts of each task at the first seed.
    assert (trials["purpose"] == "main").sum() == 6


def test_a_resume_under_other_conditions_is_refused(tiny_module_study, tmp_path):
    path = create_run(tmp_path, tiny_module_study)
    provenance = {
        "algorithm_version": 0,
        "engine": "plain",
        "chunk": 1,
        "device": "cuda",
        "dtype": "float32",
        "threads": 1,
        "model": {},
        "data": {},
    }
    (path / "provenance.json").write_text(json.dumps(provenance))
    with pytest.raises(InputError, match=r"device: was 'cuda', is 'cpu'.*--allow-mixed"):
        run_to_end(path)
    assert not (path / "tables").exists()


def test_mixing_devices_can_be_allowed_but_another_model_is_always_refused(
    tiny_module_study, tmp_path
):
    one_task = {"past": (), "current": ("sentiment",), "seeds": (0,), "noise_seeds": ()}
    path = create_run(tmp_path, tiny_module_study.model_copy(update=one_task))
    run_to_end(path)
    begun = open_run(path).provenance
    assert [session["device"] for session in begun["sessions"]] == ["cpu"]
    assert {key: begun["sessions"][0][key] for key in MACHINE} == {k: begun[k] for k in MACHINE}
    for folder in (path / "tables").iterdir():
        (folder / "all.parquet").unlink()
    status = json.loads((path / "status.json").read_text())
    (path / "status.json").write_text(json.dumps({**status, "state": "interrupted"}))
    elsewhere = {**begun, "device": "cuda"}
    other_model = {**elsewhere, "model": {**begun["model"], "fingerprint": "0"}}
    (path / "provenance.json").write_text(json.dumps(other_model))
    with pytest.raises(InputError, match="model fingerprint: was .0., is "):
        run_to_end(path, allow_mixed=True)
    (path / "provenance.json").write_text(json.dumps(elsewhere))
    run_to_end(path, allow_mixed=True)
    mixed = open_run(path).provenance
    assert mixed["device"] == "cuda"
    assert [session["device"] for session in mixed["sessions"]] == ["cpu", "cpu"]


def test_a_run_that_ended_meanwhile_is_not_begun_again(finished):
    from sapo_analysis.store import RunWriter

    before = finished.table("scores")
    with pytest.raises(InputError, match="is done"), RunWriter(finished.path, total=1):
        pass
    assert open_run(finished.path).status.state == "done"
    pd.testing.assert_frame_equal(open_run(finished.path).table("scores"), before)


def test_two_workers_cannot_write_one_run(tiny_module_study, tmp_path):
    from sapo_analysis.store import RunWriter

    path = create_run(tmp_path, tiny_module_study)
    with RunWriter(path, total=1):
        with pytest.raises(InputError, match="another process"):
            run_to_end(path)
        assert open_run(path).status.state == "running"


def test_a_termination_signal_leaves_an_interrupted_run(tiny_module_study, tmp_path):
    slow = tiny_module_study.model_copy(
        update={"training": tiny_module_study.training.model_copy(update={"steps": 2000})}
    )
    path = create_run(tmp_path, slow)
    worker = scripts.start_worker("study", str(path), "stacked")
    deadline = time.monotonic() + 120
    while open_run(path).status.state != "running":
        assert worker.exitcode is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(60)
    status = open_run(path).status
    assert status.state == "interrupted"
    assert "sapo resume" in status.next_step

"""Runs over the finished trials of others: what they hold, and what stops them."""

import shutil
import signal

import pandas as pd
import pytest

import sapo_analysis as sapo
from sapo_analysis import analysis, jobs
from sapo_analysis.analysis import impacts
from sapo_analysis.errors import WorkError
from sapo_analysis.plan import make_plan
from sapo_analysis.records import TABLES, tables_of
from sapo_analysis.reuse import find_reusable
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.runner import run_to_end
from tests import scripts
from tests.forked_jobs import asked
from tests.reuse.making import MEASURED, changed, paraphrases, rows_of, small, tampered, trial_ids

NAMES = [table.name for table in tables_of("paraphrase")]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grown(study):
    """One more prompt, another noise seed; a task that was unseen is not evaluated any more."""
    prompts = paraphrases(study.current, 2)
    return changed(study, name="grown", prompts=prompts, noise_seeds=(8,), unseen=())


@pytest.fixture(scope="module")
def new_run(grown, source, tmp_path_factory):
    """The grown study over the finished trials of the source."""
    found = find_reusable(make_plan(grown), [source])
    path = create_run(tmp_path_factory.mktemp("new"), grown, found.conditions, found.tables)
    run_to_end(path)
    return open_run(path)


@pytest.fixture(scope="module")
def afresh(grown, tmp_path_factory):
    """The grown study from nothing."""
    path = create_run(tmp_path_factory.mktemp("afresh"), grown)
    run_to_end(path)
    return open_run(path)


def test_the_new_run_holds_what_a_run_from_nothing_holds(new_run, afresh):
    assert new_run.is_complete
    assert new_run.status.done == new_run.status.total == len(make_plan(new_run.study).trials)
    same = {"prompts", "examples", "states", "candidate_losses", "indicators"}
    for name in same:
        pd.testing.assert_frame_equal(new_run.table(name), afresh.table(name), check_exact=True)
    for name in ("trials", *MEASURED):
        keys = list(TABLES[name].keys)
        found, expected = (
            run.table(name).sort_values(keys, ignore_index=True) for run in (new_run, afresh)
        )
        pd.testing.assert_frame_equal(found[keys], expected[keys])
    told = ["trial_id", "state_id", "seed", "purpose", "current_task", "prompt_id", "status"]
    pd.testing.assert_frame_equal(new_run.table("trials")[told], afresh.table("trials")[told])
    roles = ["trial_id", "eval_task", "role"]
    ids = trial_ids(afresh, "main", "noise", "repeat")
    pd.testing.assert_frame_equal(
        rows_of(new_run, "scores", ids)[roles], rows_of(afresh, "scores", ids)[roles]
    )
    assert len(impacts(new_run)) == len(impacts(afresh))
    assert analysis.report(new_run, n_permutations=0)["estimates"]


def test_finished_trials_are_copied_and_nothing_else(new_run, source):
    shared = trial_ids(new_run, "main") & trial_ids(source, "main")
    assert shared == trial_ids(source, "main") and len(shared) == 8
    dropped = set(source.study.unseen)
    assert dropped
    for name in MEASURED:
        found, expected = rows_of(new_run, name, shared), rows_of(source, name, shared)
        if "eval_task" in expected:
            expected = expected[~expected["eval_task"].isin(dropped)].reset_index(drop=True)
        assert len(expected)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    new, old = (rows_of(run, "trials", shared) for run in (new_run, source))
    pd.testing.assert_frame_equal(new, old)
    # The rest was trained here: in other stacks than from nothing, but every one of them.
    rest = new_run.table("trials").query("purpose == 'main'")
    assert set(rest[~rest["trial_id"].isin(shared)]["chunk"]) == {1}


def test_repeats_are_made_anew(new_run, source):
    assert trial_ids(source, "repeat") & trial_ids(new_run, "repeat")
    costs = set(new_run.table("costs")["group"])
    plan = make_plan(new_run.study)
    repeats = [
        group for group in plan.groups if group.trials and group.trials[0].purpose == "repeat"
    ]
    assert repeats and {group.group_id for group in repeats} <= costs
    planned = find_reusable(plan, [source]).trial_ids
    assert not any(trial_id.endswith("-repeat") for trial_id in planned)


def test_the_provenance_names_the_runs_and_no_folder(new_run, source):
    assert new_run.provenance["reused"] == [{"run": source.run_id, "trials": 8}]
    assert new_run.provenance["threads"] == source.provenance["threads"]
    for name in ("provenance.json", "spec.json", "status.json", "events.jsonl"):
        assert str(source.path.parent) not in (new_run.path / name).read_text()
    for name in ("conditions.json", "reused"):
        assert not (new_run.path / name).exists()


@pytest.mark.usefixtures("in_this_process")
def test_a_study_that_is_finished_already_trains_nothing(source, study, tmp_path):
    done = changed(study, noise_seeds=(), seeds=(0,))
    lender = tampered(source, tmp_path / "old", threads=3)
    run = sapo.run(done, tmp_path / "new", reuse=[lender.path])
    assert run.is_complete and run.status.done == 4
    assert run.provenance["threads"] == 3  # as it was made, whatever this machine would take
    assert run.provenance["reused"] == [{"run": source.run_id, "trials": 4}]
    assert not run.table("costs")["group"].str.startswith("trials").any()
    before = impacts(source).query("seed == 0 and purpose == 'main'").drop(columns="run_id")
    after, measured = run.impacts().drop(columns="run_id"), ["pre_update_loss"]
    # Trials are copied; states and candidates are measured anew, on other threads.
    trained = ["loss_after", "score_after"]
    before = before.reset_index(drop=True)
    pd.testing.assert_frame_equal(after[trained], before[trained], check_exact=True)
    pd.testing.assert_frame_equal(after[measured], before[measured], rtol=1e-5)


@pytest.mark.usefixtures("in_this_process")
def test_nothing_taken_over_is_a_warning_and_the_study_runs(study, source, tmp_path):
    with pytest.warns(UserWarning, match="0 of 2 trials are taken over"):
        run = sapo.run(small(study), tmp_path, reuse=[source])
    assert run.is_complete and run.provenance["reused"] == []


def test_a_parent_state_that_came_out_otherwise_stops_the_run(source, study, tmp_path):
    path = shutil.copytree(source.path, tmp_path / "old" / source.run_id)
    scores = source.table("scores")
    states = scores["trial_id"].isna() & (scores["state_id"] != "theta-0")
    scores.loc[states, "loss"] += 0.01
    scores.to_parquet(path / "tables" / "scores" / "all.parquet", index=False)
    found = find_reusable(make_plan(study), [open_run(path)])
    with pytest.raises(WorkError, match=r"Parent state s-\w+ came out otherwise.*--allow-mixed"):
        asked(jobs.run_study, study, tmp_path / "new", reuse=found)
    (new,) = (tmp_path / "new").iterdir()
    assert open_run(new).status.state == "failed"
    with pytest.raises(WorkError, match="came out otherwise"):
        run_to_end(new)
    run_to_end(new, allow_mixed=True)
    assert open_run(new).is_complete


def test_a_kill_during_the_copy_leaves_no_run(source, study, tmp_path):
    script = f"""
        import os, pathlib, signal
        from sapo_analysis import jobs
        from sapo_analysis.plan import make_plan
        from sapo_analysis.reuse import find_reusable
        from sapo_analysis.store import folder, open_run
        source = open_run({str(source.path)!r})
        original = folder.write_atomically
        def write(path, data):
            if path.name == 'scores.parquet':
                os.kill(os.getpid(), signal.SIGKILL)
            original(path, data)
        folder.write_atomically = write
        found = find_reusable(make_plan(source.study), [source])
        jobs.run_study(source.study, pathlib.Path({str(tmp_path)!r}), reuse=found)
    """
    status, said = scripts.run(script)
    assert status == -signal.SIGKILL, said
    from sapo_analysis.store import list_runs

    assert list(tmp_path.iterdir()) and list_runs([tmp_path]) == []


def test_a_run_killed_under_way_resumes_without_a_word(new_run, grown, source, tmp_path):
    """The sources may be gone by then."""
    plan = make_plan(grown)
    away = shutil.copytree(source.path, tmp_path / "old" / source.run_id)
    found = find_reusable(plan, [open_run(away)])
    tables = found.tables
    shutil.rmtree(away)
    path = create_run(tmp_path / "new", grown, found.conditions, tables)
    assert open_run(path).table("trials").empty
    script = f"""
        import os, pathlib, signal
        from sapo_analysis.store import writer
        from sapo_analysis.studies import runner
        original, trials = writer.RunWriter.save_group, []
        def save(self, order, group_id, rows):
            trials.append(group_id.startswith('trials'))
            if sum(trials) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            original(self, order, group_id, rows)
        writer.RunWriter.save_group = save
        runner.run_to_end(pathlib.Path({str(path)!r}))
    """
    status, said = scripts.run(script)
    assert status == -signal.SIGKILL, said
    run = open_run(path)
    # All that is taken over counts as done; in the tables is what has its state: the first group,
    # three prompts of the first task, one of them trained here.
    assert run.status.done == len(found.trial_ids) + 1 == 9
    assert len(impacts(run)["trial_id"].unique()) == 3
    assert [loan["run"] for loan in run.provenance["reused"]] == [source.run_id]
    run_to_end(path)
    resumed = open_run(path)
    assert resumed.provenance["reused"] == new_run.provenance["reused"]
    for name in NAMES:
        if name != "costs":
            pd.testing.assert_frame_equal(
                resumed.table(name), new_run.table(name), check_exact=True
            )

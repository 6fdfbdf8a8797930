"""Trials taken over from finished runs: which, with which rows, and what is refused."""

import json
import shutil
import signal

import pandas as pd
import pytest

import sapo_analysis as sapo
from sapo_analysis import analysis, jobs
from sapo_analysis.analysis import impacts
from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.plan import make_plan
from sapo_analysis.prompts import get_prompts
from sapo_analysis.records import TABLES, tables_of
from sapo_analysis.reuse import find_reusable
from sapo_analysis.store import RunWriter, create_run, layout, open_run
from sapo_analysis.studies.runner import run_to_end
from tests import scripts
from tests.tiny import tiny_study

NAMES = [table.name for table in tables_of("paraphrase")]

pytestmark = pytest.mark.slow

MEASURED = ("scores", "curves", "predictions")


@pytest.fixture(scope="module")
def study():
    """One past task, two current ones, two prompts each, two seeds."""
    tiny = tiny_study()
    return changed(
        tiny, past=tiny.past[:1], unseen=tiny.past[1:], prompts=paraphrases(tiny.current, 1)
    )


def small(study):
    """One task from the base model, under a seed that nothing else uses."""
    task = study.current[:1]
    return changed(
        study, past=(), current=task, seeds=(5,), noise_seeds=(), prompts=paraphrases(task, 1)
    )


def paraphrases(tasks, n):
    """Ids of the first paraphrases of some tasks."""
    return tuple(prompt.prompt_id for task in tasks for prompt in get_prompts(task)[1 : n + 1])


@pytest.fixture(scope="module")
def source(study, tmp_path_factory):
    path = create_run(tmp_path_factory.mktemp("runs"), study)
    run_to_end(path)
    return open_run(path)


def changed(study, **changes):
    """A spec with other settings, checked."""
    return type(study)(**{**study.model_dump(), **changes})


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


def rows_of(run, table, trial_ids):
    """Rows of some trials, in an order of their own."""
    found = run.table(table)
    found = found[found["trial_id"].isin(trial_ids)]
    return found.sort_values(list(TABLES[table].keys), ignore_index=True)


def trial_ids(run, *purposes):
    trials = run.table("trials")
    return set(trials[trials["purpose"].isin(purposes)]["trial_id"])


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


def test_purpose_and_roles_are_what_the_new_study_says(source, study):
    """The seeds that were main become noise, a retained task unseen, the past stays past."""
    other = changed(study, seeds=(5,), noise_seeds=(0, 1), retained=(), unseen=study.retained)
    plan = make_plan(other)
    found = find_reusable(plan, [source])
    trials = found.tables["trials"].to_pandas()
    assert len(trials) == 8 and set(trials["purpose"]) == {"noise"}
    planned = {trial.trial_id: trial for trial in plan.trials}
    scores = found.tables["scores"].to_pandas()
    assert set(scores["eval_task"]) == {*study.past, *study.current, *study.retained}
    for row in scores.itertuples():
        assert row.role == plan.role(planned[row.trial_id], row.eval_task)
    assert set(scores["role"]) == {"current", "past", "unseen"}


def test_a_noise_trial_can_become_a_main_one(source, study):
    other = changed(study, seeds=(7,), noise_seeds=())
    found = find_reusable(make_plan(other), [source])
    assert set(found.tables["trials"]["purpose"].to_pylist()) == {"main"}
    assert found.trial_ids == trial_ids(source, "noise")


def test_a_trial_that_was_not_measured_on_a_task_stays_behind_and_is_counted(source, study):
    from sapo_analysis.tasks import list_tasks

    known = {*study.past, *study.current, *study.unseen, *study.retained}
    more = next(task.name for task in list_tasks() if task.name not in known)
    found = find_reusable(make_plan(changed(study, unseen=(*study.unseen, more))), [source])
    assert not found.trial_ids and not found.tables
    assert found.loans[0].left == {f"they were not measured on {more}": 12}
    assert f"12 of its trials stay behind, they were not measured on {more}" in found.in_words()
    assert "0 of 16 trials are taken over." in found.in_words()


def test_outputs_are_cut_to_what_is_kept_and_fewer_do_not_do(source, study):
    def keeping(n):
        evaluation = {**study.evaluation.model_dump(), "n_predictions_kept": n}
        return find_reusable(make_plan(changed(study, evaluation=evaluation)), [source])

    fewer = keeping(2).tables["predictions"].to_pandas()
    assert set(fewer["example"]) == {0, 1}
    assert len(fewer) == 2 * len(keeping(2).tables["scores"])
    assert keeping(0).tables["predictions"].num_rows == 0 and len(keeping(0).trial_ids) == 12
    assert not keeping(4).trial_ids
    assert "n_predictions_kept = 4" in keeping(4).in_words()


def test_the_same_words_under_another_id_are_the_same_trial(study, tmp_path):
    task = study.current[0]
    own = ("Say which it is, please.", "Kindly answer in a word.")
    path = create_run(tmp_path, changed(small(study), prompts=0, own_prompts={task: own}))
    run_to_end(path)
    run = open_run(path)
    other = ("Another one here.", *own[::-1])
    turned = changed(small(study), prompts=0, own_prompts={task: other})
    plan = make_plan(turned)
    found = find_reusable(plan, [run])
    planned = {trial.trial_id: trial.prompt for trial in plan.trials}
    assert len(found.trial_ids) == 3
    ids = run.table("prompts").set_index("text")["prompt_id"].to_dict()
    for row in found.tables["trials"].to_pylist():
        assert row["prompt_id"] == planned[row["trial_id"]].prompt_id
    moved = 0
    for name in ("scores", "predictions"):
        for row in found.tables[name].to_pylist():
            prompt = planned[row["trial_id"]]
            if row["eval_task"] == task and row["test_prompt"] != plan.originals[task].prompt_id:
                assert row["test_prompt"] == prompt.prompt_id
                moved += row["test_prompt"] != ids[prompt.text]
    assert moved
    # Values are those of the same words, not of the same id.
    after = run.table("scores").set_index(["trial_id", "eval_task", "test_prompt"])["loss"]
    for row in found.tables["scores"].to_pylist():
        prompt = planned[row["trial_id"]]
        was = ids[prompt.text] if row["test_prompt"] == prompt.prompt_id else row["test_prompt"]
        assert row["loss"] == after[row["trial_id"], row["eval_task"], was]


def test_diverged_trials_are_taken_over_as_diverged(study, tmp_path):
    training = {**study.training.model_dump(), "learning_rate": 1e30}
    wild = changed(small(study), seeds=study.seeds, training=training)
    path = create_run(tmp_path, wild)
    run_to_end(path)
    run = open_run(path)
    found = find_reusable(make_plan(wild), [run])
    assert found.trial_ids == trial_ids(run, "main") and len(found.trial_ids) == 4
    assert set(found.tables["trials"]["status"].to_pylist()) == {"diverged"}
    assert found.tables["scores"].num_rows == 0
    assert found.tables["curves"].num_rows == len(run.table("curves")) > 0


def test_every_checkpoint_is_taken_over(study, tmp_path):
    evaluation = {**study.evaluation.model_dump(), "checkpoints": (1, 2)}
    watched = changed(small(study), evaluation=evaluation)
    path = create_run(tmp_path, watched)
    run_to_end(path)
    run = open_run(path)
    plan = make_plan(watched)
    found = find_reusable(plan, [run])
    assert found.trial_ids == {trial.trial_id for trial in plan.trials}
    scores = found.tables["scores"].to_pandas()
    assert set(scores["step"]) == {1, 2, study.training.steps}
    pd.testing.assert_frame_equal(
        scores.sort_values(list(TABLES["scores"].keys), ignore_index=True),
        rows_of(run, "scores", found.trial_ids),
    )
    assert "dev_loss" in set(found.tables["curves"]["series"].to_pylist())
    assert not find_reusable(make_plan(small(study)), [run]).trial_ids


def test_other_settings_give_nothing_and_it_is_said(source, study):
    training = {**study.training.model_dump(), "steps": 4}
    found = find_reusable(make_plan(changed(study, training=training)), [source])
    assert not found.trial_ids
    assert "training.steps was 3, is 4" in found.in_words()
    others = find_reusable(make_plan(changed(study, seeds=(5,), noise_seeds=())), [source])
    assert "its tasks, past, prompts or seeds are others" in others.in_words()


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


def tampered(source, folder, **provenance):
    """A copy of the source whose provenance says something else."""
    path = shutil.copytree(source.path, folder / source.run_id)
    layout.write_json(path / "provenance.json", {**source.provenance, **provenance})
    return open_run(path)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("algorithm_version", 0, r"algorithm_version: was 0, is \d"),
        ("dtype", "bfloat16", "dtype: was 'bfloat16', is 'float32'"),
        (
            "model",
            {"name": "other", "fingerprint": "0" * 64},
            r"model: was 'other' \(000000000000\)",
        ),
    ],
)
def test_a_run_under_other_conditions_is_refused_by_name(
    source, study, tmp_path, key, value, said, mixed
):
    run = tampered(source, tmp_path, **{key: value})
    with pytest.raises(InputError, match=said) as error:
        find_reusable(make_plan(study), [run], allow_mixed=mixed)
    assert run.run_id in str(error.value)


def test_other_data_of_a_shared_task_is_refused_and_of_another_task_is_not(source, study, tmp_path):
    mark = {**source.provenance["data"], study.retained[0]: "0" * 64}
    run = tampered(source, tmp_path, data=mark)
    with pytest.raises(InputError, match=f"data of {study.retained[0]}: was 0000"):
        find_reusable(make_plan(study), [run])
    assert find_reusable(make_plan(changed(study, retained=())), [run]).trial_ids


def test_another_engine_only_where_mixing_is_allowed(source, study):
    plan = make_plan(study, "plain")
    with pytest.raises(InputError, match="engine: plain and stacked.*--allow-mixed"):
        find_reusable(plan, [source])
    found = find_reusable(plan, [source], allow_mixed=True)
    assert len(found.trial_ids) == 12
    assert (found.conditions.engine, found.conditions.states) == (None, {})


def test_runs_that_do_not_fit_each_other_are_refused(source, study, tmp_path):
    shifted = tampered(source, tmp_path, threads=99)
    half = changed(study, seeds=(0,), noise_seeds=())
    plan = make_plan(study)
    with pytest.raises(InputError, match="threads: .*99"):
        find_reusable(plan, [lending_half(source, tmp_path / "a", "noise"), shifted])
    assert find_reusable(make_plan(half), [source, shifted]).trial_ids  # nothing of it is taken


def lending_half(source, folder, purpose):
    """A copy of the source that holds the trials of one purpose alone."""
    path = shutil.copytree(source.path, folder / source.run_id)
    file = path / "tables" / "trials" / "all.parquet"
    trials = source.table("trials")
    trials[trials["purpose"] == purpose].to_parquet(file, index=False)
    return open_run(path)


def test_parent_states_that_differ_between_runs_are_refused(source, study, tmp_path):
    one = lending_half(source, tmp_path / "one", "main")
    other = lending_half(source, tmp_path / "other", "noise")
    plan = make_plan(study)
    assert len(find_reusable(plan, [one, other]).trial_ids) == 12
    file = other.path / "tables" / "scores" / "all.parquet"
    scores = other.table("scores")
    scores.loc[scores["trial_id"].isna(), "loss"] *= 1.0001
    scores.to_parquet(file, index=False)
    with pytest.raises(InputError, match="loss of parent state s-"):
        find_reusable(plan, [one, open_run(other.path)])
    assert find_reusable(plan, [one, open_run(other.path)], allow_mixed=True).trial_ids


def test_the_first_run_lends(source, study):
    found = find_reusable(make_plan(study), [source, source])
    assert [len(loan.trial_ids) for loan in found.loans] == [12, 0]
    assert found.tables["trials"].num_rows == 12
    assert [r.trials for r in found.conditions.reused] == [12]


def test_another_device_is_refused_and_nothing_is_left(source, study, tmp_path):
    file = shutil.copytree(source.path, tmp_path / "old" / source.run_id)
    trials = source.table("trials").assign(device="cuda")
    trials.to_parquet(file / "tables" / "trials" / "all.parquet", index=False)
    run = open_run(file)
    with pytest.raises(InputError, match="device: cpu and cuda"):
        find_reusable(make_plan(study), [run])
    auto = changed(study, device="auto")  # where to train is known in the worker alone
    found = find_reusable(make_plan(auto), [run])
    with pytest.raises(InputError, match=r"device: 'cuda', here 'cpu'.*--allow-mixed"):
        jobs.run_study(auto, tmp_path / "new", reuse=found)
    assert not (tmp_path / "new").exists()


def test_a_parent_state_that_came_out_otherwise_stops_the_run(source, study, tmp_path):
    path = shutil.copytree(source.path, tmp_path / "old" / source.run_id)
    scores = source.table("scores")
    states = scores["trial_id"].isna() & (scores["state_id"] != "theta-0")
    scores.loc[states, "loss"] += 0.01
    scores.to_parquet(path / "tables" / "scores" / "all.parquet", index=False)
    found = find_reusable(make_plan(study), [open_run(path)])
    with pytest.raises(WorkError, match=r"Parent state s-\w+ came out otherwise.*--allow-mixed"):
        jobs.run_study(study, tmp_path / "new", reuse=found)
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


def test_a_run_that_is_not_done_lends_what_it_has(source, study, tmp_path):
    path = create_run(tmp_path, study)
    with pytest.raises(KeyboardInterrupt), RunWriter(path, total=1) as writer:
        writer.write_provenance(source.provenance)
        for name in ("base", "trials"):
            writer.save_group(0, name, {"costs": [], **rows_for(source, name)})
        raise KeyboardInterrupt
    assert len(find_reusable(make_plan(study), [open_run(path)]).trial_ids) == 12
    nothing = create_run(tmp_path / "new", study)
    assert (
        "nothing of it is finished"
        in find_reusable(make_plan(study), [open_run(nothing)]).in_words()
    )


def rows_for(source, group):
    if group == "base":
        return {"prompts": source.arrow_table("prompts").to_pylist()}
    tables = ("trials", *MEASURED)
    return {name: source.arrow_table(name).to_pylist() for name in tables}


def test_a_bare_name_for_a_list_of_runs_is_refused(study, source):
    with pytest.raises(InputError, match=r"not a list of runs.*reuse=\["):
        sapo.run(study, reuse=source.run_id)
    with pytest.raises(InputError, match="Unknown run 'nope'"):
        sapo.run(study, reuse=["nope"])


@pytest.mark.usefixtures("in_this_process")
def test_calibration_counts_what_is_left(study, source):
    plan = make_plan(study)
    taken = find_reusable(plan, [source]).trial_ids
    question = {"study": json.loads(study.model_dump_json()), "engine": "stacked"}
    rest = jobs.probe("calibrate", {**question, "taken_over": sorted(taken)})
    assert (rest["n_trials_main"], rest["n_trials_noise"], rest["n_trials_repeat"]) == (0, 0, 4)
    whole = jobs.probe("calibrate", question)
    assert whole["n_trials_main"] == 8
    gone = len(taken) * study.training.steps * study.training.batch_size
    assert whole["train_examples"] - rest["train_examples"] == gone
    assert whole["n_candidates_scored"] == rest["n_candidates_scored"]

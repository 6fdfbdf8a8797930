"""Which trials of finished runs a study takes over, with which rows."""

import json
import shutil

import pandas as pd
import pytest

from sapo_analysis import jobs
from sapo_analysis.plan import make_plan
from sapo_analysis.records import TABLES
from sapo_analysis.reuse import find_reusable
from sapo_analysis.spec import to_json
from sapo_analysis.store import RunWriter, create_run, open_run
from sapo_analysis.studies.runner import run_to_end
from tests.reuse.making import MEASURED, changed, rows_of, small, trial_ids

pytestmark = pytest.mark.slow


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


def test_every_checkpoint_and_every_look_is_taken_over(study, tmp_path):
    evaluation = {**study.evaluation.model_dump(), "checkpoints": (1, 2)}
    looks = {"every": 3, "examples": 2, "shuffles": 1}
    watched = changed(small(study), evaluation=evaluation, diagnostics=looks)
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
    keys = list(TABLES["diagnostics"].keys)
    looked = found.tables["diagnostics"].to_pandas().sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(looked, rows_of(run, "diagnostics", found.trial_ids))
    assert len(looked)
    assert not find_reusable(make_plan(small(study)), [run]).trial_ids
    unlooked = changed(watched, diagnostics={})
    assert "diagnostics.every was 3, is 0" in find_reusable(make_plan(unlooked), [run]).in_words()
    # Of tasks that the new study does not know there are no looks; of one that the old one did not
    # know there would have to be.
    fewer = find_reusable(make_plan(changed(watched, unseen=())), [run]).tables["diagnostics"]
    assert set(looked["subject"]) - set(fewer["subject"].to_pylist()) == set(study.unseen)
    file = run.path / "tables" / "diagnostics" / "all.parquet"
    partial = run.table("diagnostics")
    partial[partial["subject"] != study.unseen[0]].to_parquet(file, index=False)
    left = find_reusable(plan, [open_run(path)]).loans[0].left
    assert left == {f"their looks (diagnostics) were not at {study.unseen[0]}": len(plan.trials)}


def test_other_settings_give_nothing_and_it_is_said(source, study):
    training = {**study.training.model_dump(), "steps": 4}
    found = find_reusable(make_plan(changed(study, training=training)), [source])
    assert not found.trial_ids
    assert "training.steps was 3, is 4" in found.in_words()
    others = find_reusable(make_plan(changed(study, seeds=(5,), noise_seeds=())), [source])
    assert "its tasks, past, prompts or seeds are others" in others.in_words()


def test_settings_of_methods_are_named_where_they_differ(source, study, tmp_path):
    path = shutil.copytree(source.path, tmp_path / source.run_id)
    spec = changed(study, method="ia3", ia3={"learning_rate": 0.5})
    (path / "spec.json").write_text(to_json(spec))
    found = find_reusable(make_plan(changed(study, method="ia3")), [open_run(path)])
    assert "ia3.learning_rate was 0.5, is 0.03" in found.in_words()
    found = find_reusable(make_plan(changed(study, method="prompt-tuning")), [open_run(path)])
    assert "method was ia3, is prompt-tuning" in found.in_words()
    assert "soft_prompt" not in found.in_words()  # it has none of its own, so nothing was another


def test_the_first_run_lends(source, study):
    found = find_reusable(make_plan(study), [source, source])
    assert [len(loan.trial_ids) for loan in found.loans] == [12, 0]
    assert found.tables["trials"].num_rows == 12
    assert [r.trials for r in found.conditions.reused] == [12]


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

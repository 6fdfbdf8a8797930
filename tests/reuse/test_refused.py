"""Runs that cannot lend: made otherwise, or not fitting each other."""

import shutil

import pytest

import sapo_analysis as sapo
from sapo_analysis import jobs
from sapo_analysis.errors import InputError
from sapo_analysis.plan import make_plan
from sapo_analysis.reuse import find_reusable
from sapo_analysis.store import open_run
from tests.forked_jobs import asked
from tests.reuse.making import changed, lending_half, tampered

pytestmark = pytest.mark.slow


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
        asked(jobs.run_study, auto, tmp_path / "new", reuse=found)
    assert not (tmp_path / "new").exists()


def test_a_bare_name_for_a_list_of_runs_is_refused(study, source):
    with pytest.raises(InputError, match=r"not a list of runs.*reuse=\["):
        sapo.run(study, reuse=source.run_id)
    with pytest.raises(InputError, match="Unknown run 'nope'"):
        sapo.run(study, reuse=["nope"])

"""Studies that test behind demonstrations too: what is measured, and that nothing else moves."""

import numpy as np
import pandas as pd
import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis import impacts, report, sequence_report, sequence_scores
from sapo_analysis.analysis.few_shot import few_shot_scores
from sapo_analysis.analysis.impacts import current_tests
from sapo_analysis.analysis.races.course import of_tables
from sapo_analysis.analysis.sequences.behind import Cell, cell_chains, cell_examples
from sapo_analysis.analysis.sequences.choices import choices
from sapo_analysis.errors import InputError
from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.models.loading import choose_device
from sapo_analysis.plan import make_plan, plan_of
from sapo_analysis.reuse.lend import PURPOSES, lend
from sapo_analysis.spec import parse_study
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies.paraphrase import ParaphraseWork
from sapo_analysis.studies.parent_states import check_states
from sapo_analysis.studies.runner import run_to_end
from sapo_analysis.studies.sequence import SequenceWork
from sapo_analysis.studies.sequence.telling import Teller
from sapo_analysis.tasks.demonstrations import POOL
from tests.tiny import tiny_study
from tests.tiny_sequence import tiny_sequence

pytestmark = pytest.mark.slow

SHOTS = (0, 1)
PLACE = ["prompt_id", "seed", "current_task", "eval_task", "test_prompt", "n_shots"]


def behind(study, shots=SHOTS):
    evaluation = study.evaluation.model_copy(update={"n_shots": shots})
    return study.model_copy(update={"evaluation": evaluation})


def small():
    return tiny_study().model_copy(
        update={
            **{"past": ("topic",), "current": ("sentiment",), "prompts": 1},
            **{"seeds": (0,), "noise_seeds": ()},
        }
    )


def small_sequence():
    evaluation = {"examples": 5, "final_examples": 8, "n_predictions_kept": 3}
    return tiny_sequence(evaluation=evaluation, prompts=1)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    def run(study, engine="stacked", stop=False):
        path = create_run(tmp_path_factory.mktemp("runs"), study)
        if stop:
            stopped_before_the_last_group(path, study)
        run_to_end(path, engine)
        return open_run(path)

    return run


def stopped_before_the_last_group(path, study):
    work_of = SequenceWork if study.kind == "sequence" else ParaphraseWork
    whole, last = work_of.run, plan_of(study).groups[-1].group_id

    def stops(work, group):
        if group.group_id == last:
            raise KeyboardInterrupt
        return whole(work, group)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(work_of, "run", stops)
        run_to_end(path)
    assert open_run(path).table("scores")["n_shots"].max() == 1


# Those behind demonstrations are stopped and taken up again: the others are not, and equal them.
@pytest.fixture(scope="module")
def shown(run_of):
    return run_of(behind(small()), stop=True)


@pytest.fixture(scope="module")
def alone(run_of):
    return run_of(small())


@pytest.fixture(scope="module")
def shown_sequence(run_of):
    return run_of(behind(small_sequence()), stop=True)


@pytest.fixture(scope="module")
def alone_sequence(run_of):
    return run_of(small_sequence())


def named(run, table):
    """A table with what a trial is in place of its id, which differs between the studies."""
    trials = run.table("trials")[["trial_id", "prompt_id", "seed", "current_task", "purpose"]]
    found = run.table(table).merge(trials, on="trial_id", how="left")
    return found.drop(columns="trial_id")


def told(document, run):
    """A report without what a run is called and how long it took."""
    if isinstance(document, dict):
        left = [key for key in document if "seconds" not in key and key != "share"]
        return {key: told(document[key], run) for key in left}
    if isinstance(document, list):
        return [told(own, run) for own in document]
    return str(document).replace(run.run_id, "RUN")


def without_shots(table):
    return table[table["n_shots"] == 0].drop(columns="n_shots").reset_index(drop=True)


def test_states_and_trials_are_tested_under_original_prompts_behind_demonstrations(shown):
    study, scores = shown.paraphrase, shown.table("scores")
    tasks = {*study.past, *study.current, *study.retained}
    assert set(scores["n_shots"]) == {0, 1}
    originals = shown.table("prompts").query("source == 'original'")
    originals = set(zip(originals["task"], originals["prompt_id"], strict=True))
    for measured in ("scores", "predictions"):
        own = shown.table(measured).query("n_shots == 1")
        assert set(zip(own["eval_task"], own["test_prompt"], strict=True)) <= originals
    own = scores.query("n_shots == 1")
    for _, found in own.groupby(own["trial_id"].fillna(own["state_id"])):
        assert sorted(found["eval_task"]) == sorted(tasks)
    done = shown.table("trials").query("purpose != 'past'")["trial_id"]
    assert set(own["trial_id"].dropna()) == set(done)
    assert set(own["state_id"]) == set(shown.table("states")["state_id"])
    assert set(own.loc[own["trial_id"].notna(), "step"]) == {study.training.steps}
    kept = shown.table("predictions").query("n_shots == 1")
    assert len(kept) == len(own) * study.evaluation.n_predictions_kept
    # All rows that demonstrations can be drawn from are there to be read, also of retained tasks.
    examples = shown.table("examples").query("split == 'train'")
    assert set(examples.groupby("task").size()) == {POOL}


def test_the_base_model_is_measured_as_by_hand(shown, pocket_model, encoder):
    study = shown.paraphrase
    plan = make_plan(study)
    scores = shown.table("scores").set_index(["state_id", "eval_task", "n_shots"])
    for name, task in plan.tasks.items():
        rows = encoder.encode_split(task, "test", 5, plan.originals[name], n_shots=1)
        found = evaluate(pocket_model, encoder, task, task.examples("test", 5), rows, 5)
        of = scores.loc["theta-0", name, 1]
        assert of["value"].item() == found.value
        assert of["loss"].item() == pytest.approx(found.loss, rel=1e-5)
        kept = shown.table("predictions").query("state_id == 'theta-0' and n_shots == 1")
        kept = kept[kept["eval_task"] == name]
        assert list(kept["output"]) == found.outputs[:3]


def test_both_engines_measure_the_same(shown, run_of):
    plain = run_of(behind(small()), "plain")
    keys = ["state_id", "trial_id", "eval_task", "test_prompt", "step", "n_shots"]
    one, other = (r.table("scores").sort_values(keys, ignore_index=True) for r in (shown, plain))
    pd.testing.assert_frame_equal(one[[*keys, "role"]], other[[*keys, "role"]])
    assert np.allclose(one["loss"], other["loss"], rtol=1e-3, atol=1e-4)
    keys.append("example")
    one, other = (
        r.table("predictions").sort_values(keys, ignore_index=True) for r in (shown, plain)
    )
    pd.testing.assert_frame_equal(one[keys], other[keys])
    before = one["trial_id"].isna() & (one["state_id"] == "theta-0")
    assert (one["output"] == other["output"])[before].all()
    assert (one["output"] == other["output"]).mean() > 0.9


def test_nothing_else_moves_in_a_paraphrase_study(shown, alone):
    # Not even by rounding: past states have the same names, so trials draw the same streams.
    for table in ("scores", "predictions", "curves"):
        found = named(shown, table)
        found = without_shots(found) if "n_shots" in found else found
        expected = named(alone, table).drop(columns="n_shots", errors="ignore")
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    for table in ("states", "indicators", "candidate_losses"):
        pd.testing.assert_frame_equal(shown.table(table), alone.table(table), check_exact=True)
    found, expected = (impacts(run).drop(columns=["run_id", "trial_id"]) for run in (shown, alone))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert current_tests(shown) == current_tests(alone)
    assert str(analysis.past_gains(shown)) == str(analysis.past_gains(alone))
    prompt_id = shown.table("trials")["prompt_id"].iloc[-1]
    found, expected = (
        analysis.worst_forgotten(run, "sentiment", prompt_id) for run in (shown, alone)
    )
    assert len(found)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert told(report(shown), shown) == told(report(alone), alone)


def test_nothing_else_moves_in_a_sequence_study(shown_sequence, alone_sequence):
    both = (shown_sequence, alone_sequence)
    for table in ("scores", "predictions"):
        found, expected = (without_shots(run.table(table)) for run in both)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    timed = ["choice_seconds", "train_seconds"]
    for table in ("trials", "states", "indicators", "curves", "chains"):
        found, expected = (run.table(table).drop(columns=timed, errors="ignore") for run in both)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    found, expected = (sequence_scores(run).drop(columns="run_id") for run in both)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    courses = [of_tables(run) for run in both]
    assert courses[0].base == courses[1].base and courses[0].scores == courses[1].scores
    cell = Cell("sapo+lora", 2, 1)
    outputs = [
        cell_examples(run, cell_chains(sequence_scores(run), choices(run), cell), cell)
        for run in both
    ]
    assert len(outputs[0]) == 3
    pd.testing.assert_frame_equal(*outputs)
    one, other = (told(sequence_report(run), run) for run in both)
    assert one == other


def test_every_state_of_a_sequence_is_tested_behind_demonstrations(shown_sequence):
    scores = shown_sequence.table("scores")
    own = scores[scores["n_shots"] == 1]
    assert set(own["state_id"]) == set(scores["state_id"])
    originals = shown_sequence.table("prompts").query("source == 'original'")
    assert set(own["test_prompt"]) == set(originals["prompt_id"])
    counts = scores[scores["test_prompt"].isin(originals["prompt_id"])]
    by = ["state_id", "eval_task", "n_examples"]
    assert (counts.groupby(by)["n_shots"].agg(sorted).map(tuple) == SHOTS).all()
    kept = shown_sequence.table("predictions")
    assert set(kept.groupby(["state_id", "eval_task", "n_shots"]).size()) == {3}
    longer = scores.merge(scores, on=["state_id", "eval_task", "test_prompt", "n_examples"])
    moved = longer.query("n_shots_x == 0 and n_shots_y == 1")
    assert (moved["loss_x"] != moved["loss_y"]).all()


def test_what_is_told_while_it_runs_is_without_demonstrations(shown_sequence):
    rows = shown_sequence.table("scores").sort_values("n_shots", ascending=False)
    told = []
    teller = Teller()
    teller.tell = lambda event, **details: told.append(details)
    teller.base(rows[rows["state_id"] == "theta-0"].to_dict("records"))
    (event,) = told
    bare = rows[(rows["state_id"] == "theta-0") & (rows["n_shots"] == 0)]
    losses = set(zip(bare["eval_task"], bare["test_prompt"], bare["loss"].round(4), strict=True))
    assert {(task, prompt, loss) for task, prompt, _, loss in event["scores"]} <= losses
    assert len(event["scores"]) == len(bare.drop_duplicates(["eval_task", "test_prompt"]))


def test_a_table_of_scores_behind_demonstrations(shown, shown_sequence, alone):
    found = few_shot_scores([shown])
    scores = shown.table("scores")
    assert not found.duplicated(["state_id", "trial_id", "eval_task", "n_shots"]).any()
    trial = found[found["trial_id"].notna() & (found["n_shots"] == 1)].iloc[-1]
    at = (scores["eval_task"] == trial["eval_task"]) & (scores["n_shots"] == 1)
    after = scores[at & (scores["trial_id"] == trial["trial_id"])]["value"].item()
    state = at & scores["trial_id"].isna() & (scores["state_id"] == trial["state_id"])
    assert trial["value"] == after and trial["value_before"] == scores[state]["value"].item()
    assert trial["value_change"] == after - trial["value_before"]
    bare = impacts(shown, current_test="original").set_index(["trial_id", "eval_task"])
    own = found.query("n_shots == 0").dropna(subset="trial_id").set_index(["trial_id", "eval_task"])
    assert len(own) == len(bare)
    pd.testing.assert_series_equal(
        own["value_change"].sort_index(), bare["score_change"].sort_index(), check_names=False
    )
    base = found[found["trial_id"].isna() & (found["state_id"] == "theta-0")]
    assert base["value_change"].isna().all() and set(base["n_shots"]) == {0, 1}
    stages = few_shot_scores(shown_sequence)
    assert stages["trial_id"].isna().all() and set(stages["n_examples"]) == {5}
    later = stages[stages["state_id"] != "theta-0"]
    assert later["value_change"].notna().all() and set(later["n_shots"]) == {0, 1}
    assert set(few_shot_scores(alone)["n_shots"]) == {0}


def test_trials_are_lent_with_what_they_scored_behind_demonstrations(shown):
    plan = plan_of(shown.study)
    wanted = {trial.trial_id: trial for trial in plan.trials if trial.purpose in PURPOSES}
    loan = lend(plan, shown, wanted)
    assert set(loan.trial_ids) == set(wanted) and not loan.left
    for table in ("scores", "predictions"):
        own = shown.table(table)
        assert loan.tables[table].num_rows == own["trial_id"].isin(wanted).sum()
    scores = shown.table("scores").query("n_shots == 0 and trial_id.isna()")
    prompts = shown.table("prompts")
    originals = prompts.loc[prompts["source"] == "original", "prompt_id"]
    assert loan.states
    for state_id, losses in loan.states.items():
        own = scores[scores["state_id"] == state_id].drop_duplicates("eval_task")
        assert losses == dict(zip(own["eval_task"], own["loss"], strict=True))
        # Taken up again, the state is held against its scores without demonstrations.
        again = shown.table("scores").query("trial_id.isna()").replace({np.nan: None})
        again = again[again["test_prompt"].isin(originals)]
        check_states(
            {"states": [{"state_id": state_id}], "scores": again.to_dict("records")}, loan.states
        )
    other = plan_of(small())
    nothing = lend(other, shown, {trial.trial_id: trial for trial in other.trials})
    assert not nothing.trial_ids and "evaluation.n_shots was [0, 1], is [0]" in nothing.note


def test_ids_name_demonstrations_where_there_are_some_alone():
    one, other = (make_plan(study) for study in (small(), behind(small())))
    assert not {t.trial_id for t in one.trials} & {t.trial_id for t in other.trials}
    assert list(one.stages) == list(other.stages)


@pytest.mark.parametrize("kind", [small, small_sequence])
@pytest.mark.parametrize(
    ("shots", "said"),
    [
        ([1], r"n_shots is \[1\]; begin with 0"),
        ([0, 0], r"n_shots is \[0, 0\]; begin with 0, then rise"),
        ([0, 9], r"n_shots.*equal to 8 \(got 9\)"),
        ([], "n_shots"),
    ],
)
def test_other_numbers_are_refused_in_words(kind, shots, said):
    data = kind().model_dump(mode="json")
    data["evaluation"]["n_shots"] = shots
    with pytest.raises(InputError, match=said) as caught:
        parse_study(data, "a study")
    assert "evaluation.n_shots" in str(caught.value)


@pytest.mark.parametrize("kind", [small, small_sequence])
def test_demonstrations_that_do_not_fit_are_refused_before_anything_is_measured(kind, tmp_path):
    work_of = ParaphraseWork if kind is small else SequenceWork
    work = work_of(plan_of(behind(kind(), (0, 1, 8))), choose_device("cpu"), tmp_path)
    work.engine.encoder.max_length = 120
    with pytest.raises(InputError, match=r"behind 8 demonstrations.*n_shots: leave out 8 and more"):
        work.check()

"""Which sequence runs may be laid over a paraphrase study, and where their stages stand."""

from dataclasses import replace

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis import races
from sapo_analysis.analysis.prompt_means import prompt_means
from sapo_analysis.analysis.races.matching import ALIKE_AT_FIRST, ALIKE_LATER
from sapo_analysis.analysis.races.points import other_pasts
from sapo_analysis.errors import InputError
from sapo_analysis.methods import make_method
from sapo_analysis.spec import METHODS, ScoringSettings, SequenceStudy, TrainingSettings
from sapo_analysis.store import create_run, open_run
from sapo_analysis.store.live import LiveReader
from tests.racing import loss_of, points_of, tell, write_race
from tests.synthetic import write_run

PICKS = {"random": "para-02", "sapo": "para-01"}
LORA = {"strategies": ["original+lora", "random+lora", "sapo+lora", "paft+lora"]}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two current tasks after one past task."""
    return write_run(tmp_path_factory.mktemp("study"), n_tasks=2, n_prompts=3, seeds=(0, 1))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The same from the base model."""
    folder = tmp_path_factory.mktemp("fresh")
    return write_run(folder, n_tasks=2, n_prompts=3, seeds=(0, 1), n_past=0)


@pytest.fixture(scope="module")
def race(study, tmp_path_factory):
    return write_race(tmp_path_factory.mktemp("race"), study, PICKS)


def begun(folder, study, **changes):
    """A race of which only the base model is measured: enough to be matched."""
    return open_run(write_race(folder, study, PICKS, stages=0, state="interrupted", **changes))


def keys(found):
    return [difference.key for difference in found.differing]


def laid_over(study, path, y="forgetting", role="past", course=None, eval_task=None):
    run, race = open_run(study), open_run(path)
    found = races.match([run], race)
    df = analysis.impacts(run)
    rows = races.race_impacts(
        found, course or races.of_tables(race), df, run.table("prompts"), race.table("prompts")
    )
    means = prompt_means(df, y, role=role, eval_task=eval_task)
    return found, rows, means, races.race_points(rows, means, y, role, found)


def test_a_race_of_a_study_matches_it_after_its_past(study, race):
    found, rows, means, points = laid_over(study, race)
    assert found.differing == ()
    assert found.tasks == dict.fromkeys(["current-0", "current-1"], races.SAME_TASKS)
    assert "one more state seed" in found.notes[0]
    # Two orders, three strategies, two seeds: one stage of each order stands right after the past.
    assert len(rows[["strategy", "order", "seed", "stage"]].drop_duplicates()) == 2 * 3 * 2
    assert set(rows["stage"]) == {2}
    assert points_of(points.table) == [
        (policy, task, prompt)
        for policy, prompt in (("original", "original"), *PICKS.items())
        for task in ("current-0", "current-1")
    ]
    assert set(points.table["n_seeds"]) == {2}
    assert points.table["forgetting"].tolist() == pytest.approx([2.0] * 6)
    row = points.table.iloc[0]
    mean = (loss_of(0, "current-0", "original") + loss_of(1, "current-0", "original")) / 2
    assert row["pre_update_loss"] == pytest.approx(mean)
    own = means.table.set_index(["current_task", "prompt_id"]).loc[("current-0", "original")]
    assert (row["study_x"], row["study_y"]) == (own["pre_update_loss"], own["forgetting"])


def test_change_is_that_of_the_stage_alone(study, tmp_path):
    def change(policy, seed, learned, prompt, task):
        if learned == "past-0":
            return -30.0
        return -5.0 - seed if (policy, task) == ("sapo", "past-0") else 0.0

    points = laid_over(study, write_race(tmp_path, study, PICKS, change=change))[3].table
    by_policy = points.groupby("policy")["forgetting"].first()
    assert by_policy.to_dict() == pytest.approx({"original": 0.0, "random": 0.0, "sapo": 5.5})


def test_from_the_base_model_the_state_is_the_very_same_and_methods_are_alike(fresh, tmp_path):
    path = write_race(tmp_path, fresh, PICKS, **LORA)
    found, _, _, points = laid_over(fresh, path, "score_after", "current")
    assert set(found.tasks.values()) == {races.SAME_STATE}
    assert found.notes == ("Left out: paft+lora, which trains with many prompts.",)
    assert set(points.table["policy"]) == {"original", "random", "sapo"}
    # Tested with the prompt it was trained with: one point more than with the original.
    finals = points.table.groupby("policy")["score_after"].first()
    assert finals.to_dict() == pytest.approx({"original": 58.0, "random": 59.0, "sapo": 59.0})


def test_a_loss_that_was_not_scored_at_the_base_model_is_the_studys_own(
    fresh, study, race, tmp_path
):
    def without_losses(path):
        course = races.of_tables(open_run(path))
        course.losses.clear()
        return course

    path = write_race(tmp_path, fresh, PICKS)
    points = laid_over(fresh, path, "score_after", "current", without_losses(path))[3]
    assert points.table["pre_update_loss"].tolist() == points.table["study_x"].tolist()
    points = laid_over(study, race, course=without_losses(race))[3]
    assert points.table["pre_update_loss"].isna().all()
    assert points.drawn.empty


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"fingerprint": "e" * 16}, "model", ("pocket ffffffffffff", "pocket eeeeeeeeeeee")),
        ({"version": 2}, "algorithm version", ("1", "2")),
        ({"dtype": "bfloat16"}, "dtype", ("float32", "bfloat16")),
        ({"lora": {"r": 4}}, "lora.r", ("8", "4")),
        ({"lora": {"target_modules": ["q"]}}, "lora.target_modules", ("all-linear", "q")),
        ({"training": {"steps": 7}}, "training.steps", ("50", "7")),
        ({"scoring": {"examples": 16}}, "scoring.examples", ("250", "16")),
    ],
)
def test_settings_that_decide_a_trial_keep_a_run_off_the_scatter(
    study, tmp_path, changes, key, said
):
    found = races.match([open_run(study)], begun(tmp_path, study, **changes))
    assert not found.tasks
    assert found.differing == (races.Difference(key, *said),)


def test_settings_that_decide_nothing_of_a_trial_do_not(study, tmp_path):
    few = begun(tmp_path, study, evaluation={"examples": 40, "batch_size": 3})
    found = races.match([open_run(study)], few)
    assert len(found.tasks) == 2
    assert "first 40 test rows of each task, the study on the first 100: 40 are" in found.notes[1]


def test_other_candidates_or_data_are_named_per_task(study, tmp_path):
    other = begun(tmp_path, study, texts=lambda text: text.replace("now", "then"))
    found = races.match([open_run(study)], other)
    assert keys(found) == ["candidates of current-0", "candidates of current-1"]
    assert found.differing[0][1:] == ("3 prompts", "3, 1 of them the same")
    seeded = races.match([open_run(study)], begun(tmp_path, study, data_seed=9))
    assert keys(seeded)[0] == "data of past-0, before current-0"
    assert seeded.differing[0][1:] == ("data_seed 0", "data_seed 9")
    assert not seeded.evaluated


def test_equal_marks_of_data_are_equal_data_whatever_else_is_said(study, tmp_path):
    run, race = open_run(study), begun(tmp_path, study, data_seed=9)
    for one, mark in ((run, "a" * 64), (race, "a" * 64)):
        one.provenance["data"] = dict.fromkeys(("past-0", "current-0", "current-1"), mark)
    assert not races.match([run], race).differing
    race.provenance["data"]["current-1"] = "b" * 64
    found = races.match([run], race)
    assert keys(found) == ["data of current-1"]
    assert (list(found.tasks), found.evaluated) == (["current-0"], ("past-0", "current-0"))
    del race.provenance["data"]["current-1"], run.provenance["data"]["current-1"]
    assert keys(races.match([run], race)) == ["data of current-1"]  # by the seed it is drawn with


def test_what_was_learned_before_has_to_be_what_the_study_learned(study, fresh, tmp_path):
    run = open_run(study)
    order = [["current-0", "past-0", "current-1"], ["past-0", "current-1", "current-0"]]
    found = races.match([run], begun(tmp_path, study, orders=order))
    assert list(found.tasks) == ["current-1"]
    learned = "nothing or past-0, current-1"
    assert found.differing == (races.Difference("learned before current-0", "past-0", learned),)
    stranger = create_run(tmp_path, SequenceStudy(orders=[["add", "job"]]))
    found = races.match([run], open_run(stranger))
    assert keys(found) == ["tasks that are learned"]
    assert found.differing[0].race == "add, job"


def test_after_a_past_sequential_lora_is_another_fine_tune(study, tmp_path):
    found = races.match([open_run(study)], begun(tmp_path, study, **LORA))
    assert keys(found) == ["method that learns current-0", "method that learns current-1"]
    assert found.differing[0].study == "as lora-inc"
    both = ["sapo+lora-inc", "original+lora"]
    mixed = races.match([open_run(study)], begun(tmp_path, study, strategies=both))
    assert mixed.strategies["current-0"] == ("sapo+lora-inc",)
    assert "original+lora, whose fine-tune is another one" in mixed.notes[-1]


def test_methods_count_as_alike_where_the_engine_makes_one_fine_tune_of_them():
    study = SequenceStudy(orders=[["add", "job"]])
    made = {name: make_method(name, study) for name in METHODS}
    plain = made["lora-inc"]
    alike = {n for n, m in made.items() if m.decides(0) == plain.decides(0)}
    # ewc trains alike and differs by what it keeps for later stages.
    assert set(ALIKE_AT_FIRST) == alike | {"ewc"}
    assert made["ewc"].penalty([], None) is None
    assert {n for n, m in made.items() if m.decides(1) == plain.decides(1)} == set(ALIKE_LATER)


def test_a_past_task_learned_with_another_prompt_is_another_state(study, tmp_path):
    path = write_race(tmp_path, study, PICKS, past_prompt="para-01")
    found, _, _, points = laid_over(study, path)
    assert set(points.table["policy"]) == {"original"}
    course, prompts = races.of_tables(open_run(path)), open_run(path).table("prompts")
    assert other_pasts(found, course, prompts) == 2 * 2 * 2  # policies, orders, seeds


def test_orders_that_begin_alike_and_methods_that_are_alike_count_once(fresh, tmp_path):
    orders = [["current-0", "current-1"], ["current-1", "current-0"]]
    names = ["sapo+lora", "sapo+lora-inc", "original"]
    path = write_race(
        tmp_path, fresh, PICKS, strategies=names, orders=[[*o, "unseen-0"] for o in orders]
    )
    _, rows, _, points = laid_over(fresh, path, "score_after", "current")
    assert set(rows["strategy"]) == {"sapo+lora", "sapo+lora-inc", "original+lora"}
    own = points.table[points.table["policy"] == "sapo"]
    assert own["n_seeds"].tolist() == [2, 2]


def test_a_mean_over_tasks_that_the_race_lacks_has_no_points_and_they_are_named(study, race):
    *_, points = laid_over(study, race, "generalization", "unseen")
    assert points.table.empty
    assert points.not_measured == ("unseen-0", "unseen-1")
    *_, points = laid_over(study, race, "generalization", "unseen", eval_task="current-1")
    assert set(points.table["current_task"]) == {"current-0"}
    assert points.not_measured == ()


def test_what_is_told_stands_beside_what_is_in_the_tables(study, race, tmp_path):
    path = write_race(tmp_path, study, PICKS, stages=1, state="running")
    run = open_run(path)
    told = races.Told(run.sequence.scoring.examples)
    reader = LiveReader(path)
    assert laid_over(study, path)[3].table.empty
    tell(path, study, PICKS, after=1)
    with (path / "live.jsonl").open("a") as file:  # of another version, and torn
        file.write('{"event": "measured"}\n{"event": "chosen", "chain": 3}\n{"event": "sco')
    told.take(reader.new())
    course = told.course.joined(races.of_tables(run))
    *_, points = laid_over(study, path, course=course)
    whole = laid_over(study, race)[3]
    assert points.table.equals(whole.table)


def test_a_stopped_scoring_is_no_loss(study):
    told = races.Told(n_scored=10)
    event = {"event": "scored", "state": "s", "task": "a", "prompt": "p", "loss": 1.5}
    told.take([{**event, "n": 8, "stopped": False}, {**event, "n": 10, "stopped": True}])
    assert told.course.losses == {}
    told.take([{**event, "n": 10, "stopped": False}])
    assert told.course.losses == {("s", "a", "p"): 1.5}


def test_a_loss_that_is_a_lower_bound_is_none(race, monkeypatch):
    run = open_run(race)
    tables = {name: run.table(name) for name in ("scores", "chains", "indicators")}
    tables["indicators"]["exact"] = tables["indicators"]["prompt_id"] != PICKS["sapo"]
    monkeypatch.setattr(run, "table", tables.__getitem__)
    course = races.of_tables(run)
    assert course.losses and PICKS["sapo"] not in {prompt for _, _, prompt in course.losses}


def test_a_point_whose_loss_is_unknown_under_one_seed_has_no_place(study, race):
    whole = races.of_tables(open_run(race))
    some = {key: loss for key, loss in whole.losses.items() if key[0] != min(whole.losses)[0]}
    points = laid_over(study, race, course=replace(whole, losses=some))[3]
    assert 0 < len(points.drawn) < len(points.table)
    known = points.table["pre_update_loss"].notna()
    assert (points.table["n_seeds"] == 2).all() and not known.all()


def test_studies_that_are_joined_are_matched_each(study, tmp_path):
    more = write_run(tmp_path, n_tasks=3, n_prompts=3, seeds=(0, 1))
    both = [open_run(study), open_run(more)]
    found = races.match(both, begun(tmp_path, more))
    assert set(found.tasks) == {"current-0", "current-1", "current-2"}


def test_a_race_that_waits_matches_by_its_settings(study, tmp_path):
    from tests.racing import made_race

    found = races.match([open_run(study)], open_run(create_run(tmp_path, made_race(study))))
    assert len(found.tasks) == 2
    named = made_race(study, model="pocket-2")
    found = races.match([open_run(study)], open_run(create_run(tmp_path, named)))
    assert found.differing == (races.Difference("model", "pocket", "pocket-2"),)


def test_only_paraphrase_studies_and_sequences_are_compared(study, race):
    with pytest.raises(InputError, match="sequence"):
        races.match([open_run(study)], open_run(study))
    with pytest.raises(InputError, match="paraphrase"):
        races.match([open_run(race)], open_run(race))


def test_the_defaults_of_both_kinds_of_studies_agree():
    sequence = SequenceStudy(orders=[["a", "b"]])
    assert sequence.training == TrainingSettings()
    mine = ScoringSettings()
    assert (sequence.scoring.examples, sequence.scoring.batch_size) == (
        mine.examples,
        mine.batch_size,
    )

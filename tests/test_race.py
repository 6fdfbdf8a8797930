"""The race of a paraphrase study: settings, orders, candidates."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.plan import make_plan, make_sequence_plan
from sapo_analysis.plan.race import MOST_ORDERS, race_of
from sapo_analysis.spec import ParaphraseStudy, parse_study
from sapo_analysis.store import create_run, open_run
from tests.synthetic import study_of, write_run
from tests.tiny_sequence import tiny_sequence


def study(**changes):
    settings = {
        "name": "asked",
        "past": ["translate"],
        "current": ["sentiment", "add"],
        "unseen": ["rate"],
        "retained": ["first_word"],
        "prompts": 3,
        "seeds": [4, 5],
        "data_seed": 2,
        "lora": {"r": 4},
        "training": {"examples": 24, "batch_size": 4, "steps": 3},
        "scoring": {"examples": 9, "batch_size": 3},
        "evaluation": {"examples": 5, "batch_size": 5, "checkpoints": [1]},
        "device": "cpu",
    }
    return ParaphraseStudy.model_validate({**settings, **changes})


def test_every_setting_that_both_kinds_have_is_the_studys():
    asked = study(own_prompts={"add": ["Sum up the two numbers."]}, dtype="bfloat16")
    race = race_of(asked)
    for name in ("model", "data_seed", "seeds", "lora", "training", "device", "dtype"):
        assert getattr(race, name) == getattr(asked, name), name
    assert race.own_prompts == asked.own_prompts
    assert (race.scoring.examples, race.scoring.batch_size) == (9, 3)
    assert (race.evaluation.examples, race.evaluation.batch_size) == (5, 5)
    assert race.evaluation.at_the_end == 5
    assert race.strategies == ("original+lora-inc", "random+lora-inc", "sapo+lora-inc")
    assert not race.scoring.early_stop  # else a rival's loss would be a bound
    assert race.name == "asked-race"
    assert parse_study(race.model_dump(mode="json"), "race") == race


def test_each_current_task_comes_right_after_the_past_once():
    race = race_of(study(past=["translate", "topic"], current=["sentiment", "add", "job"]))
    assert race.orders == (
        ("translate", "topic", "sentiment", "add", "job"),
        ("translate", "topic", "add", "job", "sentiment"),
        ("translate", "topic", "job", "sentiment", "add"),
    )


def test_candidates_are_the_studys_and_past_tasks_have_their_original_alone():
    asked = study()
    mine, plan = make_plan(asked), make_sequence_plan(race_of(asked))
    for task in ("sentiment", "add"):
        assert plan.prompts[task] == mine.prompts[task]
        assert len(plan.prompts[task]) == 4
    assert [p.source for p in plan.prompts["translate"]] == ["original"]


def test_many_current_tasks_are_cut_and_without_a_past_what_is_measured_stands_last():
    many = ["sentiment", "add", "job", "synonym", "past_tense", "topic", "opposite"]
    race = race_of(study(current=many))
    assert len(race.orders) == MOST_ORDERS
    assert set(race.tasks) == {"translate", *many[:MOST_ORDERS]}
    race = race_of(study(past=[], current=many))
    assert [order[0] for order in race.orders] == many[:MOST_ORDERS]
    assert all(order[-2:] == ("rate", "first_word") for order in race.orders)
    plan = make_sequence_plan(race)
    assert len(plan.prompts["rate"]) == 1
    assert len(plan.prompts["opposite"]) == 4


def test_a_single_current_task_is_no_sequence_by_itself():
    race = race_of(study(past=[], current=["add"], unseen=["rate"], retained=[]))
    assert race.orders == (("add", "rate"),)


def test_of_a_ring_no_raced_task_stands_before_another_one():
    ring = ["translate", "sentiment", "add", "job", "synonym"]
    race = race_of(study(past=ring[:1], current=ring[1:3], unseen=ring[3:], rotate=True))
    assert race.orders == (
        ("synonym", "translate", "sentiment", "add", "job"),
        ("sentiment", "add", "job", "synonym", "translate"),
    )
    plan = make_sequence_plan(race)
    raced = {task for task, own in plan.prompts.items() if len(own) > 1}
    assert raced == {"translate", "add"}
    without_past = race_of(study(past=[], current=ring[:3], unseen=ring[3:], rotate=True))
    assert len(without_past.orders) == 5
    assert {order[0] for order in without_past.orders} == set(ring)


def test_a_runs_own_candidates_win_over_todays_bank(tmp_path):
    path = write_run(tmp_path, n_tasks=2, n_prompts=3)
    race = race_of(open_run(path).paraphrase, open_run(path))
    # In made-up runs ids do not name their task: those of all tasks are alike.
    assert race.prompts == ("original", *["original", "para-01", "para-02"] * 2)


def test_a_run_that_was_not_begun_is_raced_from_its_spec(tmp_path):
    path = create_run(tmp_path, study())
    assert race_of(study(), open_run(path)) == race_of(study())


def test_what_is_not_known_here_is_refused():
    with pytest.raises(InputError, match="Unknown task .past-0."):
        race_of(study_of(n_tasks=1))


def test_a_task_learned_with_its_original_alone_says_so_by_that_prompts_id():
    ids = ["sentiment-00", "add-01"]
    plan = make_sequence_plan(tiny_sequence(prompts=ids, strategies=["original", "sapo"]))
    assert [len(plan.prompts[task]) for task in ("sentiment", "add")] == [1, 2]
    with pytest.raises(InputError, match="name 'sentiment-00'"):
        make_sequence_plan(tiny_sequence(prompts=["add-01"]))
    with pytest.raises(InputError, match="Every task has its original prompt alone"):
        make_sequence_plan(tiny_sequence(prompts=["sentiment-00", "add-00"]))

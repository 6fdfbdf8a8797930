"""The plan: seed by seed, shared states once, ids that hash what decides a result."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapo_analysis.errors import InputError
from sapo_analysis.plan import BASE_STATE, as_engine, identity, make_plan, stack_size
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import parse_study
from sapo_analysis.tasks import SPLITS, Task, get_task

SETTINGS = {
    "name": "plan",
    "past": ["translate", "topic"],
    "current": ["sentiment", "place"],
    "unseen": ["product"],
    "retained": ["first_word"],
    "prompts": 2,
    "seeds": [0, 1],
    "noise_seeds": [7, 8],
}


def plan_of(**changes):
    return make_plan(parse_study({**SETTINGS, **changes}, "The spec"))


def ids(plan):
    return {trial.trial_id for trial in plan.trials}


@pytest.fixture(scope="module")
def plan():
    return plan_of()


def test_counts(plan):
    main = [trial for trial in plan.trials if trial.purpose == "main"]
    noise = [trial for trial in plan.trials if trial.purpose == "noise"]
    assert len(main) == 2 * 3 * 2  # tasks, prompts with the original, seeds
    assert len(noise) == 2 * 2 * 2  # tasks, original and one paraphrase, noise seeds
    assert len(plan.stages) == 2 * 2  # past tasks, state seeds
    assert len([g for g in plan.groups if g.kind == "base"]) == 1
    assert len([g for g in plan.groups if g.kind == "score"]) == 2 * 2  # tasks, states


def test_group_ids_are_unique_and_reproducible(plan):
    names = [group.group_id for group in plan.groups]
    assert len(set(names)) == len(names)
    assert names == [group.group_id for group in plan_of().groups]


def test_parents_come_before_children(plan):
    known = {BASE_STATE}
    for group in plan.groups:
        if group.stage is not None:
            assert group.stage.parent_id in known
            known.add(group.stage.state_id)
        parents = {trial.state_id for trial in group.trials} | {group.state_id} - {None}
        assert parents <= known


def test_the_original_prompt_comes_first(plan):
    for task, prompts in plan.prompts.items():
        assert prompts[0] == get_prompts(task)[0]


def test_main_trials_run_seed_by_seed_with_tasks_interleaved(plan):
    main = [trial for trial in plan.trials if trial.purpose == "main"]
    assert [trial.seed for trial in main] == [0] * 6 + [1] * 6
    stacks = [[t.task for t in g.trials] for g in plan.groups if g.kind == "trials"]
    assert stacks[:2] == [["sentiment"] * 3, ["place"] * 3]
    plain = [trial.task for trial in make_plan(plan.study, "plain").trials]
    assert plain[:6] == ["sentiment", "place"] * 3


def test_a_group_of_trials_shares_its_task_and_state_and_fits_the_chunk():
    plan = plan_of(prompts=12, rotate=True, current=["sentiment", "place"], noise_seeds=[5, 6, 7])
    for group in plan.groups:
        if group.kind == "trials":
            assert 1 <= len(group.trials) <= plan.chunk
            assert len({(t.task, t.state_id, t.purpose) for t in group.trials}) == 1


def test_stacks_are_of_nearly_equal_size():
    plan = plan_of(prompts=2, noise_seeds=list(range(100, 109)))  # 18 noise trials per task
    sizes = [len(g.trials) for g in plan.groups if g.trials and g.trials[0].purpose == "noise"]
    assert plan.chunk == 16 and sizes == [9, 9, 9, 9]


def test_the_chunk_is_fixed_by_the_size_of_the_model():
    sizes = [stack_size(n) for n in (10**5, 2 * 10**7, 10**8, 6 * 10**8, 8 * 10**9)]
    assert sizes == [16, 16, 8, 4, 2]
    assert make_plan(plan_of().study, "plain").chunk == 1


def test_some_main_trials_are_repeated_by_themselves(plan):
    repeats = [t for t in plan.trials if t.purpose == "repeat"]
    main = {t.trial_id: t for t in plan.trials if t.purpose == "main"}
    assert len(repeats) == 2 * 2  # tasks, noise prompts
    for trial in repeats:
        same = main[trial.trial_id.removesuffix("-repeat")]
        assert [trial] in [list(group.trials) for group in plan.groups]
        assert (same.prompt, same.seed, same.state_id) == (trial.prompt, trial.seed, trial.state_id)
    for without in (make_plan(plan.study, "plain"), plan_of(noise_seeds=[])):
        assert "repeat" not in {t.purpose for t in without.trials}


def test_a_group_without_its_finished_trials():
    group = next(g for g in plan_of().groups if g.kind == "trials")
    first, *rest = [t.trial_id for t in group.trials]
    left = group.without({first, "of another group"})
    assert [t.trial_id for t in left.trials] == rest and left.group_id != group.group_id
    assert group.without(set()) == group
    assert group.without({first, *rest}) is None


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"Unknown engine 'stackd'. Did you mean 'stacked'"):
        as_engine("stackd")


def test_noise_trials_repeat_prompts_at_the_first_state(plan):
    noise = [trial for trial in plan.trials if trial.purpose == "noise"]
    first = {trial.state_id for trial in plan.trials if trial.purpose == "main" and trial.seed == 0}
    assert {trial.state_id for trial in noise} == first
    for task in SETTINGS["current"]:
        repeated = {t.prompt.prompt_id for t in noise if t.task == task}
        assert len(repeated) == 2 and plan.prompts[task][0].prompt_id in repeated


def test_named_noise_prompts_must_be_in_the_study():
    with pytest.raises(InputError, match="noise_prompts: 'no-such'"):
        plan_of(noise_prompts=["no-such"])


def test_a_shared_state_is_learned_once():
    plan = plan_of(state_seeds=[5])
    assert len(plan.stages) == 2
    assert len({trial.state_id for trial in plan.trials}) == 1
    assert len([g for g in plan.groups if g.kind == "score"]) == 2


def test_roles(plan):
    trial = plan.trials[0]
    roles = {task: plan.role(trial, task) for task in plan.tasks}
    assert roles == {
        "translate": "past",
        "topic": "past",
        "sentiment": "current",
        "place": "unseen",
        "product": "unseen",
        "first_word": "retained",
    }


def test_more_seeds_or_tasks_keep_the_finished_trials(plan):
    assert ids(plan) < ids(plan_of(seeds=[0, 1, 2]))
    assert ids(plan) < ids(plan_of(current=["sentiment", "place", "colour"]))
    assert ids(plan) == ids(plan_of(device="cpu", name="other"))
    assert ids(plan) == ids(plan_of(scoring={"diagnostics": 8, "examples": 9}))


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"steps": 51}},
        {"lora": {"r": 4}},
        {"evaluation": {"examples": 99}},
        {"past": ["topic", "translate"]},
        {"model": "pocket-random"},
        {"dtype": "bfloat16"},
    ],
)
def test_whatever_decides_a_result_changes_every_trial_id(plan, change):
    assert not ids(plan) & ids(plan_of(**change))


def test_the_mark_of_data_is_over_all_rows_and_reads_them_once(monkeypatch):
    task, prompt = get_task("sentiment", 7), get_prompts("sentiment")[0]
    rows = [[s, row.input, row.target] for s in SPLITS for row in task.examples(s)]
    rest = [task.suffix, task.metric, list(task.labels), task.max_new_tokens, prompt.text]
    written = json.dumps([rows, rest], ensure_ascii=False).encode()
    marks = {identity.data_fingerprint(task, prompt)}
    monkeypatch.setattr(Task, "examples", None)
    marks.add(identity.data_fingerprint(task, prompt))
    assert marks == {hashlib.sha256(written).hexdigest()}


def test_without_checkpoints_ids_are_what_they_were_before_there_were_any(monkeypatch):
    hashed = []
    monkeypatch.setattr(identity, "digest", lambda **content: hashed.append(content) or "id")
    plan_of()
    fine_tunes = [content for content in hashed if "settings" in content]
    assert fine_tunes and "checkpoints" not in json.dumps(fine_tunes)


def test_checkpoints_make_other_trials_from_the_same_states(plan):
    watched = plan_of(evaluation={"checkpoints": [10, 20]})
    assert not ids(plan) & ids(watched)
    assert not ids(watched) & ids(plan_of(evaluation={"checkpoints": [10]}))
    # A trial's streams are drawn from its state's name: looking must not give it other ones.
    assert watched.stages == plan.stages
    assert [(t.state_id, t.seed) for t in watched.trials] == [
        (t.state_id, t.seed) for t in plan.trials
    ]


def test_rotation_makes_every_task_current_once():
    plan = plan_of(rotate=True, noise_seeds=[], seeds=[0])
    assert set(plan.prompts) == {"translate", "topic", "sentiment", "place", "product"}
    for trial in plan.trials:
        past = [task for task in plan.tasks if plan.role(trial, task) == "past"]
        assert len(past) == 2 and trial.task not in past


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 8), n_seeds=st.integers(1, 3))
def test_half_a_study_is_a_smaller_balanced_study(n, n_seeds):
    plan = plan_of(prompts=n, seeds=list(range(n_seeds)), noise_seeds=[])
    assert len(plan.trials) == 2 * (n + 1) * n_seeds
    for stop in range(len(plan.groups)):
        done = [trial.task for group in plan.groups[:stop] for trial in group.trials]
        largest = max((len(group.trials) for group in plan.groups[:stop]), default=0)
        assert abs(done.count("sentiment") - done.count("place")) <= largest <= plan.chunk


def test_an_unknown_task_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"Unknown task 'sentimen'.*'sentiment'.*topic"):
        plan_of(current=["sentimen"])


def test_an_unknown_model_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"Unknown model 'pokket'.*pocket-random"):
        plan_of(model="pokket")


def test_an_unknown_prompt_source_is_refused():
    with pytest.raises(InputError, match="invented"):
        plan_of(prompts={"invented": 2})


def test_more_prompts_than_there_are_is_refused():
    with pytest.raises(InputError, match="9999 paraphrases"):
        plan_of(prompts=9999)


def test_more_examples_than_there_are_is_refused():
    with pytest.raises(InputError, match=r"train examples, 9999 were asked for"):
        plan_of(training={"examples": 9999})


def test_every_setting_that_asks_for_too_many_is_named_at_once():
    settings = {
        "training": {"examples": 9999},
        "scoring": {"examples": 700},
        "evaluation": {"examples": 800},
    }
    with pytest.raises(InputError) as refused:
        plan_of(**settings)
    first, *lines = str(refused.value).splitlines()
    assert first == "A task has fewer examples than the study asks for."
    assert [line.split(":")[0].strip() for line in lines] == [
        "training.examples",
        "scoring.examples",
        "evaluation.examples",
    ]
    assert "has 600 train examples, 700 were asked for. Ask for at most 600." in lines[1]
    assert "has 500 test examples, 800 were asked for. Ask for at most 500." in lines[2]


def test_gradients_over_more_rows_than_a_task_has_are_refused():
    size = len(plan_of().tasks["topic"].examples("dev"))
    plan_of(scoring={"diagnostics": size})
    message = (
        rf"scoring\.diagnostics is {size + 1}, but task '\w+' has {size} dev .*at most {size};"
    )
    with pytest.raises(InputError, match=message):
        plan_of(scoring={"diagnostics": size + 1})
    with pytest.raises(
        InputError, match=r"diagnostics is 9999, but task 'sentiment' has \d+ train"
    ):
        plan_of(scoring={"diagnostics": 9999})


def test_one_prompt_is_no_comparison():
    with pytest.raises(InputError, match="original prompt alone"):
        plan_of(prompts=0)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_prompt_is_refused(text):
    with pytest.raises(InputError, match="empty"):
        plan_of(own_prompts={"sentiment": [text]})


def test_a_duplicate_prompt_is_refused():
    with pytest.raises(InputError, match="repeats"):
        plan_of(own_prompts={"sentiment": ["Same words.", "Same  words."]})


@pytest.mark.parametrize("text", ["{0} {name} {{x}}", "100 % {", "%s %(a)s"])
def test_braces_are_kept_as_they_are(text):
    plan = plan_of(own_prompts={"sentiment": [text]})
    assert plan.prompts["sentiment"][-1].text == text

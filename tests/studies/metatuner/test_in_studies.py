"""MetaTuner (small) in a paraphrase study: ids, counts, looks, trials from plan to tables."""

from collections import Counter

import pytest

from sapo_analysis.models.loading import choose_device
from sapo_analysis.plan import amounts_of, make_plan, to_measure
from sapo_analysis.studies.paraphrase import ParaphraseWork
from tests.studies.metatuner.conftest import TASK, study_of

METHODS = ("metatuner", "metatuner-no-policy")


@pytest.mark.parametrize("engine", ["stacked", "plain"])
def test_fine_tunes_are_made_one_at_a_time(engine):
    plan = make_plan(study_of(noise_seeds=[7], seeds=[0]), engine)
    assert plan.chunk == 1 and all(len(group.trials) < 2 for group in plan.groups)
    assert "repeat" not in {trial.purpose for trial in plan.trials}, "nothing is stacked"


def test_ids_name_the_candidates_where_one_of_them_is_chosen():
    own = {"own_prompts": {TASK: ["Good or bad?"]}}
    for method, changes in (("metatuner", True), ("metatuner-no-policy", False)):
        few, more = (make_plan(study_of(method, **given)).trials for given in ({}, own))
        same = {trial.trial_id for trial in few} <= {trial.trial_id for trial in more}
        assert same != changes
    other = make_plan(study_of(metatuner={"alpha": 0.5})).trials
    assert other[0].trial_id != make_plan(study_of()).trials[0].trial_id


def test_labelled_rows_are_counted_once_per_state_and_again_when_refreshed():
    def scored(**changes):
        return amounts_of(make_plan(study_of(seeds=[0, 1], state_seeds=[0], **changes))).scored

    plain = scored(method="metatuner-no-policy")
    assert scored() == plain + 3 * 8
    assert scored(metatuner={"labelled": 100}) == plain + 3 * 12
    # After two of three steps, of each of six trials.
    assert scored(metatuner={"labelled": 8, "refresh": 2}) == plain + 3 * 8 + 6 * 3 * 8
    with_past = {"past": ["topic"], "state_seeds": None}
    both = amounts_of(make_plan(study_of(seeds=[0, 1], **with_past))).scored
    assert both == 2 * 3 * 8 + 2 * 3 * 8


def test_sizes_of_its_parts_change_a_speed_and_nothing_else_of_it_does():
    measured = to_measure(study_of())
    free = {"learning_rate": 1.0, "alpha": 2.0, "labelled": 3, "refresh": 1, "sync": 9}
    assert to_measure(study_of(metatuner={"r": 2, "hidden": 8, **free})) == measured
    assert to_measure(study_of(metatuner={"r": 2, "hidden": 9})) != measured


@pytest.fixture(scope="module", params=["stacked", "plain"])
def measured(request, tmp_path_factory):
    """A trial's tables, of a study with looks, checkpoints and demonstrations."""
    evaluation = {"examples": 3, "checkpoints": [1], "n_shots": [0, 1]}
    study = study_of(diagnostics={"every": 2, "examples": 2, "shuffles": 2}, evaluation=evaluation)
    plan = make_plan(study, request.param)
    work = ParaphraseWork(plan, choose_device("cpu"), tmp_path_factory.mktemp("run") / "states")
    work.check()
    (last,) = plan.groups[-1].trials
    return plan, last, work.run(plan.groups[-1])


def test_a_trial_is_measured_on_every_task_and_says_what_it_chose(measured):
    plan, trial, found = measured
    (row,) = found["trials"]
    assert row["method"] == "metatuner" and row["status"] == "done" and row["chunk"] == 1
    ends = [s for s in found["scores"] if s["step"] == 3 and s["n_shots"] == 0]
    tests = {(s["eval_task"], s["test_prompt"]) for s in ends}
    originals = {(name, plan.originals[name].prompt_id) for name in plan.tasks}
    assert tests == {*originals, (TASK, trial.prompt.prompt_id)}
    assert Counter(s["step"] for s in found["scores"]) == {1: 3, 3: 5}
    shares = [d for d in found["diagnostics"] if d["name"] == "chosen_share"]
    ids = [prompt.prompt_id for prompt in plan.prompts[TASK]]
    assert all(d["subject"] in ids and d["n_examples"] == 2 for d in shares)
    at = {step: sum(d["value"] for d in shares if d["step"] == step) for step in (0, 2, 3)}
    assert at == {0: 1.0, 2: 1.0, 3: 1.0}
    assert [d["subject"] for d in shares if d["step"] == 0] == [trial.prompt.prompt_id]
    names = {d["name"] for d in found["diagnostics"]}
    assert {"tuned_score", "other_score", "gradient_alignment"} <= names


def test_finding_labels_is_a_cost_of_scoring(measured):
    costs = {row["phase"]: row for row in measured[2]["costs"]}
    assert costs["score"]["examples"] == 3 * 8
    assert costs["train"]["examples"] == 3 * 4
    curves = Counter(row["series"] for row in measured[2]["curves"])
    assert curves["train_loss"] == 3 and curves["dev_loss"] == 3 and "delta_norm" not in curves

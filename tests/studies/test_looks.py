"""Studies with diagnostics: what is looked at when, against what the run keeps and says anyway."""

from contextlib import nullcontext
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from sapo_analysis.errors import InputError
from sapo_analysis.learning.format_gradient import LayerGradients
from sapo_analysis.models.encoding import Encoded
from sapo_analysis.plan import amounts_of, make_plan, plan_of
from sapo_analysis.records import SOFT_PROMPT
from sapo_analysis.store import create_run, open_run
from sapo_analysis.studies import paraphrase
from sapo_analysis.studies.looks import Looked, Looks, check_looks, format_of
from sapo_analysis.studies.pauses import train_watched
from sapo_analysis.studies.runner import run_to_end
from tests.tiny import tiny_study
from tests.tiny_sequence import tiny_sequence

pytestmark = pytest.mark.slow

LOOKS = {"every": 2, "examples": 3, "shuffles": 2}  # as many as are tested
STEPS = [0, 2, 3]
MODULES = 7


def tiny(**changes):
    """From θ_0, one task beside the current one, a prompt and its repetition under another seed."""
    return tiny_study().model_copy(
        update={"past": (), "current": ("sentiment",), "seeds": (0,), "prompts": 1, **changes}
    )


def looked(study):
    return type(study).model_validate({**study.model_dump(), "diagnostics": LOOKS})


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    def run(study, engine="stacked"):
        path = create_run(tmp_path_factory.mktemp("runs"), study)
        run_to_end(path, engine=engine)
        return open_run(path)

    return run


@pytest.fixture(scope="module")
def study():
    """With checkpoints too, whose pauses come between."""
    evaluation = tiny().evaluation.model_copy(
        update={"examples": 3, "checkpoints": (1,), "n_predictions_kept": 3}
    )
    lora = tiny().lora.model_copy(update={"lora_dropout": 0.1})
    return looked(tiny(evaluation=evaluation, lora=lora))


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    """Stopped in its second stack, and resumed."""
    path = create_run(tmp_path_factory.mktemp("runs"), study)
    trials = paraphrase.ParaphraseWork._trials
    begun = []

    def stopping(work, group, meter):
        found = trials(work, group, meter)
        begun.append(group)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paraphrase.ParaphraseWork, "_trials", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_to_end(path)
    assert len(open_run(path).table("diagnostics")["trial_id"].unique()) == 2
    run_to_end(path)
    return open_run(path)


@pytest.fixture(scope="module")
def sequence():
    return looked(
        tiny_sequence(
            strategies=["original", "original+full"],
            evaluation={"examples": 3, "test_only_prompts": 0},
        )
    )


@pytest.fixture(scope="module")
def sequence_run(sequence, run_of):
    return run_of(sequence)


def values(run):
    """Values by what a fine-tune is (not by its id), step, name and subject."""
    trials = run.table("trials").set_index("trial_id")
    names = ["method", "purpose", "current_task", "prompt_id", "seed"]
    found = run.table("diagnostics").join(trials[names], on="trial_id")
    return found.set_index([*names, "step", "name", "subject"])["value"].sort_index()


def test_main_and_noise_trials_are_looked_at_once_at_every_step_and_no_other(run, study):
    trials = run.table("trials").set_index("trial_id")["purpose"]
    found = run.table("diagnostics")
    assert set(trials) == {"main", "noise", "repeat"}
    assert not found.duplicated(["trial_id", "step", "name", "subject"]).any()
    by_trial = dict(list(found.groupby("trial_id")))
    assert set(by_trial) == set(trials.index[trials != "repeat"])
    n = {"tuned_score": 1, "other_score": 1, "format_ratio": 1}
    n |= dict.fromkeys(("gradient_alignment", "gradient_alignment_floor"), MODULES)
    for own in by_trial.values():
        for step, at in own.groupby("step"):
            counts = n | ({"format_ratio_of_targets": 1} if step == 0 else {})
            assert at["name"].value_counts().to_dict() == counts
        assert sorted(set(own["step"])) == STEPS
        assert set(own["n_examples"]) == {LOOKS["examples"]}
        subjects = own.groupby("name")["subject"].agg(set)
        assert subjects["tuned_score"] == {"sentiment"}
        assert subjects["other_score"] == subjects["format_ratio"] == {"first_word"}
        assert {"q_proj", "mlp.down_proj"} <= subjects["gradient_alignment"]


def test_the_last_look_says_what_the_end_of_a_trial_says(run, study):
    plan, steps = make_plan(study), study.training.steps
    found = run.table("diagnostics").set_index(["trial_id", "step", "name", "subject"])["value"]
    keys = ["trial_id", "step", "eval_task", "test_prompt"]
    scores = run.table("scores").set_index(keys)["value"]
    outputs = run.table("predictions").groupby(keys[:1] + keys[2:])["output"].agg(list)
    original = plan.originals["first_word"].prompt_id
    form = format_of(plan, "sentiment")
    for trial in plan.trials:
        if trial.purpose != "repeat":
            at = (trial.trial_id, steps)
            own = (*at, "sentiment", trial.prompt.prompt_id)
            assert found[(*at, "tuned_score", "sentiment")] == scores[own]
            assert (
                found[(*at, "other_score", "first_word")] == scores[(*at, "first_word", original)]
            )
            said = outputs[trial.trial_id, "first_word", original]
            assert found[(*at, "format_ratio", "first_word")] == form.ratio(said)
            targets = [row.target for row in plan.tasks["first_word"].examples("test", 3)]
            share = found[trial.trial_id, 0, "format_ratio_of_targets", "first_word"]
            assert share == form.ratio(targets)


def test_a_sequences_looks_are_at_each_of_its_fine_tunes(sequence_run, sequence):
    found, chains = sequence_run.table("diagnostics"), sequence_run.table("chains")
    assert not found.duplicated(["trial_id", "step", "name", "subject"]).any()
    assert set(found["trial_id"]) == set(chains["trial_id"]) and len(set(chains["method"])) == 2
    values = found.set_index(["trial_id", "step", "name", "subject"])["value"]
    scores = sequence_run.table("scores").query("n_examples == 3")
    scores = scores.set_index(["state_id", "eval_task", "test_prompt"])["value"]
    for chain in chains.itertuples():
        assert sorted(set(found.query("trial_id == @chain.trial_id")["step"])) == STEPS
        other = next(task for task in sequence.tasks if task != chain.task)
        for name, task in (("tuned_score", chain.task), ("other_score", other)):
            original = plan_of(sequence).originals[task].prompt_id
            expected = scores[chain.result_state_id, task, original]
            assert values[chain.trial_id, STEPS[-1], name, task] == expected


def test_both_engines_see_the_same(run, study, sequence_run, sequence, run_of):
    few = study.model_copy(update={"noise_seeds": ()})
    one = sequence.model_copy(update={"strategies": sequence.strategies[:1]})
    for stacked, plain in ((run, run_of(few, "plain")), (sequence_run, run_of(one, "plain"))):
        found, expected = values(plain), values(stacked)
        assert len(found) > 50 and set(found.index.names) == set(expected.index.names)
        assert (found - expected[found.index]).abs().max() < 1e-3


def test_a_study_that_is_looked_at_trains_as_without(run, study, run_of):
    """Bit for bit, with dropout and a stop on the way; what differs are ids alone."""
    without = run_of(type(study).model_validate({**study.model_dump(), "diagnostics": {}}))
    assert without.table("diagnostics").empty
    for table in ("curves", "scores", "predictions"):
        one, other = (_without_ids(made.table(table)) for made in (run, without))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    one, other = (made.table("trials").query("purpose != 'repeat'") for made in (run, without))
    assert not set(one["trial_id"]) & set(other["trial_id"])


def _without_ids(table):
    return table.drop(columns=[c for c in ("trial_id", "state_id") if c in table])


def test_looks_are_counted_where_time_is_estimated(run, study):
    plan = make_plan(study)
    n_trials = sum(trial.purpose != "repeat" for trial in plan.trials)
    found, without = (
        amounts_of(make_plan(own))
        for own in (study, type(study).model_validate({**study.model_dump(), "diagnostics": {}}))
    )
    assert found.evaluated - without.evaluated == n_trials * 3 * 2 * 3
    assert found.aligned == n_trials * 3 * 3 * (1 + 2) and without.aligned == 0
    read = run.table("costs").query("phase == 'evaluate'")["examples"].sum()
    at_most = found.evaluated + found.watched + found.aligned
    assert found.evaluated + found.watched < read <= at_most


class FakeTuned:
    """Four fine-tunes: well, diverged, its last update overflowed, ended at step 1."""

    total_steps = 3

    def __init__(self):
        self.steps = 0

    def train(self, until=None):
        self.steps = 3 if until is None else until

    @property
    def fits(self):
        taken = [self.steps, 1, self.steps, min(1, self.steps)]
        return [SimpleNamespace(losses=[0.0] * n, diverged=k == 1) for k, n in enumerate(taken)]

    def evaluate(self, task, examples, rows):
        losses = [1.0, 1.0, float("inf") if self.steps else 1.0, 1.0]
        said = ["positive"] * len(examples)
        return [
            SimpleNamespace(value=50.0, loss=x, outputs=said, tokens=7, logits=2, chosen=())
            for x in losses
        ]

    def soft_prompts(self):
        return [torch.eye(3)] * 3 + [torch.ones(2, 3)]

    def gradients(self, rows):
        own = {"q_proj": torch.ones(2, 2), "mlp.up_proj": torch.zeros(2, 2)}
        return [LayerGradients(own, 2, 9, 3) for _ in rows]


def test_only_those_that_train_are_looked_at_each_at_its_own_end():
    plan = make_plan(looked(tiny()))
    prompt = plan.originals["sentiment"]
    row = Encoded([1, 2, 3], 2, 3)
    four = [Looked(f"t{k}", "sentiment", prompt, [row] * 12) for k in range(4)]
    meter = SimpleNamespace(time=lambda phase: nullcontext(), add=lambda phase, *read: None)
    looks = Looks(plan, four, lambda task, prompt: [row] * 9, meter, lambda text: None)
    train_watched(FakeTuned(), [looks], meter)
    scored = [[f["step"] for f in own if f["name"] == "tuned_score"] for own in looks.rows]
    assert scored == [[0, 2, 3], [], [0], [0, 1]]
    # All say "positive": a label of the tuned task, and no first word of a text.
    ratios = [(f["name"], f["value"]) for f in looks.rows[3] if f["name"].startswith("format")]
    assert ratios == [("format_ratio", 1), ("format_ratio_of_targets", 0), ("format_ratio", 1)]
    rows = [found for found in looks.rows[0] if found["name"] == "gradient_alignment"]
    of = {found["subject"]: found["value"] for found in rows}
    assert of["q_proj"] == pytest.approx(1) and of["mlp.up_proj"] != of["mlp.up_proj"]
    ends = [[(f["step"], f["pair"], f["death"]) for f in own] for own in looks.persistence]
    side = pytest.approx(2**0.5)
    thrice = [(step, pair, side) for step in (0, 2, 3) for pair in (0, 1)]
    assert ends == [thrice, [], thrice[:2], [(0, 0, 0), (1, 0, 0)]]
    compact = [f for f in looks.rows[3] if f["name"] == "compactness"]
    assert {(f["subject"], f["value"], f["n_examples"]) for f in compact} == {(SOFT_PROMPT, 1, 2)}


def test_pauses_of_all_watchers_come_in_rising_order():
    seen = []

    class Watching:
        def __init__(self, name, *steps):
            self.name, self.steps = name, steps

        def pauses(self, tuned):
            return self.steps

        def look(self, tuned, step):
            seen.append((self.name, step, tuned.steps))

    meter = SimpleNamespace(time=lambda phase: nullcontext())
    tuned = FakeTuned()
    train_watched(tuned, [Watching("a", 0, 33), Watching("b", 0, 2, 40)], meter)
    assert seen == [("a", 0, 0), ("b", 0, 0), ("b", 2, 2), ("a", 33, 33), ("b", 40, 40)]
    train_watched(tuned, [], meter)
    assert tuned.steps == 3


def test_answers_that_do_not_fit_behind_another_text_are_refused(pocket_model):
    plan = make_plan(looked(tiny()))
    batch = [Encoded([1] * 9, 2, 9), Encoded([1] * 9, 8, 9), Encoded([1] * 99, 1, 99)]
    rows = {"task a, prompt p": batch[:2]}
    check_looks(plan, pocket_model, rows, 15)
    with pytest.raises(InputError, match=r"15 tokens \(task a, prompt p\); the model reads 14"):
        check_looks(plan, pocket_model, rows, 14)
    check_looks(make_plan(tiny()), pocket_model, rows, 1)


def test_ids_name_looks_where_there_are_some_and_streams_do_not_hang_on_them():
    plan = make_plan(tiny_study())
    other = make_plan(looked(tiny_study()))
    assert [stage.trial_id for stage in plan.stages.values()] == [
        stage.trial_id for stage in other.stages.values()
    ]
    assert not {t.trial_id for t in plan.trials} & {t.trial_id for t in other.trials}
    assert [t.state_id for t in plan.trials] == [t.state_id for t in other.trials]
    # Settings of looks that there are none of name nothing.
    unused = tiny_study().model_copy(
        update={"diagnostics": tiny_study().diagnostics.model_copy(update={"examples": 3})}
    )
    assert [t.trial_id for t in make_plan(unused).trials] == [t.trial_id for t in plan.trials]

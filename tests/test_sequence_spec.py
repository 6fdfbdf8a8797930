"""Sequence specs: what is accepted, what is refused and how; the plan that comes of one."""

import json
from collections import Counter

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.plan import make_sequence_plan, paper_parity
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import (
    POLICIES,
    SEQUENCE_METHODS,
    ParaphraseStudy,
    SequenceStudy,
    load_study,
    parse_study,
    to_json,
)
from tests.tiny_sequence import tiny_sequence

SMALL = {"kind": "sequence", "orders": ["sentiment", "add"]}


def refusal(**changes):
    with pytest.raises(InputError) as error:
        parse_study({**SMALL, **changes}, "The spec")
    return str(error.value)


def test_one_order_may_be_a_plain_list_and_a_policy_alone_means_sequential_lora():
    study = parse_study({**SMALL, "strategies": ["sapo", "random+o-lora"]}, "The spec")
    assert study.orders == (("sentiment", "add"),)
    assert [str(s) for s in study.chosen_strategies] == ["sapo+lora", "random+o-lora"]


def test_a_spec_survives_the_way_through_json_and_keeps_its_kind(tmp_path):
    study = tiny_sequence(orders=[["add", "job"], ["job", "add"]], strategies=["sapp+ewc"])
    assert parse_study(json.loads(to_json(study)), "again") == study
    path = tmp_path / "My Order.yaml"
    path.write_text("kind: sequence\norders: [[add, job]]\n")
    assert load_study(path).name == "my-order" and load_study(path).kind == "sequence"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"orders": [["sentiment"]]}, "at least two"),
        ({"orders": []}, "orders"),
        ({"orders": ["sentiment", "add", "sentiment"]}, "'sentiment' twice"),
        ({"orders": [["add", "job"], ["add", "topic"]]}, "other tasks"),
        ({"orders": [["add", "job"], ["add", "job"]]}, "there twice"),
        ({"strategies": []}, "strategies"),
        ({"strategies": ["sapoo"]}, "Did you mean 'sapo'? Known: original, paft, random"),
        ({"strategies": ["sapo+lorra"]}, "Did you mean 'lora'? Known: "),
        ({"strategies": ["original+metatuner"]}, "learns one task alone. Make a paraphrase study"),
        ({"strategies": ["sapo", "sapo+lora"]}, "'sapo+lora' is there twice"),
        ({"strategies": ["sapo+"]}, "Unknown method in strategy 'sapo+': ''"),
        ({"replay": {"ratio": 0.01}}, "less than half a row"),
        ({"evaluation": {"examples": 50, "final_examples": 20}}, "less than examples = 50"),
        ({"strategies": ["original+full"], "dtype": "bfloat16"}, "small steps are lost"),
        ({"own_prompts": {"job": ["Job?"]}}, "'job', which is not a current task"),
        ({"seeds": [1, 1]}, "number twice"),
        ({"past": ["job"]}, "past: unknown setting"),
        ({"o_lora": {"wait": 1}}, "Did you mean 'weight'?"),
        ({"kind": "sequins"}, "Known kinds: paraphrase, sequence"),
        ({"kind": None}, "is a study of kind None"),
    ],
)
def test_wrong_specs_are_refused_in_words(changes, said):
    assert said in refusal(**changes)


def test_orders_without_a_kind_are_told_what_is_missing():
    with pytest.raises(InputError, match="Add the line `kind: sequence`"):
        parse_study({"orders": [["add", "job"]]}, "a.yaml")


def test_python_refuses_as_a_file_does():
    with pytest.raises(InputError, match="Known: ct-kv, ct-prompt, ewc"):
        SequenceStudy(orders=[["add", "job"]], strategies=["sapo+x"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"orders": [["add", "jobb"]]}, "Did you mean 'job'?"),
        ({"prompts": 0}, "no candidates beside the original prompt, and random+lora has to choose"),
        ({"prompts": ["add-01"]}, "Task 'sentiment' has no candidates"),
        ({"prompts": ["add-99"]}, "Unknown prompt id 'add-99'"),
        ({"evaluation": {"test_only_prompts": 40}}, "test_only_prompts is 40, but task"),
        ({"evaluation": {"examples": 100_000}}, "test examples"),
        ({"scoring": {"examples": 100_000}}, "train examples"),
        ({"model": "pockett"}, "pocket"),
    ],
)
def test_what_names_cannot_be_resolved_is_refused_before_anything_runs(changes, said):
    study = parse_study({**SMALL, "strategies": ["original", "random"], **changes}, "The spec")
    with pytest.raises(InputError) as error:
        make_sequence_plan(study)
    assert said in str(error.value)


def test_a_test_only_text_is_never_trained_with():
    hidden = next(p for p in get_prompts("add") if p.test_only)
    with pytest.raises(InputError, match=f"the text of '{hidden.prompt_id}', which is test-only"):
        make_sequence_plan(tiny_sequence(own_prompts={"add": [hidden.text]}))


def test_seeds_stack_too_while_they_fit():
    plan = make_sequence_plan(tiny_sequence(seeds=[0, 1, 2]))
    assert [len(group.chains) for group in plan.groups if group.kind == "stage"] == [6, 6]


def test_original_alone_needs_no_candidates():
    plan = make_sequence_plan(tiny_sequence(strategies=["original"], prompts=0))
    assert [len(own) for own in plan.prompts.values()] == [1, 1]


def test_every_stage_of_every_chain_is_planned_once_seed_by_seed_and_stage_by_stage():
    study = tiny_sequence(
        orders=[["sentiment", "add", "job"], ["job", "sentiment", "add"]],
        strategies=[*POLICIES, *(f"original+{m}" for m in SEQUENCE_METHODS[1:])],
        seeds=[3, 1],
    )
    plan = make_sequence_plan(study)
    assert set(Counter(plan.units).values()) == {1}
    assert len(plan.units) == 2 * (len(POLICIES) + len(SEQUENCE_METHODS) - 1) * 2 * 3
    stages = [(g.chains[0].seed, g.stage) for g in plan.groups if g.kind == "stage"]
    assert list(dict.fromkeys(stages)) == [(s, t) for s in (3, 1) for t in (1, 2, 3)]
    for group in plan.groups:
        methods = {chain.strategy.method for chain in group.chains}
        assert len(group.chains) <= plan.chunk
        # Replayed rows share no prefix and whole models no base: both stand by themselves.
        assert methods <= {"lora", "lora-inc", "o-lora", "ewc"} or len(methods) == 1
        if "full" in methods:
            assert len(group.chains) == 1
    assert all(len(g.chains) == 1 for g in make_sequence_plan(study, "plain").groups if g.chains)


def test_losses_at_the_base_model_are_asked_for_where_a_policy_needs_them():
    def scored(*strategies):
        orders = [["sentiment", "add", "job"], ["job", "sentiment", "add"]]
        plan = make_sequence_plan(tiny_sequence(orders=orders, strategies=strategies))
        return [group.task for group in plan.groups if group.kind == "score"]

    assert scored("original", "random", "paft", "shortest") == []
    assert scored("sapo") == ["sentiment", "job"]  # what is learned first, in either order
    assert scored("sapp+full", "original") == ["sentiment", "job"]
    assert scored("sapo-once") == ["sentiment", "add", "job"]


def test_a_fine_tunes_id_hangs_on_all_that_decides_it_and_on_nothing_else():
    def trial(study=None, **changes):
        plain = {
            "parent_id": "s-1",
            "learned": ["add"],
            "task": "sentiment",
            "prompts": ["Good or bad?"],
            "seed": 0,
            "method": ["lora"],
        }
        plan = make_sequence_plan(study or tiny_sequence())
        return plan.identity.trial(**{**plain, **changes})

    known = trial()
    for change in (
        {"parent_id": "s-2"},
        {"learned": ["add", "job"]},
        {"task": "add"},
        {"prompts": ["Good?"]},
        {"prompts": ["Good or bad?", "Good?"]},
        {"seed": 1},
        {"method": ["o-lora", 0.5]},
    ):
        assert trial(**change) != known, change
    assert trial(tiny_sequence(lora={"r": 4})) != known
    assert trial(tiny_sequence(training={"steps": 4})) != known
    assert trial(tiny_sequence(data_seed=7)) != known
    assert trial(tiny_sequence(model="pocket-1")) != known
    for same in (
        {"evaluation": {"examples": 9, "test_only_prompts": 0}},
        {"strategies": ["sapp"]},
        {"scoring": {"examples": 30, "early_stop": False}},
        {"name": "other", "seeds": [4]},
    ):
        assert trial(tiny_sequence(**same)) == known, same


def test_parity_takes_the_released_settings_and_says_what_differs():
    study, deviations = paper_parity(tiny_sequence(strategies=["sapo+o-lora", "original"]))
    assert study.lora.model_dump() == {
        "r": 8,
        "lora_alpha": 32,
        "lora_dropout": 0.1,
        "target_modules": ("q_proj", "v_proj"),
    }
    training = study.training
    assert (training.learning_rate, training.batch_size, training.schedule) == (
        1e-4,
        64,
        "constant",
    )
    # 600 rows a task: nine whole batches of 64 in each of ten epochs; the release has 1,000 and 15.
    assert (training.examples, training.steps, training.warmup_steps) == (600, 90, 5)
    assert study.o_lora.weight == 4.0 and study.dtype == "bfloat16"
    assert (study.scoring.examples, study.scoring.batch_size) == (250, 8)
    assert study.prompts == 20 == min(20, sum(not p.test_only for p in get_prompts("add")[1:]))
    assert study.training.max_grad_norm == 1.0
    assert study.orders == tiny_sequence().orders and study.seeds == (0,)
    said = "\n".join(deviations)
    for words in (
        *("600 examples and 90 steps", "full scale", "logarithmic", "ROUGE-L", "per GPU"),
        *("tests a learned task with the prompt it was learned with", "the release decodes 128"),
    ):
        assert words in said


def test_parity_of_a_paraphrase_study_leaves_out_what_it_does_not_have():
    study, deviations = paper_parity(ParaphraseStudy(past=["job"], current=["add"], prompts=3))
    assert study.lora.lora_alpha == 32 and study.prompts == 20
    assert not any("dropout" in line or "strategies" in line for line in deviations)


def test_half_a_replayed_row_is_one():
    study = tiny_sequence(strategies=["original+replay"], replay={"ratio": 0.125})
    assert study.training.batch_size == 4 and study.replayed_rows == 1
    with pytest.raises(InputError, match="less than half a row of a batch of 4"):
        tiny_sequence(strategies=["original+replay"], replay={"ratio": 0.12})


def test_parity_lists_what_the_release_does_not_have():
    study = tiny_sequence(
        strategies=["sapo+o-lora", "random+lora"], seeds=[0, 1], own_prompts={"add": ["Sum up:"]}
    )
    said = "\n".join(paper_parity(study)[1])
    assert "no script for: random+lora" in said and "seeds: 2" in said and "your own" in said

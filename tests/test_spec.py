"""Study specifications: what is accepted, what is refused and how, the way through JSON."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sapo_analysis.errors import InputError
from sapo_analysis.methods import make_method
from sapo_analysis.spec import (
    METHODS,
    ONE_TASK_METHODS,
    PRESETS,
    SCHEMA_VERSION,
    ParaphraseStudy,
    load_study,
    parse_study,
    preset_names,
    read_preset,
    to_json,
)
from sapo_analysis.spec.presets import presets_in_words

SMALL = {"current": ["sentiment"], "unseen": ["product"]}


def refusal(**changes):
    with pytest.raises(InputError) as error:
        parse_study({**SMALL, **changes}, "The spec")
    return str(error.value)


names = st.lists(st.sampled_from([f"task-{i}" for i in range(12)]), unique=True, min_size=2)
seeds = st.lists(st.integers(0, 2**31 - 1), unique=True, min_size=1, max_size=5)


@st.composite
def studies(draw):
    tasks = draw(names)
    cut = draw(st.integers(1, len(tasks)))
    all_seeds = draw(seeds)
    n_main = draw(st.integers(1, len(all_seeds)))
    current = tasks[:cut]
    text = st.text(min_size=1, max_size=40)
    return {
        "name": draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True)),
        "current": current,
        "unseen" if draw(st.booleans()) else "past": tasks[cut:],
        "prompts": draw(
            st.one_of(
                st.integers(0, 50),
                st.lists(text, max_size=4),
                st.dictionaries(text, st.integers(0, 9), max_size=3),
            )
        ),
        "own_prompts": draw(
            st.dictionaries(st.sampled_from(current), st.lists(text, max_size=3), max_size=2)
        ),
        "seeds": all_seeds[:n_main],
        "noise_seeds": all_seeds[n_main:],
        "training": {"learning_rate": draw(st.floats(1e-9, 1, exclude_min=True))},
    }


@settings(deadline=None)
@given(studies())
def test_a_spec_survives_the_way_through_json(data):
    study = parse_study(data, "a generated spec")
    text = to_json(study)
    assert parse_study(json.loads(text), "its JSON") == study
    assert to_json(parse_study(json.loads(text), "its JSON")) == text


@settings(deadline=None)
@given(studies())
def test_a_spec_survives_the_way_through_yaml(data):
    study = parse_study(data, "a generated spec")
    written = yaml.safe_dump(study.model_dump(mode="json"))
    assert parse_study(yaml.safe_load(written), "its YAML") == study


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_valid_study(name):
    assert parse_study(read_preset(name), name).name == name


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_smoke_preset(method):
    study = parse_study(read_preset(f"smoke-{method}"), "the preset")
    if method in ONE_TASK_METHODS:
        small = load_study(PRESETS / "smoke.yaml")
        assert study.method == method
    else:
        small = load_study(PRESETS / "sequence-smoke.yaml")
        assert study.strategies == ("original", f"original+{method}")
    assert study.training == small.training and study.scoring == small.scoring
    # A stage is as short as any other fine-tune, where the method has stages.
    recipe = make_method(method, study).recipe(0)
    phases = recipe.phases if recipe is not None else ()
    assert {phase.settings.steps for phase in phases} <= {study.training.steps}


def test_presets_are_named_once_and_in_short():
    assert len(set(preset_names())) == len(preset_names())
    said = presets_in_words()
    assert "smoke; smoke-METHOD with one of lora, lora-inc" in said and "smoke-lora" not in said


def test_a_spec_is_frozen():
    study = parse_study(SMALL, "The spec")
    with pytest.raises(ValueError, match="frozen"):
        study.seeds = (1,)


def test_a_misspelt_setting_is_named_with_the_nearest_one():
    message = refusal(unsen=["add"])
    assert "unsen: unknown setting" in message and "Did you mean 'unseen'?" in message


def test_a_misspelt_inner_setting_is_named_with_its_place():
    message = refusal(training={"step": 3})
    assert "training.step: unknown setting" in message
    assert "'steps'" in message and "learning_rate" in message


def test_every_mistake_is_listed_at_once():
    message = refusal(seeds=["one"], training={"steps": 0})
    assert "seeds.0" in message and "training.steps" in message


@pytest.mark.parametrize("seed", ["1", 1.0, True, None, -1, 2**31])
def test_seeds_are_integers_in_range(seed):
    assert "seeds.0" in refusal(seeds=[seed])


def test_a_current_task_that_is_also_past_is_refused():
    message = refusal(past=["sentiment"])
    assert "'sentiment'" in message and "both past and current" in message


def test_a_task_listed_twice_is_refused():
    assert "twice in unseen" in refusal(unseen=["add", "add"])


def test_a_study_of_one_task_is_refused():
    assert "at least one task beside" in refusal(unseen=[])


def test_seeds_and_noise_seeds_do_not_overlap():
    assert "[2]" in refusal(seeds=[1, 2], noise_seeds=[2, 3])


def test_state_seeds_are_one_per_seed_or_one():
    assert "state_seeds has 2 numbers for 3 seeds" in refusal(seeds=[0, 1, 2], state_seeds=[5, 6])


def test_replicates_are_paired_not_crossed():
    def replicates(**changes):
        return parse_study({**SMALL, **changes}, "The spec").replicates

    assert replicates(seeds=[3, 4]) == [(3, 3), (4, 4)]
    assert replicates(seeds=[3, 4], state_seeds=[8, 9]) == [(8, 3), (9, 4)]
    assert replicates(seeds=[3, 4], state_seeds=[8]) == [(8, 3), (8, 4)]


def test_a_newer_schema_is_refused():
    message = refusal(schema_version=SCHEMA_VERSION + 1)
    assert "newer sapo-analysis" in message and "The spec" in message


def test_an_unknown_kind_is_refused():
    assert "paraphrase" in refusal(kind="mystery")


def test_warmup_longer_than_training_is_refused():
    assert "warmup_steps is 9" in refusal(training={"steps": 3, "warmup_steps": 9})


@pytest.mark.parametrize("n", [-1, 2.5, "many"])
def test_the_rows_of_gradient_indicators_are_counted_from_zero(n):
    assert parse_study(SMALL, "The spec").scoring.diagnostics == 0
    assert "scoring.diagnostics" in refusal(scoring={"diagnostics": n})


@pytest.mark.parametrize("steps", [[5, 5], [3, 9, 7]])
def test_checkpoints_rise(steps):
    message = refusal(evaluation={"checkpoints": steps})
    assert f"evaluation: checkpoints are {steps}" in message and "rising order" in message


def test_checkpoints_come_before_the_end():
    message = refusal(training={"steps": 10}, evaluation={"checkpoints": [3, 10, 12]})
    assert "evaluation.checkpoints has [10, 12], but training.steps is 10" in message
    study = parse_study({**SMALL, "evaluation": {"checkpoints": [3, 49]}}, "The spec")
    assert study.evaluation.checkpoints == (3, 49)


@pytest.mark.parametrize("step", [0, -1, 2.5, "soon"])
def test_checkpoints_are_numbers_of_steps(step):
    assert "evaluation.checkpoints.0" in refusal(evaluation={"checkpoints": [step]})


def test_own_prompts_belong_to_a_current_task():
    assert "'product'" in refusal(own_prompts={"product": ["Say it as a product."]})


def test_a_file_names_its_study(tmp_path):
    file = tmp_path / "My_Study.yaml"
    file.write_text("current: [sentiment]\nunseen: [product]\ntraining: {learning_rate: 1e-3}\n")
    study = load_study(file)
    assert study.name == "my-study"
    assert study.training.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "not YAML"),
        ("- just\n- a list", "must be a mapping"),
        ("", "must be a mapping"),
        (b"\xff\xfe\x00", "Cannot read"),
    ],
)
def test_a_file_that_holds_no_study_is_refused(tmp_path, content, said):
    file = tmp_path / "spec.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=said):
        load_study(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="No spec file"):
        load_study(tmp_path / "none.yaml")


def test_every_setting_has_a_description():
    for name, field in ParaphraseStudy.model_fields.items():
        inside = getattr(field.annotation, "model_fields", {})
        for inner, inner_field in inside.items():
            assert inner_field.description, f"{name}.{inner}"
        if not inside and name not in ("kind", "schema_version"):
            assert field.description, name


def test_python_gets_the_same_message_as_a_file():
    with pytest.raises(InputError, match=r"sedes: unknown setting. Did you mean 'seeds'"):
        ParaphraseStudy(current=["sentiment"], unseen=["product"], sedes=[1])


def test_settings_that_are_no_names_are_refused():
    with pytest.raises(InputError, match=r"no names: \[1\]"):
        parse_study({1: 2, "current": ["sentiment"]}, "x.yaml")

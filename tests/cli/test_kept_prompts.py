"""Prompts that a runs folder keeps, in a spec's `own_prompts` and in `sapo prompts`."""

import json

import pytest
from typer.testing import CliRunner

from sapo_analysis.cli import app
from sapo_analysis.cli.options import read_study
from sapo_analysis.errors import InputError
from sapo_analysis.store.own_prompts import add_own_prompts, change_own_prompt

TEXTS = ["Say what the person works as.", "Name the trade that is meant."]


@pytest.fixture
def runs(tmp_path):
    add_own_prompts(tmp_path, "job", [*TEXTS, "Not this one."], "pasted")
    change_own_prompt(tmp_path, "job", "Not this one.", use=False)
    return tmp_path


def study(runs, **settings):
    spec = runs / "spec.yaml"
    spec.write_text(json.dumps({"prompts": 0, "past": ["colour"], "current": ["job"], **settings}))
    return read_study(str(spec), [], runs=runs)


@pytest.mark.parametrize("given", ["kept", {"job": "kept"}])
def test_kept_prompts_stand_in_a_study_by_a_word(runs, given):
    assert study(runs, own_prompts=given).own_prompts == {"job": tuple(TEXTS)}


def test_tasks_that_are_learned_alone_get_them(runs):
    add_own_prompts(runs, "colour", ["Which colour is it?"], "pasted")
    assert set(study(runs, own_prompts="kept").own_prompts) == {"job"}
    assert set(study(runs, own_prompts="kept", rotate=True).own_prompts) == {"colour", "job"}
    orders = {"kind": "sequence", "orders": [["job", "colour"]], "past": None, "current": None}
    spec = {key: value for key, value in orders.items() if value is not None}
    path = runs / "sequence.yaml"
    path.write_text(json.dumps({**spec, "own_prompts": "kept"}))
    assert set(read_study(str(path), [], runs=runs).own_prompts) == {"job", "colour"}


def test_an_order_may_be_a_folder(runs):
    for number, task in enumerate(["job", "colour"], 1):
        stage = runs / "order" / f"{number}-{task}"
        stage.mkdir(parents=True)
        (stage / "train_tasks.json").write_text(json.dumps([{"dataset_name": task}]))
    path = runs / "sequence.yaml"
    for orders in (str(runs / "order"), [str(runs / "order"), ["colour", "job"]]):
        path.write_text(json.dumps({"kind": "sequence", "orders": orders, "own_prompts": "kept"}))
        assert read_study(str(path), [], runs=runs).own_prompts == {"job": tuple(TEXTS)}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("kept", "own_prompts is 'kept', but .* has none for job"),
        ({"job": "kept"}, "own_prompts.job is 'kept', but .* has none"),
        ({"../job": "kept"}, "own_prompts.../job is 'kept', but .* has none"),
    ],
)
def test_where_none_are_kept_it_says_so(tmp_path, given, says):
    with pytest.raises(InputError, match=says):
        study(tmp_path, own_prompts=given)


def test_any_other_word_is_a_wrong_value(runs):
    with pytest.raises(InputError, match="own_prompts"):
        study(runs, own_prompts="keept")


def test_they_are_listed_with_the_ids_that_a_run_gives_them(runs):
    done = CliRunner().invoke(app, ["prompts", "job", "--runs", str(runs), "--json"])
    listed = [(p["prompt_id"], p["text"]) for p in json.loads(done.stdout)[-2:]]
    assert listed == [("own-01", TEXTS[0]), ("own-02", TEXTS[1])]

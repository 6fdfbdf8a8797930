"""The pocket suite: targets against independent solvers, disjoint pools, stable content."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import SPLITS, get_task, list_tasks
from sapo_analysis.tasks.pocket import POCKET, lexicon
from sapo_analysis.tasks.pocket.suite import SIZES, pool_of
from tests.tasks.solvers import SOLVERS

NAMES = [task.name for task in list_tasks()]


def test_suite_has_the_promised_shape() -> None:
    assert len(NAMES) >= 12
    assert len({task.family for task in list_tasks()}) == 4
    roles = [task.role for task in list_tasks()]
    assert roles.count("retained") >= 4
    assert roles.count("half known") >= 6
    assert roles.count("unseen") >= 1


def test_every_task_has_a_solver() -> None:
    assert set(SOLVERS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_targets_follow_from_the_input_alone(name: str) -> None:
    for split in SPLITS:
        for example in get_task(name).examples(split):
            assert SOLVERS[name](example.input) == example.target, example


@pytest.mark.parametrize("name", NAMES)
def test_pretraining_targets_follow_from_the_input_alone(name: str) -> None:
    task = POCKET[name]
    for example in islice(task.stream("pretraining", 3, task.known_facts()), 200):
        assert SOLVERS[name](example.input) == example.target, example


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_unique_and_splits_disjoint(name: str) -> None:
    task = get_task(name)
    inputs = [e.input for split in SPLITS for e in task.examples(split)]
    assert len(inputs) == len(set(inputs)) == sum(SIZES.values())
    for split in SPLITS:
        assert len(task.examples(split)) == task.sizes[split]
        assert all(pool_of(name, e.input) == split for e in task.examples(split))


@pytest.mark.parametrize("name", NAMES)
def test_every_split_needs_every_fact_and_every_label(name: str) -> None:
    task = get_task(name)
    for split in SPLITS:
        targets = [e.target for e in task.examples(split)]
        if task.labels:
            assert set(targets) == set(task.labels)
            share = len(targets) / len(task.labels)
            assert all(0.8 * share <= targets.count(x) <= 1.2 * share for x in task.labels)
        assert max(targets.count(x) for x in set(targets)) < 0.65 * len(targets)


@pytest.mark.parametrize("name", NAMES)
def test_known_facts_are_the_declared_part(name: str) -> None:
    task = POCKET[name]
    known = task.known_facts()
    assert set(known) <= set(task.facts)
    assert abs(len(known) - task.known * len(task.facts)) <= len(set(task.facts.values())) / 2
    assert (task.role == "retained") <= (task.known == 1.0)


def test_suite_is_the_same_on_every_machine() -> None:
    # The digest of one task's test split, made once; a change here is a new suite version.
    lines = "\n".join(f"{e.input}\t{e.target}" for e in get_task("category").examples("test"))
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == "85037baac8946b9f"


def test_lexicon_words_have_one_meaning() -> None:
    assert len(lexicon.NOUNS) == len(set(lexicon.NOUNS))
    assert len(set(lexicon.ZUBO.values())) == len(lexicon.ZUBO)
    assert not set(lexicon.NOUNS) & set(lexicon.VERBS)
    assert not set(lexicon.OPPOSITE) & set(lexicon.ADJECTIVES)


def test_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="Did you mean 'sentiment'"):
        get_task("sentimant")


def test_too_many_examples_is_an_input_error() -> None:
    with pytest.raises(InputError, match="200"):
        get_task("add").examples("test", 201)


def test_tasks_and_prompts_stay_light() -> None:
    code = (
        "import sys, sapo_analysis.tasks as t, sapo_analysis.prompts as p;"
        "t.list_tasks()[0].examples('test'); p.get_prompts('add');"
        "bad = {'torch', 'transformers', 'datasets', 'tokenizers'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

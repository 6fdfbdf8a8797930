"""The pocket suite: targets against independent solvers, disjoint pools, stable content."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import SPLITS, get_task, list_tasks
from sapo_analysis.tasks.pocket import declared_tasks, pocket_task, task_file, tuning_tasks
from sapo_analysis.tasks.pocket.draws import draw_of
from sapo_analysis.tasks.pocket.files import FOLDER, read_task_file
from sapo_analysis.tasks.pocket.suite import SIZES, Pool, pool_of
from tests.tasks.solvers import SOLVERS

NAMES = [task.name for task in list_tasks()]
POOLS: tuple[Pool, ...] = ("pretraining", "train", "dev", "test")


def test_suite_has_the_promised_shape() -> None:
    roles = Counter(task.role for task in list_tasks())
    assert roles == {"half known": 20, "retained": 5, "unseen": 5}
    assert len({task.family for task in list_tasks()}) >= 6
    related = [task for task in list_tasks() if task.role == "unseen" and task.related]
    assert len(related) >= 4
    for task in related:
        assert all(get_task(name).role == "half known" for name in task.related)
    assert SIZES["test"] >= 500


def test_tuning_and_declared_tasks_part_the_half_known_ones() -> None:
    assert tuning_tasks() == (
        "add",
        "colour",
        "job",
        "past_tense",
        "sentiment",
        "synonym",
        "translate",
    )
    assert len(declared_tasks()) == 13
    half_known = {task.name for task in list_tasks() if task.role == "half known"}
    assert {*tuning_tasks(), *declared_tasks()} == half_known


def test_every_task_has_a_solver() -> None:
    assert set(SOLVERS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_targets_follow_from_the_input_alone(name: str) -> None:
    for data_seed in (0, 1000):
        for split in SPLITS:
            for example in get_task(name, data_seed).examples(split):
                assert SOLVERS[name](example.input) == example.target, example
    for example in islice(pocket_task(name).stream("pretraining", 3), 200):
        assert SOLVERS[name](example.input) == example.target, example


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_unique_and_splits_disjoint_over_all_data_seeds(name: str) -> None:
    held: dict[str, str] = {}
    for data_seed in (0, 1, 1000):
        task = get_task(name, data_seed)
        inputs = [e.input for split in SPLITS for e in task.examples(split)]
        assert len(inputs) == len(set(inputs)) == sum(SIZES.values())
        for split in SPLITS:
            assert len(task.examples(split)) == task.sizes[split]
            for example in task.examples(split):
                assert pool_of(name, example.input) == split
                assert held.setdefault(example.input, split) == split


def test_data_seed_changes_the_examples_and_nothing_else() -> None:
    for name in NAMES:
        first, second = get_task(name), get_task(name, 1000)
        assert first.examples("test") != second.examples("test")
        assert (
            {e.target for e in second.examples("test")}
            <= {e.target for e in first.examples("test") + first.examples("train")}
            or not task_file(name).facts
            or name in ("translate", "kinds")
        )


@pytest.mark.parametrize("name", NAMES)
def test_content_spaces_hold_more_than_a_hundred_thousand_inputs(name: str) -> None:
    # Drawing n of N equally likely inputs repeats about n²/2N of them: for N = 10⁵ and n = 4000,
    # 80. Unequal chances only repeat more, so fewer repeats mean more than that many inputs.
    task, n = pocket_task(name), 4000
    if task.file.generator == "word_by_word":  # lists of two or three; the short ones repeat
        assert math.perm(len(task.facts), 2) + math.perm(len(task.facts), 3) > 100_000
        return
    drawn = set()
    facts, rng = tuple(task.facts), Random(5)
    for i in range(n):
        drawn.add(task._draw(rng, facts[i % len(facts)], facts).input)
    assert n - len(drawn) < 80, n - len(drawn)


@pytest.mark.parametrize("name", NAMES)
def test_splits_need_the_facts_they_should_evenly(name: str) -> None:
    task, pocket = get_task(name), pocket_task(name)
    for split in SPLITS:
        targets = Counter(e.target for e in task.examples(split))
        if task.labels:
            assert set(targets) == set(task.labels)
            share = sum(targets.values()) / len(task.labels)
            assert all(0.8 * share <= n <= 1.2 * share for n in targets.values())
        assert max(targets.values()) < 0.6 * sum(targets.values())
        assert set(pocket.facts_of(split)) >= set(pocket.known_facts())


@pytest.mark.parametrize("name", NAMES)
def test_known_and_untaught_facts_are_the_declared_parts(name: str) -> None:
    pocket, file = pocket_task(name), task_file(name)
    known, taught, facts = set(pocket.known_facts()), set(pocket.taught_facts()), set(pocket.facts)
    slack = max(1, len(file.labels)) / 2
    assert known <= taught <= facts == set(pocket.facts_of("test"))
    assert abs(len(known) - file.known * len(facts)) <= slack
    assert abs(len(facts - taught) - file.untaught * len(facts)) <= slack
    if file.role == "retained":
        assert known == facts
    if file.role == "half known":
        assert facts - taught and taught - known


ONE_WORD_FACTS = [
    task.name
    for task in list_tasks()
    if task_file(task.name).untaught and all(f.isalpha() for f in pocket_task(task.name).facts)
]


@pytest.mark.parametrize("name", ONE_WORD_FACTS)
def test_only_the_test_pool_asks_for_an_untaught_fact(name: str) -> None:
    task = pocket_task(name)
    hidden = set(task.facts) - set(task.taught_facts())
    met: dict[str, set[str]] = {pool: set() for pool in POOLS}
    for pool in POOLS:
        for example in islice(task.stream(pool, 0), 600):
            met[pool] |= hidden & set(example.input.strip(".").replace(",", "").split())
    assert met["test"] == hidden
    assert not met["pretraining"] and not met["train"] and not met["dev"]


def test_suite_is_the_same_on_every_machine() -> None:
    # The digest of two tasks' test splits, made once; a change here is a new suite.
    lines = "\n".join(
        f"{e.input}\t{e.target}" for n in ("category", "add") for e in get_task(n).examples("test")
    )
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == "d5e5ee0e1f83644f"


def test_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="Did you mean 'sentiment'"):
        get_task("sentimant")


def test_too_many_examples_is_an_input_error() -> None:
    with pytest.raises(InputError, match="500"):
        get_task("add").examples("test", 501)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("max_new_tokens = 4", "max_new_tokens = 0"), "max_new_tokens"),
        (("share", "sharing"), "sharing|known"),
        (('labels = ["red", ', 'labels = ["rod", '), "rod"),
        (("frames = [", 'generator = "count"\nframes = ['), "either frames or a generator"),
        (("{fact}", "{nown}"), "slot 'nown'"),
        (("[facts]", "[facts]\npink = 'tomato'"), "labels"),
        (("known = 0.42", "known = 0.99"), "more than 1"),
        (("title = ", "title : "), "colour.toml"),
    ],
)
def test_a_broken_task_file_is_named_with_its_fault(
    change: tuple[str, str], complaint: str, tmp_path: Path
) -> None:
    text = (FOLDER / "colour.toml").read_text("utf-8").replace("share = 1.0\n", "")
    text = text.replace("known = ", "share = 1.0\nknown = ", 1)
    assert change[0] in text
    path = tmp_path / "colour.toml"
    path.write_text(text.replace(*change), "utf-8")
    with pytest.raises(InputError, match=complaint):
        draw_of(read_task_file(path))


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

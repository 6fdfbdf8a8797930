"""The pocket suite: targets against independent solvers, disjoint pools, stable content."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.prompts import get_prompts
from sapo_analysis.tasks import SPLITS, Example, get_task, list_tasks
from sapo_analysis.tasks.pocket import (
    DECLARED,
    RETAINED,
    SHIPPED,
    TUNING,
    UNSEEN,
    PocketTask,
    files,
    pocket_task,
    task_file,
    words,
)
from sapo_analysis.tasks.pocket.draws import draw_of
from sapo_analysis.tasks.pocket.files import FOLDER, TaskFile, read_task_file
from sapo_analysis.tasks.pocket.suite import SIZES, Pool, pool_of
from tests.tasks.solvers import SOLVERS

NAMES = [task.name for task in list_tasks()]
POOLS: tuple[Pool, ...] = ("pretraining", "train", "dev", "test")


def test_suite_has_the_promised_shape() -> None:
    assert len(SHIPPED) == len(set(SHIPPED)) == 30
    shipped = [get_task(name) for name in SHIPPED]
    by_role = {
        role: tuple(task.name for task in shipped if task.role == role)
        for role in ("half known", "retained", "unseen")
    }
    # Every third half-known task of the alphabetical list is for tuning.
    assert by_role["half known"][::3] == TUNING
    assert by_role["half known"] == tuple(sorted((*TUNING, *DECLARED)))
    assert by_role["retained"] == RETAINED and by_role["unseen"] == UNSEEN
    assert [len(by_role[role]) for role in by_role] == [20, 5, 5]
    assert len({task.family for task in shipped}) >= 6
    related = [get_task(name) for name in UNSEEN if get_task(name).related]
    assert len(related) >= 4
    for task in related:
        assert all(get_task(name).role == "half known" for name in task.related)
    assert SIZES["test"] >= 500


@pytest.mark.parametrize("name", UNSEEN)
def test_a_rare_task_shows_exactly_the_facts_of_its_partner(name: str) -> None:
    (partner,) = get_task(name).related
    rare, common = pocket_task(name), pocket_task(partner)
    hidden = set(common.facts) - set(common.known_facts())
    assert hidden and set(rare.facts) == set(common.facts)
    for pool in POOLS:
        assert rare.facts_of(pool) == common.facts_of(pool)
    # Read from the inputs: what pretraining hides in one task it does not show in the other.
    parts = {word for fact in hidden for word in fact.split("/")}
    met = {e.input for e in islice(rare.stream("pretraining", 0), 2000)}
    if name in ("plus", "product"):
        pairs = {"/".join(re.findall(r"\d+", text)) for text in met}
        assert pairs == set(common.known_facts())
    else:
        assert not parts & {word.strip(".") for text in met for word in text.split()}


@pytest.fixture
def one_task_more(tmp_path: Path) -> Iterator[str]:
    """The suite's folder as it is when somebody has added a task; its name."""

    def read_anew() -> None:
        for cached in (files.task_names, files.task_file, words.pool, words._written_down):
            cached.cache_clear()

    folder = tmp_path / "tasks"
    shutil.copytree(FOLDER, folder)
    text = (FOLDER / "colour.toml").read_text("utf-8").replace("tomato", "rowanberry")
    (folder / "aaa_mine.toml").write_text(text.replace("{name}", "Somebody"), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "FOLDER", folder)
        read_anew()
        yield "aaa_mine"
    read_anew()


def test_a_task_more_leaves_the_others_as_they_are(
    before: dict[str, list[Example]], one_task_more: str
) -> None:
    assert files.task_names()[0] == one_task_more
    assert "rowanberry" in task_file(one_task_more).answer_of
    for name, examples in before.items():
        assert PocketTask(name, task_file(name)).load("test", 3) == examples, name


@pytest.fixture
def before() -> dict[str, list[Example]]:
    return {name: PocketTask(name, task_file(name)).load("test", 3) for name in SHIPPED}


def test_lists_hold_every_single_word_that_a_shipped_task_asks_about_or_answers_with() -> None:
    pairs = [pair for name in SHIPPED for pair in pocket_task(name).facts.items()]
    expected = {word for pair in pairs for word in pair if word.isalpha()}
    assert words.listed() == tuple(sorted(expected))


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


@pytest.mark.parametrize("name", NAMES)
def test_data_seed_changes_the_examples_and_nothing_else(name: str) -> None:
    first, second = get_task(name), get_task(name, 1000)
    assert first == second  # every field; which examples are loaded is not compared
    assert first.examples("test") != second.examples("test")


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


@pytest.mark.parametrize("name", [n for n in NAMES if not task_file(n).shares_facts_with])
def test_known_and_untaught_facts_are_the_declared_parts(name: str) -> None:
    pocket, file = pocket_task(name), task_file(name)
    known, taught, facts = set(pocket.known_facts()), set(pocket.taught_facts()), set(pocket.facts)
    # Rounded once for each label; a fact and its mirror are not parted.
    slack = max(1, len(file.labels)) / 2 + 1
    assert known <= taught <= facts == set(pocket.facts_of("test"))
    assert abs(len(known) - file.known * len(facts)) <= slack
    assert abs(len(facts - taught) - file.untaught * len(facts)) <= slack
    if file.role == "retained":
        assert known == facts
    if file.role == "half known":
        assert facts - taught and taught - known


@pytest.mark.parametrize("name", ["add", "times", "opposite", "synonym", "plus", "product"])
def test_a_fact_and_its_mirror_are_known_taught_or_hidden_together(name: str) -> None:
    pocket = pocket_task(name)

    def mirror(fact: str) -> str:
        if "/" in fact:
            left, right = fact.split("/")
            return f"{right}/{left}"
        return pocket.facts[fact]

    assert all(pocket.facts[mirror(fact)] in (pocket.facts[fact], fact) for fact in pocket.facts)
    for part in (pocket.known_facts(), pocket.taught_facts()):
        assert {mirror(fact) for fact in part} == set(part)


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
    # The digest of all splits, made once; a change here is a new suite.
    lines = "\n".join(
        f"{e.input}\t{e.target}"
        for n in SHIPPED
        for split in SPLITS
        for e in get_task(n).examples(split)
    )
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == "8a0802849fc8be18"


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
        (("{verb}", "{nown}"), "slot 'nown'"),
        (("[facts]", "[facts]\npink = 'tomato'"), "labels"),
        (("known = 0.42", "known = 0.99"), "more than 1"),
        (("title = ", "title : "), "colour.toml"),
        (("label_accuracy", "f1"), "metric 'f1' is none of"),
        (('labels = ["red", "yellow", "green", "white"]', ""), "label_accuracy needs labels"),
        (("known = 0.42", 'shares_facts_with = "place"'), "leave them out"),
        (("known = 0.42\nuntaught = 0.08", 'shares_facts_with = "place"'), "stand in one alone"),
        (("known = 0.42\nuntaught = 0.08", 'shares_facts_with = "plase"'), "mean 'place'"),
        (("known = 0.42\nuntaught = 0.08", 'shares_facts_with = "kinds"'), "no table of"),
        (("{fact}", "{fact2}"), "colour.toml.*'fact2'.*'/'"),
        (("{verb}", "{}"), "slot ''"),
        (("{verb}", " ".join(f"{{verb{i}}}" for i in range(9))), "9 slots 'verb'.*only 8 such"),
        (("{fact} in", "{fact in"), "slot .fact in"),
        (("{fact} in", "thing in"), "has no fact"),
        (("[facts]", "[facts]\npink = ''"), "'pink'"),
        (("known = 0.42\nuntaught = 0.08", 'shares_facts_with = "colour"'), "with itself"),
        (("max_new_tokens = 4", "max_new_tokens = 1"), "max_new_tokens"),
        (("novel = [", 'novel = [" ",'), "empty"),
        (("novel = [", 'novel = ["red white green",'), "'red white green' .*label 'yellow'"),
        (("novel = [", f'novel = ["{get_prompts("colour")[0].text}",'), "stands twice"),
        (("{verb} the", "verb} the"), "brace"),
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
    with pytest.raises(InputError, match=complaint) as caught:
        draw_of("colour", read_task_file(path))
    assert "colour.toml" in str(caught.value)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cafe.toml"
    path.write_bytes('title = "Café"'.encode("latin-1"))
    with pytest.raises(InputError, match="cafe.toml is not UTF-8"):
        read_task_file(path)


@pytest.mark.parametrize("kind", ["seen", "novel", "test_only"])
def test_a_task_without_a_kind_of_prompt_is_refused(kind: str, tmp_path: Path) -> None:
    text = (FOLDER / "colour.toml").read_text("utf-8")
    path = tmp_path / "colour.toml"
    path.write_text(re.sub(rf"(?ms)^{kind} = \[.*?^\]", f"{kind} = []", text), "utf-8")
    with pytest.raises(InputError, match=rf"colour.toml cannot be used\.\s+prompts\.{kind}"):
        read_task_file(path)


@pytest.mark.parametrize("name", ["My Task", "Mine", "2nd", "mi-ne"])
def test_a_file_name_that_cannot_name_a_task_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{name}.toml").touch()
    monkeypatch.setattr(files, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=f"'{name}.toml' cannot name a task"):
        files.task_names.__wrapped__()


def test_labels_that_the_shared_facts_do_not_answer_are_an_error(tmp_path: Path) -> None:
    text = (FOLDER / "rate.toml").read_text("utf-8")
    start, end = text.index("[facts]"), text.index("[prompts]")
    path = tmp_path / "rate.toml"
    path.write_text(text[:start] + text[end:], "utf-8")
    with pytest.raises(InputError, match=r"\['bad', 'good'\] .*rate.toml.*'negative', 'positive'"):
        read_task_file(path)


@pytest.mark.parametrize(
    ("part", "pool"), [({"known": 0.02}, "pretraining"), ({"known": 0, "untaught": 0.99}, "train")]
)
def test_a_pool_without_facts_is_an_error_and_no_endless_loop(
    part: dict[str, float], pool: Pool
) -> None:
    file = TaskFile(**(task_file("colour").model_dump() | part))
    with pytest.raises(InputError, match=f"no fact for the {pool} pool: of 48 it knows 0"):
        next(PocketTask("colour", file).stream(pool, 0))


@pytest.mark.parametrize(
    ("generator", "facts", "complaint"),
    [
        ("count", {"two": "one"}, "'count' cannot make an input of fact 'one'.*mine.toml"),
        ("word_by_word", {"a": "x", "b": "y"}, "and the 2 facts it may use"),
        ("odd_one_out", {"a": "u v w x", "b": "y"}, "cannot make an input of fact"),
        ("conut", {"a": "x"}, "Did you mean 'count'.*mine.toml"),
    ],
)
def test_facts_that_a_generator_cannot_use_are_an_error_that_names_the_file(
    generator: str, facts: dict[str, str], complaint: str
) -> None:
    plain = task_file("count").model_dump() | {"generator": generator, "facts": facts}
    with pytest.raises(InputError, match=complaint):
        PocketTask("mine", TaskFile(**plain)).load("train", 0)


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        # One input per fact belongs to one pool alone.
        (
            ["The {fact}."],
            "no input for its fact '.*' that belongs to the train pool",
        ),
        (["The {fact} {adjective}."], "distinct train inputs, 600 are"),
    ],
)
def test_too_few_inputs_are_an_error_and_no_endless_loop(frames: list[str], complaint: str) -> None:
    file = task_file("colour").model_dump() | {"frames": frames}
    with pytest.raises(InputError, match=complaint):
        PocketTask("colour", TaskFile(**file)).load("train", 0)


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

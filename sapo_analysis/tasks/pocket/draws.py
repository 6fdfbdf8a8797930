"""How one example of a pocket task is drawn: by filling a frame, or by a function of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.tasks.base import Example
from sapo_analysis.tasks.pocket.files import TaskFile
from sapo_analysis.tasks.pocket.words import SLOTS, listed, pool

Draw = Callable[[Random, str, Sequence[str]], Example]
"""(random source, the fact the example needs, all facts it may use) to an example."""

_DIGITS = "0123456789"


def draw_of(name: str, file: TaskFile) -> Draw:
    """The function that draws a task's examples.

    Raises:
        InputError: a frame has a slot that nothing fills, or the generator is unknown.
    """
    if file.generator is None:
        for frame in file.frames:
            _check(name, frame, file.answer_of)
        return _by_frames(file)
    if file.generator not in _GENERATORS:
        raise unknown("generator", file.generator, list(_GENERATORS), f"See {name}.toml.")
    return _named(name, file.generator, _GENERATORS[file.generator](file))


def _named(name: str, generator: str, draw: Draw) -> Draw:
    """The same draw; facts that the generator cannot use are an error that names the task."""

    def named(rng: Random, fact: str, allowed: Sequence[str]) -> Example:
        try:
            return draw(rng, fact, allowed)
        except (ValueError, KeyError, IndexError) as error:
            raise InputError(
                f"Task {name!r}: its generator {generator!r} cannot make an input of fact {fact!r}"
                f" and the {len(allowed)} facts it may use: {error}. See [facts] in {name}.toml."
            ) from error

    return named


def _check(name: str, frame: str, facts: Iterable[str]) -> None:
    """Every slot can be filled, for each of the facts."""
    for slot in re.findall(r"{(.*?)}", frame):
        kind = slot.rstrip(_DIGITS)
        if kind not in (*SLOTS, "fact"):
            raise InputError(
                f"A frame of {name}.toml, {frame!r}, has the slot {slot!r}. Known slots: fact,"
                f" {', '.join(SLOTS)}, each also with a number."
            )
        if kind == "fact" and (short := [fact for fact in facts if slot not in _parts(fact)]):
            raise InputError(
                f"A frame of {name}.toml, {frame!r}, asks for {slot!r}, which the fact {short[0]!r}"
                " does not have: the parts of a fact are parted by '/', the first is fact1."
            )
    if set(re.sub(r"{.*?}", "", frame)) & set("{}"):
        raise InputError(f"A frame of {name}.toml, {frame!r}, has a brace without its partner.")
    # No word fills two slots of a frame.
    for kind, n in Counter(slot.rstrip(_DIGITS) for slot in _slots(frame)).items():
        if n > len(pool(kind)):
            raise InputError(
                f"A frame of {name}.toml, {frame!r}, has {n} slots {kind!r}, but there are only"
                f" {len(pool(kind))} such words."
            )


def _by_frames(file: TaskFile) -> Draw:
    answer_of = file.answer_of
    frames = [(frame, _slots(frame)) for frame in file.frames]

    def draw(rng: Random, fact: str, allowed: Sequence[str]) -> Example:
        frame, slots = rng.choice(frames)
        filled = _parts(fact)
        used: set[str] = set()
        for slot, words in slots.items():
            word = rng.choice(words)
            while word in used:
                word = rng.choice(words)
            used.add(word)
            filled[slot] = word
        return Example(frame.format_map(filled), answer_of[fact])

    return draw


def _parts(fact: str) -> dict[str, str]:
    parts = fact.split("/")
    return {"fact": fact, **{f"fact{i}": part for i, part in enumerate(parts, start=1)}}


def _slots(frame: str) -> Mapping[str, tuple[str, ...]]:
    """The slots to be filled at random; a number tells two of a kind apart."""
    kinds = {slot: slot.rstrip(_DIGITS) for slot in re.findall(r"{(\w+)}", frame)}
    return {slot: pool(kind) for slot, kind in kinds.items() if kind != "fact"}


def _words(rng: Random, low: int, high: int) -> list[str]:
    return rng.sample(listed(), rng.randint(low, high))


def _with_others(rng: Random, fact: str, allowed: Sequence[str], low: int, high: int) -> list[str]:
    """The fact among other allowed ones, `low` to `high` items in all, in random order."""
    others = [word for word in rng.sample(allowed, high) if word != fact]
    items = [fact, *others[: rng.randint(low, high) - 1]]
    rng.shuffle(items)
    return items


def _first_word(file: TaskFile) -> Draw:
    def draw(rng: Random, fact: str, allowed: Sequence[str]) -> Example:
        items = _words(rng, 3, 5)
        return Example(" ".join(items), items[0])

    return draw


def _last_word(file: TaskFile) -> Draw:
    def draw(rng: Random, fact: str, allowed: Sequence[str]) -> Example:
        items = _words(rng, 3, 5)
        return Example(" ".join(items), items[-1])

    return draw


def _count(file: TaskFile) -> Draw:
    def draw(rng: Random, fact: str, allowed: Sequence[str]) -> Example:
        n = int(fact)
        return Example(" ".join(_words(rng, n, n)), fact)

    return draw


def _bigger(file: TaskFile) -> Draw:
    def draw(rng: Random, fact: str, allowed: Sequence[str]) -> Example:
        left, right = rng.sample(range(10, 1000), 2)
        return Example(f"{left} and {right}", str(max(left, right)))

    return draw


def _word_by_word(file: TaskFile) -> Draw:
    """Two or three facts in a row, the answer of each in the same order."""
    answer_of = file.answer_of

    def draw(rng: Random, fact: str, allowed: Sequence[str]) -> Example:
        items = _with_others(rng, fact, allowed, 2, 3)
        return Example(" ".join(items), " ".join(answer_of[word] for word in items))

    return draw


def _odd_one_out(file: TaskFile) -> Draw:
    """The fact among three of another kind."""
    kind_of = file.answer_of

    def draw(rng: Random, fact: str, allowed: Sequence[str]) -> Example:
        common = rng.choice(sorted(set(kind_of.values()) - {kind_of[fact]}))
        others = rng.sample([word for word in allowed if kind_of[word] == common], 3)
        items = [*others, fact]
        rng.shuffle(items)
        return Example(" ".join(items), fact)

    return draw


_GENERATORS: dict[str, Callable[[TaskFile], Draw]] = {
    "first_word": _first_word,
    "last_word": _last_word,
    "count": _count,
    "bigger": _bigger,
    "word_by_word": _word_by_word,
    "odd_one_out": _odd_one_out,
}

"""Which runs may be compared by method, and what stands beside what in such a comparison."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sapo_analysis.analysis.joining import OF_METHODS, as_runs, differences_in_words, identity
from sapo_analysis.analysis.method_names import METHOD_WORDS, name_in_words
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.store import Run

BASE = "base model"
"""The name of what every method began with, where it stands beside them."""


@dataclass(frozen=True)
class Side:
    """What is compared with others: a method, in sequences a policy with a method.

    Attributes:
        name: `promot`, `sapo+promot`; with a run's id behind it where settings of one method are
            compared with each other.
        policy: "" in paraphrase studies, where every prompt trains.
        method: a name of `spec.METHODS`.
        runs: that it took part in; they can be joined.
    """

    name: str
    policy: str
    method: str
    runs: tuple[Run, ...]

    @property
    def words(self) -> str:
        """For readers: `ProMoT`, `sapo, ProMoT`."""
        return name_in_words(self.name)

    @property
    def method_words(self) -> str:
        """The method alone."""
        return METHOD_WORDS[self.method]


def sides(runs: Run | Sequence[Run]) -> list[Side]:
    """The methods or strategies of runs, in the runs' order.

    Runs that can be joined stand together. Others may be compared where they differ in their
    methods and those methods' own settings alone.

    Raises:
        InputError: no run, imported results, runs of two kinds, or runs that differ in model, data,
            prompts, training or seeds; the differing keys are named with both values.
    """
    opened = as_runs(runs)
    if not opened:
        raise InputError("No run was given. Name at least one; `sapo runs` lists them.")
    for run in opened:
        run.made_here("be compared by method")
    known_as = [identity(run) for run in opened]
    _check_comparable(opened, known_as)
    families: dict[str, list[list[int]]] = {}
    for i, run in enumerate(opened):
        for strategy in _strategies(run):
            known = families.setdefault(strategy, [])
            for family in known:
                if all(_are_one(opened[j], run, (known_as[j], known_as[i])) for j in family):
                    family.append(i)
                    break
            else:
                known.append([i])
    found = list(_named(families, opened))
    _check_seeds(found)
    return found


def side(runs: Run | Sequence[Run], name: str) -> Side:
    """One of them by its name.

    Raises:
        InputError: there is none of that name; the known ones are named.
    """
    return among(sides(runs), name)


def among(known: Sequence[Side], name: str) -> Side:
    """One side of several by its name.

    Raises:
        InputError: there is none of that name; the known ones are named.
    """
    for one in known:
        if one.name == name:
            return one
    raise unknown("method or strategy of these runs", name, [one.name for one in known])


def _strategies(run: Run) -> list[str]:
    if run.is_sequence:
        return [str(strategy) for strategy in run.sequence.chosen_strategies]
    return [run.paraphrase.method]


def _named(families: dict[str, list[list[int]]], runs: Sequence[Run]) -> Iterator[Side]:
    for strategy, known in families.items():
        policy, plus, method = strategy.partition("+")
        for family in known:
            own = tuple(runs[i] for i in family)
            name = strategy if len(known) == 1 else f"{strategy} in {own[0].run_id}"
            yield Side(name, policy if plus else "", method if plus else policy, own)


def _are_one(run: Run, other: Run, known_as: tuple[dict[str, str], dict[str, str]]) -> bool:
    """Whether two runs can be joined, and do not hold the same chains twice."""
    if run.is_sequence and set(_chains(run)) & set(_chains(other)):
        return False
    return not differences_in_words((run, other), known_as)


def _chains(run: Run) -> list[tuple[tuple[str, ...], int]]:
    return list(itertools.product(run.sequence.orders, run.sequence.seeds))


def _check_comparable(runs: Sequence[Run], known_as: Sequence[dict[str, str]]) -> None:
    kinds = {run.study.kind for run in runs}
    if len(kinds) > 1:
        named = ", ".join(f"{run.run_id} ({run.study.kind})" for run in runs)
        raise InputError(f"Runs of two kinds are not compared: {named}. Compare each kind alone.")
    known = [compared(run, of) for run, of in zip(runs, known_as, strict=True)]
    for i, j in itertools.combinations(range(len(runs)), 2):
        said = differences_in_words((runs[i], runs[j]), (known[i], known[j]))
        if said:
            raise _not_comparable(runs[i].run_id, runs[j].run_id, said)


def compared(run: Run, known_as: dict[str, str]) -> dict[str, str]:
    """What compared runs have to have in common."""
    left = {*OF_METHODS, *(() if run.is_sequence else ("scoring",))}
    return {k: v for k, v in known_as.items() if k.partition(".")[0] not in left}


def _check_seeds(found: Sequence[Side]) -> None:
    """Seeds decide with which data order each method learned: they have to be the same."""
    for one, other in itertools.combinations(found, 2):
        mine, theirs = _seeds(one), _seeds(other)
        if mine != theirs:
            listed = " and ".join(", ".join(map(str, sorted(own))) for own in (mine, theirs))
            raise _not_comparable(one.name, other.name, f"seeds: {listed}")


def _seeds(one: Side) -> set[int]:
    return {seed for run in one.runs for seed in run.made_here("be compared").seeds}


def _not_comparable(one: str, other: str, said: str) -> InputError:
    return InputError(
        f"{one} and {other} cannot be compared by method, they differ in {said}. Compared runs"
        " differ in their methods and those methods' own settings only. Run the study again with"
        " the other method and everything else as it is."
    )

"""What figures and tables have in common: kinds by name, their variants, and what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from sapo_analysis.errors import InputError, RunError, unknown
from sapo_analysis.paper.numbers import Numbers, SeveralNumbers
from sapo_analysis.paper.options import Options, check_asked, stem, with_asked

Spec = TypeVar("Spec")
ANY = "any"
"""Kinds of any kind of study, offered where the runs have the data."""
_OF = {
    "paraphrase": ("paraphrase studies", "a paraphrase study"),
    "sequence": ("sequence studies", "a sequence study"),
    "several": (
        "paraphrase studies that cannot be joined",
        "paraphrase studies that cannot be joined",
    ),
}
"""What a kind is of, and what runs are, by `Kind.study`."""


def _always(numbers: Any) -> bool:
    return True


@dataclass(frozen=True)
class Kind(Generic[Spec]):
    """A figure or table that runs of one kind of study can have.

    Attributes:
        name: what it is asked for by.
        title: what a reader calls it.
        about: one sentence: what it shows.
        study: `paraphrase`, `sequence`, `several`: paraphrase studies that cannot be joined, or
            `any` of these.
        uses: the fields of `Options` that it obeys.
        make: numbers of such runs and options to the figure or table; an `InputError` says why
            there is none.
        variants: which of this kind "all" stands for.
        cites: keys of `paper.citations` that its caption rests on.
        has: whether runs of its kind of study have the data for it; where not it is not offered.
        needs: a sentence: what they would have to have.
    """

    name: str
    title: str
    about: str
    study: str
    uses: tuple[str, ...]
    make: Callable[[Any, Options], Spec]
    variants: Callable[[Any], list[Options]]
    cites: tuple[str, ...] = ()
    has: Callable[[Any], bool] = _always
    needs: str = ""

    def suits(self, numbers: Numbers) -> bool:
        """Whether it is a kind for such a study, whatever data that has."""
        return self.study in (ANY, numbers.study)


@dataclass(frozen=True)
class MadeOf(Generic[Spec]):
    """A figure or table of some runs, or why there is none.

    Attributes:
        kind: which one.
        options: what was asked of it.
        spec: the figure or table; None where there is none.
        why_not: one sentence; "" where there is one.
    """

    kind: Kind[Spec]
    options: Options
    spec: Spec | None
    why_not: str = ""

    @property
    def name(self) -> str:
        """What its files are called: its kind and what was asked for beyond the usual."""
        return stem(self.kind.name, self.kind.uses, self.options)


@dataclass(frozen=True)
class Kinds(Generic[Spec]):
    """All kinds of figures, or of tables.

    Attributes:
        what: `figure` or `table`.
        named: the kinds by name.
    """

    what: str
    named: Mapping[str, Kind[Spec]]

    def of(self, numbers: Numbers) -> list[Kind[Spec]]:
        """The kinds that such runs can have."""
        return [kind for kind in self.named.values() if kind.suits(numbers) and kind.has(numbers)]

    def one(self, name: str, numbers: Numbers, options: Options | None) -> Spec:
        """One of them.

        Raises:
            InputError: none of that name for such runs, or they have no data for it.
        """
        return _named_as_its_file(self._named(name, numbers), numbers, options or Options())

    def every(
        self, numbers: Numbers, names: Iterable[str], asked: Mapping[str, Any] | None
    ) -> Iterator[MadeOf[Spec]]:
        """All that runs have, or all of some kinds; where there is none, why.

        Raises:
            InputError: none has such a name for such runs, or no option.
            RunError: a run is damaged: no figure of it can be relied on.
        """
        check_asked(asked or {})
        wanted = [self._named(name, numbers) for name in names] or self.of(numbers)
        for kind in wanted:
            try:
                variants = with_asked(kind.variants(numbers), kind.uses, asked or {})
            except RunError:
                raise
            except InputError as error:
                yield MadeOf(kind, Options(), None, str(error))
                continue
            for options in variants:
                try:
                    yield MadeOf(kind, options, _named_as_its_file(kind, numbers, options))
                except RunError:
                    raise
                except InputError as error:
                    yield MadeOf(kind, options, None, str(error))

    def _named(self, name: str, numbers: Numbers) -> Kind[Spec]:
        own = {kind.name: kind for kind in self.of(numbers)}
        if name not in own:
            raise self.missing(name, numbers)
        return own[name]

    def missing(self, name: str, numbers: Numbers, more: Iterable[str] = ()) -> InputError:
        """What to say of a name that none of the kinds of such runs has.

        Args:
            name: what was asked for.
            numbers: of the runs.
            more: other names that would have been understood.
        """
        why = numbers.apart if isinstance(numbers, SeveralNumbers) else ""
        own = [*(kind.name for kind in self.of(numbers)), *more]
        if name not in self.named:
            return unknown(f"{self.what} of these runs", name, own, why)
        if self.named[name].suits(numbers):
            return InputError(f"{name}: {self.named[name].needs}")
        of, these = _OF[self.named[name].study][0], _OF[numbers.study][1]
        said = (
            f"{name} is a {self.what} of {of}; these runs are {these}. They have:"
            f" {', '.join(sorted(own))}."
        )
        return InputError(f"{said} {why}".strip())


def _named_as_its_file(kind: Kind[Spec], numbers: Numbers, options: Options) -> Spec:
    """What a kind makes, named as its files: labels in LaTeX are as unlike as those."""
    made: Any = kind.make(numbers, options)
    named: Spec = replace(made, name=stem(kind.name, kind.uses, options))
    return named


def once(numbers: Any) -> list[Options]:
    """One figure or table, with what the runs suggest."""
    return [Options()]

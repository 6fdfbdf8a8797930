"""How to check the report: definitions, how to make the runs again, where they come from, cites."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.paper.citations import bibtex, cited
from sapo_analysis.paper.figures import Made
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.stamps import ended, provenance
from sapo_analysis.paper.tables import MadeTable


@dataclass(frozen=True)
class Sources:
    """What a reader needs to check the numbers.

    Attributes:
        definitions: label and meaning of the terms that the report uses.
        commands: one per run that can be made again.
        not_again: why a run cannot be made again, a sentence each.
        provenance: of the runs, as JSON.
        bibtex: what figures and tables rest on.
        date: when the last of the runs ended, or its last sign of life; "" where not known.
    """

    definitions: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]
    not_again: tuple[str, ...]
    provenance: str
    bibtex: str
    date: str


def sources(numbers: Numbers, made: Iterable[Made | MadeTable], terms: Iterable[str]) -> Sources:
    """All of it; `terms` beside those that the captions name."""
    shown = [one for one in made if one.spec is not None]
    of_captions = [term for one in shown if one.spec for term in one.spec.caption.terms]
    entries = [entry(name) for name in dict.fromkeys((*terms, *of_captions))]
    keys = dict.fromkeys(key for one in shown for key in cited(one.kind, numbers.runs))
    when = ended(numbers)
    return Sources(
        tuple((term.label, term.help) for term in entries),
        tuple(f"sapo reproduce {run.run_id}" for run in numbers.runs if not run.is_imported),
        tuple(
            f"{run.run_id} holds imported results: make them again with the tool they came from."
            for run in numbers.runs
            if run.is_imported
        ),
        json.dumps(provenance(numbers), indent=1, ensure_ascii=False),
        bibtex(keys),
        "" if when is None else when.date().isoformat(),
    )

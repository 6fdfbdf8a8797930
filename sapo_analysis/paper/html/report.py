"""The whole report: what stands on the page, and how much room each part has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.paper.figures import every_figure
from sapo_analysis.paper.html import paraphrase, sequence, several
from sapo_analysis.paper.html.claims import Claim
from sapo_analysis.paper.html.figures import sections
from sapo_analysis.paper.html.head import Head
from sapo_analysis.paper.html.page import written
from sapo_analysis.paper.html.payload import Payload, payloads
from sapo_analysis.paper.html.sources import Sources, sources
from sapo_analysis.paper.html.table import Table
from sapo_analysis.paper.html.tables import prompts, tables
from sapo_analysis.paper.numbers import Numbers, ParaphraseNumbers, SequenceNumbers
from sapo_analysis.paper.tables import MadeTable, every_table

LARGEST_BYTES = 9_900_000
_NOTES = 20_000
"""Bytes kept for what the page says of figures that had to give way."""


@dataclass(frozen=True)
class Text:
    """Everything but figures and tables.

    Attributes:
        head: the top.
        claims: a card each; none of sequences.
        claims_table: all verdicts.
        prompts: every prompt, where no table of the paper has them.
        terms: glossary terms that these use.
    """

    head: Head
    claims: tuple[Claim, ...] = ()
    claims_table: Table | None = None
    prompts: Table | None = None
    terms: tuple[str, ...] = ()


@remembering()
def static_report(numbers: Numbers) -> str:
    """One HTML file with figures, tables and verdicts that opens without a network.

    Equal runs give equal bytes; it stays below `LARGEST_BYTES`. Runs of which nothing was measured
    yet give a page that says so.

    Raises:
        RunError: a table is damaged.
    """
    text = _text(numbers)
    made = list(every_figure(numbers))
    printed = list(every_table(numbers))
    found = sources(numbers, [*made, *printed], text.terms)
    specs = {one.name: one.spec for one in made if one.spec is not None}
    content = _content(numbers, text, printed, found)
    bare = written(
        {**content, "sections": sections(made, dict.fromkeys(specs, Payload("")), numbers)}
    )
    room = LARGEST_BYTES - _NOTES - len(bare.encode())
    drawn = payloads(specs, room)
    with_webgl = any(one.needs_webgl for one in drawn.values())
    return written({**content, "sections": sections(made, drawn, numbers)}, with_webgl)


def _text(numbers: Numbers) -> Text:
    if isinstance(numbers, ParaphraseNumbers):
        head = paraphrase.head(numbers)
        if not paraphrase.is_measured(numbers):
            return Text(head)
        return Text(
            head,
            tuple(paraphrase.claims(numbers)),
            paraphrase.claims_table(numbers),
            terms=tuple(paraphrase.terms(numbers)),
        )
    if isinstance(numbers, SequenceNumbers):
        return Text(sequence.head(numbers), prompts=sequence.prompts(numbers), terms=sequence.TERMS)
    return Text(several.head(numbers), terms=several.TERMS)


def _content(
    numbers: Numbers, text: Text, printed: list[MadeTable], found: Sources
) -> dict[str, Any]:
    ids = [run.run_id for run in numbers.runs]
    return {
        "title": f"{text.head.question} {', '.join(ids)}",
        "runs": ids,
        "head": text.head,
        "claims": text.claims,
        "claims_table": text.claims_table,
        "verdicts_shown": not numbers.silent,
        "tables": tables(printed),
        "prompts": text.prompts or prompts(printed),
        "sources": found,
    }

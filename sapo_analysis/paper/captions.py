"""A caption in sentences: what is shown, its marks, its numbers, n, intervals and definitions.

A draft: the author shortens it. It holds no number that its figure or table was not given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from sapo_analysis.analysis.glossary import DIRECTIONS, entry
from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.analysis.wording import IMPORTED, RANDOM_WEIGHTS
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.citations import with_citations
from sapo_analysis.paper.latex import escaped, with_symbols
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.stamps import model_name
from sapo_analysis.spec import NOT_RECORDED, ParaphraseStudy
from sapo_analysis.store import Run

_CROSSED = ("tasks", "prompts", "seeds", "orders", "strategies", "stages", "candidates")
"""Factors of a design: their counts multiply."""
_ENDS = (".", "!", "?")


def draft(caption: Caption, numbers: Numbers | None = None, method: str = "") -> str:
    """A caption in plain text: whole sentences, each once.

    Args:
        caption: the facts.
        numbers: what was measured; with it the caption begins with what forbids to read anything
            into it, and ends with model and method.
        method: the one method that is shown; "": all of the runs.

    Raises:
        InputError: a term is none of the glossary.
    """
    return " ".join(_sentences(caption, numbers, method))


def draft_latex(
    caption: Caption,
    cites: Iterable[str] = (),
    numbers: Numbers | None = None,
    method: str = "",
) -> str:
    """The same as LaTeX, with what it names cited where it is first named.

    Args:
        caption: the facts.
        cites: keys of `paper.citations`.
        numbers: as in `draft`.
        method: as in `draft`.

    Raises:
        InputError: a term is none of the glossary, or a key none of a source.
    """
    return with_symbols(with_citations(escaped(draft(caption, numbers, method)), cites))


def standing(runs: Sequence[Run]) -> tuple[str, ...]:
    """What has to be said before any number of such runs: sentences, mostly none."""
    found = []
    if any(run.is_imported for run in runs):
        found.append(IMPORTED)
    if any(run.has_random_weights for run in runs):
        found.append(RANDOM_WEIGHTS)
    open_ones = [run for run in runs if not run.is_complete]
    if open_ones:
        done = sum(run.status.done for run in runs)
        total = sum(run.status.total for run in runs)
        unit = "stages" if runs[0].is_sequence else "trials"
        found.append(f"unfinished: {done:,} of {total:,} {unit}")
    return tuple(_sentence(text) for text in found)


def _sentences(caption: Caption, numbers: Numbers | None, method: str) -> list[str]:
    found = [*(standing(numbers.runs) if numbers is not None else ()), caption.shows]
    found += [*caption.explained, *caption.statistics]
    if caption.interval:
        found.append(f"Intervals: {caption.interval}")
    if caption.n:
        found.append(counts(caption.n))
    found += _definitions(caption.terms, caption.units)
    if numbers is not None:
        found.append(_made_with(numbers.runs, method, caption.strategy))
    return list(dict.fromkeys(_sentence(text) for text in found if text.strip()))


def counts(n: Mapping[str, int]) -> str:
    """`n = 11 tasks × 13 prompts × 3 seeds`; what does not multiply is told behind commas."""
    said = [f"{count:,} {_singular(name) if count == 1 else name}" for name, count in n.items()]
    joint = " × " if all(name in _CROSSED for name in n) else ", "
    return f"n = {joint.join(said)}"


def _singular(name: str) -> str:
    return name.removesuffix("ies") + "y" if name.endswith("ies") else name.removesuffix("s")


def _definitions(names: Iterable[str], units: Mapping[str, str]) -> list[str]:
    """Each term once; those that are defined alike together.

    A definition of the glossary ends at its first semicolon: what follows are remarks.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for term in map(entry, dict.fromkeys(names)):
        unit = units.get(term.name, term.unit)
        said = ", ".join(part for part in (unit, DIRECTIONS[term.better]) if part)
        alike.setdefault((said, term.definition.partition(";")[0]), []).append(term.label)
    return [_defined(" and ".join(labels), *told) for told, labels in alike.items()]


def _defined(label: str, said: str, definition: str) -> str:
    if not said:
        return f"{label}: {definition}"
    if label.endswith(")"):  # one pair of brackets for both
        return f"{label[:-1]}; {said}): {definition}"
    return f"{label} ({said}): {definition}"


def _made_with(runs: Sequence[Run], method: str, strategy: str) -> str:
    """Model, methods and policies, of one method or one strategy where no other is shown."""
    models = [name for name in map(model_name, runs) if name != NOT_RECORDED]
    pairs = [pair for run in runs for pair in _policies_and_methods(run)]
    own = [
        (policy, m)
        for policy, m in pairs
        if method in ("", m) and strategy in ("", f"{policy}+{m}")
    ]
    told = (
        _listed("model", models),
        _listed("method", [METHOD_WORDS[m] for _, m in own]),
        _listed("policy", [policy for policy, _ in own if policy]),
    )
    return "; ".join(part for part in told if part)


def _listed(what: str, names: Iterable[str]) -> str:
    each = list(dict.fromkeys(names))
    return f"{what if len(each) == 1 else _plural(what)} {', '.join(each)}" if each else ""


def _plural(name: str) -> str:
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _policies_and_methods(run: Run) -> list[tuple[str, str]]:
    if isinstance(run.study, ParaphraseStudy):
        return [("", run.study.method)]
    if not run.is_sequence:
        return []
    return [(one.policy, one.method) for one in run.learned_in_turn.chosen_strategies]


def _sentence(text: str) -> str:
    """With a capital and a full stop; a name that begins with a small letter by intent stays."""
    text = text.strip()
    first = text.split(" ", 1)[0].rstrip(",;:")
    keeps = len(first) == 1 or re.fullmatch("[a-z-]+", first) is None
    begun = text if keeps else text[0].upper() + text[1:]
    return begun if begun.endswith(_ENDS) else f"{begun}."

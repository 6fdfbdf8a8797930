"""The methods as a form offers them: in groups, with what each trains and which settings it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.app.launching.choices import pair_of
from sapo_analysis.methods import FAMILIES, known_methods
from sapo_analysis.spec import METHODS, ONE_TASK_METHODS

GROUPS: Mapping[str, tuple[str, ...]] = {
    family: own
    for family in FAMILIES
    if (own := tuple(n for n, m in known_methods().items() if m.facts.family == family))
}
"""Every method once, by what it is compared for."""
TRAINS: Mapping[str, str] = {name: m.facts.trains for name, m in known_methods().items()}
"""What each method trains, as the end of a sentence."""


def title(method: str) -> str:
    """A method by its name in words and in a spec."""
    words = METHOD_WORDS[method]
    begun = words[:1].upper() + words[1:]
    return begun if words.replace(" ", "-").lower() == method else f"{begun} ({method})"


def one_task_methods() -> list[str]:
    """The methods of a paraphrase study, group by group."""
    return [m for own in GROUPS.values() for m in own if m in ONE_TASK_METHODS]


def in_order(chosen: Iterable[str]) -> list[str]:
    """Methods in the order of the spec."""
    wanted = set(chosen)
    return [method for method in METHODS if method in wanted]


def chosen_in(question: str, method: object, strategies: Iterable[str]) -> set[str]:
    """The policies and methods of a form, by name."""
    if question == "sequence":
        return {part for name in strategies for part in pair_of(name) if part}
    return {str(method)}


def is_needed(name: str, chosen: set[str], update: object) -> bool:
    """Whether a section or a setting matters to the policies and methods that are chosen.

    `update` is promot.update: stage 2 of ProMoT may train all weights, with that method's rate.
    """
    section = name.partition(".")[0]
    if section == "paft":
        return "paft" in chosen
    users = [method for method in known_methods().values() if section in method.settings]
    return not users or any(
        method.name in chosen
        and not {section, name} & set(method.idle)
        and (section != "full" or method.name == "full" or update == "full")
        for method in users
    )

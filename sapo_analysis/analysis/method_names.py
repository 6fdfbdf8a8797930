"""Methods by the names that readers know them by, and what their fine-tunes are made of."""

from __future__ import annotations

from collections.abc import Mapping

from sapo_analysis.methods import known_methods
from sapo_analysis.spec import SequenceStudy
from sapo_analysis.store import Run

METHOD_WORDS: Mapping[str, str] = {
    name: method.facts.words for name, method in known_methods().items()
}
"""Every method of `spec.METHODS` in words."""


def strategy_words(strategy: str) -> str:
    """A method, or policy+method, in words: `sapo, ProMoT`."""
    policy, plus, method = strategy.partition("+")
    if not plus:
        return METHOD_WORDS.get(policy, policy)
    return f"{policy}, {METHOD_WORDS.get(method, method)}"


def name_in_words(name: str) -> str:
    """What stands beside others in words; settings of one method are told apart by `… in RUN`."""
    strategy, at, run_id = name.partition(" in ")
    return f"{strategy_words(strategy)}{at}{run_id}"


def methods_of(run: Run) -> tuple[str, ...]:
    """The methods of a run's study, each once; none of imported results."""
    study = run.study
    if run.is_imported:
        return ()
    if isinstance(study, SequenceStudy):
        return tuple(dict.fromkeys(one.method for one in study.chosen_strategies))
    return (run.paraphrase.method,)

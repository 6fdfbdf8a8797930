"""One place says what every number is: it is complete, consistent, and used by the others."""

import dataclasses

import pytest

from sapo_analysis.analysis import sequences
from sapo_analysis.analysis.claims import CLAIMS
from sapo_analysis.analysis.findings import CHARACTERISTICS
from sapo_analysis.analysis.glossary import SECTIONS, TERMS, Term, entry
from sapo_analysis.analysis.impacts import COLUMNS
from sapo_analysis.analysis.indicators.rivals import INDICATORS
from sapo_analysis.analysis.quantities import QUANTITIES
from sapo_analysis.errors import InputError
from sapo_analysis.figures.outcomes import OUTCOMES


def test_every_name_is_there_once():
    assert len(TERMS) == sum(len(terms) for terms in SECTIONS.values())


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_a_term_has_a_label_and_a_definition_that_is_a_phrase(term):
    assert term.label.strip() == term.label != ""
    assert len(term.definition) > 10
    assert not term.definition.endswith(".")
    assert term.better in ("high", "low", "")
    assert term.help.startswith(term.definition[:1].upper()) or not term.definition[0].isascii()


def test_what_is_measured_and_judged_has_a_term():
    numbers = [name for name in COLUMNS if name.startswith(("score_", "loss_"))]
    shown = {o.score for o in OUTCOMES.values()} | {o.loss for o in OUTCOMES.values()}
    assert {*numbers, *shown, *INDICATORS, *CLAIMS, *CHARACTERISTICS} <= TERMS.keys()


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q.name)
def test_the_good_direction_is_that_of_the_quantity_in_both_forms(quantity):
    for name in (quantity.name, f"{quantity.name}_loss"):
        assert entry(name).better == quantity.good_when
    assert quantity.meaning in entry(quantity.name).definition


def test_metrics_of_sequences_are_described_by_their_terms():
    assert sequences.SHORT["ap"] == entry("ap").label == "AP"
    assert sequences.METRICS["forgetting_loss"] == entry("chain_forgetting_loss").in_words
    assert sequences.TASK_METRICS["loss_change"] == entry("chain_loss_change").in_words
    assert sequences.metric_term("forgetting_loss").better == "low"


def test_words_for_axes_tooltips_and_reports():
    term = Term("a", "norm", "nats", "size of it", "low")
    assert term.axis == "norm (nats)"
    assert term.in_words == "size of it (nats)"
    assert term.help == "Size of it. Unit: nats. Lower is better."
    bare = Term("b", "name", "", "\u03c3 of it")
    assert (bare.axis, bare.in_words, bare.help) == ("name", "\u03c3 of it", "\u03c3 of it.")
    with pytest.raises(dataclasses.FrozenInstanceError):
        term.unit = ""


def test_an_unknown_name_is_answered_with_a_near_one():
    with pytest.raises(InputError, match=r"Unknown term 'forgeting'. Did you mean 'forgetting'\?"):
        entry("forgeting")

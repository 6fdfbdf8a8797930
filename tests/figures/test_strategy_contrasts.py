"""Paired differences between strategies: numbers, marks of significance, wrong tables."""

import math

import pytest

from sapo_analysis.analysis.sequences import (
    SIGNIFICANT,
    chain_metrics,
    contrasts,
    sequence_scores,
    significant,
)
from sapo_analysis.errors import InputError
from sapo_analysis.figures import strategy_contrasts
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.figures.spec import Intervals, Note, Points
from sapo_analysis.paper.captions import draft
from sapo_analysis.store import open_run
from tests.analysis.sequences.test_metrics import ORDERS, noisy
from tests.figures.same_data import check_same_data
from tests.synthetic_sequence import write_sequence_run


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    strategies = ["original", "random", "sapo", "sapo-once", "sapo+ewc", "original+ewc"]
    path = write_sequence_run(folder, noisy, orders=ORDERS, strategies=strategies)
    return contrasts(chain_metrics(sequence_scores(open_run(path))))


def layers(spec, kind, panel=0):
    return [layer for layer in spec.panels[panel].layers if isinstance(layer, kind)]


def ap_of(table, **changes):
    """The table with changes at sapo − random in AP, the primary contrast."""
    found = table.copy()
    for name, value in changes.items():
        found.loc[found["is_primary"], name] = value
    return found


def test_each_row_is_a_paired_difference_of_the_method(table):
    spec = strategy_contrasts(table)
    check_same_data(spec, width="full")
    assert spec.panels[0].y_ticks.labels == (
        *("random − original", "sapo − original", "sapo − random", "sapo − sapo-once"),
        "sapo-once − original",
    )
    own = table[(table["metric"] == "ap") & (table["test_prompts"] == "original")]
    own = own[own["strategy"].str.endswith("+lora")]
    assert [layer.x[0] for layer in layers(spec, Points)] == own["value"].tolist()
    assert [layer.lower[0] for layer in layers(spec, Intervals)] == own["lower"].tolist()
    assert [panel.title for panel in spec.panels] == [
        *("Average performance", "Backward transfer", "Forward transfer")
    ]
    assert len(strategy_contrasts(table, method="ewc").panels[0].y_ticks.labels) == 1
    assert strategy_contrasts(table, method="ewc").name != spec.name
    assert not grey_twins(spec)


def test_asterisks_stand_where_the_rule_says(table):
    tested = table.assign(p_holm=math.nan, p=0.5)
    assert not significant(tested).any()
    assert not layers(strategy_contrasts(tested), Note)
    sure = ap_of(tested, p=0.03)
    assert significant(sure).sum() == 1
    (note,) = layers(strategy_contrasts(sure), Note)
    assert (note.text, note.part, note.y) == ("*", "significance", 2.0)
    # Others go by their corrected p, and one that was not tested has none.
    other = tested.assign(p=0.001)
    other.loc[other["is_primary"], "p"] = 0.9
    assert not significant(other).any()
    other.loc[other.index[:3], "p_holm"] = (0.049, 0.051, math.nan)
    assert significant(other).tolist() == [True] + [False] * (len(other) - 1)
    assert not significant(ap_of(tested, p=0.001, n_orders=2)).any()


def test_the_caption_tells_the_primary_contrast_and_what_else_is_significant(table):
    found = ap_of(table.assign(p_holm=0.5), p=0.012, p_holm=math.nan, value=1.0, lower=-2, upper=4)
    caption = strategy_contrasts(found).caption
    assert caption.statistics == (
        "Primary contrast: sapo+lora − random+lora, AP +1.0 (95 % −2.0 to +4.0), p = 0.012.",
        "No other difference is significant.",
    )
    assert caption.n == {"orders": 3, "seeds": 1}
    assert caption.interval == (
        "95 % Student t over 3 orders of the paired differences, each for itself"
    )
    assert SIGNIFICANT in caption.explained[0]
    assert "BWT" in draft(caption)
    at = (found["strategy"] == "random+lora") & (found["metric"] == "fwt")
    found.loc[at & (found["test_prompts"] == "original"), "p_holm"] = 0.01
    assert "random+lora − original+lora: FWT" in strategy_contrasts(found).caption.statistics[1]


def test_without_a_primary_contrast_there_are_no_others(table):
    found = table.assign(p_holm=0.5)
    assert strategy_contrasts(found, method="ewc").caption.statistics == (
        "No difference is significant.",
    )


def test_where_nothing_may_be_concluded_nothing_is_significant(table):
    sure = ap_of(table.assign(p_holm=0.5), p=0.001, p_holm=math.nan)
    assert layers(strategy_contrasts(sure), Note)
    spec = strategy_contrasts(sure, judged=False)
    assert not layers(spec, Note) and not spec.table["is_significant"].any()
    assert "significant" not in draft(spec.caption)


def test_few_orders_are_described_and_have_no_interval(tmp_path):
    path = write_sequence_run(tmp_path, noisy, strategies=["original", "sapo"], seeds=[0, 1])
    spec = strategy_contrasts(contrasts(chain_metrics(sequence_scores(open_run(path)))))
    assert len(layers(spec, Points)) == 1 and not layers(spec, Intervals)
    assert spec.caption.interval == "" and spec.caption.explained == ("Described, not tested.",)
    assert spec.without("intervals").panels == spec.panels


def test_parts_can_be_left_out(table):
    spec = strategy_contrasts(ap_of(table, p=0.01), hollow=True)
    assert spec.parts == ("intervals", "significance")
    assert not layers(spec.without("intervals"), Intervals)
    bare = spec.without("intervals", "significance")
    assert {type(layer) for layer in bare.panels[0].layers} == {Points}
    assert all(layer.hollow for layer in layers(bare, Points))
    assert any("Hollow" in mark for mark in spec.caption.explained)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="p_holm"), "no column p_holm. Make it with contrasts"),
        (lambda t: t.head(0), "No two strategies of lora are complete in the same order"),
        (lambda t: t[t["test_prompts"] == "training"], "with original test prompts"),
    ],
)
def test_wrong_tables_are_refused_in_words(table, change, said):
    with pytest.raises(InputError, match=said):
        strategy_contrasts(change(table))
    with pytest.raises(InputError, match="No two strategies of full"):
        strategy_contrasts(table, method="full")

"""Shipped sequence runs: made by plan, and quoted as the command prints them when joined."""

import pytest

from sapo_analysis.analysis.sequences import sequence_report
from sapo_analysis.cli.sequences import as_markdown, blocks
from sapo_analysis.spec import to_json
from tests.test_shipped_run import ALL, FINDINGS, README

MODELS = ("pocket-1", "pocket-2")
FAMILIES = {
    model: [run for run in ALL if run.study.name.startswith(f"{model}-order-")] for model in MODELS
}
FAMILIES = {model: runs for model, runs in FAMILIES.items() if runs}
each_family = pytest.mark.parametrize("model", FAMILIES)


@pytest.fixture(scope="module", params=FAMILIES)
def report(request):
    return sequence_report(FAMILIES[request.param])


def test_every_shipped_sequence_run_belongs_to_a_family():
    of_families = [run.run_id for runs in FAMILIES.values() for run in runs]
    assert of_families == [run.run_id for run in ALL if run.study.kind == "sequence"]


@each_family
def test_a_family_is_five_orders_in_which_every_task_stands_at_every_place(model):
    runs = FAMILIES[model]
    orders = [order for run in runs for order in run.sequence.orders]
    assert len(runs) == len(orders) == 5
    for place in range(5):
        assert len({order[place] for order in orders}) == 5
    alike = {to_json(run.study.model_copy(update={"orders": (), "name": "x"})) for run in runs}
    assert len(alike) == 1


def test_no_chain_is_missing_and_nothing_is_withheld(report):
    assert report["warnings"] == [] and report["no_verdict"] == ""
    assert len(report["orders"]) == 5 and len(report["seeds"]) == 3
    assert len(report["strategies"]) == 13
    tested = [row for row in report["contrasts"] if row["p"] is not None]
    assert sum(row["is_primary"] for row in tested) == 1 and len(tested) == 42


def test_its_tables_and_verdicts_are_quoted(report):
    for block in blocks(report):
        assert as_markdown(block) in FINDINGS, block.title
    said = " ".join(FINDINGS.split())
    assert report["primary"]["sentence"] in said
    for row in report["state_adaptive"]:
        assert row["sentence"] in said
    primary = report["primary"]
    readme = " ".join(README.split())
    assert f"{primary['value']:+.1f}".replace("-", "\N{MINUS SIGN}") in readme
    for run_id in report["run_id"]:
        assert run_id in FINDINGS

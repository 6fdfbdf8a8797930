"""Shipped sequence runs: made by plan, and quoted as the command prints them when joined."""

from itertools import product

import pytest

from sapo_analysis.analysis.sequences import sequence_report
from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli.block import as_markdown
from sapo_analysis.cli.sequences import blocks, metrics_block
from sapo_analysis.learning.members import Drawn
from sapo_analysis.plan import order_name, stream_seed
from sapo_analysis.spec import to_json
from tests.test_shipped_run import ALL, FINDINGS, OF_METHODS, README

pytestmark = pytest.mark.slow

MODELS = ("pocket-1", "pocket-2")
FAMILIES = {
    model: [run for run in ALL if run.study.name.startswith(f"{model}-order-")] for model in MODELS
}
TUNING = [run for run in ALL if run.study.name == "tuning-order"]
LEDGER = (ALL[0].path.parent / "LEDGER.md").read_text(encoding="utf-8")
SAID = {"README": README, "FINDINGS": FINDINGS, "LEDGER": LEDGER}
SAID = {name: " ".join(text.split()) for name, text in SAID.items()}
each_family = pytest.mark.parametrize("model", FAMILIES)


@pytest.fixture(scope="module")
def reports():
    return {model: sequence_report(runs) for model, runs in FAMILIES.items()}


@pytest.fixture(scope="module", params=FAMILIES)
def report(request, reports):
    return reports[request.param]


@pytest.fixture(scope="module")
def tuning():
    return sequence_report(TUNING)


def test_every_shipped_sequence_run_has_its_place():
    placed = [run.run_id for runs in (*FAMILIES.values(), TUNING) for run in runs]
    others = [run for run in ALL if not run.study.name.startswith(OF_METHODS)]
    assert placed == [run.run_id for run in others if run.study.kind == "sequence"]


@each_family
def test_a_family_is_five_orders_in_which_every_task_stands_at_every_place(model):
    runs = FAMILIES[model]
    orders = [order for run in runs for order in run.sequence.orders]
    assert len(runs) == len(orders) == 5
    for place in range(5):
        assert len({order[place] for order in orders}) == 5
    alike = {to_json(run.study.model_copy(update={"orders": (), "name": "x"})) for run in runs}
    assert len(alike) == 1


def test_both_models_learn_the_same_orders_in_the_same_way():
    one, two = (
        [run.study.model_copy(update={"model": "x", "name": "x"}) for run in FAMILIES[model]]
        for model in MODELS
    )
    assert one == two


def test_no_chain_is_missing_and_nothing_is_withheld(report):
    assert report["warnings"] == [] and report["no_verdict"] == ""
    assert len(report["orders"]) == 5 and len(report["seeds"]) == 3
    assert len(report["strategies"]) == 13
    assert sum(row["is_primary"] for row in report["contrasts"]) == 1
    assert sum(row["p_holm"] is not None for row in report["contrasts"]) == 41


def test_its_tables_and_verdicts_are_quoted(report):
    for block in blocks(report):
        assert as_markdown(block) in FINDINGS, block.title
    assert report["primary"]["sentence"] in SAID["FINDINGS"]
    for row in report["state_adaptive"]:
        assert row["sentence"] in SAID["FINDINGS"]
    for run_id in report["run_id"]:
        assert run_id in FINDINGS


def contrast(report, policy, reference, kind="original", method="lora"):
    (row,) = [
        row
        for row in report["contrasts"]
        if (row["strategy"], row["reference"]) == (f"{policy}+{method}", f"{reference}+{method}")
        and (row["metric"], row["test_prompts"]) == ("ap", kind)
    ]
    return row


def bounds(row):
    return f"{signed(row['lower'], 1)} to {signed(row['upper'], 1)}"


def value(row):
    return f"{signed(row['value'], 1)} ({bounds(row)})"


def quotes(one, two):
    """What the README says of both models, from their reports."""
    both = (one, two)

    def of(policy, reference, kind="original", method="lora"):
        return [contrast(report, policy, reference, kind, method) for report in both]

    a, b = of("sapo", "random")
    yield f"sequential LoRA: {signed(a['value'], 1)} (95 % {bounds(a)}) and {value(b)}."
    a, b = of("sapo-once", "original")
    assert b["p_holm"] < 0.0005
    yield (
        f"({signed(a['value'], 1)}, {bounds(a)}, and {signed(b['value'], 1)}, {bounds(b)};"
        f" p {a['p_holm']:.3f} and < 0.001 corrected)"
    )
    yield "the difference is {} and {}.".format(
        *map(value, of("sapo-once", "original", "test-only"))
    )
    a, b = of("sapo", "original")
    c, d = of("sapo", "original", "test-only")
    yield (
        f"`sapo` is at {value(a)} and {value(b)}, {a['p_holm']:.3f} and {b['p_holm']:.3f}"
        f" corrected; with test-only prompts at {value(c)} and {value(d)}."
    )
    a, b = of("sapo", "original", method="o-lora")
    yield (
        f"at {signed(a['value'], 1)} ({bounds(a)}; {a['p_holm']:.3f}) and"
        f" {signed(b['value'], 1)} ({bounds(b)}; {b['p_holm']:.3f})."
    )
    a, b = of("sapo", "sapo-once")
    yield f"`sapo` − `sapo-once` is {value(a)} and {value(b)}:"
    c, d = of("sapo", "sapo-once", "test-only")
    yield (
        f"{a['p_holm']:.3f} and {b['p_holm']:.3f} after correction, and with test-only prompts"
        f" {value(c)} and {value(d)}."
    )
    (alike,) = {(row["same"], row["of"]) for r in both for row in r["state_adaptive"]}
    yield "choose alike at {} of {} later stages on both".format(*alike)
    a, b = of("sapp", "original")
    yield (
        f"ends {-a['value']:.1f} ({bounds(a)}) and {-b['value']:.1f} ({bounds(b)}) below"
        f" `original`, {a['p_holm']:.3f} and {b['p_holm']:.3f} corrected"
    )
    a, b = of("sapo", "random", "training")
    yield f"SAPO − random is {value(a)} and {value(b)}, `sapp`"
    (a, b), (c, d) = of("sapp", "original", "training"), of("sapp", "original", "test-only")
    yield f"`sapp` − `original` {value(a)} and {value(b)}, where"
    yield f"With test-only prompts that is {value(c)} and {value(d)}."
    (cost,) = [row for row in one["cost"] if row["strategy"] == "sapo+lora"]
    yield (
        f"{cost['choice_examples']:,.0f} texts read against {cost['train_examples']:,.0f} trained"
        f" on, {100 * cost['share_of_texts']:.0f} % of all texts"
    )
    yield f"By time it was {100 * cost['share']:.0f} % on `pocket-1`"


def test_the_readme_says_what_both_reports_say(reports):
    for quote in quotes(*(reports[model] for model in MODELS)):
        assert quote in SAID["README"], quote


def test_one_contrast_survives_correction_and_it_is_the_same_on_both(reports):
    (one,), (two,) = (
        [row for row in reports[model]["contrasts"] if (row["p_holm"] or 1) < 0.05]
        for model in MODELS
    )
    for row in (one, two):
        assert (row["strategy"], row["reference"]) == ("sapo-once+lora", "original+lora")
        assert row["metric"] == "ap" and row["value"] < 0


def test_the_range_of_ap_with_test_only_prompts_is_as_the_readme_says(reports):
    ap = [
        row
        for report in reports.values()
        for row in report["summary"]
        if (row["metric"], row["test_prompts"]) == ("ap", "test-only")
    ]
    sequential = [row["value"] for row in ap if row["method"] == "lora"]
    fresh = [row["value"] for row in ap if row["method"] != "lora"]
    assert (
        f"between {min(sequential):.1f} and {max(sequential):.1f} over all policies of sequential"
        f" LoRA, and between {min(fresh):.1f} and {max(fresh):.1f} over those of LoRAInc and O-LoRA"
    ) in SAID["README"]


def test_how_often_paft_never_met_the_original_is_as_the_ledger_says():
    never = []
    for run in FAMILIES["pocket-1"]:
        study = run.sequence
        (order,) = study.orders
        n = len(run.table("prompts").query("task == @order[0] and not test_only"))
        for seed, stage in product(study.seeds, range(5)):
            drawn = Drawn([[]] * n, study.paft.every)
            place = stream_seed(seed, order_name(order[:stage]), order[stage])
            met = {drawn.at(place, step) for step in range(study.training.steps)}
            never.append(0 not in met)
    assert f"in {sum(never)} of {len(never)} stages never met the original" in SAID["LEDGER"]


def test_the_tuning_side_is_quoted_without_a_verdict_of_its_own(tuning):
    assert tuning["warnings"] == [] and len(tuning["orders"]) == 5
    assert as_markdown(metrics_block(tuning)) in FINDINGS
    assert tuning["run_id"][0] in FINDINGS
    primary, once = contrast(tuning, "sapo", "random"), contrast(tuning, "sapo", "sapo-once")
    assert f"{signed(primary['value'], 1)} points ({bounds(primary)})" in SAID["LEDGER"]
    assert f"sapo − sapo-once was {value(once)} there" in SAID["LEDGER"]
    for sentence in (tuning["primary"]["sentence"], tuning["state_adaptive"][0]["sentence"]):
        assert sentence in SAID["FINDINGS"]

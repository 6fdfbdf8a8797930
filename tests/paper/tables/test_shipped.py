"""Tables of the shipped runs hold what `sapo report --json` prints."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sapo_analysis.cli import app, results
from sapo_analysis.paper.tables import table

pytestmark = pytest.mark.slow

RUNS = Path(__file__).resolve().parents[3] / "cached_runs"
MAIN = sorted(RUNS.glob("pocket-1-main-*"))
ORDERS = sorted(RUNS.glob("pocket-1-order-*"))


def printed(paths):
    done = CliRunner().invoke(app, ["report", *map(str, paths), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def main(main_numbers):
    return main_numbers, printed(MAIN)


@pytest.fixture(scope="module")
def orders(order_numbers):
    """The report takes seconds: it is made once, for the tables and for the terminal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "sequence_report", lambda runs: order_numbers.report)
        yield order_numbers, printed(ORDERS)


def signed(value, digits=2):
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def plain(value, digits):
    return f"{value:.{digits}f}".replace("-", "−")


def body(spec):
    """The printed rows without bold and escapes."""
    lines = [line for line in spec.to_markdown().splitlines() if line.startswith("|")][2:]
    clean = [re.sub(r"\*\*|\\", "", line) for line in lines]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in clean]


def test_claims(main):
    numbers, report = main
    spec = table("claims", numbers)
    rows = [row for row in body(spec) if row[2]]
    assert len(rows) * 2 == len(report["verdicts"]) == 20
    for cells, row in zip(rows, spec.rows.to_dict("records"), strict=True):
        for scope, interval, verdict in (("these_tasks", 3, 4), ("new_tasks", 5, 6)):
            (own,) = [
                v
                for v in report["verdicts"]
                if (v["claim"], v["form"], v["scope"]) == (row["claim"], row["form"], scope)
            ]
            e = own["estimate"]
            assert cells[2] == signed(e["value"])
            assert cells[interval] == f"[{signed(e['lower'])}, {signed(e['upper'])}]"
            assert cells[verdict] == own["verdict"]
            assert cells[7] == ("–" if e["p"] is None else "<0.001")


def test_correlations(main):
    numbers, report = main
    rows = {row[0]: row for row in body(table("correlations", numbers))}
    outcomes = [("forgetting", "past"), ("forgetting", "retained"), ("generalization", "unseen")]
    seen = 0
    for e in report["estimates"]:
        key = (e["y"], e["role"])
        if key not in outcomes or e["statistic"] != "pearson" or e["level"] == "pooled":
            continue
        name = e["task"] or f"for {e['scope'].replace('_', ' ')}"
        value, p = rows[name][1 + 2 * outcomes.index(key) :][:2]
        assert value == f"{signed(e['value'])} [{signed(e['lower'])}, {signed(e['upper'])}]"
        of_these = "<0.001" if e["p"] < 0.0005 else f"{e['p']:.3f}"
        assert p == ("–" if e["scope"] == "new_tasks" else of_these)
        seen += 1
    assert seen == 3 * (11 + 2)


def test_indicators_and_what_the_rule_is_worth(main):
    numbers, report = main
    (board,) = [
        b for b in report["indicator_board"] if (b["y"], b["role"]) == ("forgetting", "past")
    ]
    spec = table("indicators", numbers)
    rows = [row for row in body(spec) if row[1]]
    for cells, row in zip(rows, [*board["rows"], board["winner"]], strict=True):
        strength = row.get("strength", row["r"])
        assert cells[1] == signed(row["r"]) and cells[3].startswith(f"{signed(strength)} [")
    (worth,) = [
        w for w in report["selection_value"] if (w["y"], w["role"]) == ("forgetting", "past")
    ]
    own = [row for row in body(table("selection", numbers)) if row[1]][:5]
    for cells, row in zip(own, worth["rules"], strict=True):
        half = (row["upper"] - row["lower"]) / 2
        assert cells[1] == f"{plain(row['value'], 2)} ± {half:.2f}"
    for cells, row in zip(own[1:], worth["contrasts"], strict=True):
        star = "*" if row["lower"] > 0 or row["upper"] < 0 else ""
        half = (row["upper"] - row["lower"]) / 2
        assert cells[2] == f"{signed(row['gain'])}{star} ± {half:.2f}"
        assert cells[3] == f"{row['tasks_better']}/{row['n_tasks']}"


def test_strategies_with_stars_and_bold(orders):
    numbers, report = orders
    spec = table("strategies", numbers)
    by = {
        (row["strategy"], row["metric"]): row
        for row in report["summary"]
        if row["test_prompts"] == "original"
    }
    holm = {
        (row["strategy"], row["metric"]): row["p_holm"]
        for row in report["contrasts"]
        if row["test_prompts"] == "original" and row["reference"].startswith("original+")
    }
    rows = [row for row in body(spec) if row[1]]
    stars = 0
    for cells, strategy in zip(rows, spec.rows["strategy"], strict=True):
        for cell, metric in zip(cells[1:], ("ap", "bwt", "fwt"), strict=True):
            row, p = by[strategy, metric], holm.get((strategy, metric))
            star = "*" if p is not None and p < 0.05 else ""
            stars += bool(star)
            half = (row["upper"] - row["lower"]) / 2
            assert cell == f"{plain(row['value'], 1)}{star} ± {half:.1f}"
    assert len(rows) == 13 and stars == 1
    best = max(
        (row for row in report["summary"] if row["metric"] == "ap"
         and row["test_prompts"] == "original" and row["method"] == "o-lora"),
        key=lambda row: row["value"],
    )  # fmt: skip
    assert f"| {best['policy']} | **{best['value']:.1f}** ±" in spec.to_markdown()


def test_contrasts_scores_and_costs(orders):
    numbers, report = orders
    spec = table("contrasts", numbers)
    rows = [row for row in body(spec) if row[1]]
    for cells, row in zip(rows, spec.rows.to_dict("records"), strict=True):
        for at, metric in enumerate(("ap", "bwt", "fwt")):
            (own,) = [
                c
                for c in report["contrasts"]
                if (c["strategy"], c["reference"], c["metric"], c["test_prompts"])
                == (row["strategy"], row["reference"], metric, "original")
            ]
            p = own["p"] if own["is_primary"] else own["p_holm"]
            star = "*" if p < 0.05 else ""
            half = (own["upper"] - own["lower"]) / 2
            assert cells[1 + 2 * at] == f"{signed(own['value'], 1)}{star} ± {half:.1f}"
            assert cells[2 + 2 * at] == f"{p:.3f}{'†' if own['is_primary'] else ''}"
    tasks = table("task_scores", numbers).rows.set_index("strategy")
    for own in report["tasks_of_strategies"]:
        if own["test_prompts"] == "original":
            assert tasks.loc[own["strategy"], f"final {own['eval_task']}"] == own["final"]
    costs = table("choosing", numbers).rows.set_index("strategy")
    for own in report["cost"]:
        for name in ("share", "share_of_texts", "choice_examples"):
            assert costs.loc[own["strategy"], name] == own[name]

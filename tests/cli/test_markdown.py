"""`sapo report --markdown`: tables that hold the report's own numbers."""

from itertools import product

import pytest
from typer.testing import CliRunner

from sapo_analysis import analysis
from sapo_analysis.analysis import CHARACTERISTICS
from sapo_analysis.analysis.claims import CLAIM_NAMES
from sapo_analysis.analysis.estimate import FORMS
from sapo_analysis.analysis.wording import signed
from sapo_analysis.cli import app
from sapo_analysis.cli.markdown import (
    claims_block,
    distinguishing_block,
    markdown,
    matched_block,
    outcomes_block,
    past_gains_block,
    rivals_block,
    training_block,
)
from sapo_analysis.cli.markdown_review import (
    board_block,
    corrected_block,
    noise_block,
    payoff_block,
    structure_block,
)
from sapo_analysis.cli.review import in_words, plans_in_words
from sapo_analysis.figures.outcomes import indicator_name
from sapo_analysis.store import open_run
from tests.synthetic import STEPS, Truth, write_run
from tests.watched import Look, write_watched_run


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    truth = Truth(in_task_spread=3.0)
    return write_run(folder, n_tasks=5, n_prompts=8, seeds=[0, 1], noise_seeds=(7, 8), truth=truth)


@pytest.fixture(scope="module")
def report(path):
    return analysis.report(open_run(path), n_permutations=0)


def rows_of(block):
    head, rule, *rows = (line.strip("| ").split(" | ") for line in block.splitlines())
    assert set("".join(rule)) == {"-"} and all(len(row) == len(head) for row in rows)
    return [dict(zip(head, row, strict=True)) for row in rows]


def span(row, lower="lower", upper="upper"):
    return f"{signed(row[lower])} to {signed(row[upper])}"


def test_claims_stand_with_both_intervals_and_verdicts(report):
    rows = rows_of(claims_block(report))
    assert len(rows) == 10
    for row, (claim, form) in zip(rows, product(CLAIM_NAMES, FORMS), strict=True):
        assert (row["claim"], row["form"]) == (CLAIM_NAMES[claim], form)
        for scope, column in (("these_tasks", "these tasks"), ("new_tasks", "new tasks")):
            (v,) = [
                v
                for v in report["verdicts"]
                if (v["claim"], v["form"], v["scope"]) == (claim, form, scope)
            ]
            assert row[f"{column}, 95 %"] == f"{span(v['estimate'])}, {v['verdict']}"
            assert row["estimate"] == signed(v["estimate"]["value"])
            e = v["estimate"]
            assert row["n"] == f"{e['n_tasks']} × {e['n_prompts']} × {e['n_seeds']}"
    floors = {(f["quantity"], f["role"]): f for f in report["noise_floor"]}
    alone = report["claim_1_from_the_seed_alone"]
    for row in rows:
        name = {"past": "forgetting", "retained": "forgetting", "unseen": "generalization"}.get(
            row["claim"].rsplit(", ", 1)[-1]
        )
        if row["claim"].startswith("1"):
            assert row["noise floor"] == signed(alone[row["form"]])
        elif name:
            quantity = name if row["form"] == "score" else f"{name}_loss"
            floor = floors[quantity, row["claim"].rsplit(", ", 1)[-1]]
            pooled = floor["band"]["pooled"]
            sigma, most = f"{pooled['sigma']:.2g}", f"{pooled['sigma_upper']:.2g}"
            assert row["noise floor"].startswith(f"{sigma}, at most {most} {floor['unit']}")
            assert row["noise floor"].endswith("(upper bound)") == ("upper" in pooled["label"])
        else:
            alone_2 = report["structure"][row["form"]]["seed_alone"]
            assert row["noise floor"] == signed(alone_2)
    assert [row["predicted"] for row in rows] == ["> 0"] * 8 + ["< 0"] * 2


def test_each_task_stands_with_r_and_the_effects_of_prompt_and_seed(report):
    rows = {row["task"]: row for row in rows_of(outcomes_block(report))}
    score = [row for row in report["tasks"] if not row["quantity"].endswith("_loss")]
    assert len(rows) == 5 and len(score) == 15
    for row in score:
        words = row["quantity"] if row["role"] == "unseen" else f"forgetting, {row['role']}"
        mine = rows[row["current_task"]]
        assert mine[f"{words}: r"] == f"{signed(row['r'])} ({span(row)})"
        assert mine[f"{words}: σ prompt ÷ σ seed"] == (
            f"{row['ratio']:.1f} ({row['ratio_lower']:.1f} to {row['ratio_upper']:.1f})"
        )


def test_rivals_and_hints_stand_by_name(report):
    columns = {
        ("forgetting", "past"): "forgetting, past",
        ("forgetting", "retained"): "forgetting, retained",
        ("generalization", "unseen"): "generalization",
    }
    rivals = {row["indicator"]: row for row in rows_of(rivals_block(report))}
    scores = [row for row in report["rivals"] if (row["quantity"], row["role"]) in columns]
    assert len(scores) == 3 * len(rivals) > 0
    for row in scores:
        given = " and ".join(indicator_name(x) for x in row["given"].split(" and ") if x)
        name = indicator_name(row["indicator"]) + (f", given {given}" if given else "")
        cell = rivals[name][columns[row["quantity"], row["role"]]]
        assert cell == f"{signed(row['r'])} ({span(row)})"
    hints = {row["of the task"]: row for row in rows_of(distinguishing_block(report))}
    for row in report["distinguishing"]:
        if (row["quantity"], row["role"]) in columns and row["rho"] is not None:
            cell = hints[CHARACTERISTICS[row["characteristic"]]]
            cell = cell[f"{columns[row['quantity'], row['role']]}: ρ (p)"]
            assert cell == f"{signed(row['rho'])} ({row['p']:.2f})"


def test_equal_steps_and_equal_loss_stand_with_how_far_each_prompt_went(tmp_path, report):
    def look(i, seed, step):
        done = step / STEPS
        return Look(2 - done - 0.1 * i * done, (1 + i) * done, done)

    path = write_watched_run(tmp_path, look, n_prompts=4, n_tasks=3)
    matched = analysis.report(open_run(path), n_permutations=0)["matched"]
    table = matched_block({"matched": matched})
    *steps, at_loss = rows_of(table)
    assert [row["steps"] for row in steps] == ["10", "20", "50"]
    assert [row["‖ΔW‖"] for row in steps] == ["–", "–", "2.50 (1.00 to 4.00)"]
    # The first prompt ends at 1.0; the others get there at 50 / (1 + i / 10).
    taken = [50 / (1 + i / 10) for i in range(4)]
    for cell, least in ((at_loss["steps"], min(taken)), (at_loss["‖ΔW‖"], 1)):
        assert f"({least:.1f}" in cell or f"({least:.2f}" in cell
    assert at_loss["steps"].endswith("to 50.0)")
    for row in matched["outcomes"]:
        if row["scope"] == "new_tasks" and not row["quantity"].endswith("_loss"):
            name = "generalization" if row["role"] == "unseen" else f"forgetting, {row['role']}"
            found = [part["estimate"] for part in row["equal_steps"]] + [row["equal_loss"]]
            for line, e in zip((*steps, at_loss), found, strict=True):
                assert line[name] == f"{signed(e['value'])} ({span(e)})"
    assert matched_block(report) == ""


def test_training_stands_with_what_it_misses(report):
    rows = rows_of(training_block(report))
    for row, expected in zip(rows, report["training"], strict=True):
        assert row["task"] == expected["current_task"]
        assert row["final score"] == f"{expected['score_after']:.1f}"
        assert row["misses"] == (expected["misses"] or "–")
    assert any(row["misses"] != "–" for row in rows)


def test_what_past_tasks_gained_stands_seed_by_seed(report):
    rows = rows_of(past_gains_block(report))
    assert len(rows) == len(report["past_gains"]) == 2
    for row, expected in zip(rows, report["past_gains"], strict=True):
        assert (row["past task"], row["seed"]) == ("past-0", str(expected["state_seed"]))
        assert row["gain"] == f"{expected['gain']:.1f}"
        assert row["misses"] == (expected["misses"] or "–")


def test_the_command_prints_all_of_it(path, report):
    result = CliRunner().invoke(app, ["report", str(path), "--markdown"])
    assert result.exit_code == 0 and result.stdout.rstrip() == markdown(report)
    assert result.stdout.startswith(f"Findings of {path.name}\n\nclaim_1: ")
    assert report["warnings"]
    for warning in report["warnings"]:
        assert f"\nWarning: {warning}\n" in result.stdout
    for one in report["sentences"]:
        assert " ".join((one["sentence"], *one["warnings"])) in result.stdout
    for line in (*in_words(report), *plans_in_words(report)):
        assert f"\n{line}\n" in result.stdout
    assert sum(line.startswith("The rule (") for line in in_words(report)) == 3
    assert sum(line.startswith("Next study (") for line in plans_in_words(report)) == 6


def test_a_run_without_verdicts_leaves_the_claims_out(tmp_path):
    path = write_run(tmp_path, n_tasks=1, n_prompts=4, finish=False)
    found = analysis.report(open_run(path), n_permutations=0)
    assert claims_block(found) == distinguishing_block(found) == ""
    assert "no verdict until it is done" in markdown(found)
    assert "| task |" in markdown(found) and "\n\n\n" not in markdown(found)


def test_json_and_markdown_at_once_are_refused(path):
    result = CliRunner().invoke(app, ["report", str(path), "--markdown", "--json"])
    assert result.exit_code == 2 and "--json and --markdown were both given" in result.stderr


def test_noise_stands_as_shares_reliabilities_and_parts(report):
    rows = {row["number"]: row for row in rows_of(noise_block(report))}
    for found in report["claim_1_shares"]:
        row = rows[f"share in {found['form']}"]
        assert row["in-task result"] == signed(found["share_in_task"]).lstrip("+")
        assert row["difference"] == f"{signed(found['difference'])} ({span(found)})"
    over = {(r["quantity"], r["role"]): r for r in report["variance_components"]}
    found = over["impact_loss", None]  # the row over tasks is the last of its quantity
    text = f"{found['reliability']:.2f} ({found['reliability_lower']:.2f} to"
    assert rows["reliability in loss"]["impact on other tasks"].startswith(text)
    parts = {row["form"]: row for row in rows_of(structure_block(report))}
    for form, found in report["structure"].items():
        part = found["prompt"]["new_tasks"]
        assert parts[form]["prompts' part"] == f"{signed(part['value'])} ({span(part)})"
        assert parts[form]["r of the seed alone"] == signed(found["seed_alone"])


def test_what_corrects_and_what_pays_stands_by_outcome(report):
    corrected = {row["number"]: row for row in rows_of(corrected_block(report))}
    worth = {row["gain"]: row for row in rows_of(payoff_block(report))}
    for name, words in (("past", "forgetting, past"), ("retained", "forgetting, retained")):
        (one,) = [r for r in report["corrected"] if (r["y"], r["role"]) == ("forgetting", name)]
        assert corrected["without seed noise"][words] == f"{signed(one['value'])} ({span(one)})"
        (value,) = [
            r for r in report["selection_value"] if (r["y"], r["role"]) == ("forgetting", name)
        ]
        gains = {row["against"]: row for row in value["contrasts"]}
        for against, row in (("random", "a random prompt"), ("original", "the original")):
            gain = gains[against]
            assert worth[f"over {row}"][words] == f"{signed(gain['gain'])} ({span(gain)})"
        hit = value["hit_rate"]
        assert worth["hit (at random)"][words] == f"{hit['value']:.2f} ({hit['at_random']:.2f})"


def test_the_chosen_indicator_stands_with_its_r_on_tasks_left_out(report):
    rows = {row["outcome"]: row for row in rows_of(board_block(report))}
    for board in report["indicator_board"]:
        if board["y"].endswith("_loss"):
            continue
        words = "generalization" if board["role"] == "unseen" else f"forgetting, {board['role']}"
        winner = board["winner"]
        assert rows[words]["r on tasks left out"] == f"{signed(winner['r'])} ({span(winner)})"
        assert f"{max(winner['chosen'].values())} ×" in rows[words]["chosen"]
        n = sum(row["difference_p_adjusted"] is not None for row in board["rows"])
        assert rows[words]["differ from the loss"].endswith(f" of {n}")


def test_a_study_of_one_seed_has_no_table_of_noise(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=3, n_prompts=6))
    found = analysis.report(run, n_permutations=0)
    assert [noise_block(found), corrected_block(found), structure_block(found)] == [""] * 3
    assert "| over the hindsight best | – | – | – |" in payoff_block(found)

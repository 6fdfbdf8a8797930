"""Sequence studies from the terminal: run, watch, report, refuse."""

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sapo_analysis.analysis.sequences.live import LiveSequence
from sapo_analysis.cli import app
from sapo_analysis.cli.dry_run import left_open
from sapo_analysis.cli.race import Race, drawn, progress_of
from sapo_analysis.plan import plan_of
from sapo_analysis.spec import ParaphraseStudy
from sapo_analysis.store import create_run, open_run
from sapo_analysis.store.status import Status
from tests.analysis.sequences.test_metrics import ORDERS, noisy
from tests.analysis.sequences.test_report import chain, measured, scored, trained
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run
from tests.tiny_sequence import tiny_sequence


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for i, order in enumerate(ORDERS, start=1):
        write_sequence_run(
            folder,
            noisy,
            name=f"order-{i}",
            orders=[order],
            strategies=["original", "random", "sapo", "sapo-once"],
            seeds=[0, 1],
            losses={"00": 1.5, "01": 1.0, "02": 4.0},
        )
    write_run(folder, name="plain")
    return folder


IDS = [f"order-{i}-00000000" for i in (1, 2, 3)]


def test_several_orders_are_reported_as_one_study(runs):
    result = sapo("report", *IDS, "--runs", runs)
    assert result.exit_code == 0, result.output
    assert "sapo+lora − random+lora" in result.stdout and "95 % over 3 orders" in result.stdout
    for title in ("Metrics with original", "AP by test prompts", "Contrasts", "Cost of choosing"):
        assert title in result.stdout


def test_json_is_one_document_and_markdown_holds_every_table(runs):
    found = json.loads(sapo("report", *IDS, "--runs", runs, "--json").stdout)
    assert found["kind"] == "sequence" and found["primary"]["n_orders"] == 3
    assert {row["name"]: row["is_reference"] for row in found["comparison"]}["original+lora"]
    text = sapo("report", *IDS, "--runs", runs, "--markdown").stdout
    assert text.count("\n| --- |") == 6
    assert "**Contrasts with original test prompts**" in text


def test_runs_say_what_kind_they_are(runs):
    found = {
        row["run_id"]: row for row in json.loads(sapo("runs", "--runs", runs, "--json").stdout)
    }
    assert found[IDS[0]]["kind"] == "sequence" and found[IDS[0]]["tasks"] == ["a", "b", "c"]


def test_both_kinds_in_one_report_are_refused(runs):
    (plain,) = [path.name for path in runs.iterdir() if path.name.startswith("plain")]
    result = sapo("report", IDS[0], plain, "--runs", runs)
    assert result.exit_code == 2 and "is a paraphrase study" in result.output


BAD = {
    "orders": ("orders=[[add]]", "at least two"),
    "twice": ("orders=[add, job, add]", "'add' twice"),
    "policy": ("strategies=[sapoo]", "Did you mean 'sapo'?"),
    "method": (
        "strategies=[sapo+lorax]",
        ", ewc, full, ia3, lora, lora-1-shot, lora-inc, ",
    ),
    "none": ("prompts=0", "no candidates beside the original"),
    "task": ("orders=[add, jobb]", "Did you mean 'job'?"),
    "paraphrase": ("noise_seeds=[3]", "noise_seeds: unknown setting"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_two_one_message_and_nothing_written(tmp_path, case):
    setting, said = BAD[case]
    result = sapo("run", "sequence-smoke", "--runs", tmp_path / "runs", "--set", setting)
    assert result.exit_code == 2, result.output
    assert said in result.output and "Traceback" not in result.output
    assert not (tmp_path / "runs").exists()


def test_trials_are_not_taken_over_by_a_sequence(tmp_path, runs):
    result = sapo("run", "sequence-smoke", "--runs", runs, "--reuse", IDS[0])
    assert result.exit_code == 2 and "takes no trials over" in result.output


def test_parity_and_a_setting_that_it_decides_contradict_each_other(tmp_path):
    result = sapo(
        *("run", "sequence-smoke", "--paper-parity", "--set", "training.steps=3"),
        *("--runs", tmp_path / "runs"),
    )
    assert result.exit_code == 2 and "is decided by --paper-parity" in result.output


@pytest.mark.usefixtures("in_this_process")
def test_parity_says_what_it_sets_and_what_differs(tmp_path, monkeypatch):
    # What is measured beside it has tests of its own.
    monkeypatch.setattr("sapo_analysis.plan.amounts.MEASURED_STEPS", 1)
    monkeypatch.setattr("sapo_analysis.plan.parity._EXAMPLES", 100)
    result = sapo("run", "sequence-smoke", "--paper-parity", "--dry-run", "--runs", tmp_path)
    assert result.exit_code == 0, result.output
    (line,) = [row for row in result.stderr.splitlines() if row.startswith("Released settings")]
    for setting in ("lora.lora_alpha 32", "training.batch_size 64", "dtype bfloat16", "prompts 20"):
        assert setting in line
    assert "training.schedule" not in line  # constant before and after
    assert "it has original and sapo with lora-inc and o-lora" in result.stderr


def test_a_plan_speaks_of_replay_where_a_strategy_replays():
    without = left_open(plan_of(tiny_sequence(strategies=["original", "sapo"])))
    assert "done once" in without and "replay" not in without
    replaying = tiny_sequence(strategies=["original", "original+replay"])
    assert "Method replay takes longer" in left_open(plan_of(replaying))


def test_parity_with_all_weights_says_which_of_the_two_to_leave(tmp_path):
    result = sapo(
        *("run", "sequence-smoke", "--paper-parity", "--set", "strategies=[original+full, sapo]"),
        *("--runs", tmp_path / "runs"),
    )
    assert result.exit_code == 2 and "in which original+full would lose" in result.output
    assert not (tmp_path / "runs").exists()


def test_one_order_is_described_and_nothing_in_it_is_tested(runs):
    text = sapo("report", IDS[0], "--runs", runs, "--markdown").stdout
    assert "Nothing is tested with fewer than 3 orders; p is uncorrected." in text
    (line,) = [
        line for line in text.splitlines() if line.startswith("| sapo+lora − random+lora | AP")
    ]
    assert line.endswith(" | primary |")
    others = [row for row in text.splitlines() if row.startswith("| sapo+lora − original+lora |")]
    assert len(others) == 3 and all(row.endswith(" | – |") for row in others)


def test_a_run_that_has_hardly_begun_has_a_report(tmp_path):
    path = create_run(tmp_path, tiny_sequence())
    result = sapo("report", path)
    assert result.exit_code == 0, result.output
    assert "1 order, 1 seed" in result.stdout and "is not done" in result.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_a_dry_run_counts_what_is_then_done_at_most(tmp_path):
    spec = tmp_path / "small.yaml"
    spec.write_text(tiny_sequence(strategies=["original", "sapo", "sapo-once"]).model_dump_json())
    result = sapo("run", spec, "--dry-run", "--runs", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert "3 = 1 order × 3 strategies × 1 seed" in result.stdout
    assert "share nothing" in result.stdout.replace("\n", " ") and not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_the_smoke_preset_runs_to_its_end_and_is_reported(tmp_path):
    amounts = ("training.steps=3", "evaluation.examples=5", "scoring.examples=20")
    sets = [word for amount in amounts for word in ("--set", amount)]
    result = sapo("run", "sequence-smoke", *sets, "--runs", tmp_path)
    assert result.exit_code == 0, result.output
    path = result.stdout.strip().splitlines()[-1]
    run = open_run(path)
    assert run.is_complete and run.study.kind == "sequence"
    report = sapo("report", path)
    assert report.exit_code == 0 and "Too few orders" in report.stdout


@pytest.mark.slow
def test_a_sequence_run_is_reproduced_column_by_column(tmp_path):
    from sapo_analysis.store import create_run
    from sapo_analysis.studies.runner import run_to_end

    study = tiny_sequence(strategies=["original", "sapo+ewc"])
    paths = [create_run(tmp_path, study) for _ in range(2)]
    for path in paths:
        run_to_end(path)
    result = sapo("reproduce", paths[0], "--against", paths[1])
    assert result.exit_code == 0, result.output
    assert "Reproduced" in result.output


def text_of(group):
    console = Console(file=io.StringIO(), width=120)
    console.print(group)
    return console.file.getvalue()


def test_the_terminal_draws_the_choice_and_the_standings(runs):
    race = LiveSequence(open_run(runs / IDS[0]).sequence)
    bar = Race(race.study)._bar
    assert "score on learned" in text_of(drawn(race, bar))
    race.take(
        [
            measured(0, [50, 20, 10]),
            *(scored(f"a-0{i}", 2.0 - i, 250 if i else 80) for i in range(2)),
            {
                "event": "chosen",
                "chain": chain("sapo+lora"),
                "stage": 1,
                "state": "s",
                "task": "a",
                "prompt": "a-01",
                "loss": 1.0,
            },
            measured(1, [80, 30, 20], chain("sapo+lora")),
        ]
    )
    text = text_of(drawn(race, bar))
    assert "stage 1 of 3, a: sapo+lora takes a-01 (1.000 nats/token)" in text
    assert "a-01 1.000, a-00 ≥ 2.000 (stopped at 80)" in text
    assert "80.0" in text and "+10.0" in text and "after 1" in text
    race.take([trained([2.0, 1.0])])
    assert "█▁ 1.000 nats/token" in text_of(drawn(race, bar))
    # A choice that no loss decided does not push one aside that a loss did; the table has both.
    told = {"event": "chosen", "stage": 1, "state": "s", "task": "a", "loss": None}
    race.take([{**told, "chain": chain("random+lora"), "prompt": "a-02"}])
    text = text_of(drawn(race, bar))
    assert "sapo+lora takes a-01" in text and "a, candidates by loss" in text
    assert "│ random+lora    │ a-02" in text
    # A terminal too low for everything keeps the standings whole.
    low = text_of(drawn(race, bar, "training", 20))
    assert "random+lora" in low and "after 1" not in low and "training" in low


def test_off_a_terminal_lines_say_what_was_chosen_last(runs, tmp_path, capsys):
    study = open_run(runs / IDS[0]).sequence
    line = {
        "event": "chosen",
        "chain": chain("sapo+lora"),
        "stage": 2,
        "state": "s",
        "task": "b",
        "prompt": "b-01",
        "loss": None,
    }
    (tmp_path / "live.jsonl").write_text(json.dumps(line) + "\n")
    with progress_of(study) as progress:
        progress(tmp_path, Status(state="running", done=2, total=9, phase="training"))
    assert (
        "2 of 9 stages · training · stage 2 of 3, b: sapo+lora takes b-01"
        in capsys.readouterr().err
    )
    assert not isinstance(progress_of(ParaphraseStudy(current=["a"], unseen=["b"])), Race)

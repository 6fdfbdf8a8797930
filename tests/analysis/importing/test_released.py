"""Output folders of the released SAPO code become a run of sequences."""

import json
import math

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.importing import import_released
from sapo_analysis.analysis.sequences import (
    Cell,
    candidates_along,
    cell_chains,
    cell_examples,
    choices,
    sequence_report,
    sequence_scores,
    stage_means,
)
from sapo_analysis.errors import InputError
from sapo_analysis.figures import stage_matrix, strategy_intervals
from sapo_analysis.plan import order_name
from sapo_analysis.spec import NOT_RECORDED
from sapo_analysis.store import open_run
from tests.released import R0, SUPER_NI, R, original, write_base, write_json, write_outputs

TASKS = list(SUPER_NI.values())
ORDER = order_name(TASKS)
TRACE = {"cstance": "C-STANCE", "fomc": "FOMC", "numgulecm": "NumGLUE-cm"}


def metrics_of(report):
    return {
        (row["strategy"], row["metric"]): row["value"]
        for row in report["summary"]
        if row["test_prompts"] == report["test_prompts"]
    }


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.fixture(scope="module")
def saves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released") / "saves"
    better = [[80, 30, 20], [78, 85, 25], [75, 80, 90]]
    write_outputs(folder, "LoraInc", outputs=4)
    write_outputs(folder, "LoraInc_SAPO", scores=better, outputs=4)
    write_outputs(folder, "O-LoRA_SAPO", losses=[1.0, 2.0])
    write_base(folder / "original_performance" / "qwen3-8b.json")
    return folder


@pytest.fixture(scope="module")
def run(saves, tmp_path_factory):
    return import_released(saves, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def report(run):
    return sequence_report(run)


def test_the_worked_example_gives_its_metrics(report):
    found = metrics_of(report)
    expected = {"ap": 75.0, "bwt": -12.5, "bwt_final": -15.0, "fwt": 12.5}
    assert {name: found["original+lora-inc", name] for name in expected} == expected
    assert found["original+lora-inc", "forgetting_loss"] is None
    assert report["base"] == dict(zip(TASKS, R0, strict=True))
    assert report["test_prompts"] == "training"


def test_strategies_of_one_order_are_one_run_and_compared(run, report):
    assert run.study.kind == "imported-sequence" and run.is_imported and run.is_complete
    assert run.run_id.startswith("ni-seq-c1-")
    assert report["strategies"] == ["original+lora-inc", "sapo+lora-inc", "sapo+o-lora"]
    assert (report["model"], report["orders"]) == ("qwen3-8b", [ORDER])
    # Strategies have candidates of their own: the most that one of them chose among.
    assert report["n_candidates"] == dict.fromkeys(TASKS, 3)
    (ap,) = [row for row in report["contrasts"] if row["metric"] == "ap"]
    assert (ap["strategy"], ap["reference"]) == ("sapo+lora-inc", "original+lora-inc")
    assert ap["value"] == pytest.approx(245 / 3 - 75) and ap["lower"] is ap["p"] is None


def test_what_cannot_be_concluded_is_said(run, report):
    assert len(run.study.remarks) == 1  # all else is as released, and nothing is remarked on
    assert "1 order (an interval over orders needs 3)" in report["no_verdict"]
    assert "settings and seeds are not recorded" in report["no_verdict"]
    assert "a better test prompt are not told apart" in report["no_verdict"]
    assert report["primary"] is None
    (scaled,) = [text for text in report["warnings"] if "third stage" in text]
    assert "divided by the number of tasks learned" in scaled


def test_every_score_is_read_at_its_place(run):
    scores = sequence_scores(run)
    own = scores[scores["strategy"] == "original+lora-inc"]
    table = own.pivot(index="stage", columns="position", values="value").to_numpy().tolist()
    assert table == [list(R0), *map(list, R)]
    assert own["loss"].isna().all() and set(own["test_prompts"]) == {"training"}
    assert list(stage_means(scores).query("strategy == 'original+lora-inc'")["ahead"])[:2] == [
        10.0,
        15.0,
    ]


def test_candidates_have_their_losses_and_the_choice(run):
    found = choices(run).set_index(["strategy", "stage"])
    task = TASKS[1]
    chosen = found.loc[("sapo+lora-inc", 2)]
    assert chosen["text"] == f"Wording 1 for {task} (LoraInc_SAPO)."
    assert (chosen["loss"], chosen["lowest"], chosen["regret"]) == (1.5, 1.5, 0.0)
    assert found.loc[("original+lora-inc", 2), "text"] == original(task)
    assert found.loc[("sapo+o-lora", 2), "prompt_id"] == f"{task}-00"
    assert math.isnan(found.loc[("original+lora-inc", 1), "lowest"])
    along = candidates_along(run, ORDER, "sapo+lora-inc", 0)
    assert list(along["loss"]) == [2.0, 1.5, 1.75] * 3
    assert list(along["is_original"]) == [True, False, False] * 3
    assert list(along["is_chosen"]) == [False, True, False] * 3


def test_choosing_is_paid_for_as_the_files_say(report):
    cost = {row["strategy"]: row for row in report["cost"]}
    assert cost["original+lora-inc"]["choice_seconds"] == 0
    assert cost["sapo+lora-inc"]["choice_seconds"] == pytest.approx(3 * 3 * 2.5)
    assert cost["sapo+lora-inc"]["choice_examples"] == 3 * 3 * 248
    assert cost["sapo+lora-inc"]["train_examples"] == 3 * 10_000
    assert cost["sapo+lora-inc"]["train_seconds"] == pytest.approx(3 * 120.5)


def test_outputs_stand_behind_a_cell(run):
    scores = sequence_scores(run)
    cell = Cell("sapo+lora-inc", 3, 1)
    chains = cell_chains(scores, choices(run), cell, "training")
    assert chains["score_learned"].item() == 80 and chains["score_base"].item() == R0[0]
    examples = cell_examples(run, chains, cell)
    assert set(examples["now"]) == {"positive", "negative"} and len(examples) == 4
    # Outputs of the base model are not among the released files.
    assert cell_examples(run, chains, Cell("sapo+lora-inc", 1, 2)).empty
    known = run.table("scores").query("state_id == 'chain-1-1'")["n_examples"]
    assert set(known) == {4}


def test_what_the_files_do_not_say_is_not_made_up(run):
    trials = run.table("trials")
    assert set(trials["engine"]) == set(trials["device"]) == {NOT_RECORDED}
    scores = run.table("scores")
    assert scores["loss"].isna().all() and set(scores["metric"]) == {"rouge_l"}
    assert scores.loc[scores["state_id"] == "chain-2-1", "n_examples"].isna().all()
    assert run.provenance == {} and run.table("costs").empty
    assert len(run.study.sha256) == 64 and run.study.seeds == (0,)
    assert run.study.folders[0] == "saves/LoraInc/qwen3-8b/ni_seq_c1/outputs"


def test_a_statistic_of_paraphrase_studies_says_that_it_is_none(run):
    for statistic in (analysis.report, analysis.impacts):
        with pytest.raises(InputError, match="a run of a paraphrase study is needed"):
            statistic(run)


def test_without_the_base_model_there_is_no_forward_transfer(tmp_path):
    run = import_released(write_outputs(tmp_path / "saves"), tmp_path)
    report = sequence_report(run)
    found = metrics_of(report)
    assert (found["original+lora-inc", "ap"], found["original+lora-inc", "fwt"]) == (75.0, None)
    assert report["base"] == {}
    assert any("forward transfer" in text for text in report["warnings"])
    scores = sequence_scores(run)
    assert set(scores["stage"]) == {1, 2, 3}
    shown = stage_matrix(scores, ["original+lora-inc"], test_prompts="training")
    assert shown.panels[0].layers[0].values[0] == (0.0, 0.0, 0.0)
    assert shown.panels[0].layers[0].values[1] == (-10.0, 55.0, 5.0)
    table = analysis.sequences.summary(analysis.sequences.chain_metrics(scores))
    bars = strategy_intervals(table, test_prompts="training")
    assert [panel.title for panel in bars.panels] == ["Average performance", "Backward transfer"]
    # The prompts are not known either: neither candidates nor outputs are there.
    assert set(run.table("prompts")["text"]) == {NOT_RECORDED}


def test_results_of_the_released_evaluation_give_the_base_model(tmp_path):
    folder = write_outputs(tmp_path / "saves")
    evaluation = {
        "original_performance": list(R0),
        "trained_performance": [[80.0, 0.0, 0.0], *map(list, R[1:])],
        "metrics": {},
    }
    path = write_json(folder / "outputs" / "results.json", evaluation)
    report = sequence_report(import_released(folder, tmp_path))
    assert metrics_of(report)["original+lora-inc", "fwt"] == 12.5
    assert any("results.json has 0 in place of 2 scores" in text for text in report["warnings"])
    edit(path, lambda data: data["original_performance"].__setitem__(1, 0.0))
    report = sequence_report(import_released(folder, tmp_path))
    assert metrics_of(report)["original+lora-inc", "fwt"] is None


def test_names_of_trace_are_matched_by_table(tmp_path):
    folder = write_outputs(tmp_path / "saves", tasks=TRACE, order="trace")
    write_base(tmp_path / "base.json", tasks=TRACE)
    run = import_released(folder, tmp_path, tmp_path / "base.json", model="Mine", note="Of May.")
    assert run.study.tasks == tuple(TRACE.values())
    assert (run.study.model, run.about) == ("Mine", "Of May.")
    assert metrics_of(sequence_report(run))["original+lora-inc", "ap"] == 75.0


def test_orders_of_the_same_tasks_are_read_together(tmp_path):
    turned = dict(reversed(SUPER_NI.items()))
    folders = [
        write_outputs(tmp_path / "saves", order="one"),
        write_outputs(tmp_path / "saves", order="two", tasks=turned),
    ]
    report = sequence_report(import_released(folders, tmp_path))
    assert set(report["orders"]) == {ORDER, order_name(TASKS[::-1])}
    assert metrics_of(report)["original+lora-inc", "ap"] == 75.0


def remarks_after(tmp_path, change, method="O-LoRA_SAPO", outputs=4):
    folder = write_outputs(tmp_path / "saves", method, outputs=outputs)
    change(folder / "outputs")
    run = import_released(folder, tmp_path)
    return "\n".join(run.study.remarks), open_run(run.path)


def without_a_loss(outputs):
    path = outputs / "2-task1310" / "prompts_train" / "predict_results_0.json"
    edit(path, lambda data: data.update(predict_loss=float("nan")))


def chosen_by_nothing(outputs):
    folder = outputs / "1-task195" / "prompts_train"
    (folder / "instructions.json").write_bytes((folder / "instruction_1.json").read_bytes())
    (outputs / "1-task195" / "predict_eval_predictions.jsonl").unlink()


def no_choice(outputs):
    (outputs / "1-task195" / "prompts_train" / "instructions.json").unlink()
    (outputs / "1-task195" / "predict_eval_predictions.jsonl").unlink()


def no_candidates(outputs):
    for path in (outputs / "3-task273" / "prompts_train").iterdir():
        path.unlink()
    (outputs / "3-task273" / "predict_eval_predictions.jsonl").unlink()


def same_text_twice(outputs):
    folder = outputs / "1-task195" / "prompts_train"
    (folder / "instruction_1.json").write_bytes((folder / "instruction_0.json").read_bytes())


def scored_nothing(outputs):
    folder = outputs / "1-task195"
    edit(
        folder / "all_results.json",
        lambda data: data.update({f"predict_rougeL_for_{TASKS[2]}": 0.0}),
    )
    path = folder / "predict_eval_predictions.jsonl"
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    for line in lines:
        if line["Dataset"] == TASKS[2]:
            line["Prediction"] = ""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def another_exact_match(outputs):
    edit(
        outputs / "1-task195" / "all_results.json",
        lambda data: data.update({f"predict_exact_match_for_{TASKS[0]}": 96.5}),
    )


def one_task_more(outputs):
    for path in outputs.glob("*/all_results.json"):
        edit(path, lambda data: data.update(predict_rougeL_for_FOMC=40.0))


def another_test_prompt(outputs):
    path = outputs / "3-task273" / "predict_eval_predictions.jsonl"
    path.write_text(path.read_text().replace(f"Wording 1 for {TASKS[0]}", "In other words"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without_a_loss, "2-task1310/prompts_train: no loss of 1 candidate (0): NaN"),
        (chosen_by_nothing, "has a loss of 1.7500, not the lowest (1.5000)"),
        (no_choice, "1-task195/prompts_train: which candidate was chosen is not recorded"),
        (no_candidates, "no losses of candidates in 3-task273"),
        (same_text_twice, "1-task195/prompts_train: 1 candidate repeat"),
        (scored_nothing, f"{TASKS[2]} in 1-task195 (4 of 4 outputs are empty)"),
        (another_exact_match, f"{TASKS[0]} in 1-task195, 96.50 against 100.00"),
        (one_task_more, "FOMC were scored and no stage learned them"),
        (another_test_prompt, f"than the one learned with: {TASKS[0]} in 3-task273"),
    ],
)
def test_what_was_noticed_is_said(tmp_path, change, says):
    said, run = remarks_after(tmp_path, change)
    assert says in said
    report = sequence_report(run)
    assert says in "\n".join(report["warnings"])
    assert metrics_of(report)["sapo+o-lora", "bwt"] is not None


def test_an_absent_loss_is_no_zero_and_an_unknown_choice_no_prompt(tmp_path):
    _, run = remarks_after(tmp_path / "a", without_a_loss)
    losses = run.table("indicators").query(f"task == '{TASKS[1]}'")
    assert sorted(losses["value"]) == [1.75, 2.0]
    _, run = remarks_after(tmp_path / "b", no_candidates)
    last = choices(run).query("stage == 3").iloc[0]
    assert (last["prompt_id"], last["text"]) == (f"{TASKS[2]}-not-recorded", NOT_RECORDED)
    (cost,) = sequence_report(run)["cost"]
    assert cost["choice_seconds"] is cost["share"] is None and cost["train_seconds"] > 0

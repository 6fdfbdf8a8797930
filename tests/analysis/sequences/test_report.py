"""Choices, costs, live standings and the report of sequence runs."""

import json
import math

import pytest

from sapo_analysis.analysis.sequences import (
    TASK_METRICS,
    candidates_along,
    choices,
    choosing_cost,
    chosen_prompts,
    same_choices,
    sequence_report,
    sequence_scores,
    sizes_in_words,
)
from sapo_analysis.analysis.sequences.live import LiveSequence
from sapo_analysis.errors import InputError
from sapo_analysis.spec import SequenceStudy, TrainingSettings
from sapo_analysis.store import create_run, open_run
from sapo_analysis.store.live import LiveReader
from tests.analysis.sequences.test_metrics import ORDERS, noisy, worked
from tests.synthetic_sequence import write_sequence_run
from tests.watched import rewrite

LOSSES = {"00": 1.5, "01": 1.0, "02": 4.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return open_run(
        write_sequence_run(
            tmp_path_factory.mktemp("runs"),
            noisy,
            orders=ORDERS,
            strategies=["original", "random", "sapo", "sapp", "sapo-once"],
            seeds=[0, 1],
            chosen={"sapo": "01", "sapp": "02", "sapo-once": "01", "random": "00"},
            losses=LOSSES,
        )
    )


def test_regret_is_left_out_where_a_candidate_was_stopped_and_for_drawn_prompts(tmp_path):
    path = write_sequence_run(
        tmp_path,
        worked,
        strategies=["original", "sapo", "paft"],
        chosen={"sapo": "01", "paft": "00"},
        losses=LOSSES,
    )
    assert choices(open_run(path)).query("strategy == 'paft+lora'")["regret"].isna().all()
    at_base = "state_id == 'theta-0' and prompt_id == 'a-02'"
    rewrite(path, "indicators", lambda t: t.assign(exact=~t.eval(at_base)))
    first = choices(open_run(path)).query("stage == 1").set_index("strategy")
    assert math.isnan(first.loc["original+lora", "regret"])
    # What takes the lowest has none, whatever was stopped on the way.
    assert first.loc["sapo+lora", "loss"] == 1.0 and first.loc["sapo+lora", "regret"] == 0.0


def test_strategies_that_ran_on_fewer_orders_are_named(tmp_path):
    one = write_sequence_run(tmp_path, noisy, name="one", orders=ORDERS[:1])
    two = write_sequence_run(tmp_path, noisy, name="two", orders=ORDERS[1:], strategies=["sapo"])
    (warning,) = sequence_report([open_run(one), open_run(two)])["warnings"]
    assert warning.startswith("original+lora, random+lora ran on fewer orders")


def test_a_choice_stands_beside_the_lowest_loss_where_losses_are_known(run):
    found = choices(run)
    sapo = found[found["strategy"] == "sapo+lora"]
    assert set(sapo["loss"]) == {1.0} and set(sapo["regret"]) == {0.0}
    assert set(found[found["strategy"] == "sapp+lora"]["regret"]) == {3.0}
    original = found[found["strategy"] == "original+lora"].set_index("stage")
    assert set(original.loc[1, "regret"]) == {0.5}  # θ_0, which sapo scored
    assert original.loc[2, "regret"].isna().all()
    assert set(found["n_candidates"].dropna()) == {3}


def test_the_candidates_of_a_chain_are_listed_stage_by_stage(run):
    found = candidates_along(run, "b > c > a", "sapo+lora", 1)
    assert len(found) == 9 and list(dict.fromkeys(found["task"])) == ["b", "c", "a"]
    chosen = found[found["is_chosen"]]
    assert list(chosen["prompt_id"]) == ["b-01", "c-01", "a-01"]
    assert list(found[found["is_original"]]["prompt_id"]) == ["b-00", "c-00", "a-00"]
    at_base = candidates_along(run, "b > c > a", "original+lora", 1)
    assert set(at_base["stage"]) == {1}


def test_cost_is_per_chain_and_its_share_one_of_choosing_and_training(run):
    cost = choosing_cost(choices(run)).set_index("strategy")
    assert cost.loc["sapo+lora", "choice_seconds"] == 6 and cost.loc["sapo+lora", "share"] == 0.25
    assert cost.loc["sapo+lora", "choice_examples"] == 2250
    assert cost.loc["original+lora", "share"] == 0


def test_chosen_prompts_are_counted_over_orders_and_seeds(run):
    found = chosen_prompts(choices(run)).set_index(["strategy", "task"])
    # Three orders × two seeds; original has nothing to choose.
    assert set(found.index.get_level_values(0)) == {
        *("random+lora", "sapo+lora", "sapp+lora", "sapo-once+lora")
    }
    row = found.loc["sapo+lora", "b"]
    assert (row["n"], row["prompts"], row["most"]) == (6, {"b-01": 6}, "b-01")


def test_of_prompts_chosen_equally_often_the_first_id_stands_first(run):
    table = choices(run).query("strategy == 'sapo+lora' and task == 'a'").reset_index(drop=True)
    table["prompt_id"] = ["a-02", "a-01", "a-02", "a-01", "a-02", "a-00"]
    (row,) = chosen_prompts(table).to_dict("records")
    assert list(row["prompts"].items()) == [("a-02", 3), ("a-01", 2), ("a-00", 1)]
    table["prompt_id"] = ["a-02", "a-01", "a-02", "a-01", "a-00", "a-00"]
    (row,) = chosen_prompts(table).to_dict("records")
    assert row["most"] == "a-00" and list(row["prompts"]) == ["a-00", "a-01", "a-02"]


def test_agreement_leaves_out_the_first_stage(run):
    # Three orders × two seeds × two later stages.
    assert same_choices(choices(run), "sapo+lora", "sapo-once+lora") == (12, 12)
    assert same_choices(choices(run), "sapo+lora", "sapp+lora") == (0, 12)
    assert same_choices(choices(run), "sapo+lora", "paft+lora") == (0, 0)


def test_the_report_is_plain_data_with_its_verdicts_in_words(run):
    found = sequence_report(run)
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["kind"] == "sequence" and again["seeds"] == [0, 1]
    assert again["primary"]["verdict"] in ("better", "worse", "unclear")
    assert again["primary"]["sentence"].startswith("sapo+lora − random+lora = ")
    (adaptive,) = again["state_adaptive"]
    assert (adaptive["same"], adaptive["of"]) == (12, 12)
    assert again["warnings"] == [] and again["no_verdict"] == ""
    assert again["n_candidates"] == {"a": 3, "b": 3, "c": 3}
    assert again["no_primary"] == ""
    assert {row["task"] for row in again["chosen"]} == {"a", "b", "c"}
    for name in TASK_METRICS:
        assert name in again["definitions"] and name in again["tasks_of_strategies"][0]


def test_sizes_stand_in_the_head(tmp_path):
    found = sequence_report(open_run(write_sequence_run(tmp_path, noisy)))
    assert found["sizes"]["steps"] == TrainingSettings().steps
    found["sizes"]["final_test_examples"] = found["sizes"]["test_examples"]
    words = sizes_in_words(found)
    assert words.startswith("3 candidates a task · ") and "after the last" not in words
    found["sizes"]["final_test_examples"] = 300
    found["n_candidates"]["a"] = 2
    words = sizes_in_words(found)
    assert words.startswith("2–3 candidates a task") and words.endswith("300 after the last")


def test_why_there_is_no_primary_contrast(tmp_path):
    def reason(name, **given):
        return sequence_report(open_run(write_sequence_run(tmp_path, noisy, name=name, **given)))[
            "no_primary"
        ]

    assert reason("one", strategies=["sapo"]).endswith(": random+lora did not run.")
    assert reason("two", strategies=["sapp"]).endswith(": sapo+lora and random+lora did not run.")
    assert reason("half", stages=1, state="running").endswith("in any one order and seed.")


@pytest.mark.parametrize("ask", [sequence_report, sequence_scores, choices])
def test_a_folder_in_place_of_an_opened_run_is_said(run, ask):
    for given in (str(run.path), run.path, [run, run.path]):
        with pytest.raises(InputError, match=r"not an opened run.*sapo.open_run"):
            ask(given)


def test_an_unfinished_run_gets_numbers_and_no_verdict(tmp_path):
    half = open_run(write_sequence_run(tmp_path, worked, stages=2, state="interrupted"))
    found = sequence_report(half)
    assert "is not done" in found["no_verdict"] and found["primary"] is None
    assert found["warnings"][0].startswith("3 of 3 chains are not complete")
    none = open_run(write_sequence_run(tmp_path, worked, name="none", stages=0, state="running"))
    found = sequence_report(none)
    assert found["summary"] == [] and found["cost"] == []


def test_a_run_that_has_hardly_begun_says_what_it_is_going_to_be(tmp_path):
    study = SequenceStudy(orders=[["job", "add"]], strategies=["sapo"], seeds=[3, 4])
    found = sequence_report(open_run(create_run(tmp_path, study)))
    assert found["orders"] == ["job > add"] and found["seeds"] == [3, 4]
    assert found["strategies"] == ["sapo+lora"] and found["n_candidates"] == {}
    assert sizes_in_words(found).startswith("50 steps of 16 · ")


def test_strategies_without_an_original_of_their_method_are_named(tmp_path):
    run = write_sequence_run(tmp_path, noisy, strategies=["original", "sapo+ewc", "random+ewc"])
    (warning,) = sequence_report(open_run(run))["warnings"]
    assert warning == (
        "sapo+ewc, random+ewc stand against no original of their method; for contrasts run"
        " original+ewc too."
    )
    run = write_sequence_run(tmp_path, noisy, strategies=["original", "sapo+ewc"], name="one")
    (warning,) = sequence_report(open_run(run))["warnings"]
    assert warning.startswith("sapo+ewc stands against no original")


def test_the_base_models_scores_stand_beside(run):
    found = sequence_report(run)["base"]
    scores = sequence_scores(run).query("stage == 0 and test_prompts == 'original'")
    assert found == {t: own["value"].iloc[0] for t, own in scores.groupby("eval_task")}


def test_what_was_spent_counts_chains_that_went_all_the_way(tmp_path):
    run = open_run(
        write_sequence_run(
            tmp_path,
            noisy,
            orders=ORDERS,
            strategies=["original", "sapo", "sapp"],
            losses=LOSSES,
            diverged=[("sapp+lora", 2)],
        )
    )
    found = sequence_report(run)
    assert {row["strategy"] for row in found["cost"]} == {"original+lora", "sapo+lora"}
    assert {row["strategy"] for row in found["regret"]} <= {"original+lora", "sapo+lora"}


def test_random_weights_and_too_few_orders_get_no_verdict(tmp_path):
    control = open_run(
        write_sequence_run(tmp_path, noisy, orders=ORDERS, model={"weights": "random"})
    )
    found = sequence_report(control)
    assert "random weights" in found["no_verdict"] and found["primary"]["verdict"] is None
    assert not any(
        w in found["primary"]["sentence"].lower() for w in ("unclear", "better", "worse")
    )
    one = open_run(write_sequence_run(tmp_path, noisy, name="one", seeds=[0, 1, 2]))
    assert sequence_report(one)["primary"]["verdict"] == "too few"


def test_a_paraphrase_run_is_refused(tmp_path):
    from tests.synthetic import write_run

    with pytest.raises(InputError, match="is a paraphrase study"):
        sequence_report(open_run(write_run(tmp_path)))


def chain(strategy, order="a > b > c", seed=0):
    return {"order": order, "strategy": strategy, "seed": seed}


def measured(stage, values, *chains):
    rows = [[task, f"{task}-00", value, 0.1] for task, value in zip("abc", values, strict=True)]
    # Rows of other test prompts follow those of the original.
    rows += [[task, f"{task}-01", 99.0, 0.1] for task in "abc"]
    return {"event": "measured", "stage": stage, "chains": list(chains), "scores": rows}


def scored(prompt, loss, n):
    at = {"state": "theta-0", "task": "a"}
    return {"event": "scored", **at, "prompt": prompt, "loss": loss, "n": n, "stopped": n == 80}


def trained(losses, diverged=False):
    told = {"trial": "t", "task": "a", "every": 2, "losses": losses}
    return {"event": "trained", **told, "diverged": diverged}


def test_of_drawn_prompts_none_is_said_to_be_taken(run):
    race = LiveSequence(run.sequence.model_copy(update={"strategies": ("paft",)}))
    told = {"stage": 1, "state": "theta-0", "task": "a", "prompt": "a-00", "loss": None}
    race.take([{"event": "chosen", "chain": chain("paft+lora"), **told}])
    (standing,) = race.standings()
    assert standing.choice == "draws for a" and race.now == "stage 1 of 3, a: paft+lora draws"


def test_a_fine_tune_that_diverged_is_said(run):
    race = LiveSequence(run.sequence)
    race.take([trained([1.0], diverged=True)])
    assert race.now == "a: a fine-tune diverged, and the chains that made it end"


def test_a_matrix_is_over_the_chains_that_went_furthest(run):
    race = LiveSequence(run.sequence)
    race.take(
        [
            measured(0, [50, 20, 10]),
            measured(1, [80, 30, 20], chain("sapo+lora")),
            measured(1, [0, 0, 0], chain("sapo+lora", "b > c > a")),
            measured(2, [70, 85, 25], chain("sapo+lora")),
        ]
    )
    assert race.matrix("sapo+lora")[:3] == [[50, 20, 10], [80, 30, 20], [70, 85, 25]]
    # Nobody has begun: the base model in the places of all three orders.
    base = race.matrix("original+lora")[0]
    assert base == [pytest.approx(80 / 3)] * 3


def test_the_race_stands_as_the_events_say(run):
    race = LiveSequence(run.sequence)
    assert race.now == "" and race.candidates == []
    assert all(math.isnan(s.learned) for s in race.standings())
    both = [chain("sapo+lora"), chain("sapo-once+lora")]
    race.take(
        [
            measured(0, [50, 20, 10]),
            scored("a-00", 9.0, 16),
            scored("a-01", 1.5, 250),
            scored("a-00", 2.0, 80),
            {
                "event": "chosen",
                "chain": chain("sapo+lora"),
                "stage": 1,
                "state": "theta-0",
                "task": "a",
                "prompt": "a-01",
                "loss": 1.5,
            },
            trained([1.0, 0.5]),
            measured(1, [80, 30, 20], *both),
            measured(2, [70, 85, 25], chain("sapo+lora")),
        ]
    )
    assert race.now == "stage 1 of 3, a: sapo+lora takes a-01 (1.500 nats/token)"
    found = [(c.prompt, c.loss, c.n) for c in race.candidates]
    assert found == [("a-01", 1.5, 250), ("a-00", 2.0, 80)]
    assert race.curves == {"t": [1.0, 0.5]}
    standing = {s.strategy: s for s in race.standings()}
    sapo, once = standing["sapo+lora"], standing["sapo-once+lora"]
    assert (sapo.stages, sapo.learned, sapo.kept, sapo.ahead) == (2, 77.5, -10.0, 15.0)
    assert (once.stages, once.learned, once.ahead) == (1, 80.0, 10.0) and math.isnan(once.kept)
    matrix = race.matrix("sapo+lora")
    assert matrix[1:3] == [[80, 30, 20], [70, 85, 25]] and math.isnan(matrix[3][0])


def test_events_told_again_after_a_kill_replace_the_first_ones(run):
    race = LiveSequence(run.sequence)
    first = [measured(0, [50, 20, 10]), measured(1, [80, 30, 20], chain("sapo+lora"))]
    race.take([*first, measured(1, [60, 30, 20], chain("sapo+lora"))])
    (sapo,) = [s for s in race.standings() if s.strategy == "sapo+lora"]
    assert (sapo.stages, sapo.learned) == (1, 60)


def test_live_events_are_read_as_they_come_whole_lines_alone(tmp_path):
    reader = LiveReader(tmp_path)
    assert reader.new() == []
    file = tmp_path / "live.jsonl"
    file.write_text('{"event": "a"}\n{"event": "b"}\n{"ev')
    assert [e["event"] for e in reader.new()] == ["a", "b"]
    assert reader.new() == []
    with file.open("a") as out:
        out.write('ent": "c"}\n')
    assert [e["event"] for e in reader.new()] == ["c"]
    with file.open("a") as out:  # a line that a kill tore, and the next worker's first
        out.write('{"event": "tor{"event": "d"}\n{"event": "e"}\n')
    assert [e["event"] for e in reader.new()] == ["e"]
    file.unlink()
    assert reader.new() == []

"""What stands behind a cell of a matrix: chains, prompts, losses, examples."""

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis.sequences import (
    Cell,
    cell_chains,
    cell_examples,
    cell_means,
    choices,
    sequence_scores,
)
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures import stage_matrix
from sapo_analysis.store import open_run
from tests.synthetic_sequence import N_SHARED, write_sequence_run
from tests.watched import rewrite

ORDERS = [["a", "b", "c"], ["b", "c", "a"]]


def score(strategy, order, seed, stage, position, prompt):
    """40 at the base model, 90 when just learned; then 20 points lost a stage, with seed 1 ten."""
    lost = (10 if seed == 1 else 20) * (stage - position)
    return 90.0 - lost if 0 < position <= stage else 40.0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    losses = {"00": 1.5, "01": 1.0, "02": 4.0}
    path = write_sequence_run(
        folder,
        score,
        orders=ORDERS,
        seeds=[0, 1, 2],
        losses=losses,
        chosen={"sapo": "01", "random": "02"},
        final_offset=-7,
        kept=N_SHARED,
    )
    return open_run(path)


def chains_of(run, cell, **kind):
    return cell_chains(sequence_scores(run), choices(run), cell, **kind)


def test_a_cell_is_held_against_when_its_task_was_just_learned():
    assert Cell("sapo+lora", 3, 1).then == 1 and Cell("sapo+lora", 3, 1).is_learned
    assert Cell("sapo+lora", 2, 2).then == 0 and Cell("sapo+lora", 2, 2).is_learned
    assert Cell("sapo+lora", 1, 3).then == 0 and not Cell("sapo+lora", 1, 3).is_learned


def test_every_chain_has_its_prompt_its_scores_and_its_losses(run):
    found = chains_of(run, Cell("sapo+lora", 3, 1))
    assert len(found) == 6 and set(found["order"]) == {"a > b > c", "b > c > a"}
    assert (found["eval_task"] == found["order"].str[0]).all()
    assert (found["prompt_id"] == found["eval_task"] + "-01").all()
    assert (found["text"] == found["eval_task"] + " 01").all()
    assert set(found["learned_at"]) == {1} and set(found["pre_update_loss"]) == {1.0}
    by_seed = found.groupby("seed").mean(numeric_only=True)
    assert by_seed["score_now"].to_dict() == {0: 50, 1: 70, 2: 50}
    assert set(found["score_learned"]) == {90} and set(found["score_base"]) == {40}
    assert by_seed["since_learned"].to_dict() == {0: -40, 1: -20, 2: -40}
    assert by_seed["since_base"].to_dict() == {0: 10, 1: 30, 2: 10}
    assert np.allclose(found["loss_since_learned"], -found["since_learned"] / 50)
    assert np.allclose(found["loss_since_base"], -found["since_base"] / 50)


def test_before_it_is_learned_a_task_has_no_prompt(run):
    found = chains_of(run, Cell("sapo+lora", 1, 3, "a > b > c"))
    assert list(found["eval_task"]) == ["c"] * 3
    unknown = ["prompt_id", "text", "learned_at", "pre_update_loss", "score_learned"]
    assert found[[*unknown, "since_learned", "loss_since_learned"]].isna().all(axis=None)
    assert set(found["since_base"]) == {0}


def test_losses_that_no_policy_had_scored_are_missing(run):
    assert chains_of(run, Cell("random+lora", 2, 2))["pre_update_loss"].isna().all()
    # At the base model all chains stand at one state, which sapo had scored.
    assert set(chains_of(run, Cell("random+lora", 1, 1))["pre_update_loss"]) == {4.0}


@pytest.mark.parametrize("order", [None, "b > c > a"])
@pytest.mark.parametrize("kind", ["original", "training", "test-only"])
def test_the_means_are_the_numbers_of_the_matrix(run, order, kind):
    scores = sequence_scores(run)
    table = stage_matrix(scores, ["sapo+lora"], test_prompts=kind, order=order).table
    for row in table.itertuples():
        cell = Cell(row.strategy, row.stage, row.position, order)
        means = cell_means(cell_chains(scores, choices(run), cell, kind))
        assert means["score_now"] == pytest.approx(row.value)


def test_chains_that_ended_early_are_left_out_as_in_the_matrix(tmp_path):
    broke = [("sapo+lora", 2, "b > c > a")]
    run = open_run(write_sequence_run(tmp_path, score, orders=ORDERS, diverged=broke))
    for stage in (0, 1, 3):
        assert set(chains_of(run, Cell("sapo+lora", stage, 1))["order"]) == {"a > b > c"}
    # Alone in its order, its first stage can be read.
    assert len(chains_of(run, Cell("sapo+lora", 1, 1, "b > c > a"))) == 1


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (Cell("no such", 1, 1), "Unknown strategy 'no such'.*sapo\\+lora"),
        (Cell("sapo+lora", 9, 1), "Unknown stage '9'.*0, 1, 2, 3"),
        (Cell("sapo+lora", 1, 4), "Unknown position '4'.*1, 2, 3"),
        (Cell("sapo+lora", 1, 1, "c > a"), "Unknown order 'c > a'.*a > b > c"),
    ],
)
def test_a_cell_that_is_not_there_is_named_with_those_that_are(run, cell, said):
    with pytest.raises(InputError, match=said):
        chains_of(run, cell)


def test_examples_that_were_right_when_just_learned_and_are_wrong_now_come_first(run):
    cell = Cell("sapo+lora", 3, 1, "a > b > c")
    found = cell_examples(run, chains_of(run, cell), cell)
    # 9 of 10 right when just learned; now 5, with seed 1 seven.
    assert len(found) == N_SHARED and set(found["n_chains"]) == {3}
    by_example = found.set_index("example").sort_index()
    assert by_example["n_forgotten"].to_list() == [0] * 5 + [2] * 2 + [3] * 2 + [0]
    assert by_example["right_then"].to_list() == ["3 of 3"] * 9 + ["0 of 3"]
    assert by_example["right_now"].to_list() == ["3 of 3"] * 5 + ["1 of 3"] * 2 + ["0 of 3"] * 3
    assert list(found["n_forgotten"]) == sorted(found["n_forgotten"], reverse=True)
    first = found.iloc[0]
    assert (first["input"], first["gold"]) == (f"a? {first['example']}", f"{first['example']}")
    assert first["then"] == first["gold"] and first["now"] == f"<b>not {first['gold']}</b>"
    assert first["forgotten"] == "forgotten in 3 of 3 seeds"
    assert np.allclose(found["loss_change"], (40 + 20 + 40) / 3 / 50)


def test_shares_of_right_answers_are_the_scores_where_all_outputs_are_kept(run):
    for place in ((0, 2), (1, 1), (2, 1), (3, 2), (1, 3)):
        cell = Cell("original+lora", *place, "b > c > a")
        chains = chains_of(run, cell)
        right = cell_examples(run, chains, cell)["right_now"].str.split(" ").str[0].astype(int)
        assert right.sum() / len(chains) * 100 / N_SHARED == pytest.approx(
            chains["score_now"].mean()
        )


def test_over_several_orders_examples_of_each_task_count_its_chains(run):
    cell = Cell("sapo+lora", 2, 1)
    found = cell_examples(run, chains_of(run, cell), cell)
    assert set(found["eval_task"]) == {"a", "b"} and set(found["n_chains"]) == {3}
    assert found["forgotten"].iloc[0] == "forgotten in 3 of 3 chains"


def test_a_run_without_outputs_has_no_examples(tmp_path):
    bare = open_run(write_sequence_run(tmp_path, score))
    cell = Cell("sapo+lora", 3, 1)
    chains = chains_of(bare, cell)
    assert len(chains) == 1 and cell_examples(bare, chains, cell).empty


def test_an_output_that_stands_alone_is_an_error(tmp_path):
    path = write_sequence_run(tmp_path, score, kept=4)
    chains = pd.read_parquet(path / "tables" / "chains" / "all.parquet")
    own = chains[(chains["policy"] == "sapo") & (chains["stage"] == 1)]
    state = own["result_state_id"].iloc[0]
    rewrite(path, "predictions", lambda t: t[t["state_id"] != state])
    run, cell = open_run(path), Cell("sapo+lora", 3, 1)
    with pytest.raises(RunError, match="no output of the state after stage 1 beside it"):
        cell_examples(run, chains_of(run, cell), cell)

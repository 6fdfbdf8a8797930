import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.analysis import impacts, task_changes, word_diff, worst_forgotten
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.records import TABLES
from sapo_analysis.store import open_run
from tests.synthetic import Truth, write_run


def test_word_diff_reads_in_order():
    assert word_diff("Is this review good ?", "Say if this review is good") == [
        ("delete", "Is"),
        ("insert", "Say if"),
        ("equal", "this review"),
        ("insert", "is"),
        ("equal", "good"),
        ("delete", "?"),
    ]
    assert word_diff("a b", "a b") == [("equal", "a b")]
    assert word_diff("", "") == []


words = st.lists(st.sampled_from("abcd"), max_size=12).map(" ".join)


@given(words, words)
def test_word_diff_rebuilds_both_texts(original, text):
    parts = word_diff(original, text)
    assert " ".join(w for op, w in parts if op != "insert") == original
    assert " ".join(w for op, w in parts if op != "delete") == text


def test_task_changes_are_means_over_main_seeds(df):
    found = task_changes(df, "current-1", "original").set_index("eval_task")
    part = df[(df["current_task"] == "current-1") & (df["prompt_id"] == "original")]
    part = part[(part["purpose"] == "main") & (part["eval_task"] == "past-0")]
    assert found.index[0] == "current-1" and found.index[1] == "past-0"
    assert found.loc["past-0", "score_change"] == pytest.approx(part["score_change"].mean())
    assert found.loc["past-0", "score_change_sd"] == pytest.approx(part["score_change"].std())
    assert found.loc["past-0", "n_seeds"] == 2


def test_worst_forgotten_counts_seeds_and_shows_both_outputs(tmp_path):
    truth = Truth(spread=0.0, seed_effect=0.0, noise=0.0)
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=3, seeds=[0, 1, 2], truth=truth))
    found = worst_forgotten(run, "current-0", "para-01", n=50)
    # About 79 before and 59 after: of eight kept examples the 6th (and at times others) flips.
    first = found.iloc[0]
    assert first["forgotten"] == "forgotten in 3 of 3 seeds"
    assert (first["before"], first["after"]) == (first["gold"], "maybe")
    assert first["input"] == f"text {first['example']} of {first['eval_task']}"
    assert first["loss_change"] == pytest.approx(20 / 50)
    assert set(found["role"]) == {"past", "retained"}
    assert found["n_forgotten"].is_monotonic_decreasing
    assert len(worst_forgotten(run, "current-0", "para-01", n=2)) == 2
    only = worst_forgotten(run, "current-0", "para-01", roles=["unseen"], eval_task="unseen-1")
    assert set(only["eval_task"]) == {"unseen-1"}


def test_forgotten_in_some_seeds_by_hand(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=2, seeds=[0, 1]))
    kept = run.table("predictions")
    after = kept["trial_id"].notna() & (kept["eval_task"] == "past-0") & (kept["example"] == 0)
    before = kept["trial_id"].isna() & (kept["eval_task"] == "past-0") & (kept["example"] == 0)
    assert kept.loc[before, "correct"].all()
    kept.loc[after, "correct"] = kept.loc[after, "trial_id"] != "t-current-0-original-1"
    kept.loc[after & ~kept["correct"], "output"] = "wrong"
    run._tables["predictions"] = kept
    found = worst_forgotten(run, "current-0", "original", 99, roles=["past"])
    row = found[found["example"] == 0].iloc[0]
    assert (row["n_forgotten"], row["n_seeds"], row["after"]) == (1, 2, "wrong")
    assert row["forgotten"] == "forgotten in 1 of 2 seeds"


def test_no_kept_outputs_give_an_empty_table(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=2))
    run._tables["predictions"] = TABLES["predictions"].schema.empty_table().to_pandas()
    found = worst_forgotten(run, "current-0", "original")
    assert len(found) == 0 and "gold" in found


def test_an_output_without_one_before_is_an_error(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=2))
    kept = run.table("predictions")
    run._tables["predictions"] = kept[kept["trial_id"].notna()]
    with pytest.raises(RunError, match=f"{run.run_id}.*no output of the parent state"):
        worst_forgotten(run, "current-0", "original")


def test_unknown_names_are_refused(synthetic):
    df = impacts(synthetic)
    with pytest.raises(InputError, match="Unknown current task 'current-9'"):
        task_changes(df, "current-9", "original")
    with pytest.raises(InputError, match="Unknown prompt of task 'current-0' 'para-99'"):
        task_changes(df, "current-0", "para-99")
    with pytest.raises(InputError, match="Unknown evaluated task"):
        worst_forgotten(synthetic, "current-0", "original", eval_task="unseen-0")

import json
import re

import pandas as pd
import pytest

from sapo_analysis.analysis import impacts
from sapo_analysis.analysis.impacts import COLUMNS, n_diverged
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.spec import TrainingSettings
from sapo_analysis.store import create_run, open_run
from tests.synthetic import study_of, write_run


def test_columns_are_those_of_the_design(df):
    promised = (
        "run_id, trial_id, current_task, prompt_id, state_seed, seed, purpose, eval_task, role,"
        " pre_update_loss, loss_change, score_change, forgetting, generalization, learning, impact"
    ).split(", ")
    assert list(df.columns)[: len(promised)] == promised
    assert {f"{name}_loss" for name in promised[-4:]} <= set(df.columns)
    assert {"prompt_length", "prompt_frequency", "pre_update_loss_content"} <= set(df.columns)


def test_one_row_per_trial_and_evaluated_task(synthetic, df):
    trials = synthetic.table("trials")
    counted = trials[trials["purpose"] != "past"]
    assert df["trial_id"].nunique() == len(counted) == 5 * 12 * 2 + 5 * 2 * 4
    assert len(df) == len(counted) * 9  # 1 past, 5 current, 2 unseen, 1 retained
    assert not df.duplicated(["trial_id", "eval_task"]).any()
    assert (df["purpose"] == "noise").sum() == 5 * 2 * 4 * 9


def test_changes_and_signs_by_hand(synthetic, df):
    scores = synthetic.table("scores")
    trial = "t-current-2-para-03-1"
    state = df.loc[df["trial_id"] == trial, "state_id"].iloc[0]
    row = df[(df["trial_id"] == trial) & (df["eval_task"] == "past-0")].iloc[0]

    def measured(trial_id, prompt, task):
        mine = scores["trial_id"].isna() if trial_id is None else scores["trial_id"] == trial_id
        place = (scores["state_id"] == state) & (scores["eval_task"] == task)
        return scores[mine & place & (scores["test_prompt"] == prompt)].iloc[0]

    before, after = (measured(t, "original", "past-0") for t in (None, trial))
    assert row["score_change"] == pytest.approx(after["value"] - before["value"])
    assert row["loss_change"] == pytest.approx(after["loss"] - before["loss"])
    assert row["forgetting"] == pytest.approx(before["value"] - after["value"])
    assert row["forgetting_loss"] == pytest.approx(after["loss"] - before["loss"])
    assert row["impact"] == pytest.approx(after["value"] - before["value"])
    assert row["impact_loss"] == pytest.approx(before["loss"] - after["loss"])
    current = df[(df["trial_id"] == trial) & (df["role"] == "current")].iloc[0]
    assert current["test_prompt"] == "para-03"
    assert current["score_after"] == measured(trial, "para-03", "current-2")["value"]
    assert current["score_before"] == measured(None, "para-03", "current-2")["value"]
    assert current["learning"] == pytest.approx(current["score_after"] - current["score_before"])


@pytest.mark.parametrize(
    ("role", "defined"),
    [
        ("past", {"forgetting", "impact"}),
        ("retained", {"forgetting", "impact"}),
        ("unseen", {"generalization", "impact"}),
        ("current", {"learning"}),
    ],
)
def test_quantities_are_defined_for_their_roles_only(df, role, defined):
    rows = df[df["role"] == role]
    for name in ("forgetting", "generalization", "learning", "impact"):
        for column in (name, f"{name}_loss"):
            assert rows[column].notna().all() == (name in defined)
            assert rows[column].isna().all() == (name not in defined)


def test_a_missing_score_is_an_error_that_names_run_and_trial(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=3, drop_scores=True))
    with pytest.raises(RunError, match=rf"{run.run_id}.*trial t-current-0-para-02-0 has no score"):
        impacts(run)


def test_diverged_trials_are_counted_and_left_out(tmp_path):
    trial = "t-current-0-para-01-0"
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=5, diverged=[trial]))
    assert n_diverged(run) == 1
    found = impacts(run)
    assert trial not in set(found["trial_id"])
    assert found["trial_id"].nunique() == 4


def test_without_a_past_the_parent_is_the_base_model(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=3, n_past=0))
    found = impacts(run)
    assert set(found["state_id"]) == {"theta-0"}
    assert found["state_seed"].isna().all()
    assert set(found["role"]) == {"current", "unseen", "retained"}


def test_a_run_that_has_not_started_gives_an_empty_table(tmp_path):
    found = impacts(open_run(create_run(tmp_path, study_of())))
    assert len(found) == 0
    assert list(found.columns)[: len(COLUMNS)] == list(COLUMNS)


def test_joined_runs_count_a_shared_trial_once(tmp_path):
    small = open_run(write_run(tmp_path, n_tasks=2, n_prompts=4, seeds=[0]))
    large = open_run(write_run(tmp_path, n_tasks=2, n_prompts=4, seeds=[0, 1]))
    joined = impacts([small, large])
    assert joined["trial_id"].nunique() == 2 * 4 * 2
    assert not joined.duplicated(["trial_id", "eval_task"]).any()
    alone = impacts(large).drop(columns="run_id").sort_values(["trial_id", "eval_task"])
    again = joined.drop(columns="run_id").sort_values(["trial_id", "eval_task"])
    assert again.reset_index(drop=True).equals(alone.reset_index(drop=True))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"fingerprint": "another"}, "model"),
        ({"dtype": "bfloat16"}, "dtype"),
        ({"lora": {"r": 4}}, r"lora\.r: 8 and 4"),
        ({"scoring": {"examples": 100}}, r"scoring\.examples"),
    ],
)
def test_runs_that_differ_in_settings_are_refused_with_the_keys(tmp_path, change, key):
    one = open_run(write_run(tmp_path, n_tasks=1, n_prompts=2))
    other = open_run(write_run(tmp_path, n_tasks=1, n_prompts=2, **change))
    with pytest.raises(InputError, match=f"cannot be joined, they differ in {key}"):
        impacts([one, other])


def test_runs_that_kept_other_numbers_of_predictions_are_joined(tmp_path):
    one, other = (write_run(tmp_path, n_tasks=1, n_prompts=3, seeds=[s]) for s in (0, 1))
    spec = json.loads((other / "spec.json").read_text())
    spec["evaluation"]["n_predictions_kept"] += 1
    (other / "spec.json").write_text(json.dumps(spec))
    assert impacts([open_run(one), open_run(other)])["trial_id"].nunique() == 6


def _rewrite(path, table, change):
    file = path / "tables" / table / "all.parquet"
    change(pd.read_parquet(file)).to_parquet(file)


def test_runs_with_another_text_behind_one_prompt_id_are_refused(tmp_path):
    one, other = (write_run(tmp_path, n_tasks=1, n_prompts=3, seeds=[s]) for s in (0, 1))
    _rewrite(other, "prompts", lambda t: t.assign(text=t["text"] + " Please."))
    with pytest.raises(InputError, match=r"differ in prompt current-0/.* Please\."):
        impacts([open_run(one), open_run(other)])


def test_runs_whose_current_task_had_another_past_are_refused(tmp_path):
    one, other = (write_run(tmp_path, n_tasks=1, n_prompts=3, seeds=[s]) for s in (0, 1))
    _rewrite(other, "states", lambda t: t.assign(learned=[["elsewhere"]] * len(t)))
    with pytest.raises(InputError, match=r"learned before current-0: .*elsewhere"):
        impacts([open_run(one), open_run(other)])


def test_later_runs_are_compared_with_each_other_too(tmp_path):
    first = write_run(tmp_path, n_tasks=1, n_prompts=3, seeds=[0])
    rest = [write_run(tmp_path, n_tasks=2, n_prompts=3, seeds=[s]) for s in (1, 2)]
    _rewrite(
        rest[1],
        "prompts",
        lambda t: t.assign(text=t["text"].where(t["task"] != "current-1", "Another text.")),
    )
    with pytest.raises(InputError, match="prompt current-1/"):
        impacts([open_run(path) for path in (first, *rest)])


def test_no_run_is_refused():
    with pytest.raises(InputError, match="No run was given"):
        impacts([])


def test_a_role_that_differs_between_joined_runs_is_refused(tmp_path):
    one = open_run(write_run(tmp_path, n_tasks=1, n_prompts=2, n_retained=1, n_unseen=1))
    swapped = study_of(n_tasks=1, n_prompts=2).model_copy(
        update={"unseen": ("retained-0",), "retained": ("unseen-0",)}
    )
    assert swapped.training == TrainingSettings(steps=50)
    path = write_run(tmp_path, study=swapped, n_prompts=2)
    with pytest.raises(InputError, match="different roles"):
        impacts([one, open_run(path)])


def test_runs_that_differ_in_much_are_told_the_model_first_and_of_lists_what_differs(tmp_path):
    one = open_run(write_run(tmp_path, n_tasks=1, n_prompts=30))
    other = open_run(write_run(tmp_path, n_tasks=1, n_prompts=30, fingerprint="e" * 64))
    _rewrite(other.path, "prompts", lambda t: t.assign(text=t["text"] + " Please."))
    with pytest.raises(InputError) as refused:
        impacts([one, other])
    said = str(refused.value)
    assert "they differ in model: " in said and " " + "e" * 12 + "; prompt " in said
    assert "e" * 13 not in said and said.count("prompt current-0/") == 5
    assert re.search(r"; and in \d\d more\. Joined runs may differ in tasks", said)


def test_of_long_values_what_differs_is_told():
    from sapo_analysis.analysis.joining import _shown

    begin = "Please read the text that stands below with all the care that it deserves and "
    one, other = _shown("prompt a/b", [json.dumps(begin + end) for end in ("say", "tell")], [])
    assert one.startswith("… ") and one.endswith('and say"') and other.endswith('and tell"')
    assert max(len(one), len(other)) < 40
    pool = [f"capital-{i:02d}" for i in range(30)]
    lists = [json.dumps(own) for own in (pool, [*pool[:-1], "capital-99"], pool[:-1])]
    assert _shown("candidates of capital", lists, []) == [
        "30 (with capital-29)",
        "30 (with capital-99)",
        "29 (no others)",
    ]
    assert _shown("lora.r", ["8", "4"], []) == ["8", "4"]

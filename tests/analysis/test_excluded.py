"""r with and without marked prompts, against the correlation of a table without their rows."""

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.analysis import impacts, within_task_correlation
from sapo_analysis.analysis.excluded import marked_in, with_and_without
from sapo_analysis.errors import InputError
from sapo_analysis.store import open_run
from tests.synthetic import write_run

SETTINGS = {"y": "forgetting", "role": "past", "scope": "these_tasks", "n_permutations": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return open_run(write_run(folder, n_tasks=3, n_prompts=8, noise_seeds=(5, 6)))


def test_marks_are_found_by_task_and_text(run):
    prompts = run.table("prompts")
    row = prompts[prompts["task"] == "current-1"].iloc[3]
    marks = {"current-1": {row["text"], "not there"}, "current-0": {"not there"}, "none": {"x"}}
    assert marked_in(prompts, marks) == [("current-1", row["prompt_id"])]
    assert marked_in(prompts, {}) == []
    assert marked_in(pd.concat([prompts, prompts]), marks) == [("current-1", row["prompt_id"])]


def test_without_is_the_correlation_of_the_other_prompts(run):
    df = impacts(run)
    ids = sorted(df.loc[df["current_task"] == "current-1", "prompt_id"].unique())[2:4]
    found = with_and_without(df, {("current-1", p) for p in ids}, **SETTINGS)
    gone = (df["current_task"] == "current-1") & df["prompt_id"].isin(ids)
    assert found.excluded == tuple(("current-1", p) for p in ids)
    assert found.every == within_task_correlation(df, **SETTINGS)
    assert found.without == within_task_correlation(df[~gone], **SETTINGS)
    assert found.without.n_prompts == 6 and found.every.n_prompts == 8
    assert found.without.value != found.every.value
    said = found.sentence
    assert said.startswith("2 prompts of 1 task marked as not equivalent after the results were")
    assert f"{found.every.value:.2f}" in said and f"{found.without.value:.2f}" in said


def test_a_planted_outlier_carries_r_and_leaves_with_its_mark():
    x = np.arange(6.0)
    df = pd.DataFrame({"prompt_id": list("abcdef"), "pre_update_loss": x, "forgetting": -x})
    df.loc[5, ["pre_update_loss", "forgetting"]] = [50.0, 50.0]
    df["current_task"] = "t"
    found = with_and_without(df, {("t", "f")}, scope="these_tasks", n_permutations=0)
    assert found.every.value > 0.9 and found.without.value == pytest.approx(-1)


@pytest.mark.parametrize("excluded", [set(), {("current-9", "p-1")}, {("current-1", "nope")}])
def test_marks_that_are_in_no_run_change_nothing(run, excluded):
    found = with_and_without(impacts(run), excluded, **SETTINGS)
    assert found.excluded == () and found.sentence == "" and found.without is found.every


def test_too_few_prompts_left_is_no_number_with_the_reason(run):
    df = impacts(run)
    pairs = set(zip(df["current_task"], df["prompt_id"], strict=True))
    few = {(task, p) for task, p in pairs if not p.endswith(("00", "01", "02"))}
    found = with_and_without(df, few, **SETTINGS)
    assert np.isnan(found.without.value) and not np.isnan(found.every.value)
    assert "Without: No correlation can be given" in found.sentence


def test_settings_are_those_of_the_correlation(run):
    with pytest.raises(InputError, match="scope"):
        with_and_without(impacts(run), set(), **{**SETTINGS, "scope": "all"})

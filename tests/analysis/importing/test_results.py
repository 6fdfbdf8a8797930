"""A table of another tool becomes a run that reads as it was given."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapo_analysis import analysis
from sapo_analysis.analysis.importing import REQUIRED, TEMPLATE, import_results
from sapo_analysis.analysis.trust import trust
from sapo_analysis.errors import InputError
from sapo_analysis.spec import NOT_RECORDED
from sapo_analysis.store import CACHED_RUNS, create_run, list_runs, open_run
from tests.synthetic import study_of

ENDS = ["score_before", "score_after", "loss_before", "loss_after"]
SHIPPED = sorted(
    run.path
    for run in list_runs([CACHED_RUNS])
    if (run.path / "spec.json").is_file()
    and json.loads((run.path / "spec.json").read_text()).get("kind", "paraphrase") == "paraphrase"
)


def same(imported, df):
    again = analysis.impacts(imported)
    pd.testing.assert_frame_equal(again.drop(columns="run_id"), df.drop(columns="run_id"))
    assert set(again["run_id"]) == {imported.run_id}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_run_exported_and_imported_is_the_same_table(path, tmp_path):
    df = analysis.impacts(open_run(path))
    df.to_csv(tmp_path / "results.csv")  # with the row numbers that pandas writes
    same(import_results(tmp_path / "results.csv", tmp_path), df)


def test_a_shipped_run_imported_again_gives_the_same_estimates_and_verdicts(tmp_path):
    run = open_run(next(path for path in SHIPPED if path.name.startswith("tuning-gains")))
    analysis.impacts(run).to_csv(tmp_path / "results.csv", index=False)
    first = analysis.report(run, n_permutations=0)
    again = analysis.report(import_results(tmp_path / "results.csv", tmp_path), n_permutations=0)
    for key in ("estimates", "corrected", "partial", "tasks", "rivals", "verdicts", "in_task"):
        assert again[key] == first[key] and first[key], key
    for key in ("cross_task_correlation", "training", "n_trials", "claims_without_data"):
        assert again[key] == first[key], key
    assert "no" in again["model"]["name"] and "imported results" in " ".join(again["warnings"])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_delimiters_and_a_byte_order_mark(exported, tmp_path, delimiter, start):
    content = start + exported.to_csv(sep=delimiter, index=False).encode()
    same(import_results(content, tmp_path, file="results.csv"), exported)


def test_parquet_and_a_table_in_memory(exported, tmp_path):
    exported.to_parquet(tmp_path / "results.parquet")
    same(import_results(tmp_path / "results.parquet", tmp_path), exported)
    categories = exported.astype({"current_task": "category", "role": "category"})
    categories.to_parquet(tmp_path / "results.parquet", index=True)
    same(import_results(str(tmp_path / "results.parquet"), tmp_path), exported)
    same(import_results(exported, tmp_path), exported)


def test_windows_lines_and_blank_lines_at_the_end(exported, tmp_path):
    content = exported.to_csv(index=False, lineterminator="\r\n").encode() + b"\r\n\r\n"
    same(import_results(content, tmp_path), exported)


def test_only_what_is_needed(table, tmp_path):
    run = import_results(table[[*REQUIRED, *ENDS]], tmp_path, name="bare")
    df = analysis.impacts(run)
    numbers = ["score_change", "loss_change", "forgetting", "learning_loss", "impact", *ENDS]
    pd.testing.assert_frame_equal(df[numbers], table[numbers])
    assert df["trial_id"].nunique() == table["trial_id"].nunique()
    assert set(df["purpose"]) == {"main"} and set(df["metric"]) == {NOT_RECORDED}
    assert df["state_seed"].isna().all()


def test_changes_alone_say_nothing_of_the_final_result(table, tmp_path):
    needed = [*REQUIRED, "score_change", "loss_change"]
    run = import_results(table[needed], tmp_path)
    df = analysis.impacts(run)
    pd.testing.assert_series_equal(df["forgetting"], table["forgetting"])
    assert df["score_after"].isna().all()
    report = analysis.report(run, n_permutations=0)
    assert "not given" in report["claims_without_data"]["claim_1"]
    assert {row["claim"] for row in report["verdicts"]} >= {"claim_2", "claim_3_generalization"}
    assert all("final in-task score not given" in row["misses"] for row in report["training"])
    mixed = table[[*needed[:-1], "loss_before", "loss_after"]]
    assert analysis.impacts(import_results(mixed, tmp_path))["loss_after"].notna().all()


def test_results_without_the_task_that_was_learned(table, tmp_path):
    run = import_results(table[table["role"] != "current"], tmp_path)
    report = analysis.report(run, n_permutations=0)
    assert {row["misses"] for row in report["tasks"]} == {"not measured on the task it teaches"}
    assert report["training"] == []


def test_further_numbers_are_indicators_and_texts_are_wording(table, tmp_path):
    table["difficulty"] = table["pre_update_loss"] ** 2
    table.loc[table["prompt_id"] == "para-01", "difficulty"] = np.nan
    table["prompt_text"] = "=Say \u202e<b>" + table["prompt_id"] + "</b>"
    table["source"] = np.where(table["prompt_id"] == "original", "original", None)
    run = import_results(table, tmp_path)
    df = analysis.impacts(run)
    pd.testing.assert_series_equal(df["difficulty"], table["difficulty"])
    prompts = run.table("prompts")
    assert len(prompts) == len(table[["current_task", "prompt_id"]].drop_duplicates())
    assert prompts["text"].str.contains("<b>").all() and prompts["n_tokens"].isna().all()
    assert set(prompts["source"]) == {"original", NOT_RECORDED}
    found = analysis.within_task_correlation(
        df, x="difficulty", y="forgetting", role="past", scope="these_tasks"
    )
    assert found.n_prompts == 5 and found.n_tasks == 2


def test_the_template_can_be_imported(tmp_path):
    run = import_results(TEMPLATE.encode(), tmp_path, file="template.csv")
    assert run.study.tasks == ("sentiment",) and len(run.table("impacts")) == 2
    assert list(run.table("prompts")["source"]) == ["original"]


def test_what_is_known_of_them(table, tmp_path):
    file = tmp_path / "My Résults (v2).csv"
    table.to_csv(file)
    run = import_results(file, tmp_path / "runs", model=" Our\nmodel\x00 ", note="By *hand*.")
    assert run.run_id.startswith("my-results-v2-") and run.is_complete and run.is_imported
    assert run.study.file == file.name and run.study.model == "Our model"
    assert len(run.study.sha256) == 64 and run.about == "By *hand*."
    assert run.status.done == run.status.total == table["trial_id"].nunique()
    assert run.provenance == {} and not run.has_random_weights
    assert analysis.report(run, n_permutations=0)["about"] == {run.run_id: "By *hand*."}


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("../../etc/passwd", "etc-passwd-"),
        ("/absolute", "absolute-"),
        ("C:\\runs\\x", "c-runs-x-"),
        ("..", "imported-"),
        ("", "imported-"),
        ("\u202eevil\x00", "evil-"),
        ("Ünïcode", "unicode-"),
        ("名前", "imported-"),
        ("-" * 50 + "a" * 500, "a" * 40 + "-"),
        ("CON", "con-"),
    ],
)
def test_no_name_is_a_path(table, tmp_path, name, start):
    runs = tmp_path / "runs"
    by_name = import_results(table, runs, name=name)
    by_file = import_results(table.to_csv().encode(), runs, file=f"{name}.csv")
    assert by_name.run_id.startswith(start)
    assert {path.parent for path in (by_name.path, by_file.path)} == {runs}
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert "/" not in by_file.study.file and "\x00" not in by_file.study.file


def test_on_a_read_only_server_nothing_is_imported(table, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    with pytest.raises(InputError, match="read-only"):
        import_results(table, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(table, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write a run into"):
        import_results(table, tmp_path / "file" / "runs")


def test_what_needs_to_know_how_it_was_made_is_refused(table, original, tmp_path):
    run = import_results(table, tmp_path, file="mine.csv")
    with pytest.raises(InputError, match="cannot be joined with others"):
        analysis.impacts([run, original])
    with pytest.raises(InputError, match="cannot be joined with others"):
        analysis.report([import_results(table, tmp_path), run])
    with pytest.raises(InputError, match=r"cannot be resumed: its results were imported from mine"):
        run.made_here("be resumed")
    with pytest.raises(InputError, match="holds imported results, and a run of a sequence study"):
        analysis.sequence_report(run)
    with pytest.raises(InputError, match="Leave step out"):
        analysis.impacts(run, step=10)
    with pytest.raises(InputError, match="holds imported results"):
        analysis.matched_comparison(run)


def test_tables_of_a_study_are_empty_and_its_own_are_asked_for(table, tmp_path):
    run = import_results(table, tmp_path)
    assert run.table("trials").empty and run.table("predictions").empty
    assert analysis.past_gains(run).empty and analysis.repeat_differences(run).empty
    assert analysis.worst_forgotten(run, "current-0", "original").empty
    assert len(analysis.task_changes(analysis.impacts(run), "current-0", "original")) > 1
    checks = {check.name: check for check in trust(run, analysis.impacts(run))}
    assert not checks["Run"].ok and "not checked" in checks["Run"].text
    (run.path / "tables" / "impacts" / "all.parquet").unlink()
    with pytest.raises(InputError, match="table impacts is unreadable"):
        analysis.impacts(open_run(run.path))


def test_a_study_and_imported_results_lie_side_by_side(table, tmp_path):
    create_run(tmp_path, study_of())
    import_results(table, tmp_path)
    assert sorted(run.study.kind for run in list_runs([tmp_path])) == ["imported", "paraphrase"]


NAMES = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="|"), min_size=1, max_size=8
)


@settings(max_examples=30)
@given(
    st.lists(NAMES, min_size=1, max_size=4, unique=True),
    st.integers(1, 3),
    st.lists(st.just(0.0) | st.floats(1e-12, 100), min_size=4, max_size=4),
    st.lists(st.floats(1e-9, 1e6), min_size=4, max_size=4),
)
def test_any_names_and_numbers_come_back_to_the_bit(tmp_path_factory, prompts, n_seeds, s, losses):
    rows = [
        {
            "current_task": "learned",
            "prompt_id": prompt,
            "seed": seed,
            "eval_task": task,
            "role": role,
            "pre_update_loss": losses[i % 4],
            "score_before": s[0],
            "score_after": s[1] if role == "past" else s[2],
            "loss_before": losses[0],
            "loss_after": losses[3],
        }
        for i, prompt in enumerate(prompts)
        for seed in range(n_seeds)
        for task, role in (("learned", "current"), ("known", "past"))
    ]
    df = pd.DataFrame(rows)
    if df[["score_before", "score_after"]].max(axis=None) <= 1:
        df["score_after"] = 50.0  # all within 0 and 1 is refused
    content = df.to_csv(index=False).encode()
    again = analysis.impacts(import_results(content, tmp_path_factory.mktemp("runs")))
    pd.testing.assert_frame_equal(again[df.columns], df)

"""Which tables runs have, what stands in them, and what they say where nothing may be concluded."""

import re

import pytest

import sapo_analysis as sapo
from sapo_analysis import analysis
from sapo_analysis.errors import InputError
from sapo_analysis.paper.figures import FIGURES
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables import TABLES, every_table, table, table_kinds_of
from sapo_analysis.paper.tables.cells import cells
from sapo_analysis.store import open_run
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run

PARAPHRASE = {"claims", "correlations", "indicators", "selection", "prompts", "settings"}


@pytest.fixture(scope="session")
def unfinished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unfinished")
    return numbers_of(
        [open_run(write_run(folder, n_tasks=4, n_prompts=6, seeds=(0, 1), finish=False))]
    )


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("random")
    return numbers_of([open_run(write_run(folder, n_tasks=4, n_prompts=5, weights="random"))])


def test_every_table_of_a_finished_run_is_made_in_three_forms(study_numbers, sequence_numbers):
    for numbers in (study_numbers, sequence_numbers):
        made = list(every_table(numbers))
        assert {one.kind.name for one in made} == {kind.name for kind in table_kinds_of(numbers)}
        assert [one.why_not for one in made] == [""] * len(made)
        assert [one.spec.name for one in made] == [one.name for one in made]
        assert len({one.name for one in made}) == len(made)
        for one in made:
            assert one.spec.to_latex() and one.spec.to_markdown() and one.spec.to_csv()


def test_two_forms_of_one_table_have_two_labels(study_numbers):
    labels = [
        re.search(r"\\label\{(.*?)\}", table(name, study_numbers, Options(form=form)).to_latex())[1]
        for name in ("correlations", "selection")
        for form in ("score", "loss")
    ]
    assert labels == [
        *("tab:correlations", "tab:correlations-loss"),
        *("tab:selection", "tab:selection-loss"),
    ]


def test_names_of_tables_and_figures_differ():
    assert not TABLES.keys() & FIGURES.keys()
    assert {name for name, kind in TABLES.items() if kind.study == "paraphrase"} == PARAPHRASE


def test_an_unknown_table_is_answered_with_the_known_ones(study_numbers):
    for ask in (
        lambda: table("strategies", study_numbers),
        lambda: list(every_table(study_numbers, ["strategies"])),
    ):
        with pytest.raises(InputError, match="strategies is a table of sequence .* They have: cl"):
            ask()


def test_an_unfinished_run_has_numbers_but_no_verdict(unfinished):
    spec = table("claims", unfinished)
    assert not [column for column in spec.columns if column.head == "verdict"]
    assert set(spec.rows["new_verdict"]) == {""} and spec.rows["value"].notna().any()
    assert any("no verdict until it is done" in note for note in spec.notes)
    assert not any("supported" in note for note in spec.notes)
    gains = table("selection", unfinished)
    assert not gains.rows["gains"].any() and any("no verdict" in note for note in gains.notes)


def test_a_control_says_that_it_means_nothing(random_weights):
    for one in every_table(random_weights):
        assert any("Random weights: no scientific meaning." in note for note in one.spec.notes)


def test_claims_have_the_verdicts_of_the_analysis(study_numbers):
    spec = table("claims", study_numbers)
    found = {
        (row["claim"], row["form"], scope): row[f"{scope}_verdict"]
        for row in spec.rows.to_dict("records")
        for scope in ("new", "these")
    }
    verdicts = analysis.claims(analysis.impacts(study_numbers.runs[0]))
    assert found == {(v.claim, v.form, v.scope.removesuffix("_tasks")): v.verdict for v in verdicts}


def test_the_caption_of_claim_1_speaks_of_what_is_printed(study_numbers):
    """The log of a ratio, which the claim predicts above 0: above 1 is the ratio itself."""
    spec = table("claims", study_numbers)
    first = spec.rows.query("claim == 'claim_1'").iloc[0]
    assert first["statistic"] == "log_sd_ratio" and first["predicted"] == "> 0"
    assert any("natural log of the standard deviation" in mark for mark in spec.caption.explained)
    assert not spec.caption.terms


def test_the_permutation_p_stands_with_the_tasks_that_were_shuffled(study_numbers):
    rows = table("correlations", study_numbers).rows.set_index("name")
    p = rows.filter(regex="_p$")
    assert p.loc["for these tasks"].notna().all() and p.loc["for new tasks"].isna().all()


def test_the_best_pick_is_bold_and_hindsight_never(study_numbers):
    spec = table("selection", study_numbers)
    column = next(i for i, one in enumerate(spec.columns) if one.key == "value")
    bold = [row[column].bold for row in cells(spec)]
    for _, rows in spec.rows.assign(bold=bold).groupby("block"):
        real = rows[rows["rule"] != "hindsight_best"]
        best = (
            real["value"].round(2).min()
            if (rows["better"] == "low").all()
            else (real["value"].round(2).max())
        )
        assert set(rows["rule"][rows["bold"]]) == set(real["rule"][real["value"].round(2) == best])


def test_sapos_pick_is_the_lowest_loss_of_each_task(study_numbers):
    rows = table("prompts", study_numbers).rows
    picks = rows[rows["is_pick"]].set_index("current_task")["pre_update_loss"]
    assert picks.to_dict() == rows.groupby("current_task")["pre_update_loss"].min().to_dict()
    assert len(rows) == 4 * 8 and rows["text"].notna().all()


def test_the_prompts_of_one_task_are_no_long_table(study_numbers):
    spec = table("prompts", study_numbers, Options(task="current-1"))
    assert not spec.long and set(spec.rows["current_task"]) == {"current-1"}
    with pytest.raises(InputError, match="Unknown current task of these runs 'none'"):
        table("prompts", study_numbers, Options(task="none"))


def test_an_outcome_that_is_asked_for_stands_alone(study_numbers):
    made = list(every_table(study_numbers, ["correlations"], {"outcome": "generalization"}))
    assert [one.name for one in made] == ["correlations-generalization"]
    groups = {column.group for column in made[0].spec.columns}
    assert groups == {"", "Generalization"}


def test_settings_tell_the_spec(study_numbers):
    rows = table("settings", study_numbers).rows
    told = dict(zip(rows["setting"], rows["value"], strict=True))
    study = study_numbers.runs[0].paraphrase
    assert told["steps"] == str(study.training.steps) and told["seeds"] == "0, 1"
    assert told["past tasks"] == "past-0, past-1" and told["parameters"] == "3,000,000"


def test_strategies_stand_by_method_with_half_intervals(tmp_path):
    steps = {"original+lora": 0.0, "sapo+lora": 10.0, "original+o-lora": 5.0, "random+lora": 0.0}
    of_order = {"a": 0.0, "b": 2.0, "c": 7.0}

    def score(strategy, order, seed, stage, position, prompt):
        return 40 + steps.get(strategy, 0.0) + of_order[order[0]] * (position == 1)

    path = write_sequence_run(
        tmp_path,
        score,
        orders=[["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]],
        strategies=list(steps),
        losses={"00": 1.5, "01": 1.0, "02": 4.0},
    )
    spec = table("strategies", numbers_of([open_run(path)]))
    rows = spec.rows.set_index("strategy")
    # AP of an order: 40 + step + of_order / 3; of the three orders 0, 2/3 and 7/3 beyond: mean 1,
    # sd √(13/9), t(2) = 4.302653.
    assert rows["ap"]["sapo+lora"] == pytest.approx(51.0)
    half = (rows["ap_upper"] - rows["ap_lower"])["sapo+lora"] / 2
    assert half == pytest.approx(4.302653 * (13 / 9) ** 0.5 / 3**0.5, rel=1e-6)
    assert "**51.0** ± 3.0" in spec.to_markdown()
    assert dict(zip(spec.rows["strategy"], spec.rows["block"], strict=True)) == {
        "original+lora": "LoRA",
        "sapo+lora": "LoRA",
        "random+lora": "LoRA",
        "original+o-lora": "O-LoRA",
    }


def test_nothing_is_tested_with_two_orders(sequence_numbers):
    spec = table("strategies", sequence_numbers)
    assert not spec.rows[["ap_differs", "bwt_differs", "fwt_differs"]].any(axis=None)
    assert any("Nothing is tested" in note for note in spec.notes)
    assert any("uncorrected" in note for note in table("contrasts", sequence_numbers).notes)


def test_sequences_under_way_say_why_there_is_no_table(tmp_path):
    path = write_sequence_run(
        tmp_path, lambda *_: 50.0, stages=1, state="running", losses={"00": 1.0, "01": 2.0}
    )
    made = {one.name: one for one in every_table(numbers_of([open_run(path)]))}
    for name in ("strategies", "test_prompts", "contrasts", "task_scores", "choosing", "choices"):
        assert made[name].spec is None and "yet" in made[name].why_not, name
    assert any("is not done" in note for note in made["sequence_settings"].spec.notes)


def test_imported_results_have_tables_without_what_nobody_told(tmp_path, study_numbers):
    columns = [
        *("current_task", "prompt_id", "seed", "eval_task", "role", "metric", "pre_update_loss"),
        *("score_before", "score_after", "loss_before", "loss_after"),
    ]
    df = study_numbers.df
    run = sapo.import_results(df.loc[df["purpose"] == "main", columns], tmp_path)
    made = {one.kind.name: one for one in every_table(numbers_of([run]))}
    assert {c.head for c in made["prompts"].spec.columns} & {"Text", "source", "tokens"} == set()
    original = made["selection"].spec.rows.query("rule == 'original'")
    assert set(original["of_tasks"]) == {""}
    assert made["settings"].spec is None and "imported" in made["settings"].why_not
    for name in ("prompts", "selection", "correlations", "claims"):
        assert "Imported results: no provenance." in made[name].spec.notes, name
        assert "Imported results" not in " ".join(table(name, study_numbers).notes), name


def test_names_that_have_no_room_are_numbered_below(tmp_path):
    tasks = [f"task{i}_of_a_sequence_with_a_long_name" for i in range(3)]
    path = write_sequence_run(
        tmp_path, lambda *_: 50.0, orders=[tasks], losses={"00": 1.0, "01": 2.0, "02": 3.0}
    )
    spec = table("task_scores", numbers_of([open_run(path)]))
    assert [column.head for column in spec.columns] == ["Policy", "1", "2", "3"]
    assert any(f"Tasks: 1 {tasks[0]}, 2 {tasks[1]}" in note for note in spec.notes)
    assert any("No intervals: fewer than 3 seeds of one order" in note for note in spec.notes)

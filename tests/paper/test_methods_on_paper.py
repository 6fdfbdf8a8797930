"""Figures and tables that compare methods: who is offered them, what stands in them, and cites."""

import pytest

from sapo_analysis.analysis.methods_compared import comparison, paired_difference
from sapo_analysis.errors import InputError
from sapo_analysis.paper.citations import cited
from sapo_analysis.paper.figures import FIGURES, every_figure, figure, kinds_of
from sapo_analysis.paper.kinds import ANY
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.offered import offered
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables import TABLES, every_table, table, table_kinds_of
from sapo_analysis.paper.tables.cells import cells
from sapo_analysis.store import Run, open_run
from tests.methods_runs import write_lora, write_promot, write_sequence

pytestmark = pytest.mark.slow

ALONE = {"methods", "published_promot", "outputs_side_by_side"}
OF_METHODS = {*ALONE, "method_differences", "comparison"}
DRAWN = {"format_specialization", "gradient_alignment", "trade_off"}
OF_SOFT_PROMPTS = {"topology", "persistence_diagram"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    small = {"n_tasks": 4, "n_prompts": 2}
    runs = [open_run(write(folder, **small)) for write in (write_lora, write_promot)]
    return numbers_of(runs)


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    return numbers_of([open_run(write_sequence(tmp_path_factory.mktemp("chains")))])


def test_studies_that_differ_in_their_method_have_all_of_it(pair):
    assert pair.study == "several"
    assert {kind.name for kind in table_kinds_of(pair)} == OF_METHODS
    assert DRAWN <= {kind.name for kind in kinds_of(pair)}
    made = [*every_table(pair), *every_figure(pair, sorted(DRAWN))]
    assert [one.why_not for one in made] == [""] * 8
    for one in made[:5]:
        assert one.spec.to_latex(numbers=pair) and one.spec.to_markdown() and one.spec.to_csv()


def test_a_study_of_lora_alone_is_offered_none_of_it(study_numbers, sequence_numbers):
    # Strategies of sequences are held to plain LoRA in no other table.
    for numbers, more in ((study_numbers, set()), (sequence_numbers, {"comparison"})):
        names = {kind.name for kind in (*kinds_of(numbers), *table_kinds_of(numbers))} - more
        assert not names & (OF_METHODS | DRAWN | OF_SOFT_PROMPTS)
    with pytest.raises(InputError, match="format_specialization: .*diagnostics.every"):
        figure("format_specialization", study_numbers)
    with pytest.raises(InputError, match="methods: It compares methods"):
        table("methods", study_numbers)
    assert {kind.name for kind in (*FIGURES.values(), *TABLES.values()) if kind.study == ANY} == (
        OF_METHODS | DRAWN | OF_SOFT_PROMPTS
    )


def test_a_study_of_promot_alone_has_them_too(pair):
    promot = numbers_of([pair.runs[1]])
    assert promot.study == "paraphrase"
    assert {kind.name for kind in table_kinds_of(promot)} & OF_METHODS == ALONE


def test_differences_are_those_of_the_analysis_and_shares_are_in_percent(pair):
    spec = table("method_differences", pair)
    found = paired_difference(list(pair.runs), "lora")
    rows = spec.rows.set_index(["outcome", "n_shots"])
    assert len(rows) == len(found)
    for row in found.to_dict("records"):
        factor = 100 if row["outcome"] == "format_ratio" else 1
        shown = rows.loc[(row["outcome"], row["n_shots"])]
        assert shown["difference"] == pytest.approx(factor * row["value"])
        assert shown["difference_lower"] == pytest.approx(factor * row["lower"], nan_ok=True)
        assert shown["verdict"] == row["verdict"]
    text = spec.to_markdown()
    assert "ProMoT − LoRA" in text and "forgetting, retained tasks" in text


@pytest.mark.parametrize("which", ["pair", "chains"])
def test_the_comparison_holds_the_numbers_of_the_analysis(request, which):
    numbers = request.getfixturevalue(which)
    spec, found = table("comparison", numbers), comparison(list(numbers.runs))
    rows = spec.rows.set_index("name")
    assert list(rows.index) == list(dict.fromkeys(found["name"])) and not spec.long
    for row in found.to_dict("records"):
        shown, outcome = rows.loc[row["name"]], row["outcome"]
        for ours, theirs in (
            *((outcome, "difference"), (f"{outcome}_lower", "lower")),
            *((f"{outcome}_value", "value"), (f"{outcome}_seed_ratio_upper", "seed_ratio_upper")),
        ):
            assert shown[ours] == pytest.approx(row[theirs], nan_ok=True)
        assert shown[f"{outcome}_verdict_holm"] == row["verdict_holm"]
    assert "original+lora" in spec.to_csv() and "original, ProMoT" in spec.to_markdown()
    assert any("Nothing was trained again" in note for note in spec.notes) == (which == "pair")
    assert "Holm" in spec.to_latex(numbers=numbers)


def test_a_comparison_without_plain_lora_prints_means(pair):
    plain, promot = pair.runs
    full = Run(plain.path, plain.study.model_copy(update={"method": "full"}), plain.status)
    spec = table("comparison", numbers_of([full, promot]))
    assert [column.head for column in spec.columns][1] == "tuned" and not spec.caption.interval
    assert spec.rows["tuned_score_value"].notna().all()
    assert "No plain LoRA with the original prompt in this study." in spec.notes


def test_the_methods_table_holds_the_numbers_of_the_analysis(pair):
    spec = table("methods", pair)
    assert list(spec.rows["method_name"]) == ["base model", "LoRA", "ProMoT"] * 2
    assert list(dict.fromkeys(spec.rows["block"])) == ["0-shot", "1-shot"]
    every = pair.compared.table.query("n_shots == 0 and tuned_task == ''").set_index("name")
    own = every.loc["promot"]
    row = spec.rows.iloc[2]
    assert row["tuned_score"] == own["tuned_score"]
    heads = [column.head for column in spec.columns]
    printed = dict(zip(heads, cells(spec)[2], strict=True))
    assert printed["tuned"].text == f"{own['tuned_score']:.1f}" and printed["tuned"].bold
    half = (own["tuned_score_upper"] - own["tuned_score_lower"]) / 2
    assert printed["tuned"].ends == (f"{half:.1f}",)
    # Neither the base model's numbers are bold, nor are there tasks' columns beyond eight.
    assert not any(cell.bold for cell in cells(spec)[0])
    assert heads[-8:] == list("12345678") and any("1 past-0, 2 " in note for note in spec.notes)


def test_the_published_table_is_marked_as_that_of_others(pair):
    spec = table("published_promot", pair)
    averages = spec.rows[spec.rows["is_average"]]
    assert averages["fine-tuning 1"].round(2).tolist() == [15.43, 9.15]
    assert "published, for other models" in spec.caption.shows
    assert any(note.startswith("Published, for other models") for note in spec.notes)
    assert r"\cite{wang2024promot}" in spec.to_latex(cites=cited(TABLES["published_promot"]))


def test_outputs_of_one_tuned_task_are_shown_where_they_differ(chains):
    assert offered(chains, "task", Options()) == ["", "a", "b", "c"]
    spec = table("outputs_side_by_side", chains, Options(task="b"))
    assert spec.name == "outputs_side_by_side-b" and "tuned on b" in spec.caption.shows
    assert "b" not in set(spec.rows["eval_task"]) and 0 < len(spec.rows) <= 6
    assert [one.head for one in spec.columns][3:5] == ["base model", "original, LoRA"]
    outputs = spec.rows[[column for column in spec.rows if column.startswith("output ")]]
    assert (outputs.nunique(axis=1) > 1).all()


def test_outputs_in_the_tuned_tasks_format_come_first_and_are_marked(chains, monkeypatch):
    outputs = chains.compared.outputs("b").copy()
    taken = (outputs["eval_task"] == "c") & (outputs["example"] == 6)
    outputs.loc[taken, "gold_in_format"] = False
    outputs.loc[taken, "in_format"] = [name.endswith("+lora") for name in outputs[taken]["name"]]
    monkeypatch.setattr(type(chains.compared), "outputs", lambda self, task: outputs)
    spec = table("outputs_side_by_side", chains, Options(task="b"))
    first = dict(zip([one.head for one in spec.columns], cells(spec)[0], strict=True))
    assert first["Input"].text == "c? 6"
    marked = {head for head, cell in first.items() if cell.mark == "†"}
    assert marked == {"original, LoRA", "sapo, LoRA"}


def test_equal_values_have_no_interval_and_that_is_told_once(pair, chains):
    notes = table("method_differences", pair).notes
    assert notes.count("No ±: the same in every tuned task.") == 1
    assert "No ±: the same in every order." in table("methods", chains).notes


STEPS = "ProMoT took 100 optimizer steps (50 of them stage 1), LoRA 50."


def test_unequal_steps_are_told(pair):
    for name in ("methods", "method_differences"):
        assert STEPS in table(name, pair).notes
    for name in ("format_specialization", "trade_off"):
        assert STEPS in figure(name, pair).caption.marks
    alone = numbers_of([pair.runs[0]])
    assert "optimizer steps (" not in str(figure("format_specialization", alone).caption.marks)


def test_strategies_are_compared_in_one_figure(chains):
    spec = figure("trade_off", chains)
    names = {layer.label for layer in spec.panels[0].layers} - {None}
    assert names == {"base model", *("original, LoRA", "sapo, LoRA")} | {
        *("original, ProMoT", "sapo, ProMoT")
    }
    with pytest.raises(InputError, match="no gradients"):
        figure("gradient_alignment", chains)


def test_what_is_used_is_cited(pair):
    assert {"wang2024promot", "lester2021prompt", "hu2022lora"} <= set(
        cited(FIGURES["trade_off"], pair.runs)
    )


def test_settings_name_what_only_these_methods_have(pair, chains):
    promot = table("settings", numbers_of([pair.runs[1]])).rows.set_index("setting")["value"]
    assert promot["method"] == "ProMoT"
    assert promot["soft prompt"] == "20 tokens from text, learning rate 0.01"
    assert promot["ProMoT"].startswith("50 steps of stage 1, then an adapter;")
    assert promot["demonstrations in tests"] == "0, 1" and promot["looked at"] == "every 25 steps"
    assert "soft prompt" not in set(table("settings", numbers_of([pair.runs[0]])).rows["setting"])
    assert "ProMoT" in set(table("sequence_settings", chains).rows["setting"])


def test_a_method_without_a_first_stage_of_its_own_names_none(pair):
    run = pair.runs[1]
    joint = Run(run.path, run.study.model_copy(update={"method": "promot-joint"}), run.status)
    settings = table("settings", numbers_of([joint])).rows.set_index("setting")["value"]
    assert settings["ProMoT"] == "an adapter; a checkpoint every 10 steps"


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("tsloss-surrogate", "TSLoss", "surrogate h0 1, surrogate h1 1, alpha 1"),
        ("ptp-adversarial", "PTP", "adversarial strength 0.01, adversarial steps 3, weight 1"),
    ],
)
def test_settings_name_what_decides_of_a_method_and_nothing_else(pair, method, name, value):
    run = pair.runs[1]
    other = Run(run.path, run.study.model_copy(update={"method": method}), run.status)
    settings = table("settings", numbers_of([other])).rows.set_index("setting")["value"]
    assert settings[name] == value and len({"TSLoss", "PTP"} & set(settings.index)) == 1

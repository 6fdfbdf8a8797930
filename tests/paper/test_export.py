"""Exports of made-up runs: which files, which bytes, what is refused, what is skipped and why."""

import io
import json
import re
import shutil
import zipfile

import pytest
from pypdf import PdfReader

from sapo_analysis import analysis
from sapo_analysis.analysis.importing import import_results
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures.render_matplotlib import Drawn
from sapo_analysis.paper import html
from sapo_analysis.paper.export import export
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.wish import Wish
from sapo_analysis.store import create_run, open_run
from tests.synthetic import Truth, study_of, write_run
from tests.synthetic_sequence import write_sequence_run

pytestmark = pytest.mark.slow

FOREST = Wish(figures=("task_forest",), asked={"outcome": "generalization"})
SCATTER = "impact_scatter-forgetting_past-raw"
WITHOUT_DRAWING = Wish(formats=("csv", "md"))


def named(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def exported(study_numbers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "paper"
    wish = Wish(
        figures=("impact_scatter",),
        tables=("settings",),
        formats=("pdf", "svg", "png", "tex", "md", "csv"),
        venue="acl",
        asked={"outcome": "forgetting_past", "view": "raw"},
    )
    said = []
    return export(study_numbers, folder, wish, said.append), folder, wish, said


def test_every_format_of_every_figure_and_table_with_captions_and_references(exported):
    found, folder, _, said = exported
    wanted = {f"{SCATTER}.{kind}" for kind in ("pdf", "svg", "png", "csv")}
    wanted |= {f"settings.{kind}" for kind in ("tex", "md", "csv")}
    wanted |= {"captions.md", "captions.tex", "references.bib"}
    assert named(folder) == wanted == {one.path.name for one in found.files}
    assert {one.state for one in found.files} == {"new"}
    assert all(one.path.stat().st_size == one.n_bytes for one in found.files)
    assert [line.split(" (")[0] for line in said] == [SCATTER]
    assert found.skipped == () and set(found.seconds) == {"numbers", "drawing", "texts", "writing"}


def test_the_files_are_what_they_are_called(exported):
    _, folder, _, _ = exported
    (page,) = PdfReader(folder / f"{SCATTER}.pdf").pages
    assert float(page.mediabox.width) == pytest.approx(7.7 / 2.54 * 72, abs=0.5)
    assert (folder / f"{SCATTER}.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (folder / f"{SCATTER}.svg").read_text()
    assert r"\toprule" in (folder / "settings.tex").read_text()
    assert "current_task" in (folder / f"{SCATTER}.csv").read_text()


def test_captions_name_what_is_there_and_cite_what_the_references_have(exported):
    _, folder, _, _ = exported
    latex, plain = (folder / "captions.tex").read_text(), (folder / "captions.md").read_text()
    assert rf"\includegraphics{{{SCATTER}}}" in latex and rf"\label{{fig:{SCATTER}}}" in latex
    assert f"## {SCATTER}" in plain
    assert r"\input{settings}" in latex and "## settings" in plain
    keys = {k for group in re.findall(r"\\cite\{([^}]*)\}", latex) for k in group.split(",")}
    known = set(re.findall(r"@\w+\{([^,]+),", (folder / "references.bib").read_text()))
    assert keys and keys <= known


def test_a_second_export_gives_the_same_bytes(exported, study_run):
    _, folder, wish, _ = exported
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = export(numbers_of([open_run(study_run.path)]), folder, wish)
    assert {one.state for one in again.files} == {"unchanged"}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_another_width_replaces_the_figure_and_leaves_other_files(study_numbers, tmp_path):
    export(study_numbers, tmp_path, FOREST)
    (tmp_path / "mine.pdf").write_bytes(b"mine")
    wish = Wish(figures=FOREST.figures, asked=FOREST.asked, width=8.4 / 2.54)
    states = {one.path.name: one.state for one in export(study_numbers, tmp_path, wish).files}
    assert states["task_forest-generalization.pdf"] == "replaced"
    assert states["captions.md"] == states["references.bib"] == "unchanged"
    (page,) = PdfReader(tmp_path / "task_forest-generalization.pdf").pages
    assert float(page.mediabox.width) == pytest.approx(8.4 / 2.54 * 72, abs=0.5)
    assert (tmp_path / "mine.pdf").read_bytes() == b"mine"


def test_parts_that_are_left_out_are_not_drawn(study_numbers, tmp_path):
    export(study_numbers, tmp_path / "with", Wish(FOREST.figures, formats=("svg",)))
    wish = Wish(FOREST.figures, formats=("svg",), without=("predicted", "legend"))
    export(study_numbers, tmp_path / "without", wish)
    sizes = [
        (tmp_path / folder / "task_forest-forgetting_past.svg").read_text().count("<path")
        for folder in ("with", "without")
    ]
    assert sizes[0] > sizes[1]
    said = [(tmp_path / folder / "captions.tex").read_text() for folder in ("with", "without")]
    assert "Shaded: the side" in said[0] and "Shaded: the side" not in said[1]


def test_a_part_that_none_of_the_figures_has_is_told(study_numbers, tmp_path):
    told = []
    asked = {"outcome": "generalization"}
    wish = Wish(FOREST.figures, formats=("svg",), without=("numbers", "predicted"), asked=asked)
    export(study_numbers, tmp_path, wish, told.append)
    (line,) = [line for line in told if line.startswith("without ")]
    assert line.startswith("without numbers: none of these figures has this part. They have: ")
    assert "predicted" in line and "task_forest-generalization.svg" in named(tmp_path)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_drawn(
    study_numbers, tmp_path, monkeypatch
):
    def denied(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    told = []
    with pytest.raises(InputError, match="Permission denied"):
        export(study_numbers, tmp_path / "out", FOREST, told.append)
    assert not told and not named(tmp_path)


def test_the_bundle_holds_what_was_chosen(study_numbers, tmp_path):
    wish = Wish(figures=FOREST.figures, asked=FOREST.asked, formats=("bundle",), venue="neurips")
    found = export(study_numbers, tmp_path, wish)
    assert named(tmp_path) == {"bundle.zip"} and found.files[0].state == "new"
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        names = archive.namelist()
        drawn = PdfReader(io.BytesIO(archive.read("figures/task_forest-generalization.pdf")))
    assert any(name.endswith("redraw.py") for name in names)
    assert not any("impact_scatter" in name or name.startswith("tables/") for name in names)
    assert float(drawn.pages[0].mediabox.width) == pytest.approx(5.5 * 72, abs=0.5)


def test_the_report_is_one_file(study_numbers, tmp_path, monkeypatch):
    monkeypatch.setattr(html, "static_report", lambda numbers: f"of {numbers.runs[0].run_id} é")
    export(study_numbers, tmp_path, Wish(formats=("html",)))
    assert named(tmp_path) == {"report.html"}
    said = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert said == f"of {study_numbers.runs[0].run_id} é"


def test_texts_that_cannot_be_read_are_told_and_the_file_is_written(
    study_numbers, tmp_path, monkeypatch
):
    monkeypatch.setattr(Drawn, "problems", ("'a' and 'b' cover each other",))
    found = export(study_numbers, tmp_path, FOREST)
    assert found.problems == (("task_forest-generalization", "'a' and 'b' cover each other"),)
    assert "task_forest-generalization.pdf" in named(tmp_path)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"figures": ("task_forrest",)}, "Did you mean 'task_forest'"),
        (
            {"figures": ("stage_matrix",)},
            "stage_matrix is a figure of sequence studies; these runs are a paraphrase study."
            " They have: all, claim",
        ),
        (
            {"tables": ("strategies",)},
            "strategies is a table of sequence studies; these runs are a paraphrase study.",
        ),
        (
            {"figures": ("runs_forest",)},
            "runs_forest is a figure of paraphrase studies that cannot be joined; these runs are a",
        ),
        ({"tables": ("claim",)}, "Did you mean 'claims'"),
        ({"asked": {"eval_task": "nowhere"}}, "Unknown evaluated task 'nowhere'"),
        ({"asked": {"x": "metric"}}, "Unknown indicator of these runs 'metric'"),
        ({"asked": {"view": "raw"}, "figures": ("task_forest",)}, "view 'raw': nothing that was"),
        ({"asked": {"method": "lora"}}, "method 'lora': nothing that was chosen has such"),
    ],
)
def test_wrong_wishes_are_refused_and_nothing_is_written(study_numbers, tmp_path, wish, message):
    with pytest.raises(InputError, match=message):
        export(study_numbers, tmp_path / "out", Wish(**wish))
    assert not named(tmp_path)


def test_a_folder_in_the_way_of_one_file_keeps_all_from_being_written(study_numbers, tmp_path):
    (tmp_path / "captions.md").mkdir()
    with pytest.raises(InputError, match="a folder of that name"):
        export(study_numbers, tmp_path, FOREST)
    assert named(tmp_path) == {"captions.md"}


def test_what_some_runs_lack_is_skipped_with_its_reason_and_refused_by_name(tmp_path):
    path = write_run(tmp_path / "runs", n_tasks=2, n_prompts=4)  # one seed: no regret
    numbers = numbers_of([open_run(path)])
    found = export(numbers, tmp_path / "out", WITHOUT_DRAWING)
    why = dict(found.skipped)["regret_curve-generalization"]
    assert why.startswith("Regret needs two seeds")
    assert {"pool_curve-generalization.csv"} <= named(tmp_path / "out")
    assert not any(name.startswith("regret_curve") for name in named(tmp_path / "out"))
    with pytest.raises(InputError, match=re.escape(f"regret_curve: {why}")):
        export(numbers, tmp_path / "none", Wish(figures=("regret_curve",)))
    assert not (tmp_path / "none").exists()


def imported(folder):
    table = analysis.impacts(open_run(write_run(folder / "first", n_tasks=2, n_prompts=5)))
    table = table.replace({"current-0": "情感分类", "current-1": "../b"})
    table.to_csv(folder / "table.csv")
    return import_results(folder / "table.csv", folder / "runs", None, "", "").path


MADE = {
    "unfinished": lambda folder: write_run(folder, n_tasks=2, n_prompts=6, finish=False),
    "random": lambda folder: write_run(folder, n_tasks=2, n_prompts=6, weights="random"),
    "tiny": lambda folder: write_run(folder, n_tasks=1, n_prompts=2, truth=Truth()),
    "imported": imported,
}


@pytest.mark.parametrize("kind", MADE)
def test_runs_out_of_the_ordinary_give_what_they_have(kind, tmp_path):
    numbers = numbers_of([open_run(MADE[kind](tmp_path))])
    found = export(numbers, tmp_path / "out", WITHOUT_DRAWING)
    assert "impact_scatter-forgetting_past.csv" in named(tmp_path / "out")
    assert all(why for _, why in found.skipped)
    captions = (tmp_path / "out" / "captions.md").read_text()
    if kind == "random":
        assert "random weights" in captions.lower()
    if kind == "unfinished":
        assert "nfinished" in captions


def test_a_character_that_the_font_lacks_is_a_reason(tmp_path):
    numbers = numbers_of([open_run(imported(tmp_path))])
    asked = {"outcome": "forgetting_past", "view": "panels"}
    with pytest.raises(InputError, match="impact_scatter-forgetting_past-panels: .*情"):
        export(numbers, tmp_path / "out", Wish(figures=("impact_scatter",), asked=asked))
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_trial_has_no_figure_yet_and_only_says_how_it_was_set(tmp_path):
    numbers = numbers_of([open_run(create_run(tmp_path / "runs", study_of()))])
    message = "nothing to export. No trial of these runs has ended yet"
    with pytest.raises(InputError, match=message):
        export(numbers, tmp_path / "out", Wish(figures=("all",)))
    assert not (tmp_path / "out").exists()
    found = export(numbers, tmp_path / "out", Wish())
    assert {one.path.stem for one in found.files} == {"settings", "captions", "references"}


def test_a_damaged_run_is_an_error_and_no_reason_to_skip(study_run, tmp_path):
    path = tmp_path / study_run.path.name
    shutil.copytree(study_run.path, path)
    (path / "tables" / "scores" / "all.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match=path.name):
        export(numbers_of([open_run(path)]), tmp_path / "out", FOREST)
    assert not (tmp_path / "out").exists()


def test_runs_that_cannot_be_joined_stand_beside_each_other(study_run, tmp_path):
    other = open_run(write_run(tmp_path, n_tasks=3, n_prompts=6, fingerprint="e" * 16, name="else"))
    numbers = numbers_of([study_run, other])
    found = export(numbers, tmp_path / "out", Wish(formats=("csv",)))
    assert {one.path.name for one in found.files} == {
        f"runs_forest-{name}.csv"
        for name in ("forgetting_past", "forgetting_retained", "generalization")
    }
    table = (tmp_path / "out" / "runs_forest-generalization.csv").read_text()
    own = analysis.within_task_correlation(
        analysis.impacts(other), y="generalization", role="unseen", scope="new_tasks"
    )
    assert other.run_id in table and repr(own.value)[:10] in table
    with pytest.raises(InputError, match="these runs are .* that cannot be joined.*differ in"):
        export(numbers, tmp_path / "none", Wish(figures=("impact_scatter",)))


def test_the_same_run_twice_is_refused_beside_another(study_run, tmp_path):
    other = open_run(write_run(tmp_path, n_tasks=2, n_prompts=4, fingerprint="e" * 16))
    with pytest.raises(InputError, match=f"Given twice: {study_run.run_id}"):
        export(numbers_of([study_run, study_run, other]), tmp_path / "out", Wish())


def test_a_sequence_study_in_several_orders_is_one(tmp_path):
    def score(strategy, order, seed, stage, position, prompt):
        return 40.0 + stage + len(strategy)

    runs = [
        open_run(write_sequence_run(tmp_path, score, name=f"order-{i}", orders=[order]))
        for i, order in enumerate((["a", "b", "c"], ["b", "c", "a"]))
    ]
    out = tmp_path / "out"
    wish = Wish(formats=("csv",), figures=("strategy_intervals", "stage_matrix"))
    found = export(numbers_of(runs), out, wish)
    assert "strategy_intervals.csv" in named(out) and found.skipped == ()
    asked = {"order": "b > c > a"}
    export(numbers_of(runs), out, Wish(("stage_matrix",), formats=("csv",), asked=asked))
    assert "stage_matrix-lora-b-c-a" in " ".join(sorted(named(out)))


def test_what_was_done_is_plain_data(exported):
    found, _, _, _ = exported
    assert json.dumps(found.seconds) and all(took >= 0 for took in found.seconds.values())

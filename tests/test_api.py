"""Figures, tables and exports from Python, as the README shows them."""

import matplotlib.figure
import plotly.graph_objects as go
import pytest

import sapo_analysis as sapo
from sapo_analysis.errors import RunError
from sapo_analysis.figures import FigureSpec
from sapo_analysis.paper.tables import TableSpec
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return sapo.open_run(write_run(tmp_path_factory.mktemp("runs"), n_tasks=2, n_prompts=6))


def test_a_figure_of_a_table_is_drawn_on_screen_and_on_paper(run):
    spec = sapo.figures.impact_scatter(run.impacts())
    assert isinstance(spec.to_plotly(), go.Figure)
    drawn = spec.to_matplotlib(venue="icml")
    assert isinstance(drawn, matplotlib.figure.Figure)
    assert drawn.get_figwidth() == pytest.approx(3.25)


def test_a_figure_and_a_table_by_name_of_a_run_its_folder_or_its_id(run):
    for given in (run, run.path, [run]):
        found = sapo.figure("task_forest", given, outcome="generalization")
        assert isinstance(found, FigureSpec) and "generalization" in found.name
    by_id = sapo.table("settings", run.run_id, runs_dir=run.path.parent)
    assert isinstance(by_id, TableSpec)


def test_a_run_is_opened_by_its_folder_its_id_or_the_beginning_of_one(run, monkeypatch):
    runs = run.path.parent
    for name in (run.path, str(run.path)):
        assert sapo.open_run(name).run_id == run.run_id
    assert sapo.open_run(run.run_id, runs_dir=runs).run_id == run.run_id
    assert sapo.open_run("pocket-1-main").run_id.startswith("pocket-1-main-")  # a shipped one
    monkeypatch.chdir(runs)
    assert sapo.open_run(run.run_id).run_id == run.run_id
    with pytest.raises(RunError, match=r"Unknown run 'pocket-1-maim'. Did you mean"):
        sapo.open_run("pocket-1-maim")


def test_an_export_takes_single_words_for_lists(run, tmp_path):
    found = sapo.export(
        run,
        tmp_path / "out",
        figures="task_forest",
        formats="svg",
        venue="acl",
        width="4in",
        without="legend",
        outcome="generalization",
    )
    assert "task_forest-generalization.svg" in {one.path.name for one in found.files}
    drawn = (tmp_path / "out" / "task_forest-generalization.svg").read_text()
    assert 'width="288pt"' in drawn


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run, out: sapo.figure("forest", run), "Unknown figure of these runs 'forest'"),
        (lambda run, out: sapo.figure("task_forest", run, outcom="x"), "Did you mean 'outcome'"),
        (lambda run, out: sapo.table("claim", run), "Did you mean 'claims'"),
        (lambda run, out: sapo.export(run, out, colour="red"), "Unknown option of figures"),
        (lambda run, out: sapo.export([], out), "No run was given"),
        (lambda run, out: sapo.export(run, ""), "folder to write into has no name"),
        (lambda run, out: sapo.export(run, out, width=0), "2 to 20 inches wide, not 0"),
        (lambda run, out: sapo.open_run("nowhere"), "Unknown run 'nowhere'"),
        (lambda run, out: sapo.export("nowhere", out), "Unknown run 'nowhere'"),
    ],
)
def test_what_is_not_known_is_refused(run, tmp_path, call, message):
    with pytest.raises(sapo.InputError, match=message):
        call(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()

import pandas as pd
import pytest

from sapo_analysis import analysis
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Line, Panel, Points
from sapo_analysis.figures.theme import BLUE, GREY
from sapo_analysis.store import open_run
from tests.synthetic import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    settings = {"seeds": (0, 1), "noise_seeds": (7, 8, 9, 10), "n_past": 2}
    return open_run(write_run(folder, n_tasks=3, n_prompts=8, **settings))


@pytest.fixture(scope="session")
def df(run):
    return analysis.impacts(run)


@pytest.fixture(scope="session")
def prompts(run):
    return run.table("prompts")


@pytest.fixture
def spec():
    """Two panels with all that a simple figure has."""
    table = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 5.0]})
    layers = (
        Points((1.0, 2.0), (3.0, 5.0), BLUE, label="found"),
        Line((1.0, 2.0), (3.0, 5.0), GREY, label="slope"),
    )
    panel = Panel(layers, "time (s)", "score (points)", "first", "r = +0.50\np = 0.01, n = 12")
    return FigureSpec("two_panels", (panel, panel), table, Caption("x and y"), "Two panels.", 2)

"""The Diagnostics tab of runs with soft prompts: curves, diagrams, and where there are none."""

import json

import pytest

from sapo_analysis.analysis.methods_compared import topology_associations, topology_change
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app.components.soft_prompts import BEFORE_IT_WAS_MEASURED
from sapo_analysis.store import open_run
from tests.app.opening import opened
from tests.app.test_explore import charts, html_of, text_of
from tests.methods_runs import write_lora, write_promot, write_prompt_tuning
from tests.watched import rewrite

pytestmark = pytest.mark.filterwarnings("default")
SMALL = {"n_tasks": 2, "n_prompts": 4, "seeds": (0,), "n_shots": (0,)}
FEW = {**SMALL, "n_tasks": 1, "n_prompts": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clouds")


@pytest.fixture(scope="module")
def path(folder):
    return write_prompt_tuning(folder, **SMALL)


def along(monkeypatch, folder, *paths):
    """What the page of these runs shows along their fine-tunes."""
    ids = [path.name for path in paths]
    page, answer = "views/methods_compared.py", "Along the fine-tune"
    return opened(monkeypatch, folder, page, compared=ids, answer=answer)


def points_of(chart):
    """What a chart's markers stand at, by panel."""
    found = {}
    for trace in chart["data"]:
        if trace["mode"] == "markers" and trace["x"][0] is not None:
            found.setdefault(trace["xaxis"], []).extend(zip(trace["x"], trace["y"], strict=True))
    return found


def test_curves_changes_and_what_it_goes_with_are_there(monkeypatch, folder, path):
    app = along(monkeypatch, folder, path)
    assert "Topology of the soft prompt" in text_of(app) and len(charts(app)) == 4
    run = open_run(path)
    for row in topology_change(run).to_dict("records"):
        assert f"{row['before']:.2f} → {row['after']:.2f}" in html_of(app)
    r = topology_associations(run)["value"]
    assert len(r) == 12 and all(signed(value) in html_of(app) for value in r)
    assert "2 tasks × 4 prompts" in html_of(app)


def test_a_diagram_is_that_of_the_chosen_fine_tune_and_step(monkeypatch, folder, path):
    app = along(monkeypatch, folder, path)
    start, end = points_of(charts(app)[3]).values()
    pairs = open_run(path).table("persistence")
    own = pairs[pairs["trial_id"] == "t-current-0-original-0"]
    for step, shown in ((0, start), (50, end)):
        wanted = own[own["step"] == step][["birth", "death"]].to_numpy()
        assert sorted(shown) == sorted(map(tuple, wanted.tolist()))
    app.selectbox(key="cloud-step").set_value("25")
    app.selectbox(key="cloud-tune").set_value("").run()
    assert not app.exception
    (shown,) = points_of(charts(app)[3]).values()
    assert len(shown) == 4 * 4  # prompts, pairs
    assert "Step 25" in json.dumps(charts(app)[3]["layout"])
    app.selectbox(key="cloud-task").set_value("current-1").run()
    assert not app.exception and "current-1" in json.dumps(charts(app)[3]["data"])


def test_methods_stand_beside_each_other_and_those_without_are_not_drawn(monkeypatch, tmp_path):
    path = write_prompt_tuning(tmp_path, **FEW)
    wide = write_prompt_tuning(tmp_path, **FEW, square=3.0, soft_prompt={"learning_rate": 0.02})
    app = along(monkeypatch, tmp_path, path, wide, write_lora(tmp_path, **FEW))
    names = {trace["name"] for trace in charts(app)[2]["data"] if trace.get("showlegend")}
    assert names == {f"prompt tuning in {one.name}" for one in (path, wide)}
    shown = points_of(charts(app)[3])
    # Of the second method components stand beside those of the first, left of birth 0.
    assert min(x for at in shown.values() for x, _ in at) < 0


def test_a_soft_prompt_of_one_token_has_curves_alone(monkeypatch, tmp_path):
    path = write_prompt_tuning(tmp_path, **FEW)
    rewrite(path, "persistence", lambda table: table.iloc[:0])
    app = along(monkeypatch, tmp_path, path)
    assert len(charts(app)) == 3 and "no persistence diagram" in text_of(app)


def test_runs_without_a_soft_prompt_say_nothing_and_older_ones_why(monkeypatch, tmp_path):
    lora, old = write_lora(tmp_path, **FEW), write_promot(tmp_path, **FEW)
    app = along(monkeypatch, tmp_path, lora)
    assert "Topology" not in text_of(app) and len(charts(app)) == 2
    app = along(monkeypatch, tmp_path, old)
    assert BEFORE_IT_WAS_MEASURED in text_of(app) and len(charts(app)) == 2

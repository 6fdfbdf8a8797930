"""Figures of soft prompts as point clouds: alike on screen and paper, every point in its place."""

import math

import pandas as pd
import pytest

from sapo_analysis.analysis.methods_compared import (
    chosen_pairs,
    persistence_pairs,
    topology_curves,
)
from sapo_analysis.errors import InputError
from sapo_analysis.figures import persistence_diagram, topology
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.figures.spec import Band, Line, Note, Points
from sapo_analysis.paper.captions import draft
from sapo_analysis.store import open_run
from tests.figures.same_data import check_same_data
from tests.methods_runs import write_prompt_tuning


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    small = {"n_tasks": 2, "n_prompts": 2, "n_shots": (0,)}
    return open_run(write_prompt_tuning(tmp_path_factory.mktemp("clouds"), **small))


@pytest.fixture(scope="module")
def pairs(run):
    return persistence_pairs(run)


def marks(panel, kind):
    return [layer for layer in panel.layers if isinstance(layer, kind)]


def look(name, moment, step, loops, deaths=(1.0, 2.0)):
    """A diagram of one fine-tune at one look."""
    about = {"name": name, "tuned_task": "a", "fine_tune": "x, seed 0", "stage": 0}
    about |= {"moment": moment, "step": step}
    components = [{**about, "dimension": 0, "birth": 0.0, "death": death} for death in deaths]
    return components + [{**about, "dimension": 1, "birth": b, "death": d} for b, d in loops]


def can_be_read(spec):
    check_same_data(spec)
    assert grey_twins(spec) == []
    assert spec.drawn("icml").problems == ()
    said = draft(spec.caption)
    assert "nan" not in said and "None" not in said
    assert spec.without(*spec.parts).parts == ()
    return said


def test_curves_have_a_panel_per_number_with_its_unit(run):
    table = topology_curves(run)
    spec = topology(table)
    said = can_be_read(spec)
    assert "4 virtual tokens" in said and "n = 2 tasks × 2 prompts × 2 seeds" in said
    assert [panel.title for panel in spec.panels] == [
        *("H0 persistence", "H1 persistence", "Compactness")
    ]
    assert spec.y_title == "units of the embedding\n(compactness: 0 to 1)"
    (points,) = marks(spec.panels[1], Points)
    wanted = table[table["series"] == "h1_persistence"]
    assert points.x == (0, 25, 50) and points.y == tuple(wanted["value"])


def test_bands_end_where_no_value_can_lie(run):
    table = topology_curves(run).assign(lower=-5.0, upper=7.0)
    spec = topology(table)
    check_same_data(spec)
    for panel, highest in zip(spec.panels, (7, 7, 1), strict=True):
        (band,) = marks(panel, Band)
        assert (set(band.lower), set(band.upper)) == ({0.0}, {highest})


def test_a_diagram_before_and_after_is_that_of_its_table(pairs):
    table = chosen_pairs(pairs, task="current-1", fine_tune="para-01, seed 1")
    spec = persistence_diagram(table)
    said = can_be_read(spec)
    assert "tuned on current-1 (para-01, seed 1)" in said and "1 method" in said
    assert [panel.title for panel in spec.panels] == ["Start, step 0", "End, step 50"]
    assert spec.panels[0].x_range == spec.panels[1].x_range
    for panel, moment in zip(spec.panels, ("start", "end"), strict=True):
        own = table[table["moment"] == moment]
        (points,) = marks(panel, Points)
        assert list(zip(points.x, points.y, strict=True)) == list(
            zip(own["birth"], own["death"], strict=True)
        )
        (diagonal,) = marks(panel, Line)
        assert diagonal.x == diagonal.y
        assert {note.text for note in marks(panel, Note)} == {"H0", "H1"}
        loop = own[own["dimension"] == 1].iloc[0]
        (under,) = [note for note in marks(panel, Note) if note.text == "H1"]
        assert under.y < loop["birth"]  # below the diagonal


def test_short_loops_are_drawn_once_more_by_how_long_they_last():
    rows = look("lora", "start", 0, [(1.5, 1.51)]) + look("lora", "end", 50, [])
    spec = persistence_diagram(pd.DataFrame(rows))
    said = can_be_read(spec)
    assert "by how long they last" in said and "3 virtual tokens" in said
    assert [panel.title for panel in spec.panels[2:]] == [
        "Loops: start, step 0",
        "Loops: end, step 50",
    ]
    (points,) = marks(spec.panels[2], Points)
    assert (points.x[0], points.y[0]) == pytest.approx((1.5, 0.01))
    assert [note.text for note in marks(spec.panels[3], Note)] == ["no loop"]


def test_one_look_of_two_methods_has_their_components_beside_each_other():
    rows = look("lora", "", 25, [(1.5, 2.4)]) + look("promot", "end", 25, [(1.0, math.sqrt(2))])
    spec = persistence_diagram(pd.DataFrame(rows))
    can_be_read(spec)
    (panel,) = spec.panels
    assert panel.title == "Step 25"
    lora, promot = marks(panel, Points)
    assert lora.x == (0.0, 0.0, 1.5) and lora.y == (1.0, 2.0, 2.4)
    assert promot.x[0] == promot.x[1] < 0 and promot.x[2] == 1.0
    assert panel.x_range[0] < promot.x[0]


def test_pooled_fine_tunes_are_counted(pairs):
    said = draft(persistence_diagram(chosen_pairs(pairs)).caption)
    assert "8 fine-tunes pooled, 2 tuned tasks" in said and "48 components, 16 loops" in said


@pytest.mark.parametrize(
    ("make", "maker"), [(topology, "topology_curves"), (persistence_diagram, "persistence_pairs")]
)
def test_another_table_is_refused_with_the_name_of_its_maker(make, maker):
    with pytest.raises(InputError, match=rf"{maker}\(runs\)"):
        make(pd.DataFrame({"x": [1.0]}))

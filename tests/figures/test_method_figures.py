"""Figures that compare methods: alike on screen and paper, apart in grey, numbers from tables."""

import pandas as pd
import pytest

from sapo_analysis.analysis.methods_compared import (
    alignment_curves,
    format_curves,
    trade_off,
)
from sapo_analysis.errors import InputError
from sapo_analysis.figures import (
    format_specialization,
    gradient_alignment,
    theme,
    trade_off_scatter,
)
from sapo_analysis.figures.legibility import grey_twins
from sapo_analysis.figures.method_marks import looks_of
from sapo_analysis.figures.spec import Band, Intervals, Line, Points
from sapo_analysis.paper.captions import draft
from sapo_analysis.spec import METHODS
from sapo_analysis.store import open_run
from tests.figures.same_data import check_same_data
from tests.methods_runs import write_lora, write_promot, write_sequence


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    small = {"n_tasks": 3, "n_prompts": 2, "n_shots": (0,)}
    pair = [open_run(write(folder, **small)) for write in (write_lora, write_promot)]
    chains = open_run(write_sequence(folder))
    return {
        "format": format_specialization(format_curves(pair)),
        "gradients": gradient_alignment(alignment_curves(pair)),
        "trade_off": trade_off_scatter(trade_off(pair)),
        "format of chains": format_specialization(format_curves(chains)),
        "trade_off of chains": trade_off_scatter(trade_off(chains)),
    }


NAMES = ("format", "gradients", "trade_off", "format of chains", "trade_off of chains")


@pytest.mark.parametrize("name", NAMES)
def test_screen_and_paper_show_the_same_and_all_of_it_can_be_read(specs, name):
    spec = specs[name]
    check_same_data(spec)
    assert grey_twins(spec) == []
    assert spec.drawn("icml").problems == ()
    said = draft(spec.caption)
    assert "nan" not in said and "None" not in said and spec.caption.n
    bare = spec.without(*spec.parts)
    assert bare.parts == ()


def marks(panel, kind):
    return [layer for layer in panel.layers if isinstance(layer, kind)]


def test_every_method_has_a_look_of_its_own():
    assert set(theme.METHODS) <= set(METHODS)
    shapes = [look[1:] for look in theme.METHODS.values()]
    assert len(set(shapes)) == len(shapes) and set(shapes) <= set(theme.SHAPES)
    assert len(set(theme.SHAPES)) == 20
    looks = looks_of(["original+lora", "sapo+lora", "original+promot"])
    assert len({(look.marker, look.hollow) for look in looks.values()}) == 3
    assert looks["original+promot"].label == "original, ProMoT"


def test_the_floor_and_the_end_of_stage_1_are_drawn(specs):
    scores, ratios = specs["format"].panels
    (floor,) = [line for line in marks(ratios, Line) if line.label == "gold answers"]
    assert floor.y == pytest.approx((0.05, 0.05))
    dotted = [line for line in marks(scores, Line) if line.part == "marks"]
    assert [line.x for line in dotted] == [(50.0, 50.0)]
    assert dotted[0].color == theme.METHODS["promot"][0]
    ends = {p.label: (p.x[-1], round(p.y[-1], 6)) for p in marks(ratios, Points)}
    assert ends == {"LoRA": (50.0, 0.8), "ProMoT": (100.0, 0.3)}


def test_alignment_has_a_panel_per_module(specs):
    spec = specs["gradients"]
    assert [panel.title for panel in spec.panels] == ["q_proj", "mlp.down_proj"]
    lora = next(p for p in marks(spec.panels[1], Points) if p.label == "LoRA")
    assert lora.y == pytest.approx((0.9, 0.5, 0.1))


def test_checkpoints_lead_to_a_large_point_per_method(specs):
    spec = specs["trade_off"]
    (panel,) = spec.panels
    small = [p for p in marks(panel, Points) if p.label is None]
    large = {p.label: p for p in marks(panel, Points) if p.label is not None}
    assert list(large) == ["base model, original prompt", "LoRA", "ProMoT"] and len(small) == 2
    assert small[0].size < large["LoRA"].size
    row = spec.table.query("name == 'promot' and kind == 'end'").iloc[0]
    assert (large["ProMoT"].x, large["ProMoT"].y) == ((row["tuned"],), (row["others"],))


@pytest.mark.parametrize(
    ("make", "maker"),
    [
        (format_specialization, "format_curves"),
        (gradient_alignment, "alignment_curves"),
        (trade_off_scatter, "trade_off"),
    ],
)
def test_another_table_is_refused_with_the_name_of_its_maker(make, maker):
    with pytest.raises(InputError, match=rf"Make it with {maker}\(runs\)"):
        make(pd.DataFrame({"x": [1.0]}))


def test_bands_and_axes_end_where_no_value_can_lie():
    rows = [("tuned_score", 95.0), ("format_ratio", 0.9)]
    sizes = {"unit": "tuned tasks", "n_units": 2, "n_tasks": 2, "n_prompts": 1, "n_seeds": 1}
    about = {"name": "lora", "floor": float("nan"), "first_stage_ends": float("nan"), **sizes}
    table = pd.DataFrame(
        {**about, "step": step, "series": series, "value": v, "lower": -400.0, "upper": 500.0}
        for series, v in rows
        for step in (0, 10)
    )
    found = format_specialization(table)
    check_same_data(found)
    for panel, ends in zip(found.panels, ((0, 100), (0, 1)), strict=True):
        (band,) = marks(panel, Band)
        assert (set(band.lower), set(band.upper)) == ({ends[0]}, {ends[1]})
        room = 0.03 * ends[1]
        assert panel.y_range == pytest.approx((-room, ends[1] + room))
    assert set(found.table["upper"]) == {500.0}  # numbers stay
    cosines = table[table["series"] == "format_ratio"].assign(module="q_proj")
    found = gradient_alignment(cosines)
    check_same_data(found)
    (band,) = marks(found.panels[0], Band)
    assert (set(band.lower), set(band.upper)) == ({-1.0}, {1.0})
    assert found.panels[0].y_range == pytest.approx((-1.05, 1.05))
    both = {name: 60.0 for name in ("tuned", "others")}
    wide = {f"{name}_{end}": v for name in both for end, v in (("lower", -9.0), ("upper", 130.0))}
    found = trade_off_scatter(
        pd.DataFrame(
            [{**about, "kind": "end", "step": None, "tuned_prompts": "training", **both, **wide}]
        )
    )
    check_same_data(found)
    (across,) = marks(found.panels[0], Intervals)
    (up,) = marks(found.panels[0], Line)
    assert (across.lower, across.upper, up.y) == ((0.0,), (100.0,), (0.0, 100.0))


def test_a_method_looks_the_same_in_every_figure_of_a_study():
    study = [name for name in METHODS if name.startswith(("tsloss", "ptp", "ct-"))]
    every = looks_of(["lora", "prompt-tuning", *study])
    assert len({(look.marker, look.hollow) for look in every.values()}) == len(every)
    fewer = looks_of(["prompt-tuning", *study[2:6]])
    alone = looks_of(study[3:5])
    assert all(every[name] == look for name, look in (fewer | alone).items())

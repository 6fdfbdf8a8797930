"""A figure as text and back: no digit, no kind and no tuple is lost, and damage is named."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.saving import LAYERS, from_json, to_json
from sapo_analysis.figures.spec import (
    Band,
    Bars,
    Cells,
    FigureSpec,
    Intervals,
    Line,
    Note,
    Panel,
    Points,
    Span,
    Ticks,
)
from tests.figures.bits import bits

HARD = (0.1 + 0.2, 1e-320, -0.0, 1.7976931348623157e308, math.pi, float("nan"))
SIX = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
POINTS = Points(
    SIX,
    HARD,
    "#0072B2",
    "star",
    size=7.25,
    hollow=True,
    label="§ prompt: 提示 “x”",
    keys=(("task", "a"), ("task", "b")),
    hover=("one", "two <b>"),
    part="marks",
)
ALL = (
    POINTS,
    Line((0.0, 1.0), (1.0, math.inf), "#000000", dash=(3.0, 1.5), part="slope"),
    Band((0.0, 1.0), (-1.0, math.nan), (1.0, 2.0), "#333333", opacity=0.15),
    Span("y", -math.inf, 0.30000000000000004, "#999999", dashed=True, part="noise"),
    Intervals((1.0, 2.0), (0.0, 0.1), (0.5, 0.7), "#0072B2", hover=("a", "b")),
    Bars((1.0, 2.0), (0.25, -0.75), "#D55E00", label="bars"),
    Cells(((1.0, math.nan), (-1.0, 0.5)), 1.0, "r", ((True, False),) * 2, (("+1.00", ""),) * 2),
    Note(0.5, 0.5, "a note", anchor="right", gap=2.5, part="names"),
)


def made(layers=ALL, **settings):
    ticks = Ticks((0.0, 1.0), ("zero", "one"))
    panel = Panel(layers, "x (unit)", "y", "title", "r = +0.50", (0.0, 5.0), x_ticks=ticks)
    caption = Caption(
        "Shows.", {"tasks": 3, "seeds": 2}, ("r = 1.",), marks=("a mark", Of("noise", "grey"))
    )
    log = Panel((Note(2.0, 0.5, "alone"),), "x", "y", x_range=(0.1, 5.0), x_log=True)
    return FigureSpec("made", (panel, log), TABLE, caption, "alt", **settings)


TABLE = pd.DataFrame({"x": [1.0]})


def test_every_kind_of_layer_comes_back_bit_by_bit():
    assert {type(layer) for layer in ALL} == set(LAYERS.values())
    spec = made(columns=2, aspect=1 / 3, wide=True, legend=False, x_title="all")
    assert bits(from_json(to_json(spec))) == bits(spec)


def test_the_text_is_json_that_every_reader_takes():
    def refuse(name):
        raise AssertionError(name)

    data = json.loads(to_json(made()), parse_constant=refuse)
    first = data["panels"][0]["layers"][0]
    assert first["kind"] == "Points" and first["y"][-1] == "NaN" and first["y"][0] == 0.1 + 0.2


def test_the_same_figure_is_the_same_text():
    assert to_json(from_json(to_json(made()))) == to_json(made())


def test_the_table_is_left_out():
    assert from_json(to_json(made())).table.empty


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_what_came_back_is_drawn_into_the_same_bytes(kind):
    layers = tuple(x for x in ALL if not isinstance(x, Points | Line | Band | Span))
    drawable = (
        *(replace(POINTS, y=SIX, keys=(), hover=(), label="a prompt"), *layers),
        Line((0.0, 1.0), (1.0, 0.1 + 0.2), "#000000", dash=(3.0, 1.5)),
        Band((0.0, 1.0), (0.0, 0.1), (1.0, 2.0), "#333333"),
        Span("y", -1.0, 0.30000000000000004, "#999999", dashed=True),
    )
    spec = made(drawable)
    assert from_json(to_json(spec)).to_bytes(kind, "acl") == spec.to_bytes(kind, "acl")


def broken(change):
    data = json.loads(to_json(made()))
    change(data)
    return json.dumps(data)


def first_layer(data):
    return data["panels"][0]["layers"][0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "lacks the key 'figure_spec'"),
        ('{"a": 1}', "lacks the key 'figure_spec'"),
        (broken(lambda d: d.update(figure_spec=2)), "format 2, and this version reads 1"),
        (broken(lambda d: d.pop("caption")), "damaged at figure: it lacks caption"),
        (broken(lambda d: d.update(colour="red")), "unknown keys colour"),
        (broken(lambda d: d.update(panels={})), "panels: it holds a dict, not a list"),
        (broken(lambda d: d.update(height="high")), "figure.height"),
        (broken(lambda d: d["panels"].append(3)), "panels[2]: it holds a int"),
        (broken(lambda d: first_layer(d).update(kind="Blob")), "kind is 'Blob'; known: Points"),
        (broken(lambda d: first_layer(d).update(size=None)), "panels[0].layers[0]: size"),
        (broken(lambda d: first_layer(d).pop("color")), "lacks color"),
        (broken(lambda d: first_layer(d)["x"].pop()), "5 of x, 6 of y"),
        (broken(lambda d: d["panels"][0]["layers"][6]["values"][0].pop()), "not all as long"),
        (broken(lambda d: d["caption"].update(n={"tasks": "many"})), "caption: n.tasks"),
    ],
)
def test_damage_is_named_with_its_place_and_a_next_step(text, said):
    with pytest.raises(InputError) as error:
        from_json(text)
    assert said in str(error.value)
    assert "again" in str(error.value) or "Install the version" in str(error.value)

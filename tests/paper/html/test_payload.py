import base64
import json
import math

import numpy as np
import pandas as pd
import pytest

from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.render_plotly import drawn
from sapo_analysis.figures.spec import FigureSpec, Line, Panel, Points
from sapo_analysis.paper.html.payload import STEPS, as_json, least_width, payloads


def figure(n, y_label="outcome (points)", name="made"):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, n)).tolist()
    hover = tuple(f"prompt {i}" for i in range(n))
    points = Points(
        tuple(x), tuple(y), "#0072B2", keys=tuple((str(i),) for i in range(n)), hover=hover
    )
    line = Line((0.0, math.nan, 1.0), (0.0, 1.0, 2.0), "#0072B2")
    panel = Panel((points, line), "loss (nats per token)", y_label)
    return FigureSpec(name, (panel,), pd.DataFrame({"x": x}), Caption("made"), "made")


def test_with_room_every_number_is_whole_and_what_is_none_is_null():
    spec = figure(150)
    found = payloads({"one": spec}, 10**7)["one"]
    assert found.note == ""
    trace, line = json.loads(found.json)["data"]
    assert trace["x"] == list(spec.panels[0].layers[0].x)
    assert trace["hovertext"][149] == "prompt 149" and trace["customdata"][3] == ["3"]
    assert line["x"] == [0.0, None, 1.0]


def test_the_largest_gives_way_first_and_says_so():
    specs = {"small": figure(200), "large": figure(2000)}
    sizes = {name: len(one.json) for name, one in payloads(specs, 10**7).items()}
    found = payloads(specs, sum(sizes.values()) - 1)
    assert found["small"].note == "" and "hovering" in found["large"].note
    trace = json.loads(found["large"].json)["data"][0]
    x = specs["large"].panels[0].layers[0].x
    assert trace["x"]["dtype"] == "f8" and trace["hoverinfo"] == "skip"
    assert tuple(np.frombuffer(base64.b64decode(trace["x"]["bdata"]), "<f8")) == x
    assert not {"hovertext", "customdata"} & set(trace)


def test_all_large_figures_give_way_a_little_before_one_is_left_out():
    specs = {"a": figure(3000), "b": figure(3001), "small": figure(2)}
    found = payloads(specs, 140_000)
    assert [one.note[:40] for one in found.values()] == [*2 * [STEPS[1][:40]], ""]
    found = payloads(specs, 72_000)
    assert [one.note for one in found.values()] == [*2 * [STEPS[2]], ""]


@pytest.mark.parametrize("room, words", [(29_000, "seven digits"), (5_000, "no room for this")])
def test_less_room_gives_fewer_digits_then_no_figure(room, words):
    specs = {"large": figure(2000)}
    (found,) = payloads(specs, room).values()
    assert words in found.note and len(found.json) <= room
    if found.json:
        trace = json.loads(found.json)["data"][0]
        x = np.frombuffer(base64.b64decode(trace["x"]["bdata"]), "<f4")
        np.testing.assert_allclose(x, specs["large"].panels[0].layers[0].x, rtol=1e-6)


def test_a_hundred_thousand_points_have_room_on_a_page():
    specs = {f"part-{i}": figure(50_000) for i in range(2)}
    found = payloads(specs, 3_000_000)
    assert all(one.json and one.note and one.needs_webgl for one in found.values())
    assert sum(len(one.json) for one in found.values()) < 3_000_000


def test_json_cannot_end_its_script_element():
    evil = {"a": ["</script>", "<!--", "\u2028", "\N{MINUS SIGN}", math.inf, np.int64(3)]}
    text = as_json(evil)
    assert "<" not in text and "\u2028" not in text
    assert json.loads(text)["a"] == ["</script>", "<!--", "\u2028", "\N{MINUS SIGN}", None, 3]


def test_long_titles_of_axes_are_broken_into_lines_that_fit():
    title = "generalization, mean of 15 unseen tasks minus the mean of the task (points)"
    spec = figure(5, title)
    picture = json.loads(payloads({"one": spec}, 10**6)["one"].json)
    lines = picture["layout"]["yaxis"]["title"]["text"].split("<br>")
    assert " ".join(lines) == title and len(lines) == 2
    assert max(map(len, lines)) * 6.6 < spec.height - 100
    assert picture["layout"]["xaxis"]["title"]["text"] == "loss (nats per token)"
    assert drawn(spec)["layout"]["yaxis"]["title"]["text"] == title  # the app's is not changed
    assert least_width(spec) == 620

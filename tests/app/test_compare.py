"""The tab that lays races over the scatter: which ones may be, new points, what differs."""

import json
import os

import pytest

from sapo_analysis.figures import theme
from sapo_analysis.store import RunWriter, layout, open_run
from tests.app.test_explore import charts, opened, text_of
from tests.racing import tell, write_race
from tests.synthetic import write_run

TAB = "Compare with a live run"
PICKS = {"random": "para-02", "sapo": "para-01"}
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A study of two tasks after one, its race, one of a smaller adapter, a damaged one."""
    folder = tmp_path_factory.mktemp("races")
    study = write_run(folder, n_tasks=2, n_prompts=3, seeds=(0, 1), name="study")
    made = {
        "study": study,
        "race": write_race(folder, study, PICKS, name="race"),
        "other": write_race(
            folder, study, PICKS, name="other", stages=0, state="interrupted", lora={"r": 4}
        ),
        "damaged": write_race(
            folder, study, PICKS, name="damaged", stages=0, state="interrupted", seeds=[9]
        ),
    }
    (part,) = (made["damaged"] / "tables" / "prompts").glob("part-*")
    part.write_bytes(b"PAR1")
    return made


def explored(monkeypatch, runs, **query):
    folder = runs["study"].parent
    return opened(monkeypatch, folder, run=runs["study"].name, outcome="Forgetting past", **query)


def raced(app):
    """Traces of a race on the scatter, by their name."""
    return {t["name"]: t for t in charts(app)[0]["data"] if "race: " in (t.get("name") or "")}


def button(app, label):
    (found,) = [b for b in app.button if b.label == label]
    return found


def labels(app):
    return [b.label for b in app.button]


def table_with(app, column):
    (found,) = [d.value for d in app.dataframe if column in d.value]
    return found


def test_the_tab_lists_what_may_be_laid_over_and_what_differs(monkeypatch, runs):
    app = explored(monkeypatch, runs, tab=TAB)
    said = text_of(app)
    assert f"**{runs['race'].name}**" in said
    assert "current-0, current-1 (same tasks learned before, another fine-tune)." in said
    assert "read them as one more state seed of the study" in said
    assert labels(app).count("Lay over the scatter") == 1
    differing = table_with(app, "race_value")
    assert differing.to_dict("records") == [
        {"run": runs["other"].name, "key": "lora.r", "study_value": "8", "race_value": "4"}
    ]
    assert "1 other sequence run, and what differs" in [e.label for e in app.expander]
    assert f"Run {runs['damaged'].name}: table prompts is unreadable" in said
    assert not raced(app)


def test_race_this_opens_the_launch_form_with_the_study(monkeypatch, runs):
    app = explored(monkeypatch, runs, tab=TAB)
    (link,) = [e.proto for e in app.get("page_link") if e.proto.label == "Race this"]
    assert link.page == "launch"
    assert link.query_string == f"race={runs['study'].name}"


def test_a_race_is_laid_over_and_taken_away_and_the_link_has_it(monkeypatch, runs):
    app = explored(monkeypatch, runs, tab=TAB)
    alone = charts(app)[0]
    button(app, "Lay over the scatter").click().run()
    assert not app.exception
    assert app.query_params["race"] == runs["race"].name
    found = raced(app)
    assert set(found) == {f"race: {policy}" for policy in ("original", "random", "sapo")}
    for policy in ("original", "random", "sapo"):
        marker = found[f"race: {policy}"]["marker"]
        assert marker["color"] == theme.POLICIES[policy][0]
        assert marker["symbol"] == theme.POLICIES[policy][1]
    # The study's slope is what it was, and every point of the race stands inside the ranges.
    over = charts(app)[0]
    assert over["data"][:2] == alone["data"][:2]
    for axis in ("x", "y"):
        low, high = over["layout"][f"{axis}axis"]["range"]
        before = alone["layout"][f"{axis}axis"]["range"]
        assert low <= before[0] and before[1] <= high
        assert all(low < value < high for trace in found.values() for value in trace[axis])
    assert "outside the shown range" not in json.dumps([trace for trace in found.values()])
    assert "Drawn above." in text_of(app)
    assert "6 points in square frames" in text_of(app)
    points = table_with(app, "study_y")
    assert len(points) == 6
    assert set(points["n_seeds"]) == {2}
    app.button(key="race-away").click().run()
    assert "race" not in app.query_params
    assert not raced(app)


def test_a_link_restores_the_overlay_whatever_tab_is_open(monkeypatch, runs):
    app = explored(monkeypatch, runs, race=runs["race"].name, tab="Prompts")
    assert len(raced(app)) == 3
    app.session_state["view"] = "panels"
    app.run()
    assert len(raced(app)) == 3
    app.session_state["outcome"] = "generalization"
    app.run()
    assert not app.exception
    assert not raced(app)
    assert "The race does not measure unseen-0, unseen-1" in text_of(app)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other", "It is not drawn, for it differs in lora.r."),
        ("study", "is no sequence run"),
        ("damaged", "table prompts is unreadable"),
        ("<b>gone</b>", "Run <b>gone</b> is not here"),
    ],
)
def test_a_link_to_what_cannot_be_laid_over_says_why(monkeypatch, runs, name, said):
    race = runs[name].name if name in runs else name
    app = explored(monkeypatch, runs, race=race)
    assert said in text_of(app)
    assert not raced(app)
    assert len(charts(app)) >= 2


def test_another_indicator_on_x_has_no_place_for_a_race(monkeypatch, runs):
    app = explored(monkeypatch, runs, race=runs["race"].name, tab=TAB)
    app.session_state["x"] = "prompt_length"
    app.run()
    assert not app.exception
    assert not raced(app)
    assert "It is drawn where pre-update loss is on x." in text_of(app)


def test_points_of_a_race_at_work_wait_behind_a_button(monkeypatch, tmp_path):
    study = write_run(tmp_path, n_tasks=2, n_prompts=3, seeds=(0,), name="study")
    race = write_race(tmp_path, study, PICKS, name="race", stages=1, state="running")
    runs = {"study": study, "race": race}
    app = explored(monkeypatch, runs, race=race.name, tab=TAB)
    assert "No stage that counts has finished yet." in text_of(app)
    assert "3 new points" not in " ".join(labels(app))
    drawn = charts(app)[0]
    # Told, but in no table yet: 2 orders, 3 strategies, 1 seed.
    tell(race, study, PICKS, after=1)
    app.run()
    assert charts(app)[0] == drawn
    button(app, "Show 6 new points").click().run()
    found = raced(app)
    assert {t["marker"]["symbol"] for t in found.values()} == {
        f"{theme.POLICIES[policy][1]}-open" for policy in ("original", "random", "sapo")
    }
    assert "Hollow: it is not finished." in text_of(app)
    assert not [label for label in labels(app) if label.startswith("Show")]
    drawn = charts(app)[0]
    with RunWriter(race, total=9) as writer:
        writer.finish(open_run(race).provenance)
    # What was told and never saved is gone with the end; the end itself is offered.
    app.run()
    assert charts(app)[0] == drawn
    button(app, "Show the end of the race").click().run()
    assert not raced(app)


def test_the_button_stands_below_the_scatter_while_another_tab_is_open(monkeypatch, tmp_path):
    study = write_run(tmp_path, n_tasks=2, n_prompts=3, seeds=(0,), name="study")
    race = write_race(tmp_path, study, PICKS, name="race", stages=1, state="running")
    app = explored(monkeypatch, {"study": study}, race=race.name, tab="Prompts")
    tell(race, study, PICKS, after=1)
    app.run()
    assert labels(app).count("Show 6 new points") == 1
    os.remove(race / layout.STATUS)  # copied away, or damaged: what is shown stays
    app.run()
    assert not app.exception


def test_imported_results_have_no_race(monkeypatch, tmp_path):
    from sapo_analysis.api import import_results

    source = write_run(tmp_path / "made", n_tasks=2, n_prompts=3, name="source")
    file = tmp_path / "results.csv"
    open_impacts(source).to_csv(file, index=False)
    path = import_results(file, tmp_path).path
    app = opened(monkeypatch, tmp_path, run=path.name, tab=TAB)
    assert "how they were made is not known" in text_of(app)


def open_impacts(path):
    from sapo_analysis import analysis

    return analysis.impacts(open_run(path))


def test_every_widget_of_the_tab_has_a_key_and_a_help(monkeypatch, runs):
    app = explored(monkeypatch, runs, race=runs["race"].name, tab=TAB)
    own = [b for b in app.button if (b.key or "").startswith("race")]
    assert len(own) == 2
    assert all(b.help for b in own)
    for chart in app.get("plotly_chart"):
        json.loads(chart.proto.spec)

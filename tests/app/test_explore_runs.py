"""Explore over several runs, over one that grows, and over links that ask for what is not there."""

import shutil

import pytest

from sapo_analysis import analysis
from sapo_analysis.store import create_run, open_run
from tests.app.test_explore import CHIP, charts, explored, frame_with, html_of, opened, text_of
from tests.synthetic import study_of, write_run

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Two runs of one study under two seeds, and one of another model."""
    folder = tmp_path_factory.mktemp("parts")
    shared = {"n_tasks": 3, "n_prompts": 6}
    return {
        "one": write_run(folder, name="one", seeds=(0,), **shared),
        "two": write_run(folder, name="two", seeds=(1,), **shared),
        "other": write_run(folder, name="other", seeds=(0,), fingerprint="e" * 16, **shared),
    }


def together(monkeypatch, parts, *names, **query):
    folder = parts["one"].parent
    return opened(monkeypatch, folder, run=[parts[name].name for name in names], **query)


def points(chart):
    """(x, y) of every drawn point by its (task, prompt)."""
    found = {}
    for trace in chart["data"]:
        if trace.get("customdata") and trace["marker"]["symbol"].split("-")[0] not in (
            *("star", "diamond", "arrow"),
        ):
            keys = [tuple(key) for key in trace["customdata"]]
            for key, x, y in zip(keys, numbers(trace["x"]), numbers(trace["y"]), strict=True):
                found.setdefault(key, []).append((x, y))
    return found


def numbers(values):
    """Plotly may send an array as base64."""
    if isinstance(values, dict):
        import base64

        import numpy as np

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return values


def test_equal_runs_are_read_as_one(monkeypatch, parts):
    app = together(monkeypatch, parts, "one", "two", seeds="Each")
    assert "2 runs joined" in text_of(app)
    assert "3 tasks · 6 prompts · 2 seeds" in text_of(app)
    df = analysis.impacts([open_run(parts["one"]), open_run(parts["two"])])
    mine = analysis.within_task_correlation(df, role="past", scope="these_tasks", n_permutations=0)
    assert analysis.wording.signed(mine.value) in text_of(app)
    drawn = points(charts(app)[0])
    assert drawn and {len(at) for key, at in drawn.items() if key[1] != "original"} >= {2}


def test_the_evidence_of_joined_runs_counts_the_seeds_of_all(monkeypatch, parts):
    app = together(monkeypatch, parts, "one", "two", point="current-1|para-02")
    assert "**para-02** · current-1" in text_of(app)
    assert set(frame_with(app, "gold")["forgotten"]) == {"2 of 2", "1 of 2"}


def test_joining_is_among_the_things_to_look_at(monkeypatch, parts):
    app = together(monkeypatch, parts, "one", "two", tab="Can I trust it?")
    assert "2 runs are joined" in text_of(app)


def test_unequal_runs_stand_beside_each_other_and_are_never_pooled(monkeypatch, parts):
    app = together(monkeypatch, parts, "one", "two", "other")
    text = text_of(app)
    assert "not pooled" in text and CHIP not in html_of(app)
    differing = frame_with(app, "key").set_index("key")
    assert list(differing.index) == ["model"]
    assert "eeee" in differing.loc["model", parts["other"].name]
    answers = frame_with(app, "r").set_index("run")
    for name in ("one", "other"):
        df = analysis.impacts(open_run(parts[name]))
        mine = analysis.within_task_correlation(df, role="past", n_permutations=0)
        assert answers.loc[parts[name].name, "r"] == analysis.wording.signed(mine.value)
    assert len(charts(app)) == 3
    app.button(key=f"alone-{parts['other'].name}").click().run()
    assert not app.exception
    assert app.multiselect(key="run").value == [parts["other"].name]
    assert "not pooled" not in text_of(app) and CHIP in html_of(app)


def test_a_run_that_lacks_the_outcome_says_so_beside_the_others(monkeypatch, tmp_path):
    first = write_run(tmp_path, name="with", n_prompts=6)
    bare = write_run(tmp_path, name="bare", n_prompts=6, n_past=0, fingerprint="e" * 16)
    app = opened(monkeypatch, tmp_path, run=[first.name, bare.name])
    answers = frame_with(app, "remark").set_index("run")
    assert "Unknown role 'past'" in answers.loc[bare.name, "remark"]
    assert len(charts(app)) == 1


def test_a_damaged_run_among_chosen_ones_spares_the_others(monkeypatch, runs):
    chosen = [runs["many"].name, runs["no-spec"].name]
    app = opened(monkeypatch, runs["many"].parent, run=chosen)
    assert "spec.json" in text_of(app) and "Other runs are unaffected" in text_of(app)
    assert "95 % for new tasks" in text_of(app) and len(charts(app)) >= 2


def test_no_run_chosen_asks_for_one(monkeypatch, runs):
    app = explored(monkeypatch, runs, "few")
    app.multiselect(key="run").set_value([]).run()
    assert "Choose at least one run" in text_of(app)
    assert not charts(app)


@pytest.fixture
def growing(tmp_path):
    """A run that was interrupted, and beside it the same one when it is done."""
    half = write_run(tmp_path / "now", n_prompts=8, name="growing", finish=False)
    return half, write_run(tmp_path / "later", n_prompts=8, name="growing")


def grow(half, whole):
    """What a worker does when it ends, as far as a reader sees."""
    for path in half.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(whole, half, dirs_exist_ok=True)


def test_new_points_wait_behind_a_button(monkeypatch, growing):
    half, whole = growing
    app = opened(monkeypatch, half.parent)
    before = charts(app)[0]
    status = open_run(half).status
    said = f"{status.done} of {status.total} trials. Numbers will move"
    assert said in text_of(app) and "new-points" not in [b.key for b in app.button]
    grow(half, whole)
    app.session_state["form"] = "loss"
    app.run()
    app.session_state["form"] = "score"
    app.run()
    assert charts(app)[0] == before and said in text_of(app)
    button = app.button(key="new-points")
    assert button.label == f"Show {status.total - status.done} new points"
    button.click().run()
    assert not app.exception
    assert "Numbers will move" not in text_of(app) and CHIP in html_of(app)
    assert "new-points" not in [b.key for b in app.button]
    assert len(points(charts(app)[0])) > len(points(before))


def test_who_comes_later_sees_the_newest_at_once(monkeypatch, growing):
    half, whole = growing
    opened(monkeypatch, half.parent)
    grow(half, whole)
    app = opened(monkeypatch, half.parent)
    assert "Numbers will move" not in text_of(app)


def test_a_run_that_is_removed_while_it_is_looked_at(monkeypatch, runs, tmp_path):
    path = shutil.copytree(runs["few"], tmp_path / "a" / runs["few"].name)
    write_run(tmp_path / "a", name="stays", n_prompts=6)
    app = opened(monkeypatch, tmp_path / "a", run=path.name)
    shutil.rmtree(path)
    app.run()
    assert not app.exception, app.exception[0].value


@pytest.mark.parametrize("others", [[], ["e" * 16]])
def test_runs_that_have_hardly_begun_wait_for_their_first_points(monkeypatch, tmp_path, others):
    begun = create_run(tmp_path, study_of(name="begun"))
    for i, fingerprint in enumerate(others):
        path = create_run(tmp_path, study_of(name=f"other-{i}", n_unseen=1, n_past=2))
        (path / "provenance.json").write_text(f'{{"model": {{"fingerprint": "{fingerprint}"}}}}')
    chosen = sorted(path.name for path in tmp_path.iterdir())
    app = opened(monkeypatch, tmp_path, run=chosen)
    assert begun.name in chosen and "No trial has finished yet" in text_of(app)
    assert not charts(app)


LINKS = {
    "outcome": "Fame",
    "form": "Prose",
    "view": "From above",
    "x": "shoe size",
    "x_scale": "Cubic",
    "eval_task": "no-such-task",
    "task": "no-such-task",
    "color": "taste",
    "seeds": "Some",
    "source": "hearsay",
    "statistic": "Kendall",
    "tab": "Gossip",
    "point": "current-0|no-such-prompt",
}


NO_POINTS = ["", "|", "x", "a|b|c", "<script>alert(1)</script>|x", "|" * 500]


def test_what_a_link_asks_for_in_vain_is_said_and_left_out(monkeypatch, parts):
    app = together(monkeypatch, parts, "one", "two", **LINKS)
    (note,) = [w.value.replace("\\", "") for w in app.warning if "link asks" in w.value]
    for name, value in LINKS.items():
        assert f"{name}={value}" in note
    assert "Lowest- and highest-loss prompt of current-0" in text_of(app)
    assert charts(app)
    app.run()  # said once: the page then shows what it shows
    assert app.segmented_control(key="outcome").value == "forgetting_past"


def test_points_of_a_link_that_are_no_points(monkeypatch, parts):
    app = together(monkeypatch, parts, "one", point=NO_POINTS)
    (note,) = [w.value for w in app.warning if "link asks" in w.value]
    assert "\\<script\\>alert" in note and "<script>" not in note.replace("\\<", "")
    assert len(note) < 1500
    assert "Lowest- and highest-loss prompt of current-0" in text_of(app)


def test_more_points_than_are_shown_are_said(monkeypatch, parts):
    many = [f"current-0|para-0{i}" for i in range(1, 6)]
    app = together(monkeypatch, parts, "one", point=many)
    assert "all but the first 4" in text_of(app)
    assert text_of(app).count("· current-0") >= 4


def test_a_run_of_a_link_that_is_not_here_is_named(monkeypatch, parts):
    app = opened(monkeypatch, parts["one"].parent, run=["../../etc", parts["one"].name])
    assert "Run ../../etc is not here" in text_of(app)
    assert app.multiselect(key="run").value == [parts["one"].name]
    assert charts(app)


def test_a_link_to_a_deleted_run_alone_does_not_say_that_others_are_shown(monkeypatch, parts):
    app = opened(monkeypatch, parts["one"].parent, run="gone-00000000")
    assert "Run gone-00000000 is not here" in text_of(app)
    assert "others are shown" not in text_of(app)
    assert ("Choose at least one run above." in text_of(app)) == (not charts(app))

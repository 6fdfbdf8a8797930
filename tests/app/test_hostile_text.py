"""Names and texts full of markup: every page shows them, none obeys them."""

import json
import re

import pytest

from sapo_analysis import analysis
from sapo_analysis.analysis.importing import import_results
from sapo_analysis.app.components.statistics_tabs import TABS
from sapo_analysis.store import open_run
from sapo_analysis.store.labels import set_tags
from tests.app.test_explore import opened
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run
from tests.watched import rewrite

pytestmark = pytest.mark.filterwarnings("default")
EVIL = "*x* <img src=q onerror=alert(1)> [y](javascript:alert(1)) :red[z] $m$"
PLAIN = {"code", "arrow_data_frame", "multiselect", "selectbox", "text_area", "text_input"}
"""Kinds of elements whose content, options or values are never read as Markdown."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study and a sequence in folders of such names, with such prompts, outputs and tags."""
    folder = tmp_path_factory.mktemp("hostile")
    study = write_run(folder, n_tasks=3, n_prompts=5)
    rewrite(study, "prompts", lambda t: t.assign(text=t["text"] + EVIL, source=_sources(t)))
    rewrite(study, "examples", lambda t: t.assign(input=EVIL, target=EVIL))
    rewrite(study, "predictions", lambda t: t.assign(output=EVIL))
    sequence = write_sequence_run(folder, lambda *place: 40.0, losses={"00": 1.5, "01": 1.0})
    for path in (study, sequence):
        (path / "ABOUT.md").write_text(EVIL, encoding="utf-8")
        path.rename(folder / f"{path.name} {EVIL}")
        set_tags(folder / f"{path.name} {EVIL}", ["*t*"])
    broken = folder / f"broken {EVIL}"
    broken.mkdir()
    (broken / "spec.json").write_text("{")
    return folder


def _sources(prompts):
    return prompts["source"].where(prompts["source"].eq("original"), prompts["source"] + " *s*")


def read_as_markdown(app):
    """Every string of the page that Streamlit reads as Markdown or HTML."""
    for element in app:
        if element.type in PLAIN or not hasattr(element, "proto"):
            continue
        for field in ("label", "help", "body", "content", "value"):
            found = getattr(element.proto, field, "")
            if isinstance(found, str):
                yield f"{element.type}.{field}", found
        for option in getattr(element.proto, "options", ()):
            yield f"{element.type}.options", getattr(option, "content", str(option))


def check(app):
    """No text of the page obeys what a name asks for."""
    found = list(read_as_markdown(app))
    assert len(found) > 5
    for where, text in found:
        obeyed = re.sub(r"\\.", "", text)  # what is escaped is shown
        marks = ("<img src=q", "*x*", "[y](", ":red[", "$m$", "*s*", "*t*")
        for evil in marks[:1] if where.startswith("html") else marks:
            assert evil not in obeyed, f"{where}: {text[:200]}"


@pytest.mark.parametrize(
    ("page", "parameter"),
    [
        ("explore", "run"),
        ("statistics", "study"),
        ("sequences", "runs"),
        ("live", "run"),
        ("runs", "chosen"),
    ],
)
def test_names_and_texts_are_shown_not_obeyed(monkeypatch, folder, page, parameter):
    names = [path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    assert len(names) == 3
    for name in names:
        app = opened(monkeypatch, folder, **{parameter: name})
        if page != "explore":
            app.switch_page(f"views/{page}.py")
            app.query_params[parameter] = name
            app.run()
            assert not app.exception, app.exception[0].value
        check(app)
    for chart in app.get("plotly_chart"):
        assert "<img src=q" not in json.dumps(json.loads(chart.proto.spec))


def test_names_of_imported_tasks_and_prompts_are_shown_on_every_tab(monkeypatch, folder, tmp_path):
    study = next(path for path in folder.iterdir() if path.name.startswith("synthetic"))
    table = analysis.impacts(open_run(study)).drop(columns="run_id")
    names = ["current_task", "prompt_id", "eval_task"]
    table[names] = table[names].astype("string") + f" {EVIL}"
    evil = import_results(table, tmp_path, name="evil")
    app = opened(monkeypatch, tmp_path, "views/statistics.py", study=evil.run_id)
    for part in TABS:
        app.session_state["part"] = part
        app.run()
        assert not app.exception, app.exception[0].value
        check(app)
        for chart in app.get("plotly_chart"):
            assert "<img src=q" not in chart.proto.spec

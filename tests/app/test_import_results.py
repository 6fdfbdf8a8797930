"""The import panel: a file that is refused says why, one that is sound opens in Explore."""

import textwrap

import pytest
from streamlit.testing.v1 import AppTest

from sapo_analysis import analysis
from sapo_analysis.analysis.importing import TEMPLATE, import_results
from sapo_analysis.store import list_runs, open_run
from tests.app.conftest import MAIN

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def table(runs):
    return analysis.impacts(open_run(runs["few"]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("sapo_analysis.app.data.CACHED_RUNS", tmp_path / "none-shipped")
    return tmp_path / "runs"


@pytest.fixture
def panel(tmp_path, folder):
    """A page with the panel alone, beside a page in Explore's place."""
    pages = {
        "main.py": """
            import streamlit as st
            st.navigation([st.Page("panel.py"), st.Page("views/explore.py")]).run()
            """,
        "panel.py": """
            from sapo_analysis.app.components.import_results import import_panel
            import_panel()
            """,
        "views/explore.py": """
            import streamlit as st
            st.title(f"Explore {st.query_params['run']}")
            """,
    }
    for name, code in pages.items():
        path = tmp_path / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))
    app = AppTest.from_file(str(tmp_path / "app" / "main.py"), default_timeout=60).run()
    assert not app.exception
    return app


def given(app, content, file="mine.csv", name="", model=""):
    app.file_uploader(key="import-file").set_value((file, content, "text/csv"))
    app.text_input(key="import-name").set_value(name)
    app.text_input(key="import-model").set_value(model)
    app.button(key="import-go").click().run()
    assert not app.exception, app.exception[0].value
    return app


def test_a_sound_file_opens_in_explore(panel, folder, table):
    app = given(panel, table.to_csv().encode(), name="Our runs", model="a <b>model</b>")
    (run,) = list_runs([folder])
    assert run.run_id.startswith("our-runs-") and run.study.model == "a <b>model</b>"
    assert app.title[0].value == f"Explore {run.run_id}"


def test_a_bad_file_is_refused_with_its_rows(panel, folder):
    bad = TEMPLATE.replace("88.0", "").replace("past", "*last*")
    app = given(panel, bad.encode(), file="../../etc/<b>.csv")
    said = app.error[0].value
    assert "<b>" not in said.replace("\\<b\\>", "") and "etc" not in said
    assert said.count("\n- ") == 2 and "row 2" in said and r"\*last\*" in said
    assert not folder.exists()


def test_the_template_has_too_few_prompts_for_a_verdict(panel, folder):
    run = import_results(TEMPLATE.encode(), folder, file="template.csv")
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.query_params["run"] = run.run_id
    app.run()
    assert not app.exception, app.exception[0].value
    said = " ".join(part.value for part in (*app.markdown, *app.caption))
    assert "Not enough prompts" in said and "at least 4 are needed" in said
    assert "unclear" not in said + " ".join(e.proto.body for e in app.get("html"))
    assert "0 prompts" not in said


def test_no_file_is_asked_for(panel, folder):
    panel.button(key="import-go").click().run()
    assert "No file was chosen" in panel.warning[0].value and not folder.exists()


def test_a_read_only_server_offers_the_template_alone(panel, monkeypatch):
    monkeypatch.setenv("SAPO_READ_ONLY", "1")
    panel.run()
    assert "read-only" in panel.info[0].value and not panel.file_uploader
    assert panel.get("download_button")


@pytest.mark.parametrize(
    ("kind", "tab"),
    [
        ("whole", "Findings"),
        *(("bare", tab) for tab in ("Findings", "Prompts", "Between tasks", "Can I trust it?")),
    ],
)
def test_every_tab_of_explore_reads_imported_results(folder, table, kind, tab):
    if kind == "bare":
        main = table[table["purpose"] == "main"]
        table = main[
            [
                *("current_task", "prompt_id", "seed", "eval_task", "role", "pre_update_loss"),
                *("score_change", "loss_change"),
            ]
        ]
    run = import_results(table, folder, model="*ours*", note="A *note*.")
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.query_params["run"], app.query_params["tab"] = run.run_id, tab
    app.run()
    assert not app.exception, app.exception[0].value
    assert not app.error
    shown = " ".join(part.value for part in (*app.markdown, *app.caption, *app.info)).replace(
        "\\", ""
    )
    for said in ("no provenance", "Imported from a table in memory; model: *ours*.", "A *note*."):
        assert said in shown
    assert "Its wording was not imported." in shown
    if tab == "Can I trust it?":
        assert "is not checked" in shown

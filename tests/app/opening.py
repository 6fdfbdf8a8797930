"""The app as a link opens it, without a browser."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.app.browsing import MAIN


def opened(monkeypatch, folder: Path, page: str | None = None, **query: str) -> AppTest:
    """A page (Explore where none is named) over the runs of a folder alone."""
    monkeypatch.setenv("SAPO_RUNS", str(folder))
    monkeypatch.setattr("sapo_analysis.app.data.CACHED_RUNS", folder / "none-shipped")
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    if page is not None:
        app.switch_page(page)
    app.run()
    assert not app.exception, app.exception[0].value
    return app

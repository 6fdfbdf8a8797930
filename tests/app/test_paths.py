"""The main paths in a real browser, with real workers, a server that is killed, and two people."""

import pytest

from sapo_analysis import jobs
from sapo_analysis.errors import InputError
from sapo_analysis.store import list_runs, open_run
from tests.app.browsing import NEEDS_BROWSER, browser, page_of, served
from tests.tiny_sequence import tiny_sequence
from tests.waiting import wait_until

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Over a runs folder with device locks of its own."""
    here = tmp_path_factory.mktemp("paths")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAPO_LOCKS", str(here / "locks"))
        with served(here / "runs") as running:
            yield running


@pytest.fixture
def folder(server):
    """The server's runs folder; nothing goes on in it afterwards."""
    yield server.folder
    for run in list_runs([server.folder]):
        try:
            jobs.cancel_run(run.path)
        except InputError:
            continue  # it has ended


def the_run(folder):
    return next(iter(list_runs([folder])), None)


def test_a_study_is_launched_survives_the_server_and_is_cancelled_and_resumed(server, folder):
    with browser() as opened:
        first = page_of(opened)
        first.goto(f"{server.address}/launch", wait_until="commit")
        launch = first.get_by_role("button", name="Launch").filter(has_text="trials")
        launch.wait_for()
        said = launch.inner_text()
        launch.click()
        first.wait_for_url("**/live?run=*")
        run = wait_until(lambda: the_run(folder))
        # The button says how many trials it launches.
        assert f"{open_run(run.path).status.total} trials" in said
        wait_until(lambda: open_run(run.path).status.is_at_work)
        address = first.url
        first.context.close()
        server.kill()
        worker = open_run(run.path).status
        assert worker.state == "running"
        server.start()
        again, other = page_of(opened), page_of(opened, width=390, height=900)
        for page in (again, other):  # two people, one of them on a phone
            page.goto(address, wait_until="commit")
            page.get_by_role("button", name="Cancel now…").wait_for()
        assert open_run(run.path).status.pid == worker.pid
        again.get_by_role("button", name="Cancel now…").click()
        again.get_by_role("button", name="Cancel the run").click()
        for page in (again, other):
            page.get_by_text("It was cancelled.").wait_for()
        assert open_run(run.path).status.state == "cancelled"
        other.get_by_role("button", name="Resume").click()
        wait_until(lambda: open_run(run.path).status.is_at_work)
        again.get_by_role("button", name="Cancel now…").wait_for()


def test_a_race_is_watched_to_its_end(server, folder):
    with browser() as opened:
        path = jobs.launch(tiny_sequence(), folder)
        page = page_of(opened)
        page.goto(f"{server.address}/live?run={path.name}", wait_until="commit")
        page.get_by_text(path.name).first.wait_for()
        page.get_by_role("link", name="Open results").wait_for()
        assert open_run(path).status.state == "done"
        page.get_by_role("link", name="Open results").click()
        page.wait_for_url("**/sequences?*")
        page.locator(".st-key-metrics svg.main-svg").first.wait_for(state="attached")
        # A tab that was closed finds the result again by looking at the runs.
        page.goto(f"{server.address}/runs", wait_until="commit")
        page.get_by_test_id("stDataFrame").first.wait_for()

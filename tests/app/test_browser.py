"""One real browser and one server: clicks, links and files do what they do in no test without."""

import shutil
from urllib.parse import parse_qs, urlparse

import pytest

from tests.analysis.sequences.test_metrics import noisy
from tests.app.browsing import NEEDS_BROWSER, browser, page_of, served
from tests.synthetic_sequence import write_sequence_run

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def server(runs, tmp_path_factory):
    """Over a runs folder that the tests add to."""
    folder = tmp_path_factory.mktemp("served") / "runs"
    shutil.copytree(runs["few"], folder / runs["few"].name)
    with served(folder) as running:
        yield running


@pytest.fixture(scope="module")
def opened():
    with browser() as running:
        yield running


@pytest.fixture
def page_at(server, opened):
    """Opens an address of the server, on a page in a browser of its own that is gone afterwards."""
    pages = []

    def open_page(address, width=1366, height=1500):
        pages.append(page_of(opened, width, height))
        pages[-1].goto(f"{server.address}/{address}", wait_until="commit")
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()


def _click_until_chosen(page, points):
    """Click points until one answers: marks of other prompts may lie on top of some."""
    from playwright.sync_api import TimeoutError as Late

    for i in range(4, 16):
        box = points.nth(i).bounding_box()
        place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*place)
        page.wait_for_timeout(500)  # plotly selects what it hovers
        page.mouse.click(*place)
        try:
            page.wait_for_function("location.search.includes('point=')", timeout=8_000)
        except Late:
            continue
        return parse_qs(urlparse(page.url).query).get("point")
    return None


def test_a_click_on_a_point_changes_the_evidence(runs, page_at):
    page = page_at(f"?run={runs['few'].name}")
    page.get_by_text("Lowest- and highest-loss prompt").wait_for()
    points = page.locator(".st-key-scatter .scatterlayer path.point")
    points.first.wait_for(state="attached")
    assert points.count() >= 30
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")
    chosen = _click_until_chosen(page, points)
    assert chosen, "no click on twelve points selected a prompt"
    task, prompt = chosen[0].split("|")
    evidence = page.locator("p", has_text=f"{prompt} · {task}")
    evidence.first.wait_for()
    page.get_by_role("button", name="Clear selection").wait_for()
    page.get_by_text("Lowest- and highest-loss prompt").wait_for(state="detached")
    # The address alone brings the same evidence back.
    page.goto(page.url, wait_until="commit")
    evidence.first.wait_for()


def test_the_sequences_page_draws_and_the_link_keeps_what_was_chosen(server, page_at):
    for i, order in enumerate((["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]), start=1):
        write_sequence_run(
            server.folder,
            noisy,
            name=f"order-{i}",
            orders=[order],
            strategies=["original", "random", "sapo"],
            losses={"00": 1.5, "01": 1.0, "02": 4.0},
            kept=3,
        )
    wanted = "&".join(f"runs=order-{i}-00000000" for i in (1, 2, 3))
    page = page_at(f"sequences?{wanted}", height=1900)
    page.get_by_text("95 % over 3 orders").first.wait_for()
    for chart in ("metrics", "race", "matrices", "choices"):
        page.locator(f".st-key-{chart} svg.main-svg").first.wait_for(state="attached")
    assert page.locator(".st-key-matrices .heatmaplayer image").count() == 2
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")
    # The second row of the second matrix: unseen points lie on its cells, row by row.
    box = page.locator(".st-key-matrices .scatterlayer path.point").nth(12 + 4).bounding_box()
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*place)
    page.wait_for_timeout(500)  # plotly selects what it hovers
    page.mouse.click(*place)
    page.wait_for_function("decodeURIComponent(location.search).includes('sapo+lora|1|2')")
    page.get_by_text("sapo+lora, after stage 1, task 2: score").wait_for()
    page.get_by_text("test-only", exact=True).click()
    page.wait_for_function("location.search.includes('kind=test-only')")
    page.get_by_role("tab", name="Contrasts").click()
    page.wait_for_function("location.search.includes('tab=Contrasts')")


def test_explore_leads_to_the_statistics_of_what_is_shown_and_they_lead_to_a_point(runs, page_at):
    query = f"run={runs['few'].name}&outcome=Generalization&form=Loss&tab=Can+I+trust+it%3F"
    page = page_at(f"?{query}")
    page.get_by_role("link", name="The statistics behind this").click()
    page.get_by_text("What the data say").wait_for()
    asked = parse_qs(urlparse(page.url).query)
    assert asked["study"] == [runs["few"].name]
    assert (asked["effect"], asked["effect_form"]) == (["Generalization"], ["Loss"])
    page.locator(".st-key-forest svg.main-svg").first.wait_for(state="attached")
    page.get_by_role("tab", name="What else differs").click()
    page.wait_for_function("location.search.includes('part=What+else+differs')")
    page.get_by_role("link", name=" of current-").first.click()
    page.get_by_role("button", name="Clear selection").wait_for()
    asked = parse_qs(urlparse(page.url).query)
    assert asked["run"] == [runs["few"].name] and len(asked["point"]) == 1
    assert (asked["outcome"], asked["form"]) == (["Generalization"], ["Loss"])


def test_an_uploaded_file_becomes_a_task_that_can_be_launched(server, page_at, tmp_path):
    rows = "".join(f'"The place was {("dull", "fine")[i % 2]}, {i}.",{i % 2}\n' for i in range(60))
    file = tmp_path / "hotel reviews.csv"
    file.write_text(f"text,label\n{rows}", encoding="utf-8")
    page = page_at("tasks", height=1000)
    page.get_by_role("button", name="Add a task").click()
    page.locator("input[type=file]").first.set_input_files(file)
    prompt = page.get_by_role("textbox", name="Original prompt")
    prompt.fill("Is the review 0 or 1?")
    prompt.press("Control+Enter")
    page.locator("code", has_text="Is the review 0 or 1?").wait_for()
    page.get_by_role("button", name="Add the task").click()
    page.get_by_text("Task hotel_reviews was added: 60 rows read").wait_for()
    assert (server.folder / ".tasks" / "hotel_reviews" / "task.yaml").is_file()
    page.get_by_role("tab", name="Paraphrases").click()
    page.get_by_role("textbox", name="Paraphrases").fill("Say 0 or 1 for the review.")
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_role("button", name="Add 1 prompt").click()
    page.get_by_text("(1 prompt offered to studies)").wait_for()
    page.get_by_role("link", name="Use these in a study").first.click()
    page.wait_for_function("location.search.includes('task=hotel_reviews')")
    page.get_by_text("1 task × 2 prompts × 1 seed").wait_for()


def test_a_figure_is_shown_at_its_true_size_and_taken_along(runs, page_at):
    page = page_at(f"figures?of={runs['few'].name}&font=Sans")
    image = page.locator("[data-testid=paper] img")
    image.wait_for()
    assert image.bounding_box()["width"] == pytest.approx(3.25 * 96, abs=1)
    before = image.get_attribute("src")
    page.locator(".st-key-figure").get_by_role("combobox").click()
    page.get_by_role("option", name="r per task").click()
    page.wait_for_function("location.search.includes('figure=r+per+task')")
    shown = "before => document.querySelector('[data-testid=paper] img').src !== before"
    page.wait_for_function(shown, arg=before)
    page.locator(".st-key-width").get_by_role("combobox").click()
    page.get_by_role("option", name="Full").click()
    page.get_by_text("the full width of ICML").wait_for()
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")
    page.wait_for_function(
        "Math.abs(document.querySelector('[data-testid=paper] img').offsetWidth - 648) <= 1"
    )
    with page.expect_download() as started:
        page.get_by_role("button", name="PDF").click()
    file = started.value
    assert file.suggested_filename == "task_forest-forgetting_past.pdf"
    with open(file.path(), "rb") as content:
        assert content.read(5) == b"%PDF-"

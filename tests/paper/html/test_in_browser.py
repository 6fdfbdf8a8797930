"""The page as a reviewer opens it: a file in a folder, no network, a real browser."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from sapo_analysis.paper.html import report, static_report
from sapo_analysis.paper.kinds import Kind, MadeOf
from sapo_analysis.paper.options import Options
from tests.app.browsing import NEEDS_BROWSER, PATIENCE, browser
from tests.paper.html.test_payload import figure

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


def opened(chromium, path, **settings):
    """A page of the file, everything that it asked of a network, everything it complained of."""
    context = chromium.new_context(offline=True, **settings)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    told = []
    page.on("console", lambda one: told.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda one: told.append(str(one)))
    page.on("request", lambda one: told.append(one.url) if one.url[:4] == "http" else None)
    page.goto(path.as_uri())
    return page, told


@pytest.fixture(scope="module")
def file(study_html, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / "report of a run.html"
    path.write_text(study_html, encoding="utf-8", newline="")
    return path


def seen(page, n=0):
    """The n-th figure, scrolled to and drawn."""
    plot = page.locator(".plot").nth(n)
    plot.scroll_into_view_if_needed()
    plot.locator("svg.main-svg").first.wait_for()
    return plot


def test_figures_are_drawn_when_they_are_looked_at_and_tell_of_their_points(chromium, file):
    page, told = opened(chromium, file, viewport={"width": 1280, "height": 700})
    count = page.locator(".plot").count()
    assert page.locator(".plot:has(svg.main-svg)").count() < count
    plot = seen(page)
    point = plot.locator(".scatterlayer .point").last
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    plot.locator(".hoverlayer .hovertext").first.wait_for()
    seen(page, count - 1)
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    assert told == []


def test_prompts_are_searched_and_sorted_with_the_keyboard(chromium, file):
    page, told = opened(chromium, file)
    section = page.locator("#table-prompts")
    rows = section.locator("tbody tr:visible")
    every = rows.count()
    section.get_by_label("Search").fill("CURRENT-1 para")
    few = rows.count()
    assert 0 < few < every
    assert section.locator("output").inner_text() == f"{few} of {every}"
    section.get_by_label("Search").fill("")
    head = section.locator("th").filter(has_text="loss")
    losses = []
    for direction in ("ascending", "descending"):
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == direction
        column = head.evaluate("head => head.cellIndex") + 1
        cells = section.locator(f"tbody td:nth-child({column})").all_inner_texts()
        losses.append([float(cell) for cell in cells])
    assert losses[0] == sorted(losses[0]) and losses[1] == losses[0][::-1]
    assert told == []


def test_printed_every_figure_is_drawn_and_heads_of_tables_stand_on_each_page(
    chromium, file, tmp_path
):
    page, told = opened(chromium, file)
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    count = page.locator(".plot").count()
    assert page.locator(".plot:has(svg.main-svg)").count() == count
    pages = PdfReader(tmp_path / "report.pdf").pages
    # Where lines break hangs on the browser and its fonts.
    texts = [" ".join(one.extract_text().split()) for one in pages]
    there = [text for text in texts if "have the predicted sign" in text and "reason" in text]
    rows = [text for text in texts if "have the predicted sign" in text]
    assert len(rows) > 1 and there == rows
    assert "↕" not in "".join(texts)
    wide = page.locator(".plot").first.bounding_box()["width"]
    expect(page.locator(".plot").first.locator("svg.main-svg").first).to_have_attribute(
        "width", f"{wide:g}"
    )
    assert told == []


def test_a_figure_taller_and_wider_than_a_page_is_printed_on_one(
    chromium, study_numbers, tmp_path, monkeypatch
):
    tall = replace(figure(20), height=1250)
    made = [MadeOf(Kind("k", "Tall", "One.", "", (), None, None), Options(), tall)]
    monkeypatch.setattr(report, "every_figure", lambda numbers: made)
    path = tmp_path / "tall.html"
    path.write_text(static_report(study_numbers), encoding="utf-8")
    page, told = opened(chromium, path)
    plot = seen(page)
    before = plot.bounding_box()
    assert before["height"] == 1250
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    drawing = plot.locator("svg.main-svg").first
    page.wait_for_function("document.querySelector('.plot').getBoundingClientRect().height < 800")
    box = drawing.bounding_box()
    assert box["height"] <= 761 and box["width"] <= 661
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert plot.bounding_box() == before
    assert told == []


def test_it_follows_the_readers_colours_and_fits_a_phone(chromium, file):
    page, told = opened(chromium, file, viewport={"width": 375, "height": 800}, color_scheme="dark")
    title = seen(page).locator(".xtitle").first
    expect(title).to_have_css("fill", "rgb(230, 232, 235)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(20, 23, 28)")
    page.emulate_media(color_scheme="light")
    expect(title).to_have_css("fill", "rgb(20, 23, 28)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert told == []


def test_without_scripts_everything_but_the_pictures_is_read(chromium, file):
    page, _ = opened(chromium, file, java_script_enabled=False)
    assert page.locator("noscript p.alt").count() == page.locator("figure").count() > 5
    assert page.locator("noscript p.warning").is_visible()
    assert page.locator("#table-prompts tbody tr").count() > 10
    assert not page.locator(".tools").first.is_visible()


def test_many_points_are_drawn_and_given_up_again_when_out_of_sight(
    chromium, study_numbers, tmp_path, monkeypatch
):
    kinds = [Kind(f"k{i}", "Many", "Many points.", "", (), None, None) for i in range(3)]
    made = [MadeOf(kind, Options(), figure(12_000)) for kind in kinds]
    monkeypatch.setattr(report, "every_figure", lambda numbers: made)
    path = tmp_path / "many.html"
    path.write_text(static_report(study_numbers), encoding="utf-8")
    assert path.stat().st_size < 10_000_000
    page, told = opened(chromium, path, viewport={"width": 1000, "height": 600})
    for n in range(3):
        plot = seen(page, n)
        assert not plot.get_by_text("WebGL is not supported").is_visible()
    expect(page.locator(".plot").first.locator("svg.main-svg")).to_have_count(0)
    assert told == []

"""What stands in the files of a figure: fonts, text, pictures, sizes, and nothing else."""

import gc
import io
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.fonts import FAMILIES
from sapo_analysis.figures.paper_layers import MOST_VECTORS
from sapo_analysis.figures.paper_style import drawing
from sapo_analysis.figures.spec import FigureSpec, Line, Panel, Points
from sapo_analysis.figures.theme import BLUE, GREY
from sapo_analysis.figures.venues import page
from tests.paper.pdf_fonts import fonts_of, images_of, size_of

KINDS = ["pdf", "svg", "png"]
FONTS = ["serif", "sans"]
MB = 1_000_000


def cloud(n, seed=0):
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    dots = Points(tuple(x.tolist()), tuple(y.tolist()), BLUE, label="a dot")
    slope = Line((-2.0, 2.0), (-1.0, 1.0), GREY, label="slope")
    panel = Panel((dots, slope), "pre-update loss (nats)", "forgetting (points)", "cloud")
    table = pd.DataFrame({"x": x, "y": y})
    return FigureSpec("cloud", (panel,), table, Caption("dots"), "A cloud.")


@pytest.fixture(scope="module")
def dense():
    return cloud(MOST_VECTORS + 1).drawn()


@pytest.mark.parametrize("font", FONTS)
def test_fonts_of_a_pdf_are_embedded_subsets_of_truetype(spec, font):
    # Characters past the first 256 need a composite font.
    panel = replace(spec.panels[0], title="Δ ≈ 0.5 − β", x_label="größer → (s)")
    pdf = replace(spec, panels=(panel,)).to_bytes("pdf", font=font)
    found = fonts_of(pdf)
    assert found
    for one in found:
        assert re.fullmatch(rf"[A-Z]{{6}}\+{FAMILIES[font].replace(' ', '')}.*", one.name), one
        assert one.kind in ("TrueType", "CIDFontType2") and one.embedded == "FontFile2", one
    assert b"/Type3" not in pdf


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="needs pdffonts of poppler-utils")
@pytest.mark.parametrize("font", FONTS)
def test_pdffonts_agrees(spec, font, tmp_path):
    path = tmp_path / "figure.pdf"
    path.write_bytes(spec.to_bytes("pdf", font=font))
    said = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout
    rows = said.splitlines()[2:]
    assert rows
    for row in rows:
        assert FAMILIES[font].replace(" ", "") in row.split()[0]
        assert "TrueType" in row and "Type 3" not in row
        assert row.split()[-5:-2] == ["yes", "yes", "yes"]  # embedded, subset, unicode


@pytest.mark.parametrize(("venue", "width"), [("icml", "column"), ("acl", "full"), ("iclr", 3.5)])
def test_every_file_is_as_wide_as_the_page(spec, venue, width):
    drawn = spec.drawn(venue, width)
    points = drawn.page.points
    assert size_of(drawn.bytes("pdf"))[0] == pytest.approx(points, abs=0.5)
    root = ElementTree.fromstring(drawn.bytes("svg"))
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(points, abs=0.5)
    with Image.open(io.BytesIO(drawn.bytes("png"))) as image:
        assert image.width == pytest.approx(points / 72 * 300, abs=1)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert image.height == pytest.approx(drawn.size[1] * 300, abs=1)


@pytest.mark.parametrize("font", FONTS)
def test_text_of_an_svg_is_text_in_the_font_or_one_of_its_kind(spec, font):
    root = ElementTree.fromstring(spec.to_bytes("svg", font=font))
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    said = ["".join(text.itertext()) for text in texts]
    for wanted in ("time (s)", "score", "first", "p = 0.01, n = 12", "slope"):
        assert any(wanted in one for one in said), wanted
    kind = {"serif": "serif", "sans": "sans-serif"}[font]
    for text in texts:
        assert f"font-family: '{FAMILIES[font]}', {kind}" in text.get("style")
    # Glyphs as outlines would be definitions that are used.
    assert not any("font" in (path.get("id") or "").lower() for path in root.iter())


def test_many_points_are_a_picture_and_all_else_stays(dense):
    pdf, svg = dense.bytes("pdf"), dense.bytes("svg").decode()
    assert images_of(pdf) == 1 and fonts_of(pdf)
    assert svg.count("<image") == 1 and svg.count("<use") < 40
    for said in ("pre-update loss (nats)", "forgetting (points)", "slope"):
        assert said in svg
    few = cloud(MOST_VECTORS).drawn()
    assert images_of(few.bytes("pdf")) == 0 and b"<image" not in few.bytes("svg")


def test_few_points_beside_many_stay_vectors():
    many = cloud(MOST_VECTORS + 1)
    (panel,) = many.panels
    one = Points((0.0,), (0.0,), GREY, "star", label="pick")
    both = replace(many, panels=(replace(panel, layers=(*panel.layers, one)),))
    flags = [c.get_rasterized() for c in both.to_matplotlib().axes[0].collections]
    assert flags == [True, False]


def test_a_hundred_thousand_points_are_drawn_soon_and_small():
    spec = cloud(100_000)
    start = time.process_time()
    drawn = spec.drawn()
    sizes = {kind: len(drawn.bytes(kind)) for kind in KINDS}
    assert time.process_time() - start < 10
    assert max(sizes.values()) < 3 * MB, sizes
    assert not drawn.problems


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_one_drawing_are_those_of_their_own(spec, kind):
    drawn = spec.drawn(font="sans")
    for other in KINDS:
        drawn.bytes(other)
    assert drawn.problems == ()
    assert drawn.bytes(kind) == spec.to_bytes(kind, font="sans")


@pytest.mark.parametrize("high", [5.0, 4.99, 1.01, 0.2])
def test_ticks_are_the_same_in_every_file(high):
    """How many fit would depend on the resolution, and labels stand beside them."""
    for aspect in np.linspace(0.3, 0.7, 9):
        layer = Points((0.0, 1.0), (0.0, high), BLUE)
        panel = Panel((layer,), "x", "y")
        drawn = FigureSpec(
            "f", (panel,), pd.DataFrame(), Caption("x"), "alt", aspect=float(aspect)
        ).drawn()
        root = ElementTree.fromstring(drawn.bytes("svg"))
        said = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
        (axes,) = drawn.figure.axes
        low, top = axes.get_ylim()
        shown = [
            label.get_text()
            for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
            if low <= place <= top
        ]
        assert said[said.index("y") - len(shown) : said.index("y")] == shown
        assert drawn.problems == ()


def test_another_kind_is_refused_before_anything_is_drawn(spec):
    for ask in (spec.to_bytes, spec.drawn().bytes):
        with pytest.raises(InputError, match="pdf, png, svg"):
            ask("eps")


FOREIGN = {
    "pdf.fonttype": 3,
    "svg.fonttype": "path",
    "font.size": 30,
    "font.family": ["DejaVu Sans"],
    "savefig.bbox": "tight",
    "axes.grid": True,
    "lines.linewidth": 9,
    "axes.spines.top": True,
    "text.color": "red",
    "image.cmap": "gray",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_readers_own_settings_change_nothing_and_are_left_alone(spec, kind):
    wanted = spec.to_bytes(kind)
    with mpl.rc_context(FOREIGN):
        assert spec.to_bytes(kind) == wanted
        assert {name: mpl.rcParams[name] for name in FOREIGN} == FOREIGN


def test_a_figure_that_is_handed_out_saves_as_its_page_wants(spec):
    figure = spec.to_matplotlib(font="sans")
    figure.axes[0].set_title("the caller's own")
    with mpl.rc_context(FOREIGN):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="pdf")
        kinds = {font.kind for font in fonts_of(buffer.getvalue())}
        assert kinds <= {"TrueType", "CIDFontType2"} and kinds
        assert size_of(buffer.getvalue())[0] == pytest.approx(234, abs=0.5)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg")
        assert "the caller's own</text>" in buffer.getvalue().decode()


def test_no_window_is_asked_for(spec):
    """The backend is the reader's: drawing a file neither chooses nor changes one."""
    with mpl.rc_context():
        dict.__setitem__(mpl.rcParams, "backend", mpl.rcsetup._auto_backend_sentinel)
        spec.to_bytes("png")
        assert dict.__getitem__(mpl.rcParams, "backend") is mpl.rcsetup._auto_backend_sentinel


def test_threads_do_not_mix_fonts_sizes_or_pages(spec):
    asked = [
        (kind, venue, font)
        for kind in KINDS
        for venue, font in (("icml", "serif"), ("acl", "sans"))
    ]
    alone = [spec.to_bytes(kind, venue, None, font) for kind, venue, font in asked]
    with ThreadPoolExecutor(6) as pool:
        futures = [
            pool.submit(spec.to_bytes, kind, venue, None, font) for kind, venue, font in asked
        ]
        together = [future.result() for future in futures]
    assert together == alone


def test_one_drawing_is_written_and_checked_by_several_threads(spec):
    drawn = spec.drawn()
    alone = [drawn.bytes(kind) for kind in KINDS]
    with ThreadPoolExecutor(4) as pool:
        checks = [pool.submit(lambda: drawn.problems) for _ in range(3)]
        files = [pool.submit(drawn.bytes, kind) for kind in KINDS * 2]
        assert [file.result() for file in files] == alone * 2
        assert {check.result() for check in checks} == {()}


def test_a_missing_character_is_refused_wherever_it_stands(spec):
    (panel, _) = spec.panels
    for changed in (
        replace(panel, x_label="時間"),
        replace(panel, title="時間"),
        replace(panel, subtitle="時間"),
        replace(panel, layers=(replace(panel.layers[0], label="時間"),)),
    ):
        with pytest.raises(InputError, match=r"no character '時'.*時間"):
            replace(spec, panels=(changed,)).to_bytes("pdf")
    with pytest.raises(InputError, match="時間"):
        replace(spec, x_title="時間").to_bytes("pdf")


@pytest.mark.parametrize("usual", [(700, 10, 10), (0, 10, 10), (90_000, 5, 5)])
def test_garbage_is_looked_for_less_often_while_drawing_and_as_before_afterwards(usual):
    before = gc.get_threshold()
    gc.set_threshold(*usual)
    try:
        with pytest.raises(ZeroDivisionError), drawing(page("icml")):
            assert gc.get_threshold()[0] == (max(usual[0], 50_000) if usual[0] else 0)
            raise ZeroDivisionError
        assert gc.get_threshold() == usual
    finally:
        gc.set_threshold(*before)

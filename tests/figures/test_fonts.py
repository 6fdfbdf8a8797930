"""Fonts are files at known places: found, checked, measured, and never another one."""

from threading import Thread

import pytest
from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.figures import fonts
from sapo_analysis.figures.fonts import check_characters, font_file, text_width, use, wrapped
from sapo_analysis.figures.paper_style import drawing
from sapo_analysis.figures.venues import page

FONTS = ["serif", "sans"]


@pytest.fixture
def own_list(monkeypatch):
    """matplotlib's list of fonts, put back afterwards."""
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", list(manager.ttflist))
    manager._findfont_cached.cache_clear()
    yield manager.ttflist
    manager._findfont_cached.cache_clear()


@pytest.mark.parametrize("font", FONTS)
def test_the_file_is_truetype_and_of_the_family_that_is_named(font):
    path = font_file(font)
    assert path.read_bytes()[:4] == b"\x00\x01\x00\x00"  # TrueType outlines, not CFF
    assert font_manager.get_font(path).family_name == fonts.FAMILIES[font]


def test_the_sans_face_lies_beside_its_licence():
    licences = [p for p in font_file("sans").parent.iterdir() if "LICEN" in p.name.upper()]
    assert any("SIL OPEN FONT LICENSE" in p.read_text().upper() for p in licences)


@pytest.mark.parametrize("font", FONTS)
def test_matplotlib_takes_that_file(font):
    assert font_manager.findfont(FontProperties(family=[use(font)])) == str(font_file(font))


@pytest.mark.parametrize("font", FONTS)
def test_another_font_of_the_same_name_does_not_win(font, own_list):
    family = fonts.FAMILIES[font]
    other = font_manager.findfont("DejaVu Sans")
    own_list[:] = [e for e in own_list if e.name != family]
    own_list.insert(0, font_manager.FontEntry(fname=other, name=family))
    font_manager.fontManager._findfont_cached.cache_clear()
    wanted = FontProperties(family=[family])
    assert font_manager.findfont(wanted) == other
    use(font)
    assert font_manager.findfont(wanted) == str(font_file(font))


@pytest.mark.parametrize("font", FONTS)
def test_a_font_that_the_list_does_not_have_is_added_once(font, own_list):
    family = fonts.FAMILIES[font]
    own_list[:] = [e for e in own_list if e.name != family]
    font_manager.fontManager._findfont_cached.cache_clear()
    use(font)
    use(font)
    assert [e.fname for e in own_list if e.name == family] == [str(font_file(font))]


def test_a_missing_file_is_an_error_and_no_substitute(tmp_path, monkeypatch, spec):
    monkeypatch.setattr(fonts.mpl, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(WorkError, match=r"STIXGeneral.ttf.*Nothing is drawn in another"):
        font_file("serif")
    with pytest.raises(WorkError, match="STIXGeneral.ttf"):
        spec.to_bytes("pdf")
    assert spec.to_bytes("pdf", font="sans").startswith(b"%PDF")
    monkeypatch.setattr(fonts, "__file__", str(tmp_path / "figures" / "fonts.py"))
    with pytest.raises(WorkError, match="LiberationSans-Regular.ttf"):
        use("sans")


def test_a_font_that_matplotlib_does_not_take_is_an_error(monkeypatch):
    monkeypatch.setattr(fonts, "_found", lambda family: "/usr/share/other.ttf")
    monkeypatch.setattr(font_manager.fontManager, "addfont", lambda path: None)
    with pytest.raises(WorkError, match="takes /usr/share/other.ttf for Liberation Sans"):
        use("sans")


def test_an_unknown_font_is_refused():
    with pytest.raises(InputError, match="sans, serif|serif, sans"):
        font_file("times")


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("text", ["r = −0.60", "Affinität, 95 %", "WAVE To fly", "a" * 60])
def test_widths_are_those_that_matplotlib_draws(font, text):
    with drawing(page("icml", font=font)):
        wanted = FontProperties(family=[use(font)], size=8.0)
        drawn = RendererAgg(1, 1, 300).get_text_width_height_descent(text, wanted, False)[0]
    assert text_width(text, font, 8.0) == pytest.approx(drawn * 72 / 300, abs=0.3)


def test_a_size_measured_in_one_thread_is_not_another_ones():
    sizes = [4.0, 9.0, 31.0]
    alone = {size: text_width("threads", "serif", size) for size in sizes}
    assert alone[4.0] < alone[9.0] < alone[31.0]
    found: list[tuple[float, float]] = []

    def measure(size):
        for _ in range(200):
            found.append((size, text_width.__wrapped__("threads", "serif", size)))

    threads = [Thread(target=measure, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 600 and all(alone[size] == width for size, width in found)


@pytest.mark.parametrize("font", FONTS)
def test_a_missing_character_is_refused_by_name_with_its_text(font):
    check_characters("Zürich, Ωmega − ≈ β\nsecond line", font)
    with pytest.raises(InputError) as refused:
        check_characters("task 猫", font)
    said = str(refused.value)
    assert all(word in said for word in ("'猫'", "U+732B", "'task 猫'", fonts.FAMILIES[font]))


LABEL = "forgetting, mean of 2 past tasks (sd over prompts, lower is better)"


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("width", [40.0, 70.0, 130.0, 400.0])
def test_lines_fit_their_width_and_lose_nothing(font, width):
    lines = wrapped(LABEL, font, 8.0, width).split("\n")
    assert " ".join(lines) == LABEL
    assert all(text_width(line, font, 8.0) <= width for line in lines)


def test_lines_are_as_few_as_fit_and_about_equally_long():
    width = text_width("gradient alignment with unseen", "serif", 8.0)
    assert wrapped("gradient alignment with unseen tasks", "serif", 8.0, width) == (
        "gradient alignment\nwith unseen tasks"
    )


def test_a_remark_in_brackets_starts_a_line_where_that_costs_none():
    width = text_width("mean score on learned tasks (0 to", "serif", 8.0)
    said = "mean score on learned tasks (0 to 100)"
    assert wrapped(said, "serif", 8.0, width) == "mean score on learned tasks\n(0 to 100)"


def test_a_word_wider_than_its_line_ends_at_a_joint_or_anywhere():
    name = "a_long_name-of-a/model.with_joints"
    lines = wrapped(name, "sans", 8.0, 45.0).split("\n")
    assert "".join(lines) == name and len(lines) > 2
    assert all(line[-1] in "_-/." for line in lines[:-1])
    letters = wrapped("x" * 60, "sans", 8.0, 45.0).split("\n")
    assert "".join(letters) == "x" * 60
    assert all(text_width(line, "sans", 8.0) <= 45.0 for line in letters)


def test_lines_that_are_given_stay():
    assert wrapped("one\ntwo", "serif", 8.0, 500.0) == "one\ntwo"
    assert wrapped("", "serif", 8.0, 10.0) == ""

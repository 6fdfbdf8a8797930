"""What is wished for hangs together, or is refused in words."""

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.paper.wish import FIGURE_FORMATS, FORMATS, Wish


def test_bare_it_is_pdf_of_all_figures_and_latex_of_all_tables():
    wish = Wish()
    assert (wish.figure_formats, wish.table_formats) == (("pdf",), ("tex",))
    assert wish.takes_figures and wish.takes_tables and wish.draws
    assert not (wish.csv or wish.bundle or wish.html)


def test_who_names_figures_wants_no_tables_and_the_other_way_round():
    figures, tables = Wish(figures=("task_forest",)), Wish(tables=("claims",))
    assert (figures.figure_formats, figures.table_formats) == (("pdf",), ())
    assert (tables.figure_formats, tables.table_formats) == ((), ("tex",))
    assert not figures.takes_tables and not tables.takes_figures
    both = Wish(figures=("task_forest",), tables=("all",))
    assert both.takes_figures and both.takes_tables


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_alone_makes_what_it_is_of_and_nothing_else(name):
    wish = Wish(formats=(name,))
    assert wish.figure_formats == ((name,) if name in FIGURE_FORMATS else ())
    assert wish.table_formats == ((name,) if name in ("tex", "md") else ())
    assert wish.takes_figures == (name in (*FIGURE_FORMATS, "csv", "bundle"))
    assert wish.takes_tables == (name in ("tex", "md", "csv", "bundle"))
    assert wish.draws == (name in (*FIGURE_FORMATS, "bundle"))


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"formats": ("eps",)}, "Unknown format 'eps'"),
        ({"without": ("legnd",)}, "Did you mean 'legend'"),
        ({"venue": "icmll"}, "Did you mean 'icml'"),
        ({"width": "wide"}, "Unknown width 'wide'"),
        ({"width": 0.3}, "2 to 20 inches wide, not 0.3"),
        ({"width": 0}, "2 to 20 inches wide, not 0"),
        ({"width": "0in"}, "2 to 20 inches wide, not 0"),
        ({"width": "3.3"}, "its unit"),
        ({"tables": ("a",), "width": 3}, "width 3: no figure is drawn"),
        ({"font": "comic"}, "Unknown font 'comic'"),
        ({"figures": ("all", "task_forest")}, "'all' and task_forest were both given"),
        ({"asked": {"form": "points"}}, "Unknown form 'points'"),
        ({"figures": ("a",), "formats": ("tex",)}, "chosen figures have no format tex. They have"),
        ({"tables": ("a",), "formats": ("pdf",)}, "chosen tables have no format pdf. They have"),
        ({"figures": ("a",), "formats": ("pdf", "md")}, "md is of tables, and none were chosen"),
        ({"tables": ("a",), "formats": ("md", "svg")}, "svg is of figures, and none were chosen"),
        (
            {"figures": ("a",), "tables": ("b",), "formats": ("pdf",)},
            "chosen tables have no format pdf. They have: tex, md, csv, bundle",
        ),
        ({"formats": ("html",), "figures": ("a",)}, "always holds everything"),
        ({"formats": ("html",), "asked": {"form": "loss"}}, "always holds everything"),
        ({"formats": ("csv",), "venue": "acl"}, "venue acl: no figure is drawn"),
        ({"tables": ("a",), "width": "full"}, "width full: no figure is drawn"),
        ({"formats": ("tex",), "without": ("legend",)}, "without legend: no figure is drawn"),
    ],
)
def test_contradictions_are_refused(wish, message):
    with pytest.raises(InputError, match=message):
        Wish(**wish)


def test_names_may_be_in_capitals_and_lengths_are_kept_in_inches():
    wish = Wish(formats=("PDF", "pdf", "Svg"), venue="ICML", font="Sans", width="8.4cm")
    assert (wish.formats, wish.venue, wish.font) == (("pdf", "svg"), "icml", "sans")
    assert wish.figure_formats == ("pdf", "svg") and wish.width == 8.4 / 2.54
    assert Wish(width="Full").width == "full" and Wish().width is None

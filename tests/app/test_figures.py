"""The Figures page: every kind of figure and table, its options, its link and its files."""

import base64
import html
import io
import re
import shlex
import shutil
import struct
from functools import cache
from urllib.parse import parse_qs

import pytest
from typer.testing import CliRunner

from sapo_analysis.app.components.figure_controls import _drawable
from sapo_analysis.app.components.figure_words import key_of, words_of
from sapo_analysis.cli import app as cli
from sapo_analysis.figures.spec import Points
from sapo_analysis.figures.venues import VENUES
from sapo_analysis.paper.citations import cited
from sapo_analysis.paper.figures import FIGURES, every_figure, figure, kinds_of
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.options import OPTIONS, Options
from sapo_analysis.paper.stamps import stamp
from sapo_analysis.paper.tables import table, table_kinds_of
from sapo_analysis.store import open_run
from tests.app.opening import opened
from tests.app.test_explore import html_of, text_of
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow]
PAGE = "views/figures.py"
_IMAGE = re.compile(
    r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)" style="width:([\d.]+)px'
)
ORDERS = [["a", "b"], ["b", "a"]]


def score(strategy, order, seed, stage, position, prompt):
    return 40.0 + seed + len(strategy) * (position <= stage) + 3 * stage


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    """A study in two orders, a run each."""
    folder = tmp_path_factory.mktemp("sequence")
    for i, order in enumerate(ORDERS, start=1):
        write_sequence_run(
            folder,
            score,
            name=f"order-{i}",
            orders=[order],
            strategies=["original", "random", "sapo", "original+o-lora"],
            losses={"00": 1.5, "01": 1.0, "02": 4.0},
        )
    return [folder / f"order-{i}-00000000" for i in (1, 2)]


def shown(monkeypatch, *paths, **query):
    return opened(monkeypatch, paths[0].parent, PAGE, of=[path.name for path in paths], **query)


@pytest.fixture(scope="module")
def few(runs):
    """The page as it opens, and what its buttons give: for tests that choose nothing on it."""
    with pytest.MonkeyPatch.context() as patch:
        given = _buttons(patch)
        return shown(patch, runs["few"]), given


def preview(app):
    """The bytes of the picture, its alternative text, and its width in CSS pixels."""
    src, alt, width = _IMAGE.search(html_of(app)).groups()
    return base64.b64decode(src), html.unescape(alt), float(width)


def inches(png):
    """Width and height of a PNG of 300 dots per inch, from its head."""
    return tuple(pixels / 300 for pixels in struct.unpack(">II", png[16:24]))


def controls(app):
    """Keys of the controls of options that are there."""
    every = {key_of(name): name for name in OPTIONS}
    there = {widget.key for widget in [*app.selectbox, *app.button_group]}
    return {every[key] for key in there & set(every)}


@cache
def numbers(*paths):
    return numbers_of([open_run(path) for path in paths])


def test_no_runs_says_what_to_do_first(monkeypatch, tmp_path):
    assert "No runs yet." in text_of(opened(monkeypatch, tmp_path, PAGE))


def test_the_preview_is_the_file_at_its_true_size(few, runs):
    app, _ = few
    png, alt, width = preview(app)
    found = numbers(runs["few"])
    made = next(every_figure(found, ["impact_scatter"]))
    assert png == made.spec.to_bytes("png", "icml", stamp=stamp(found, made.kind.title))
    assert width == pytest.approx(96 * inches(png)[0], abs=0.5)
    assert width == pytest.approx(96 * VENUES["icml"].column, abs=0.1)
    assert alt == made.spec.alt
    assert "True size at 100 % zoom: 3.25 ×" in text_of(app)
    assert "a column of ICML" in text_of(app)


@pytest.mark.parametrize(
    ("query", "width"),
    [
        ({"width": "Full"}, 6.75),
        ({"width": "Column", "venue": "NeurIPS"}, 5.5),
        ({"width": "Own", "inches": "4.5"}, 4.5),
        ({"width": "Full", "venue": "ACL"}, 16 / 2.54),
    ],
)
def test_the_paper_decides_the_width(monkeypatch, runs, query, width):
    png, _, css = preview(shown(monkeypatch, runs["few"], figure="r per task", **query))
    assert css == pytest.approx(96 * width, abs=0.1)
    assert inches(png)[0] == pytest.approx(width, abs=1 / 300)


def test_the_page_has_a_heading_and_says_what_the_command_takes_and_where_it_writes(
    monkeypatch, few, runs
):
    app, _ = few
    assert [one.value for one in app.subheader] == ["How will it look on paper?"]
    where = f"Writes into export/{runs['few'].name} in the folder where it is run"
    assert f"{where}; --out changes that." in text_of(app)
    own = shown(monkeypatch, runs["few"], width="Own", figure="r per task")
    assert "takes cm, mm and pt too" in own.number_input(key="inches").help


def test_grey_print_has_no_colour_and_the_file_keeps_it(monkeypatch, few, runs):
    from PIL import Image

    coloured, *_ = preview(few[0])
    app = shown(monkeypatch, runs["few"], look="Grey print")
    grey, *_ = preview(app)
    help = app.button_group(key="look").help
    assert "a preview" in help and "Files and the copied command stay in colour" in help
    with Image.open(io.BytesIO(grey)) as one, Image.open(io.BytesIO(coloured)) as other:
        assert one.mode == "L"
        assert one.size == other.size
        assert other.mode == "RGBA"


@pytest.mark.parametrize("which", ["paraphrase", "sequence"])
def test_every_kind_of_figure_is_drawn_with_the_options_that_it_obeys(
    monkeypatch, runs, sequence, which
):
    paths = sequence if which == "sequence" else [runs["few"]]
    app = shown(monkeypatch, *paths)
    found = numbers(*paths)
    for kind in kinds_of(found):
        app.selectbox(key="figure").set_value(kind.name).run()
        assert not app.exception, app.exception[0].value
        assert kind.about in text_of(app)
        assert controls(app) <= set(kind.uses)
        made = next(every_figure(found, [kind.name]))
        if made.spec is None:
            assert made.why_not in text_of(app)
            continue
        _, alt, _ = preview(app)
        assert alt == made.spec.alt
        boxes = {box.key.removeprefix("draw-") for box in app.checkbox}
        assert boxes == set(made.spec.parts)


@pytest.mark.parametrize("which", ["paraphrase", "sequence"])
def test_every_kind_of_table_is_read_and_taken_along(monkeypatch, runs, sequence, which):
    paths = sequence if which == "sequence" else [runs["few"]]
    app = shown(monkeypatch, *paths, show="Tables")
    found = numbers(*paths)
    for kind in table_kinds_of(found):
        app.selectbox(key="table").set_value(kind.name).run()
        assert not app.exception, app.exception[0].value
        assert kind.about in text_of(app)
        assert controls(app) <= set(kind.uses)
        options = kind.variants(found)[0]
        spec = table(kind.name, found, options)
        assert spec.to_markdown().strip() in [m.value for m in app.markdown]
        latex = spec.to_latex(cites=cited(kind, found.runs), numbers=found)
        assert latex.strip() in [code.value for code in app.code]


def test_a_link_restores_everything(monkeypatch, runs):
    query = {
        "figure": "r per task",
        key_of("outcome"): "Generalization",
        key_of("form"): "Loss",
        key_of("statistic"): "Spearman",
        "venue": "ACL",
        "font": "Sans",
        "width": "Full",
        "draw-intervals": "false",
    }
    path = runs["few"]
    app = shown(monkeypatch, path, **query)
    assert "link asks" not in text_of(app)
    options = Options(outcome="generalization", form="loss", statistic="spearman")
    found = numbers(path)
    spec = figure("task_forest", found, options).without("intervals")
    title = FIGURES["task_forest"].title
    wanted = spec.to_bytes("png", "acl", "full", "sans", stamp(found, title))
    assert preview(app)[0] == wanted
    link = next(code.value for code in app.code if code.value.startswith("?"))
    again = shown(monkeypatch, path, **{k: v for k, v in _query(link).items() if k != "of"})
    assert preview(again)[0] == wanted


def _query(link):
    return {name: values[0] for name, values in parse_qs(link[1:]).items()}


@pytest.mark.parametrize(
    "query",
    [
        {"figure": "<script>alert(1)</script>", "venue": "CVPR", key_of("method"): "lora"},
        {"width": "-3", "look": "x" * 5000, "draw-numbers": "false"},  # not a part of this figure
        {"font": "Comic Sans", "draw-legend": "maybe", "inches": "3"},  # with no width of one's own
        {key_of("outcome"): "Forgetting retained; DROP", "show": "Everything", "caption": "Word"},
    ],
)
def test_hostile_values_are_named_and_left_out(monkeypatch, runs, query):
    app = shown(monkeypatch, runs["few"], **query)
    (warning,) = [w.value for w in app.warning if "link asks for what is not here" in w.value]
    for name in query:
        assert name in warning.replace("\\", "")
    assert len(warning) < 900
    assert preview(app)[2] == pytest.approx(312, abs=0.1)


def test_hostile_inches(monkeypatch, runs):
    for value in ("1e9", "nan", "inf", "-2", "wide", "1.99"):
        assert not _drawable(value), value
    app = shown(monkeypatch, runs["few"], width="Own", inches="1e9")
    assert "link asks for what is not here" in text_of(app)
    assert preview(app)[2] == pytest.approx(312, abs=0.1)


def test_runs_of_other_pages_links_are_understood(monkeypatch, runs, sequence):
    app = opened(monkeypatch, runs["few"].parent, PAGE, run=runs["many"].name)
    assert app.multiselect(key="of").value == [runs["many"].name]
    app = opened(monkeypatch, sequence[0].parent, PAGE, runs=[path.name for path in sequence])
    assert app.multiselect(key="of").value == [path.name for path in sequence]
    app = opened(monkeypatch, runs["few"].parent, PAGE, run="gone-00000000")
    assert "gone-00000000 is not here" in text_of(app)


def test_all_orders_of_a_sequence_study_are_a_click_away(monkeypatch, sequence):
    app = shown(monkeypatch, sequence[0])
    app.button(key="family").click().run()
    assert app.multiselect(key="of").value == [path.name for path in sequence]
    assert not [b for b in app.button if b.key == "family"]
    assert preview(app)


def test_an_unfinished_run_is_hollow_and_says_so(monkeypatch, runs):
    app = shown(monkeypatch, runs["partial"])
    assert app.query_params["of"] == runs["partial"].name  # a reload shows the same
    assert "Numbers will move; no verdict until done." in text_of(app)
    assert "nfinished" in next(area.value for area in app.text_area)
    made = next(every_figure(numbers(runs["partial"]), ["impact_scatter"]))
    assert preview(app)[1] == made.spec.alt
    layers = [layer for panel in made.spec.panels for layer in panel.layers]
    assert all(layer.hollow for layer in layers if isinstance(layer, Points) and layer.keys)


def test_random_weights_are_said_above_and_in_the_caption(monkeypatch, runs):
    app = shown(monkeypatch, runs["random"])
    assert "random weights" in text_of(app)
    assert "no scientific meaning" in app.text_area[0].value


@pytest.mark.parametrize("name", ["damaged", "no-spec"])
def test_a_damaged_run_says_what_is_wrong(monkeypatch, runs, name):
    app = shown(monkeypatch, runs[name])
    assert "Other runs are unaffected" in text_of(app)


def test_nothing_has_ended_yet(monkeypatch, tmp_path):
    path = write_sequence_run(tmp_path, score, stages=0, state="running")
    for show in ("Figures", "Tables"):
        assert "No stage of these runs has ended yet" in text_of(
            shown(monkeypatch, path, show=show)
        )


def test_runs_of_two_kinds_are_refused_in_words(monkeypatch, tmp_path, runs, sequence):
    for path in (runs["few"], sequence[0]):
        shutil.copytree(path, tmp_path / path.name)
    app = shown(monkeypatch, tmp_path / runs["few"].name, tmp_path / sequence[0].name)
    assert "two kinds of study" in text_of(app)


def test_studies_that_cannot_be_joined_stand_beside_each_other(monkeypatch, tmp_path):
    paths = [
        write_run(tmp_path, n_tasks=3, n_prompts=6, name=name, fingerprint=letter * 16)
        for name, letter in (("one", "a"), ("two", "b"))
    ]
    app = shown(monkeypatch, *paths)
    assert "These runs are not pooled, as they are not equal." in text_of(app)
    assert "r per run" in [option for option in app.selectbox(key="figure").options]
    assert preview(app)
    assert "have no tables" in text_of(shown(monkeypatch, *paths, show="Tables"))


def test_a_character_that_the_font_lacks_is_named_with_what_to_do(monkeypatch, tmp_path):
    from sapo_analysis import analysis
    from sapo_analysis.analysis.importing import import_results
    from sapo_analysis.analysis.importing.columns import REQUIRED

    path = write_run(tmp_path / "made", n_tasks=3, n_prompts=6)
    df = analysis.impacts(open_run(path))
    df = df[(df["purpose"] == "main") & (df["role"] == "past")]
    df["current_task"] = df["current_task"].str.replace("current", "任务")
    imported = import_results(df[[*REQUIRED, "score_change", "loss_change"]], tmp_path / "in").path
    app = shown(monkeypatch, imported, figure="r per task")
    assert "has no character" in text_of(app)
    assert not app.get("download_button")


def test_what_cannot_be_read_is_said_with_what_to_do(monkeypatch, runs):
    app = shown(monkeypatch, runs["many"], figure="Between tasks", width="Own", inches="2")
    problems = figure("impact_heatmap", numbers(runs["many"])).drawn("icml", 2.0).problems
    if problems:
        assert "Choose the full width, or leave an annotation out" in text_of(app)
        assert problems[0] in text_of(app)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {
            "venue": "ACL",
            "width": "Own",
            "inches": "4.7",
            "font": "Sans",
            key_of("view"): words_of("view", "panels"),
            key_of("eval_task"): "current-1",
            key_of("outcome"): "Generalization",
            "draw-noise": "false",
            "draw-legend": "false",
        },
        {"figure": "r per task", key_of("form"): "Loss", "width": "Full"},
    ],
)
def test_the_command_writes_the_file_that_the_page_gives(monkeypatch, tmp_path, few, runs, query):
    app, given = few
    if query:
        given = _buttons(monkeypatch)
        app = shown(monkeypatch, runs["few"], **query)
    (line,) = [code.value for code in app.code if code.value.startswith("sapo export")]
    words = [*shlex.split(line)[1:], "--runs", str(runs["few"].parent), "--out", str(tmp_path)]
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 0, found.output
    (written,) = tmp_path.glob("*.pdf")
    name, data = given["take-pdf"]
    assert written.name == name
    assert written.read_bytes() == data()


def test_the_command_of_a_table_writes_it(monkeypatch, tmp_path, sequence):
    given = _buttons(monkeypatch)
    query = {"show": "Tables", key_of("test_prompts"): "training"}
    app = shown(monkeypatch, sequence[0], **query)
    (line,) = [code.value for code in app.code if code.value.startswith("sapo export")]
    words = [*shlex.split(line)[1:], "--runs", str(sequence[0].parent), "--out", str(tmp_path)]
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 0, found.output
    name, data = given["take-tex"]
    assert (tmp_path / name).read_text() == data()


def _buttons(monkeypatch):
    """Names and callables that download buttons are given, by key."""
    given = {}

    def keep(label, data, file_name=None, key=None, **rest):
        given[key] = (file_name, data)

    monkeypatch.setattr("streamlit.download_button", keep)
    return given


def test_caption_and_sources_stand_below(monkeypatch, runs):
    from sapo_analysis.paper import captions, citations

    app = shown(monkeypatch, runs["few"])
    found = numbers(runs["few"])
    made = next(every_figure(found, ["impact_scatter"]))
    assert app.text_area[0].value == captions.draft(made.spec.caption, found)
    cites = citations.cited(made.kind, found.runs)
    assert citations.bibtex(cites).strip() in [code.value for code in app.code]
    app.button_group(key="caption").set_value("latex").run()
    assert app.text_area[0].value == captions.draft_latex(made.spec.caption, cites, found)
    app.text_area[0].set_value("Mine & shorter.").run()
    assert "Mine & shorter." in [code.value for code in app.code]


def test_the_caption_leaves_out_what_is_not_drawn(monkeypatch, runs):
    said = "Line and band"
    assert said in shown(monkeypatch, runs["few"]).text_area[0].value
    less = shown(monkeypatch, runs["few"], **{"draw-slope": "false"})
    assert said not in less.text_area[0].value and said not in html_of(less)


def test_files_are_those_of_the_spec(monkeypatch, runs):
    """What a click makes: the callables that the buttons are given."""
    given = _buttons(monkeypatch)
    shown(monkeypatch, runs["few"], width="Full", **{"draw-slope": "false"})
    found = numbers(runs["few"])
    made = next(every_figure(found, ["impact_scatter"]))
    source = stamp(found, made.kind.title)
    for kind in ("pdf", "svg", "png"):
        name, data = given[f"take-{kind}"]
        assert name == f"{made.name}.{kind}"
        wanted = made.spec.without("slope").to_bytes(kind, "icml", "full", stamp=source)
        assert data() == wanted
    name, data = given["take-csv"]
    assert (name, data()) == (f"{made.name}.csv", made.spec.to_csv())
    name, data = given["take-report"]
    monkeypatch.setattr("sapo_analysis.paper.html.static_report", lambda found: found.silent)
    assert (name, data()) == (f"{runs['few'].name}.html", b"")
    name, data = given["take-bundle"]
    asked = {}
    monkeypatch.setattr(
        "sapo_analysis.paper.bundle.bundle", lambda *made, **on: asked.update(on, made=made)
    )
    # Which are all that there are, their own tests know: making them takes seconds.
    for kinds in ("figures", "tables"):
        monkeypatch.setattr(
            f"sapo_analysis.app.paper.every_{kinds[:-1]}", lambda *asked, k=kinds: [k, *asked]
        )
    data()
    assert name == f"{runs['few'].name}.zip"
    assert (asked["venue"], asked["width"], asked["without"]) == ("icml", "full", ("slope",))
    of, figures, tables = asked["made"]
    assert [run.run_id for run in of.runs] == [runs["few"].name]
    assert figures == ["figures", of] and tables == ["tables", of]


def test_explore_leads_here_with_what_it_shows(monkeypatch, runs):
    chosen = {"form": "Loss", "view": "Raw, pooled", "statistic": "Spearman"}
    app = opened(monkeypatch, runs["few"].parent, run=runs["few"].name, **chosen)
    query = _link_to_figures(app)
    assert query["of"] == runs["few"].name
    assert query["figure"] == FIGURES["impact_scatter"].title
    page = opened(monkeypatch, runs["few"].parent, PAGE, **query)
    assert "link asks" not in text_of(page)
    options = Options(form="loss", view="raw", statistic="spearman", outcome="forgetting_past")
    assert preview(page)[1] == figure("impact_scatter", numbers(runs["few"]), options).alt


@pytest.mark.parametrize(
    ("page", "run"), [("views/statistics.py", "study"), ("views/live.py", "run")]
)
def test_other_pages_lead_here(monkeypatch, runs, page, run):
    path = runs["few"]
    query = _link_to_figures(opened(monkeypatch, path.parent, page, **{run: path.name}))
    assert query["of"] == path.name
    assert "link asks" not in text_of(opened(monkeypatch, path.parent, PAGE, **query))


def test_sequences_lead_here_with_their_test_prompts(monkeypatch, sequence):
    folder, names = sequence[0].parent, [path.name for path in sequence]
    app = opened(monkeypatch, folder, "views/sequences.py", runs=names, kind="training")
    query = _link_to_figures(app)
    assert query[key_of("test_prompts")] == "training"
    query["of"] = names
    page = opened(monkeypatch, folder, PAGE, **query)
    assert "link asks" not in text_of(page)
    options = Options(test_prompts="training")
    assert preview(page)[1] == figure("strategy_intervals", numbers(*sequence), options).alt


@pytest.mark.parametrize(
    ("names", "label"),
    [(["few"], "Figures"), (["few", "many"], "Figures of them joined")],
)
def test_the_runs_page_leads_here(monkeypatch, runs, names, label):
    chosen = [runs[name].name for name in names]
    app = opened(monkeypatch, runs["few"].parent, "views/runs.py", chosen=chosen)
    (link,) = [e.proto for e in app.get("page_link") if e.proto.label == label]
    assert parse_qs(link.query_string)["of"] == chosen


def _link_to_figures(app):
    (link,) = [e.proto for e in app.get("page_link") if e.proto.page == "figures"]
    return _query("?" + link.query_string)


def test_the_method_page_has_the_widths_of_every_venue(monkeypatch, tmp_path):
    app = opened(monkeypatch, tmp_path, "views/method.py")
    table = next(t.value for t in app.table if "venue" in t.value)
    assert list(table["column (inches)"]) == ["3.25", "5.5", "5.5", "3.031"]
    assert list(table["full width (inches)"]) == ["6.75", "5.5", "5.5", "6.299"]
    assert "slope with its 95 % band" in text_of(app)

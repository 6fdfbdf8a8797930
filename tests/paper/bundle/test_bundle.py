"""The zip: what is in it, that it is the same whenever it is made, and that it draws itself."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.figures.saving import from_json
from sapo_analysis.paper.bundle import bundle
from sapo_analysis.paper.bundle.readme import readme
from sapo_analysis.paper.bundle.redraw import main, other_versions
from sapo_analysis.paper.bundle.zipped import zipped
from sapo_analysis.paper.captions import draft
from sapo_analysis.paper.figures import every_figure
from sapo_analysis.paper.stamps import provenance, stamp, study_of
from sapo_analysis.paper.tables import every_table

FIGURES = ("task_forest", "impact_heatmap")


@pytest.fixture(scope="module")
def figures(study_numbers):
    return list(every_figure(study_numbers, FIGURES))


@pytest.fixture(scope="module")
def tables(study_numbers):
    return list(every_table(study_numbers, ("correlations",)))


@pytest.fixture(scope="module")
def packed(study_numbers, figures, tables):
    return bundle(study_numbers, figures, tables, venue="icml")


@pytest.fixture(scope="module")
def files(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def folder(packed, tmp_path):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_each_figure_and_table_is_there_with_all_that_belongs_to_it(files, figures, tables):
    wanted = {
        *("README.txt", "captions.md", "captions.tex", "data/columns.csv", "drawn.json"),
        *("licences/LICENSE_STIX", "provenance.json", "redraw.py", "references.bib"),
        *("requirements.txt", "study.json"),
    }
    for made in figures:
        wanted |= {f"figures/{made.name}.{kind}" for kind in ("pdf", "svg", "png")}
        wanted |= {f"data/{made.name}.csv", f"specs/{made.name}.json"}
    for table in tables:
        wanted |= {f"tables/{table.name}.{kind}" for kind in ("tex", "md", "csv")}
    assert set(files) == wanted


def test_figures_are_those_that_a_single_export_gives(files, figures, study_numbers):
    made = figures[0]
    said = stamp(study_numbers, made.kind.title)
    assert files[f"figures/{made.name}.svg"] == made.spec.to_bytes("svg", "icml", stamp=said)
    assert files[f"data/{made.name}.csv"].decode() == made.spec.to_csv()


def test_sources_are_told(files, study_numbers, figures):
    assert json.loads(files["provenance.json"]) == provenance(study_numbers)
    (run,) = study_numbers.runs
    assert json.loads(files["study.json"]) == [{"run_id": run.run_id, "study": study_of(run)[0]}]
    assert draft(figures[0].spec.caption, study_numbers) in files["captions.md"].decode()
    assert f"{{figures/{figures[0].name}}}" in files["captions.tex"].decode()
    assert r"\input{tables/correlations}" in files["captions.tex"].decode()
    assert f"matplotlib=={version('matplotlib')}\n" in files["requirements.txt"].decode()


def test_columns_have_the_glossary_s_meaning(files, figures):
    rows = list(csv.DictReader(io.StringIO(files["data/columns.csv"].decode())))
    own = [row for row in rows if row["file"] == f"data/{figures[0].name}.csv"]
    assert [row["column"] for row in own] == list(figures[0].spec.table.columns)
    task = next(row for row in rows if row["column"] in ("task", "current_task"))
    assert task["meaning"]


def test_the_readme_names_every_file_and_what_is_not_there(files, study_numbers):
    said = files["README.txt"].decode()
    for name in files:
        assert name == "README.txt" or name.split("/")[0] in said, name
    assert "Not in this bundle" not in said and "python redraw.py" in said
    assert max(map(len, said.split("\n"))) <= 88
    told = readme(study_numbers, [*files], {"board": "No seed was repeated."})
    assert told == f"{said}\nNot in this bundle:\n\nboard: No seed was repeated.\n"


def test_figures_that_there_are_not_are_told_in_the_readme(study_numbers, figures, tables):
    none = replace(figures[0], spec=None, why_not="No seed was repeated.")
    packed = bundle(study_numbers, [none], tables, venue="icml")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert f"{none.name}: No seed was repeated." in archive.read("README.txt").decode()


def test_entries_are_sorted_dated_by_the_run_and_readable(packed, study_numbers):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        entries = archive.infolist()
    beat = datetime.fromisoformat(study_numbers.runs[0].status.heartbeat).astimezone(UTC)
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    for entry in entries:
        # A zip counts in steps of two seconds.
        assert entry.date_time[:5] == beat.timetuple()[:5]
        assert entry.date_time[5] == beat.second // 2 * 2
        assert entry.external_attr >> 16 == 0o100644
        assert entry.compress_type == zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    ("date", "told"),
    [
        (None, (1980, 1, 1, 0, 0, 0)),
        (datetime(1970, 5, 5, tzinfo=UTC), (1980, 1, 1, 0, 0, 0)),
        (datetime(2200, 5, 5, tzinfo=UTC), (2107, 12, 31, 0, 0, 0)),
        (datetime.fromisoformat("2026-03-01T01:30:00+02:00"), (2026, 2, 28, 23, 30, 0)),
    ],
)
def test_dates_that_a_zip_cannot_hold_are_held_at_its_ends(date, told):
    with zipfile.ZipFile(io.BytesIO(zipped({"b": "x", "a": b"y"}, date))) as archive:
        assert [entry.date_time for entry in archive.infolist()] == [told, told]
        assert archive.namelist() == ["a", "b"] and archive.read("b") == b"x"


ELSEWHERE = """
import io, runpy, sys, zipfile
from pathlib import Path
from sapo_analysis.paper.bundle import bundle
from sapo_analysis.paper.figures import every_figure
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.tables import every_table
from sapo_analysis.store import open_run
numbers = numbers_of([open_run(sys.argv[1])])
figures = list(every_figure(numbers, sys.argv[2].split(",")))
packed = bundle(numbers, figures, list(every_table(numbers, ["correlations"])), venue="icml")
Path("bundle.zip").write_bytes(packed)
zipfile.ZipFile(io.BytesIO(packed)).extractall("bundle")
for file in Path("bundle/figures").iterdir():
    file.unlink()
runpy.run_path("bundle/redraw.py", run_name="__main__")
"""


def test_another_process_makes_the_same_zip_whose_script_draws_the_same_files(
    study_numbers, packed, files, tmp_path
):
    env = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Kolkata"}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(study_numbers.runs[0].path), ",".join(FIGURES)],
        **{"cwd": tmp_path, "env": env, "capture_output": True, "text": True},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "bundle.zip").read_bytes() == packed
    drawn = {name: data for name, data in files.items() if name.startswith("figures/")}
    assert f"{len(drawn)} of {len(drawn)} files are the same, byte by byte." in done.stdout
    for name, data in drawn.items():
        assert (tmp_path / "bundle" / name).read_bytes() == data, name


def edited(file, change):
    data = json.loads(file.read_text(encoding="utf-8"))
    change(data)
    file.write_text(json.dumps(data), encoding="utf-8")


def test_a_changed_number_is_seen(folder, figures, capsys):
    name = figures[0].name

    def change(data):
        for layer in data["panels"][0]["layers"]:
            if layer["kind"] == "Points":
                layer["x"][0] += 0.05
                return
        raise AssertionError("no points")

    edited(folder / "specs" / f"{name}.json", change)
    edited(folder / "drawn.json", lambda data: data["figures"].pop(figures[1].name))
    drawn = (folder / "drawn.json").read_bytes()
    assert main(folder) == 1
    said = capsys.readouterr().out
    for kind in ("pdf", "svg", "png"):
        assert f"DIFFERENT figures/{name}.{kind}\n" in said
    assert said.count("DIFFERENT") == 3
    assert "Another version" not in said
    assert (folder / "drawn.json").read_bytes() == drawn, "the next time would call it the same"


def test_changed_data_changes_no_figure_and_is_told(folder, figures, capsys):
    changed, other = figures[0].name, figures[-1].name
    n = 2 * len(figures)
    edited(folder / "drawn.json", lambda data: [f["sha256"].pop("png") for f in _all(data)])
    assert main(folder) == 0
    said = capsys.readouterr().out
    assert f"1 of {n} same      figures/" in said and f"{n} of {n} same      figures/" in said
    assert "data/" not in said
    file = folder / "data" / f"{changed}.csv"
    file.write_bytes(file.read_bytes().replace(b"0.", b"1.", 1))
    (folder / "data" / f"{other}.csv").unlink()
    assert main(folder) == 1
    said = capsys.readouterr().out
    assert f"{n} of {n} files are the same" in said
    assert f"data/{changed}.csv was changed; figures are drawn from specs/{changed}.json\n" in said
    assert f"data/{other}.csv is missing; figures are drawn from specs/{other}.json\n" in said
    readme = " ".join((folder / "README.txt").read_text(encoding="utf-8").split())
    assert "a number changed in data/ changes no figure" in readme


def _all(data):
    return data["figures"].values()


def test_another_venue_can_be_asked_for_in_the_folder(folder, figures, study_numbers, capsys):
    edited(folder / "drawn.json", lambda data: data.update(venue="neurips", without=["intervals"]))
    made = figures[0]

    def of_one_file(data):
        data["figures"] = {made.name: data["figures"][made.name]}
        data["figures"][made.name]["sha256"].pop("pdf")
        data["figures"][made.name]["sha256"].pop("png")

    edited(folder / "drawn.json", of_one_file)
    assert main(folder) == 1
    said = stamp(study_numbers, made.kind.title)
    wanted = made.spec.without("intervals").to_bytes("svg", "neurips", stamp=said)
    assert (folder / "figures" / f"{made.name}.svg").read_bytes() == wanted
    assert f"DIFFERENT figures/{made.name}.svg" in capsys.readouterr().out


def test_damage_is_told_without_a_traceback(folder, figures, capsys):
    (folder / "specs" / f"{figures[0].name}.json").write_text("{", encoding="utf-8")
    assert main(folder) == 2
    assert "could not be drawn: This is no saved figure" in capsys.readouterr().err
    edited(folder / "drawn.json", lambda data: data.pop("date"))
    assert main(folder) == 2
    assert "could not be drawn: drawn.json lacks 'date'." in capsys.readouterr().err


def test_without_the_package_the_script_says_what_to_install(folder):
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(folder / "redraw.py")],
        **{"cwd": folder, "capture_output": True, "text": True},
    )
    assert done.returncode == 2
    assert "sapo-analysis is not installed here" in done.stderr
    assert "Traceback" not in done.stderr


def test_versions_that_differ_are_named(tmp_path):
    text = f"# these drew it\nmatplotlib==1.0\nnumpy=={version('numpy')}\nno-such-package==2\n"
    (tmp_path / "requirements.txt").write_text(text, encoding="utf-8")
    assert other_versions(tmp_path) == [
        f"matplotlib: 1.0 drew them, here is {version('matplotlib')}",
        "no-such-package: 2 drew them, here is not installed",
    ]


def test_parts_left_out_are_left_out_of_the_figures_and_kept_in_the_specs(study_numbers, figures):
    forest = figures[0]
    packed = bundle(
        *(study_numbers, [forest], []), venue="icml", kinds=["svg"], without=["intervals"]
    )
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        spec = from_json(archive.read(f"specs/{forest.name}.json").decode())
        svg = archive.read(f"figures/{forest.name}.svg")
        assert json.loads(archive.read("drawn.json"))["without"] == ["intervals"]
    assert "intervals" in spec.parts
    said = stamp(study_numbers, forest.kind.title)
    assert svg == forest.spec.without("intervals").to_bytes("svg", "icml", stamp=said)


def test_the_sans_font_comes_with_its_own_licence(study_numbers, figures):
    packed = bundle(study_numbers, figures[:1], [], venue="icml", font="sans", kinds=["pdf"])
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert b"SIL OPEN FONT LICENSE" in archive.read("licences/LICENSE-Liberation.txt").upper()


def test_tables_alone_need_no_script(study_numbers, tables):
    with zipfile.ZipFile(io.BytesIO(bundle(study_numbers, [], tables, venue="icml"))) as archive:
        names = archive.namelist()
        assert "redraw.py" not in names and "tables/correlations.tex" in names
        assert "redraw.py" not in archive.read("README.txt").decode()


def test_a_figure_that_the_font_cannot_write_is_left_out_and_told(study_numbers, figures, tables):
    odd = replace(
        figures[0], spec=replace(figures[0].spec, x_title="忘却"), options=figures[0].options
    )
    packed = bundle(study_numbers, [odd], tables, venue="icml")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        said = " ".join(archive.read("README.txt").decode().split())
    assert f"{odd.name}: The serif font, STIXGeneral, has no character '忘'" in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"venue": "nature"}, "Unknown venue 'nature'"),
        ({"kinds": ["pdf", "eps"]}, "Unknown figure format 'eps'"),
        ({"without": ["frame"]}, "Unknown part of a figure 'frame'"),
        ({"width": 1.0}, "2 to 20 inches wide, not 1"),
        ({"font": "mono"}, "Unknown font 'mono'"),
    ],
)
def test_what_is_unknown_is_refused(study_numbers, figures, asked, said):
    with pytest.raises(InputError, match=said):
        bundle(study_numbers, figures, [], **{"venue": "icml", **asked})


def test_nothing_to_bundle_is_an_error_with_the_reasons(study_numbers, figures):
    none = replace(figures[0], spec=None, why_not="No trial has ended yet.")
    with pytest.raises(InputError, match=rf"nothing to bundle. {none.name}: No trial has ended"):
        bundle(study_numbers, [none], [], venue="icml")
    with pytest.raises(InputError, match="No figure was asked for"):
        bundle(study_numbers, [], [], venue="icml")


def test_a_readme_of_an_unfinished_run_says_so_first(tmp_path):
    from sapo_analysis.paper.numbers import numbers_of
    from sapo_analysis.store import open_run
    from tests.synthetic import write_run

    half = open_run(write_run(tmp_path, finish=False))
    said = readme(numbers_of([half]), ["captions.md"], {}).split("\n\n")
    assert said[1].startswith(f"Unfinished: {half.status.done} of {half.status.total} trials. Run")

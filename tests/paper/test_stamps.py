"""What files say of their runs: everything that decides the numbers, nothing of who made them."""

import getpass
import json
import re
import socket
from datetime import UTC, datetime
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image
from pypdf import PdfReader

from sapo_analysis.analysis.importing import import_results
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.stamp import Stamp
from sapo_analysis.paper.captions import draft
from sapo_analysis.paper.figures import figure
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.paper.stamps import ended, model_name, provenance, short_name, stamp
from sapo_analysis.spec import parse_spec
from sapo_analysis.spec.methods import PromotSettings
from sapo_analysis.store import CACHED_RUNS, Run, open_run, table_hashes
from sapo_analysis.store.status import Status
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def shipped():
    if not CACHED_RUNS.is_dir():
        pytest.skip("no shipped runs here")
    return numbers_of([open_run(next(CACHED_RUNS.glob("pocket-1-main-*")))])


class Numbers:
    """What is looked at here of numbers."""

    def __init__(self, *runs):
        self.runs = runs


def test_a_shipped_run_is_told_with_all_that_decides_its_numbers(shipped):
    run = shipped.runs[0]
    (told,) = provenance(shipped)["runs"]
    own = json.loads((run.path / "provenance.json").read_text())
    keys = ["model", "data", "seeds", "noise_seeds", "device", "dtype", "engine", "commit", "dirty"]
    for key in (*keys, "packages", "platform", "algorithm_version", "python", "processor"):
        assert told[key] == own[key], key
    assert told["run_id"] == run.run_id and told["kind"] == "paraphrase"
    assert (told["state"], told["done"], told["total"]) == ("done", 627, 627)
    assert told["ended"] == "2026-11-21T23:11:25+00:00"
    assert told["tables_sha256"] == table_hashes(run)
    assert parse_spec(told["study"], "told") == run.study
    assert "shortened" not in told and "sessions" not in told and "cost" not in told


def test_it_is_plain_json_and_asked_once(shipped):
    assert json.loads(json.dumps(provenance(shipped), allow_nan=False)) == provenance(shipped)
    assert provenance(shipped) is provenance(shipped)


def run_with(tmp_path, monkeypatch, **settings):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=4))
    study = run.study.model_copy(update=settings)
    return Run(run.path, study, run.status)


def test_paths_are_cut_to_their_last_part_and_it_is_said(tmp_path, monkeypatch):
    settings = {
        "model": "/home/somebody/models/tiny-one",
        "tasks_from": ("/data/secret/suite", "own/tasks.json", "C:\\Users\\me\\more.csv"),
        "own_prompts": {"current-0": ("A wish.", "An order.")},
        "promot": PromotSettings(stage_1_from="/home/somebody/prompts/rte"),
    }
    run = run_with(tmp_path, monkeypatch, **settings)
    numbers = Numbers(run)
    (told,) = provenance(numbers)["runs"]
    assert told["study"]["model"] == "tiny-one"
    assert told["study"]["tasks_from"] == ["suite", "tasks.json", "more.csv"]
    assert told["study"]["promot"]["stage_1_from"] == "rte"
    assert told["shortened"] == ["model", "tasks_from", "promot.stage_1_from"]
    assert told["study"]["own_prompts"] == {"current-0": ["A wish.", "An order."]}
    said = stamp(numbers, "A title")
    assert json.loads(said.facts)["runs"][0]["study"]["own_prompts"] == {"current-0": 2}
    everything = json.dumps(provenance(numbers)) + said.facts + said.source
    for part in ("somebody", "secret", "Users", "own/", str(tmp_path), socket.gethostname()):
        assert part not in everything
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", everything)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("pocket-1", "pocket-1"),
        ("org/model", "org/model"),
        ("org/model@abc123", "org/model@abc123"),
        ("random:org/model", "random:org/model"),
        ("/a/b/model/", "model"),
        ("random:/a/b/model", "random:model"),
        ("./model", "model"),
        ("a/b/model", "model"),
        ("C:\\models\\mine", "mine"),
    ],
)
def test_ids_stay_and_folders_lose_what_is_above(given, told):
    assert short_name(given) == told


def test_a_model_is_named_as_the_run_found_it(study_run):
    assert model_name(study_run) == study_run.provenance["model"]["name"]


def at(run, **status):
    return Run(run.path, run.study, run.status.model_copy(update=status))


def test_the_date_is_that_of_the_run_that_ended_last(study_run):
    early = at(study_run, heartbeat="2026-01-02T03:04:05+00:00")
    late = at(study_run, heartbeat="2026-01-02T08:00:00+05:00")
    assert ended(Numbers(late, early)) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_run_without_a_sign_of_life_takes_its_beginning_or_has_no_date(study_run, monkeypatch):
    run = Run(study_run.path, study_run.study, Status())
    monkeypatch.setitem(run.__dict__, "provenance", {"started": "2026-05-06T07:08:09+00:00"})
    assert ended(Numbers(run)) == datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
    monkeypatch.setitem(run.__dict__, "provenance", {})
    assert ended(Numbers(run)) is None
    assert stamp(Numbers(run), "t").metadata("svg")["Date"] is None


def test_the_source_says_what_forbids_to_read_anything_into_it(tmp_path):
    random = open_run(write_run(tmp_path, n_tasks=1, n_prompts=4, weights="random", finish=False))
    said = stamp(Numbers(random), "t").source
    assert "random weights" in said and "interrupted" in said and random.run_id in said


def test_imported_results_tell_what_there_is(study_numbers, tmp_path):
    folder = tmp_path / "secret"
    folder.mkdir()
    study_numbers.df.to_csv(folder / "results.csv", index=False)
    numbers = numbers_of([import_results(folder / "results.csv", tmp_path)])
    (told,) = provenance(numbers)["runs"]
    assert told["kind"] == "imported" and told["study"]["file"] == "results.csv"
    assert {"seeds", "commit", "engine", "shortened"}.isdisjoint(told)
    assert "secret" not in json.dumps(told)
    assert ended(numbers) == datetime.fromisoformat(numbers.runs[0].status.heartbeat)
    assert "model not recorded" in stamp(numbers, "t").source
    assert draft(Caption("Shows."), numbers) == "Imported results: no provenance. Shows."


TITLE = "Größe θ → 忘却: “scatter”"
NOTED = Stamp(TITLE, "Run ü-1, κ.", '{"task":"\\u5fd8 é"}', datetime(2026, 3, 4, 5, 6, tzinfo=UTC))


@pytest.fixture(scope="module")
def spec(study_numbers):
    return figure("task_forest", study_numbers)


def test_a_pdf_holds_it(spec):
    info = PdfReader(BytesIO(spec.to_bytes("pdf", "icml", stamp=NOTED))).metadata
    assert (info.title, info.subject, info["/Keywords"]) == (TITLE, NOTED.source, NOTED.facts)
    assert info.creator == "sapo_analysis" and info.creation_date == NOTED.date


def test_a_png_holds_it(spec):
    with Image.open(BytesIO(spec.to_bytes("png", "icml", stamp=NOTED))) as image:
        said = image.text
    assert (said["Title"], said["Description"], said["Comment"]) == (
        TITLE,
        NOTED.source,
        NOTED.facts,
    )
    assert said["Software"] == "sapo_analysis" and said["Creation Time"].startswith("2026-03-04T05")


def test_an_svg_holds_it(spec):
    root = ElementTree.fromstring(spec.to_bytes("svg", "icml", stamp=NOTED))
    of = {
        tag: root.find(f".//{{http://purl.org/dc/elements/1.1/}}{tag}")
        for tag in ("title", "description", "date")
    }
    assert of["title"].text == TITLE
    assert of["description"].text == f"{NOTED.source}\n{NOTED.facts}"
    assert of["date"].text == "2026-03-04T05:06:00+00:00"


def test_files_without_a_date_hold_none(spec):
    undated = Stamp("t", "s", "{}", None)
    assert (
        "/CreationDate"
        not in PdfReader(BytesIO(spec.to_bytes("pdf", "icml", stamp=undated))).metadata
    )
    assert b"dc:date" not in spec.to_bytes("svg", "icml", stamp=undated)


def test_facts_of_real_runs_can_be_read_back_from_a_file(study_numbers, spec):
    said = stamp(study_numbers, "r per task")
    info = PdfReader(BytesIO(spec.to_bytes("pdf", "icml", stamp=said))).metadata
    assert json.loads(info["/Keywords"]) == provenance(study_numbers)

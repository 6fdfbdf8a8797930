"""Run folders: written group by group, read strictly, listed even when damaged."""

import io
import json
import math
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sapo_analysis.analysis.reproduction import compare_runs
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.records import TABLES, tables_of
from sapo_analysis.spec import SCHEMA_VERSION
from sapo_analysis.store import (
    DamagedRun,
    Run,
    RunWriter,
    create_run,
    find_run,
    list_runs,
    open_run,
)
from sapo_analysis.store.writer import parquet, to_arrow
from tests.synthetic import write_run
from tests.synthetic_sequence import write_sequence_run

OF_KIND = {table.name: table for table in tables_of("paraphrase")}
NAMES = [table.name for table in tables_of("paraphrase")]

SMALL = {"n_tasks": 1, "n_prompts": 3}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs"), **SMALL)


@pytest.fixture
def run_copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / finished.name)


def parts(path):
    return sorted(p.relative_to(path) for p in path.glob("tables/*/part-*.parquet"))


def test_a_finished_run_reads_back_every_table(finished):
    run = open_run(finished)
    assert run.is_complete and run.run_id == finished.name
    for name, table in OF_KIND.items():
        assert list(run.table(name).columns) == table.schema.names
    assert not parts(finished)
    assert not (finished / "states").exists()


def test_the_joined_tables_hold_the_groups_in_order(finished, tmp_path):
    again = write_run(tmp_path, **SMALL)
    for name in NAMES:
        pd.testing.assert_frame_equal(open_run(finished).table(name), open_run(again).table(name))


def test_a_table_reads_back_to_the_bit_and_its_numbers_are_split_by_bytes():
    rng = np.random.default_rng(0)
    numbers = [math.pi, -0.0, math.inf, None, 1e-300, *rng.random(5000, np.float32).astype(float)]
    table = pa.table({"name": [f"row {i % 7}" for i in range(len(numbers))], "loss": numbers})
    content = parquet(table)
    assert pq.read_table(io.BytesIO(content)).equals(table)
    group = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    names, losses = group.column(0), group.column(1)
    assert "BYTE_STREAM_SPLIT" in losses.encodings and "RLE_DICTIONARY" in names.encodings
    default = io.BytesIO()
    pq.write_table(table, default, compression="zstd")
    assert len(content) < 0.7 * default.tell()


def test_what_somebody_wrote_about_a_run_is_read_as_one_line(run_copy):
    assert open_run(run_copy).about == ""
    (run_copy / "about.md").write_bytes(b"Put aside:\n  another \xff tokenizer.\n")
    assert open_run(run_copy).about == "Put aside: another \ufffd tokenizer."
    (run_copy / "about.md").write_text("long " * 10**6)
    assert len(open_run(run_copy).about) == 1002 and open_run(run_copy).about.endswith("long  …")
    (run_copy / "about.md").unlink()
    (run_copy / "about.md").mkdir()
    assert open_run(run_copy).about == ""


def test_changing_a_table_in_memory_changes_no_one_elses(finished):
    run = open_run(finished)
    scores = run.table("scores")
    scores["value"] = 0.0
    assert run.table("scores")["value"].abs().sum() > 0


def test_an_unfinished_run_reads_the_whole_groups(tmp_path):
    path = write_run(tmp_path, finish=False, **SMALL)
    run = open_run(path)
    assert run.status.state == "interrupted" and not run.is_complete
    trials = run.table("trials")
    assert 0 < len(trials) and set(trials["trial_id"]) >= set(run.table("curves")["trial_id"])


def test_a_group_without_its_costs_part_was_not_finished(tmp_path):
    path = write_run(tmp_path, finish=False, **SMALL)
    last = max((path / "tables" / "costs").glob("part-*.parquet"))
    n_before = len(open_run(path).table("scores"))
    last.unlink()
    group = last.stem.split("-", 2)[2]
    assert len(open_run(path).table("scores")) < n_before
    with RunWriter(path, total=1) as writer:
        assert group not in writer.finished_groups()


def test_a_kill_between_two_tables_loses_the_group_alone(tmp_path, monkeypatch):
    from sapo_analysis.store import layout

    path = write_run(tmp_path, finish=False, **SMALL)
    expected = open_run(path).table("trials")
    replace = layout.write_atomically

    def dies_at_costs(file, content):
        if "costs" in file.parts:
            raise MemoryError("killed here")
        replace(file, content)

    rows = {
        name: pa.Table.from_pandas(open_run(path).table(name), TABLES[name].schema).to_pylist()[-1:]
        for name in ("trials", "costs")
    }
    with pytest.raises(MemoryError), RunWriter(path, total=1) as writer:
        monkeypatch.setattr(layout, "write_atomically", dies_at_costs)
        try:
            writer.save_group(99, "half", rows)
        finally:
            monkeypatch.setattr(layout, "write_atomically", replace)
    run = open_run(path)
    assert run.status.state == "failed" and "killed here" in run.status.error
    half = path / "tables" / "trials" / layout.part_name(99, "half")
    assert half.exists(), "the costs part says that all is there: it comes last"
    pd.testing.assert_frame_equal(run.table("trials"), expected)
    with RunWriter(path, total=1) as writer:
        writer.finish({})
    pd.testing.assert_frame_equal(open_run(path).table("trials"), expected)


def test_a_run_that_ends_while_it_is_read_never_looks_empty(finished, monkeypatch):
    run = open_run(finished)
    run.status = run.status.model_copy(update={"state": "running"})  # as it was when opened
    assert len(run.table("scores")) == len(open_run(finished).table("scores")) > 0
    gone = open_run(finished)
    monkeypatch.setattr(gone, "_files", lambda folder: [folder / "part-00000-base.parquet"])
    pd.testing.assert_frame_equal(gone.table("scores"), run.table("scores"))


def test_two_workers_never_write_one_run(tmp_path):
    path = write_run(tmp_path, finish=False, **SMALL)
    with (
        RunWriter(path, total=1),
        pytest.raises(InputError, match="being worked on"),
        RunWriter(path, total=1),
    ):
        pass


def test_seconds_add_up_over_sessions(tmp_path):
    path = write_run(tmp_path, finish=False, **SMALL)
    status = json.loads((path / "status.json").read_text())
    (path / "status.json").write_text(json.dumps({**status, "seconds": 1000.0}))
    with RunWriter(path, total=1):
        pass
    assert open_run(path).status.seconds >= 1000


def test_events_are_appended(tmp_path):
    path = write_run(tmp_path, **SMALL)
    lines = (path / "events.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events[0] == "started" and events[-1] == "done" and "group_finished" in events


@pytest.mark.parametrize("name", sorted(set(OF_KIND) - {"diagnostics", "persistence"}))
def test_a_missing_table_is_named_with_run_and_file(run_copy, name):
    shutil.rmtree(run_copy / "tables" / name)
    with pytest.raises(RunError) as error:
        open_run(run_copy).table(name)
    for said in (run_copy.name, f"table {name}", "missing", "Other runs are unaffected"):
        assert said in str(error.value)


@pytest.mark.parametrize("kind", ["paraphrase", "sequence"])
def test_a_run_that_nobody_looked_at_needs_no_table_of_looks(run_copy, tmp_path, kind):
    path = run_copy
    if kind == "sequence":
        path = write_sequence_run(tmp_path, lambda *place: 50.0)
    shutil.rmtree(path / "tables" / "diagnostics")
    for named in (True, False):
        spec = json.loads((path / "spec.json").read_text())
        if not named:
            del spec["diagnostics"]  # as before there were looks
        (path / "spec.json").write_text(json.dumps(spec))
        found = open_run(path).table("diagnostics")
        assert found.empty and list(found) == TABLES["diagnostics"].schema.names
    (path / "spec.json").write_text(json.dumps({**spec, "diagnostics": {"every": 2}}))
    with pytest.raises(RunError, match="table diagnostics is unreadable .* it is missing"):
        open_run(path).table("diagnostics")


def test_a_sequence_that_kept_no_outputs_needs_no_table_of_them(tmp_path):
    path = write_sequence_run(tmp_path, lambda *place: 50.0)
    shutil.rmtree(path / "tables" / "predictions")
    assert open_run(path).table("predictions").empty
    assert compare_runs(open_run(path), open_run(path)).holds
    spec = json.loads((path / "spec.json").read_text())
    del spec["evaluation"]["n_predictions_kept"]  # as before sequences had it
    (path / "spec.json").write_text(json.dumps(spec))
    assert open_run(path).table("predictions").empty
    spec["evaluation"]["n_predictions_kept"] = 4
    (path / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(RunError, match="table predictions is unreadable .* it is missing"):
        open_run(path).table("predictions")


@pytest.mark.parametrize("damage", [b"", b"PAR1 not parquet PAR1", None])
def test_a_damaged_table_is_named_with_run_and_file(run_copy, damage):
    file = run_copy / "tables" / "scores" / "all.parquet"
    file.write_bytes(file.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(RunError, match=r"table scores is unreadable .*all\.parquet") as error:
        open_run(run_copy).table("scores")
    assert run_copy.name in str(error.value)


def test_foreign_columns_are_refused(run_copy):
    file = run_copy / "tables" / "curves" / "all.parquet"
    table = pq.read_table(file).rename_columns(["trial_id", "step", "series", "worth"])
    pq.write_table(table, file)
    with pytest.raises(RunError, match=r"missing: \['value'\], unknown: \['worth'\]"):
        open_run(run_copy).table("curves")


def test_a_null_where_a_value_belongs_is_refused(run_copy):
    file = run_copy / "tables" / "scores" / "all.parquet"
    table = pq.read_table(file)
    at = table.schema.get_field_index("value")
    column = pa.array([None, *table["value"].to_pylist()[1:]], pa.float64())
    pq.write_table(table.set_column(at, pa.field("value", pa.float64()), column), file)
    with pytest.raises(RunError, match="table scores"):
        open_run(run_copy).table("scores")


def test_rows_are_checked_before_they_are_written():
    table = TABLES["curves"]
    row = {"trial_id": "t", "step": 1, "series": "loss", "value": 0.5}
    assert to_arrow(table, [row]).num_rows == 1
    with pytest.raises(ValueError, match=r"unknown columns \['worth'\]"):
        to_arrow(table, [{**row, "worth": 1}])
    with pytest.raises(ValueError, match=r"missing or unknown columns \['value'\]"):
        to_arrow(table, [{key: row[key] for key in ("trial_id", "step", "series")}])
    with pytest.raises(ValueError, match="value is null"):
        to_arrow(table, [{**row, "value": None}])


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("spec.json", "{", "spec.json is unreadable"),
        ("spec.json", "[]", "not a JSON object"),
        ("spec.json", '{"current": ["a"], "unseen": ["b"], "colour": 1}', "colour"),
        ("status.json", "{", "status.json is unreadable"),
        ("status.json", '{"state": "tired"}', "status.json is damaged"),
    ],
)
def test_a_damaged_folder_is_refused_and_listed(run_copy, file, content, said):
    (run_copy / file).write_text(content)
    with pytest.raises(RunError, match=said):
        open_run(run_copy)
    (found,) = list_runs([run_copy.parent])
    assert isinstance(found, DamagedRun) and said in found.reason


def test_a_newer_schema_is_refused(run_copy):
    spec = json.loads((run_copy / "spec.json").read_text())
    spec["schema_version"] = SCHEMA_VERSION + 1
    (run_copy / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(RunError, match="newer sapo-analysis"):
        open_run(run_copy)


def test_a_folder_without_a_spec_is_no_run(tmp_path):
    with pytest.raises(RunError, match="is not a run folder"):
        open_run(tmp_path)


def test_listing_skips_what_is_not_a_run_and_never_fails(run_copy):
    folder = run_copy.parent
    for name in ("specs", ".trash"):
        (folder / name).mkdir()
    (folder / "LEDGER.md").touch()
    (folder / "broken-00000000").mkdir()
    found = list_runs([folder, folder / "nowhere"])
    assert [(type(run), run.run_id) for run in found] == [
        (DamagedRun, "broken-00000000"),
        (Run, run_copy.name),
    ]


def test_a_run_is_found_by_path_and_by_id(finished):
    assert find_run(str(finished), []) == finished
    assert find_run(finished.name, [finished.parent]) == finished
    with pytest.raises(InputError, match=f"Unknown run 'nope'.*{finished.name}"):
        find_run("nope", [finished.parent])


def test_a_folder_that_one_stands_in_has_its_name(finished, monkeypatch):
    """The queue and its messages go by names, and `.` has none."""
    monkeypatch.chdir(finished)
    assert find_run(".", []) == finished
    monkeypatch.chdir(finished / "tables")
    assert find_run("..", []) == finished


@pytest.mark.parametrize("name", ["", "a" * 300, "a\0b"])
def test_what_can_be_no_name_of_a_folder_is_an_unknown_run(finished, name):
    with pytest.raises(InputError, match="Unknown run"):
        find_run(name, [finished.parent])


def test_a_run_is_found_by_its_only_beginning(tmp_path):
    for name in ("order-1-0123abcd", "order-2-0123abcd", "order-21-0123abcd"):
        (tmp_path / name).mkdir()
    assert find_run("order-1", [tmp_path]).name == "order-1-0123abcd"
    assert find_run("order-2-", [tmp_path]).name == "order-2-0123abcd"
    with pytest.raises(InputError, match="'order-2': order-2-0123abcd, order-21-0123abcd"):
        find_run("order-2", [tmp_path])
    with pytest.raises(InputError, match="Unknown run"):
        find_run("rder-1", [tmp_path])


def test_run_ids_are_the_name_and_eight_hex_digits(tiny_study, tmp_path):
    ids = {create_run(tmp_path, tiny_study).name for _ in range(20)}
    assert len(ids) == 20
    for run_id in ids:
        name, _, digits = run_id.rpartition("-")
        assert name == "tiny" and len(digits) == 8 and int(digits, 16) >= 0


def test_an_unwritable_folder_is_refused(tiny_study, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write a run into"):
        create_run(tmp_path / "file" / "runs", tiny_study)


def test_random_weights_are_known(tmp_path):
    assert open_run(write_run(tmp_path, weights="random", **SMALL)).has_random_weights

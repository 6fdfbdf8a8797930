"""The hashes of a run's tables are those of its files."""

import hashlib
import subprocess

import pytest

from sapo_analysis.errors import RunError
from sapo_analysis.store import open_run, table_hashes
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs"), n_tasks=1, n_prompts=4)


def test_a_finished_run_is_told_as_sha256sum_tells_it(folder):
    found = table_hashes(open_run(folder))
    assert {"scores", "trials", "prompts"} <= set(found)
    for name, told in found.items():
        file = folder / "tables" / name / "all.parquet"
        said = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
        assert told == said.stdout.split()[0], name


def test_a_run_under_way_is_told_by_its_parts_in_order(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=2, n_prompts=4, finish=False))
    parts = sorted((run.path / "tables" / "scores").glob("part-*.parquet"))
    assert len(parts) > 1
    whole = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    assert table_hashes(run)["scores"] == whole


def test_another_number_is_another_hash(folder, tmp_path):
    other = open_run(write_run(tmp_path, n_tasks=1, n_prompts=4, seed=1))
    assert table_hashes(open_run(folder))["scores"] != table_hashes(other)["scores"]


def test_an_unreadable_file_is_an_error_that_names_run_and_table(tmp_path):
    run = open_run(write_run(tmp_path, n_tasks=1, n_prompts=4))
    file = run.path / "tables" / "trials" / "all.parquet"
    file.unlink()
    file.mkdir()
    with pytest.raises(RunError, match=f"{run.run_id}: table trials is unreadable"):
        table_hashes(run)

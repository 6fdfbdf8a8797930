"""Rows of a card's dataset become a task: through `datasets`, from folders, without a network."""

import csv
import gc
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets.exceptions import DatasetNotFoundError

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.hub.fetch_task import fetch_from_payload, fetch_task
from sapo_analysis.store.access import READ_ONLY
from sapo_analysis.tasks import SPLITS, Example, get_task, score
from sapo_analysis.tasks.card import HUB_SPLIT, HubData, read_card, write_card
from sapo_analysis.tasks.shipped_cards import card_names, shipped_card
from tests.dataset_hub import DatasetHandler, add_dataset
from tests.hub_server import serving

FIXTURES = Path(__file__).resolve().parents[1] / "tasks" / "fixtures" / "cards"
EXAMPLES = {
    "ag_news": Example(
        "Rovers win at last After nine defeats the home side scored twice in the second half.",
        "Sports",
    ),
    "boolq": Example(
        "Passage: The wings of the Lunt beetle are grown together, and it moves on foot only.\n"
        "Question: can the lunt beetle fly?",
        "no",
    ),
    "commonsense_qa": Example(
        "What might a hungry dog look for?\nA. ticket\nB. pillow\nC. clock\nD. ladder\nE. bone", "E"
    ),
    "dialogsum": Example(
        "#Person1#: Can you water my plants next week?\n#Person2#: Gladly. Leave me the key.",
        "#Person2# agrees to water #Person1#'s plants.",
    ),
    "gsm8k": Example(
        "A mill grinds 250 sacks a week. How many sacks does it grind in 10 weeks?", "2,500"
    ),
    "opus100_de_en": Example("Der Zug fährt um neun.", "The train leaves at nine."),
    "paws": Example(
        "Sentence 1: In 1990 the mill was bought by her brother .\n"
        "Sentence 2: Her brother bought the mill in 1990 .",
        "same",
    ),
    "sst2": Example("flat , noisy and far too long", "negative"),
}


def rows_of(name, n):
    """The fixture's rows, then the same ones numbered, so that `n` have different inputs."""
    own = [json.loads(line) for line in (FIXTURES / f"{name}.jsonl").read_text().splitlines()]
    for i in range(len(own), n):
        copy = json.loads(json.dumps(own[i % len(own)]))
        texts = copy.get("translation", copy)
        text = next(key for key in texts if isinstance(texts[key], str) and key != "id")
        texts[text] = f"{i} {texts[text]}"
        own.append(copy)
    return own


def publish(card, folder, n_rows=None, configuration=None):
    """A folder as the dataset's repository has it, so large that no split of the card is empty."""
    parts = [re.fullmatch(HUB_SPLIT, value) for value in card.data.splits.values()]
    n = n_rows or max(int(part["start"] or 0) for part in parts) + 8
    form = "csv" if card.name == "dialogsum" else "parquet"
    folder.mkdir()
    for split in {part["name"] for part in parts}:
        path = folder / f"{split}.{form}"
        rows = rows_of(card.name, n)
        if form == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    files = [{"split": p["name"], "path": f"{p['name']}.{form}"} for p in parts]
    files = list({entry["split"]: entry for entry in files}.values())
    head = {"configs": [{"config_name": card.data.subset or "default", "data_files": files}]}
    head |= configuration or {}
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(head)}---\n", encoding="utf-8")
    return folder


def of_folder(card, folder):
    """The card with the dataset's repository in a folder in place of the hub."""
    data = card.data.model_copy(update={"hub": str(folder), "revision": None})
    return card.model_copy(update={"data": data})


@pytest.fixture(autouse=True)
def as_in_the_worker(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.TORCH_AVAILABLE", False)


@pytest.fixture
def collected(name):
    """`datasets` leaves CSV files to the garbage collector, which warns: here, in no other test."""
    yield
    if name == "dialogsum":  # not before the test's own frame is gone, which may hold them
        gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("name", card_names())
def test_every_shipped_card_reads_its_dataset(name, tmp_path):
    card = shipped_card(name)
    assert re.fullmatch("[0-9a-f]{40}", card.data.revision)
    assert {"page", "licence", "citation"} <= set(card.origin)
    local = of_folder(card, publish(card, tmp_path / "repository"))
    added, revision = fetch_task(local, tmp_path / "runs", keep=50_000)
    assert revision is None
    task = get_task(name, sources=[str(tmp_path / "runs" / ".tasks")])
    rows = [row for split in SPLITS for row in task.examples(split)]
    assert EXAMPLES[name] in rows
    if task.labels:
        assert {row.target for row in rows} <= set(task.labels)
    targets = [row.target for row in task.examples("test")]
    assert score(task, targets, targets) == pytest.approx(100)
    assert score(task, ["?"] * len(targets), targets) < 1
    assert (task.metric, task.labels, task.suffix) == (card.metric, card.labels, card.suffix)
    assert [wording.text for wording in task.wordings] == [w.text for w in card.prompts.wordings]
    origin = read_card(added.folder / "task.yaml").origin
    assert origin["dataset"] == "repository" and origin["licence"] == card.origin["licence"]


def test_slices_count_rows_and_part_a_split(tmp_path):
    card = shipped_card("sst2")
    splits = {"train": "train[:5]", "dev": "train[5:7]", "test": "train[7:]"}
    card = card.model_copy(update={"data": HubData(hub="x", splits=splits)})
    folder = publish(card, tmp_path / "repository", n_rows=12)
    task = fetch_task(of_folder(card, folder), tmp_path / "runs")[0].task
    assert task.sizes == {"train": 5, "dev": 2, "test": 5}
    wanted = [row["sentence"] for row in rows_of("sst2", 12)]
    assert {row.input for row in task.examples("train")} == set(wanted[:5])
    assert {row.input for row in task.examples("dev")} == set(wanted[5:7])


def test_splits_that_are_left_out_are_held_out_of_train(tmp_path):
    card = shipped_card("sst2")
    data = HubData(hub="x", splits={"train": "train"})
    card = card.model_copy(update={"data": data})
    folder = publish(card, tmp_path / "repository", n_rows=30)
    added = fetch_task(of_folder(card, folder), tmp_path / "runs")[0]
    assert sum(added.task.sizes.values()) == 30 and min(added.task.sizes.values()) > 0
    assert "held out" in added.gathered.notes[0]


def test_classes_with_names_are_numbers_to_a_card(tmp_path):
    features = [
        {"name": "idx", "dtype": "int32"},
        {"name": "sentence", "dtype": "string"},
        {"name": "label", "dtype": {"class_label": {"names": {"0": "negative", "1": "positive"}}}},
    ]
    card = shipped_card("sst2")
    folder = publish(card, tmp_path / "repository", 404, {"dataset_info": {"features": features}})
    task = fetch_task(of_folder(card, folder), tmp_path / "runs")[0].task
    assert EXAMPLES["sst2"] in task.examples("train")


def test_keep_bounds_the_rows_and_a_path_is_seen_from_the_card(tmp_path):
    card = shipped_card("paws")
    publish(card, tmp_path / "pairs", n_rows=60)
    write_card(tmp_path / "own.yaml", of_folder(card, "pairs"))
    payload = {"card": str(tmp_path / "own.yaml"), "runs": str(tmp_path / "runs"), "keep": 20}
    answer = fetch_from_payload(payload)
    assert answer["sizes"] == {"train": 20, "dev": 2, "test": 4}
    assert answer["task"] == "paws" and answer["revision"] is None
    assert read_card(Path(answer["folder"]) / "task.yaml").data is None


def refused(tmp_path, match, kind=InputError, n_rows=9, **changes):
    card = shipped_card("paws")
    folder = publish(card, tmp_path / "repository", n_rows)
    card = of_folder(card, folder)
    data = card.data.model_copy(update=changes.pop("data", {}))
    with pytest.raises(kind, match=match):
        fetch_task(card.model_copy(update={"data": data, **changes}), tmp_path / "runs")
    assert not list(tmp_path.glob("runs/.tasks/*"))


def test_what_a_dataset_lacks_is_named_with_what_it_has(tmp_path):
    refused(tmp_path, "subset 'final'.*Known: labeled_final", data={"subset": "final"})


def test_of_several_subsets_one_is_named(tmp_path):
    card = shipped_card("paws")
    files = [{"split": split, "path": f"{split}.parquet"} for split in ("train", "validation")]
    two = [{"config_name": name, "data_files": files} for name in ("first", "second")]
    folder = publish(card, tmp_path / "repository", 9, {"configs": two})
    own = of_folder(card, folder)
    bare = own.data.model_copy(update={"subset": None})
    with pytest.raises(InputError, match="has subsets: first, second. Write one"):
        fetch_task(own.model_copy(update={"data": bare}), tmp_path / "runs")


def test_files_alone_have_no_subsets(tmp_path):
    card = of_folder(shipped_card("paws"), publish(shipped_card("paws"), tmp_path / "files", 9))
    (tmp_path / "files" / "README.md").unlink()
    with pytest.raises(InputError, match="subset 'labeled_final'. Known: default"):
        fetch_task(card, tmp_path / "runs")


def test_an_unknown_split_names_the_known_ones(tmp_path):
    splits = {"train": "train", "dev": "valid", "test": "test"}
    refused(tmp_path, "split of .*'valid'.*mean 'validation'.*splits.dev", data={"splits": splits})


def test_an_unknown_column_names_the_known_ones(tmp_path):
    columns = shipped_card("paws").columns.model_copy(update={"target": "labels"})
    said = "column of .*'labels'.*mean 'label'.*id, label, sentence1, sentence2"
    refused(tmp_path, said, columns=columns)


def test_an_answer_that_the_card_does_not_know_stops_it(tmp_path):
    columns = shipped_card("paws").columns.model_copy(update={"answers": {"1": "same"}})
    refused(
        tmp_path, "row 1 of train: column 'label' holds '0', which is none of '1'", columns=columns
    )


def test_a_slice_without_rows_is_refused(tmp_path):
    splits = {"train": "train", "dev": "validation", "test": "test[9:]"}
    refused(tmp_path, "test: no rows", data={"splits": splits})


def test_a_folder_without_data_and_one_with_a_script_are_refused(tmp_path):
    card = shipped_card("paws")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cannot be read as a dataset.*parquet"):
        fetch_task(of_folder(card, tmp_path / "empty"), tmp_path / "runs")
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "script.py").write_text("raise SystemExit('was run')")
    with pytest.raises(InputError, match="made by a script, which is not run"):
        fetch_task(of_folder(card, tmp_path / "script"), tmp_path / "runs")


def test_damaged_rows_are_refused(tmp_path):
    card = of_folder(shipped_card("paws"), publish(shipped_card("paws"), tmp_path / "repository"))
    (tmp_path / "repository" / "test.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match="repository' cannot be read as a dataset"):
        fetch_task(card, tmp_path / "runs")
    assert not list(tmp_path.glob("runs/.tasks/*"))


def test_what_is_neither_a_folder_nor_a_name_of_the_hub_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither a folder here nor a name of the hub"):
        fetch_task(of_folder(shipped_card("paws"), "../not there"), tmp_path / "runs")


def test_a_name_that_is_taken_no_rows_to_keep_and_a_read_only_server(tmp_path, monkeypatch):
    card = shipped_card("paws")
    with pytest.raises(InputError, match=r"at least 1 \(got 0\)"):
        fetch_task(card, tmp_path, keep=0)
    (tmp_path / ".tasks" / "paws").mkdir(parents=True)
    with pytest.raises(InputError, match="'paws' was added before"):
        fetch_task(card, tmp_path)
    monkeypatch.setenv(READ_ONLY, "1")
    with pytest.raises(InputError, match="read-only"):
        fetch_task(card, tmp_path)


def test_a_card_without_a_dataset_has_nothing_to_fetch(tmp_path):
    write_card(tmp_path / "bare.yaml", shipped_card("paws").model_copy(update={"data": None}))
    with pytest.raises(InputError, match="'paws' names no dataset to fetch"):
        fetch_from_payload({"card": str(tmp_path / "bare.yaml"), "runs": str(tmp_path)})
    with pytest.raises(InputError, match="task card 'pawz'.*Did you mean 'paws'"):
        fetch_from_payload({"card": "pawz", "runs": str(tmp_path)})


class Hub:
    """The hub as `huggingface_hub` shows it: each dataset's commit by its revision."""

    def __init__(self, commit):
        self.commit = commit
        self.asked = []

    def dataset_info(self, name, revision, timeout):
        self.asked.append((name, revision))
        return type("Info", (), {"sha": self.commit})


def test_the_hub_is_asked_for_the_pinned_commit_and_the_task_names_it(tmp_path, monkeypatch):
    card = shipped_card("paws")
    folder = publish(card, tmp_path / "repository", 9)
    original, opened = datasets.load_dataset_builder, []

    def builder(path, subset, revision):
        opened.append((path, subset, revision))
        built = original(str(folder), subset)
        built.hash = revision
        return built

    monkeypatch.setattr("datasets.load_dataset_builder", builder)
    for pinned in (card.data.revision, None):
        hub = Hub(pinned or "f" * 40)
        monkeypatch.setattr("huggingface_hub.HfApi", lambda hub=hub: hub)
        data = card.data.model_copy(update={"revision": pinned})
        own = card.model_copy(update={"data": data})
        added, revision = fetch_task(own, tmp_path / f"runs-{pinned}")
        assert hub.asked == [("google-research-datasets/paws", pinned)]
        path = "hf://datasets/google-research-datasets/paws"
        assert opened.pop() == (path, "labeled_final", hub.commit)
        assert revision == hub.commit
        assert read_card(added.folder / "task.yaml").data.revision == hub.commit


def test_another_commit_out_of_a_cache_is_not_taken(tmp_path, monkeypatch):
    card = shipped_card("paws")
    folder = publish(card, tmp_path / "repository", 9)
    original = datasets.load_dataset_builder
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: Hub(card.data.revision))
    monkeypatch.setattr(
        "datasets.load_dataset_builder",
        lambda path, subset, revision: original(str(folder), subset),
    )
    with pytest.raises(WorkError, match="stopped answering before .* was there at 161ece95"):
        fetch_task(card, tmp_path / "runs")


def test_a_gated_dataset_says_how_to_be_let_in(tmp_path, monkeypatch):
    card = shipped_card("paws")
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: Hub(card.data.revision))

    def refused(path, subset, revision):
        raise DatasetNotFoundError("Dataset 'x' is a gated dataset on the Hub.")

    monkeypatch.setattr("datasets.load_dataset_builder", refused)
    with pytest.raises(InputError, match="paws' is gated. Accept its terms at .*HF_TOKEN"):
        fetch_task(card, tmp_path / "runs")


def working(payload, url, home):
    """The worker as a page or terminal starts it, with a hub at some address."""
    environment = os.environ | {"HF_ENDPOINT": url, "HF_HOME": str(home)}
    environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(
        [sys.executable, "-m", "sapo_analysis.worker", "fetch_task"],
        input=json.dumps(payload),
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_dataset_of_a_hub_is_streamed_at_the_commit_of_the_card(tmp_path):
    card = shipped_card("paws")
    pinned, later = publish(card, tmp_path / "pinned", 9), publish(card, tmp_path / "later", 12)
    with serving(DatasetHandler) as hub:
        for commit, folder in ((card.data.revision, pinned), ("e" * 40, later)):
            files = {path.name: path.read_bytes() for path in folder.iterdir()}
            add_dataset(hub, card.data.hub, commit, files)
        done = working({"card": "paws", "runs": str(tmp_path)}, hub.url, tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["revision"] == card.data.revision
    assert answer["sizes"] == {"train": 9, "dev": 9, "test": 9}
    own = read_card(Path(answer["folder"]) / "task.yaml")
    assert own.data == card.data and own.origin["dataset"] == card.data.hub
    assert all(card.data.revision in request for request in hub.requests)
    # Rows are streamed: nothing of them stays in the cache.
    assert not list((tmp_path / "home").rglob("*.parquet"))


def test_a_hub_out_of_reach_is_said_within_seconds(tmp_path):
    began = time.monotonic()
    payload = {"card": "gsm8k", "runs": str(tmp_path)}
    done = working(payload, "http://127.0.0.1:9", tmp_path / "home")
    # Within five seconds on a machine at rest; `datasets` by itself tries for more than twenty.
    assert time.monotonic() - began < 15
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)["error"]
    assert "127.0.0.1:9 cannot be reached" in said and "dataset openai/gsm8k" in said
    assert "sapo add-task gsm8k" in said

"""Models by name: shipped, in the models folder, in the hub's cache; what is refused, and why."""

import hashlib
import json
import shutil

import pytest

from sapo_analysis import model_files
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import (
    MODELS_DIR,
    POCKET,
    find_model,
    list_models,
    list_names,
    pinned,
    remote_code,
    survey,
)

OLD, NEW = "a" * 40, "b" * 40
NAMES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A models folder with one model, one that takes a shipped name, and one without weights."""
    for name in ("mine", "pocket"):
        copy_of_pocket(tmp_path / name)
    (tmp_path / "half").mkdir()
    shutil.copy(POCKET / "config.json", tmp_path / "half")
    (tmp_path / "note.txt").write_text("not a model")
    monkeypatch.setenv(MODELS_DIR, str(tmp_path))
    return tmp_path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def copy_of_pocket(path):
    path.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(POCKET / name, path)
    return path


def cached(cache, commit, model_id="org/tiny", main=None):
    """A snapshot of pocket as huggingface_hub lays it out: large blobs are named by sha256."""
    repository = cache / ("models--" + model_id.replace("/", "--"))
    blobs, snapshot = repository / "blobs", repository / "snapshots" / commit
    for path in (blobs, snapshot, repository / "refs"):
        path.mkdir(parents=True, exist_ok=True)
    for name in NAMES if not any(snapshot.iterdir()) else ():
        content = (POCKET / name).read_bytes()
        blob = blobs / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / name).symlink_to(f"../../blobs/{blob.name}")
    if main is not None:
        (repository / "refs" / "main").write_text(main)
    return snapshot


def split_weights(folder, n_files=3):
    """The weights of a folder in several files, as large models have them; returns the names."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = [f"model-0000{i + 1}-of-0000{n_files}.safetensors" for i in range(n_files)]
    weight_map = {key: names[i % n_files] for i, key in enumerate(sorted(tensors))}
    for name in names:
        save_file({k: v for k, v in tensors.items() if weight_map[k] == name}, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return names


def test_models_of_the_models_folder_are_known_by_their_folders_name(folder):
    assert "mine" in list_names() and "half" not in list_names()
    mine = find_model("mine")
    assert mine.folder == folder / "mine" and mine.label == "mine" and mine.revision is None
    assert mine.n_parameters == find_model("pocket").n_parameters


def test_a_shipped_name_stays_the_shipped_models(folder):
    assert list_names().count("pocket") == 1
    assert find_model("pocket").folder == POCKET


def test_without_a_models_folder_its_models_are_unknown(folder, monkeypatch):
    monkeypatch.delenv(MODELS_DIR)
    with pytest.raises(InputError, match="Unknown model 'mine'"):
        find_model("mine")
    monkeypatch.setenv(MODELS_DIR, str(folder / "nowhere"))
    assert "mine" not in list_names()


def test_a_cached_model_is_the_one_that_main_points_to_else_the_newest(cache):
    old, new = cached(cache, OLD), cached(cache, NEW)
    assert find_model("org/tiny").folder == new
    cached(cache, NEW, main=OLD)
    found = find_model("org/tiny")
    assert (found.folder, found.revision, found.label) == (old, OLD, "org/tiny")


def test_a_revision_is_a_commit_or_a_name_that_the_cache_knows(cache):
    cached(cache, OLD)
    new = cached(cache, NEW, main=OLD)
    (cache / "models--org--tiny/refs/refs/pr").mkdir(parents=True)
    (cache / "models--org--tiny/refs/refs/pr/1").write_text(NEW)
    for revision in (NEW, "refs/pr/1"):
        found = find_model(f"org/tiny@{revision}")
        assert (found.folder, found.revision, found.label) == (new, NEW, "org/tiny")
    for revision in ("v1", "../refs/main", "c" * 40):
        with pytest.raises(InputError, match=rf"at {NEW}, {OLD}, not at .*sapo fetch org/tiny@"):
            find_model(f"org/tiny@{revision}")


def test_a_run_names_a_cached_model_by_its_commit_and_a_folder_in_full(cache, monkeypatch):
    cached(cache, OLD, main=OLD)
    assert pinned("org/tiny") == f"org/tiny@{OLD}"
    assert pinned("random:org/tiny") == f"random:org/tiny@{OLD}"
    cached(cache, NEW, main=NEW)
    assert find_model(pinned("org/tiny")).revision == NEW
    assert find_model(f"org/tiny@{OLD}").revision == OLD
    monkeypatch.chdir(copy_of_pocket(cache.parent / "mine").parent)
    assert pinned("mine") == str(cache.parent / "mine")
    assert pinned("pocket") == "pocket" and pinned("nowhere") == "nowhere"


def test_a_model_that_is_not_here_is_answered_with_the_command_that_fetches_it(cache):
    with pytest.raises(InputError, match=r"not on this machine.*sapo fetch org/tiny@v1"):
        find_model("org/tiny@v1")
    for name in ("gpt2", "x" * 300):
        with pytest.raises(InputError, match=rf"Unknown model '{name}'.*sapo fetch ID"):
            find_model(name)


def test_the_cache_is_where_the_hubs_library_looks(tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    places = [tmp_path / ".cache/huggingface/hub"]
    for name, end in (
        ("XDG_CACHE_HOME", "huggingface/hub"),
        ("HF_HOME", "hub"),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HUB_CACHE", ""),
    ):
        assert model_files.cache_folder() == places[-1]
        monkeypatch.setenv(name, f"~/{name}")
        places.append(tmp_path / name / end)
    assert model_files.cache_folder() == places[-1]


def test_random_weights_go_with_any_model_and_are_another_model(cache):
    cached(cache, OLD, main=OLD)
    base, control = find_model("org/tiny"), find_model("random:org/tiny")
    assert (control.weights, control.label) == ("random", "random:org/tiny")
    assert control.folder == base.folder and control.revision == OLD
    assert control.fingerprint != base.fingerprint
    assert control.pretrained_folder is None and control.n_parameters == base.n_parameters
    assert find_model("random:pocket") == find_model("pocket-random")
    assert find_model("random:random:org/tiny") == control
    with pytest.raises(InputError, match="not on this machine"):
        find_model("random:org/other")


def test_the_fingerprint_of_a_cached_model_reads_no_weights_where_blobs_are_named_by_them(cache):
    snapshot = cached(cache, OLD)
    linked = find_model("org/tiny").fingerprint
    weights = snapshot / "model.safetensors"
    content = weights.read_bytes()
    weights.resolve().write_bytes(content[:-1] + b"?")
    assert find_model("org/tiny").fingerprint == linked  # by name: as the hub's library itself
    weights.unlink()
    weights.write_bytes(content)  # a cache without links has the same fingerprint, by its content
    assert find_model("org/tiny").fingerprint == linked
    weights.write_bytes(content[:-1] + b"?")
    assert find_model("org/tiny").fingerprint != linked


def test_the_fingerprint_of_a_folder_is_read_once_and_follows_its_files(tmp_path, monkeypatch):
    mine = copy_of_pocket(tmp_path / "mine")
    first = find_model(str(mine)).fingerprint
    assert first == find_model("pocket").fingerprint
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "sha256", None)
        assert find_model(str(mine)).fingerprint == first


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_that_a_model_names_is_part_of_its_fingerprint(tmp_path, name):
    mine = copy_of_pocket(tmp_path / "mine")
    prints = {find_model(str(mine)).fingerprint}
    config = json.loads((mine / name).read_text())
    (mine / name).write_text(json.dumps({**config, "auto_map": {"AutoConfig": "code.C"}}))
    prints.add(find_model(str(mine)).fingerprint)
    (mine / "code.py").write_text("# its own code decides as well")
    prints.add(find_model(str(mine)).fingerprint)
    assert len(prints) == 3


def test_weights_in_several_files_are_one_model(tmp_path):
    mine = copy_of_pocket(tmp_path / "mine")
    split_weights(mine)
    (mine / "consolidated.safetensors").write_bytes(b"another copy, which nothing loads")
    found, whole = find_model(str(mine)), find_model("pocket")
    assert found.n_parameters == whole.n_parameters
    assert found.n_bytes == sum(path.stat().st_size for path in mine.glob("model-*"))


def test_a_model_whose_files_are_not_all_there_is_incomplete(cache):
    snapshot = cached(cache, OLD)
    names = split_weights(snapshot)
    (snapshot / names[1]).unlink()
    (snapshot / names[1]).symlink_to("../../blobs/never-arrived")
    with pytest.raises(InputError, match=rf"incomplete: 2 of 3 .*sapo fetch org/tiny@{OLD}"):
        find_model("org/tiny")
    assert "org/tiny" not in list_names()
    (one,) = (row for row in survey() if row.source == "hub cache")
    assert one.files is None and "incomplete" in one.problem and one.revision == OLD


def test_what_is_in_the_cache_is_surveyed_with_every_revision(cache, folder):
    cached(cache, OLD)
    cached(cache, NEW, main=OLD)
    rows = {row.name: row for row in survey()}
    assert rows["org/tiny"].revision == OLD and rows[f"org/tiny@{NEW}"].files.revision == NEW
    assert rows["mine"].source == "models folder" and rows["half"].problem
    assert rows["pocket"].source == "shipped" and rows["pocket-random"].files.weights == "random"


def drop(name):
    return lambda folder: (folder / name).unlink()


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def cut_off(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def only_pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def an_adapter(folder):
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')


def two_without_an_index(folder):
    split_weights(folder)
    (folder / "model.safetensors.index.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop("model.safetensors"), "no .safetensors file. Copy"),
        (only_pickled, r"no .safetensors file.*pytorch_model.bin.*save_pretrained writes"),
        (cut_off, "model.safetensors is damaged: its header promises 4,.* Copy the whole"),
        (write("model.safetensors", "<html>"), "model.safetensors is damaged: .* no safetensors"),
        (write("model.safetensors", ""), "model.safetensors is damaged"),
        (two_without_an_index, "3 .safetensors files, none of them model.safetensors"),
        (an_adapter, "an adapter of org/base.*merge_and_unload"),
        (drop("config.json"), "no config.json"),
        (write("config.json", "<html>"), "config.json is no JSON object"),
        (write("config.json", '{"architectures": ["BertForMaskedLM"]}'), "BertForMaskedLM"),
        (write("config.json", '{"is_encoder_decoder": true, "model_type": "t5"}'), r"\(t5\)"),
        (drop("tokenizer.json"), "no tokenizer"),
    ],
)
def test_a_folder_that_is_no_whole_causal_model_is_refused_with_the_reason(
    tmp_path, damage, message
):
    mine = copy_of_pocket(tmp_path / "mine")
    damage(mine)
    with pytest.raises(InputError, match=f"Model folder '.*mine'.*{message}"):
        find_model(str(mine))


def test_a_cache_may_hold_models_that_cannot_be_studied(cache):
    snapshot = cached(cache, OLD)
    config = snapshot / "config.json"
    config.unlink()
    config.write_text('{"architectures": ["BertForMaskedLM"]}')
    assert "org/tiny" not in list_names()
    assert [files.name for files in list_models()] == list_names()


def test_code_of_a_model_may_run_only_where_that_is_asked_for(tmp_path):
    mine = str(copy_of_pocket(tmp_path / "mine"))
    with remote_code(True):
        assert find_model(mine).remote_code
    assert not find_model(mine).remote_code

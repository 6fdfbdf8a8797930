"""Models by name: the shipped ones, those of the models folder, and what is refused."""

import shutil

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import MODELS_DIR, POCKET, find_model, list_names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A models folder with one model, one that takes a shipped name, and one without weights."""
    for name in ("mine", "pocket"):
        (tmp_path / name).mkdir()
        for file in ("config.json", "tokenizer.json", "model.safetensors"):
            shutil.copy(POCKET / file, tmp_path / name)
    (tmp_path / "half").mkdir()
    shutil.copy(POCKET / "config.json", tmp_path / "half")
    (tmp_path / "note.txt").write_text("not a model")
    monkeypatch.setenv(MODELS_DIR, str(tmp_path))
    return tmp_path


def test_models_of_the_models_folder_are_known_by_their_folders_name(folder):
    assert "mine" in list_names() and "half" not in list_names()
    mine = find_model("mine")
    assert mine.folder == folder / "mine" and mine.label == "mine"
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

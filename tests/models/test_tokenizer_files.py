"""A model's tokenizer that cannot be used: one message each, with the next step."""

import json
import shutil

import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import POCKET, find_model
from sapo_analysis.models.loading import load_tokenizer


def rewrite(name, text):
    return lambda folder: (folder / name).write_text(text)


def without(*keys):
    def change(folder):
        path = folder / "tokenizer_config.json"
        settings = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in settings.items() if k not in keys}))

    return change


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        shutil.copy(POCKET / name, folder)
    return folder


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rewrite("tokenizer.json", '{"version": "1.0"'), "'copy' cannot be loaded: .*Fetch or"),
        (rewrite("tokenizer.json", "{}"), "'copy' cannot be loaded: .*Fetch or"),
        (rewrite("tokenizer_config.json", "<html>"), "'copy' cannot be loaded: .*Fetch or"),
        (without("pad_token", "eos_token"), "neither a pad token nor an end-of-sequence"),
    ],
)
def test_what_is_wrong_with_a_tokenizer_is_said(copy, damage, message):
    damage(copy)
    with pytest.raises(InputError, match=f"tokenizer of model .*{message}"):
        load_tokenizer(find_model(str(copy)))


def test_a_model_without_a_pad_token_pads_with_the_end_of_sequence(copy):
    without("pad_token")(copy)
    tokenizer = load_tokenizer(find_model(str(copy)))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id is not None


def test_a_tokenizer_that_is_not_fast_is_refused(copy, monkeypatch):
    from transformers import PreTrainedTokenizerFast

    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(InputError, match="no fast tokenizer, and label spans need token offsets"):
        load_tokenizer(find_model(str(copy)))

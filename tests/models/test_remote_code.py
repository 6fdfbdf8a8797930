"""Code that a model's author put beside it: run where somebody asked for it, never otherwise."""

import contextlib
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from sapo_analysis import jobs
from sapo_analysis.cli import app
from sapo_analysis.errors import InputError
from sapo_analysis.jobs import background
from sapo_analysis.model_files import POCKET, find_model, remote_code
from sapo_analysis.models.loading import choose_device, load_model, load_tokenizer
from sapo_analysis.store import open_run
from sapo_analysis.studies import runner

CODE = """
import pathlib
from transformers import LlamaConfig, LlamaForCausalLM

pathlib.Path({marker!r}).touch()

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""
CLASSES = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A model of an architecture that only its own code knows; running that leaves a mark."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", [*sys.path])
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        shutil.copy(POCKET / name, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "architectures": ["OwnModel"], "auto_map": CLASSES}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(CODE.format(marker=str(tmp_path / "was-run")))
    return folder


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_code_beside_a_model_is_not_run_unless_asked_for(own):
    files = find_model(str(own))
    with pytest.raises(InputError, match=r"code of its own.*own and give --trust-remote-code"):
        load_model(files, choose_device("cpu"), "float32")
    assert not (own.parent / "was-run").exists()


def test_code_of_a_tokenizer_is_not_run_either(own):
    shutil.copy(POCKET / "config.json", own)  # the model itself needs no code
    settings = json.loads((own / "tokenizer_config.json").read_text())
    settings |= {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": [None, "own.OwnModel"]}}
    (own / "tokenizer_config.json").write_text(json.dumps(settings))
    with contextlib.suppress(InputError):  # or it does without
        load_tokenizer(find_model(str(own)))
    assert not (own.parent / "was-run").exists()


def test_where_it_is_trusted_it_makes_the_model(own, pocket_model):
    with remote_code(True):
        files = find_model(str(own))
    model = load_model(files, choose_device("cpu"), "float32")
    assert (own.parent / "was-run").exists() and type(model).__name__ == "OwnModel"
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(model(input_ids=ids).logits, pocket_model(input_ids=ids).logits)
    assert load_tokenizer(files).eos_token_id is not None


def test_trusted_code_that_is_not_there_is_named_with_the_command_that_fetches_it(own):
    (own / "own.py").unlink()
    with remote_code(True):
        files = find_model(str(own))
    with pytest.raises(InputError, match=r"not beside it: .*own.py.*--trust-remote-code"):
        load_model(files, choose_device("cpu"), "float32")


@pytest.mark.parametrize("when", ["run", "resume"])
def test_a_run_keeps_what_was_asked_for_and_says_so(own, when, tmp_path, monkeypatch):
    monkeypatch.setattr(background, "start_dispatcher", lambda folder: None)
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"{{kind: paraphrase, model: {own}, current: [sentiment], unseen: [topic]}}")
    flag = "--trust-remote-code"
    begin = ["run", spec, "--runs", tmp_path / "runs", "--detach"]
    done = sapo(*begin, *([flag] if when == "run" else []))
    assert done.exit_code == 0, done.output
    path = Path(done.stdout.strip())
    if when == "resume":
        assert not open_run(path).conditions.trust_remote_code
        background.take_out(path)
        done = sapo("resume", path, "--detach", flag)
        assert done.exit_code == 0, done.output
    assert open_run(path).conditions.trust_remote_code
    plans = []
    monkeypatch.setattr(runner, "_work", lambda run, plan, *rest: plans.append(plan))
    runner.run_to_end(path)
    provenance = runner._model(plans[0].model)
    assert plans[0].model.remote_code and provenance["trust_remote_code"]
    assert "trust_remote_code" not in runner._model(find_model(str(own)))


def test_a_dry_run_measures_with_the_code_only_where_it_is_trusted(own, tmp_path, monkeypatch):
    asked = []

    def probe(kind, payload):
        asked.append(payload.get("trust_remote_code", False))
        raise InputError("enough")

    monkeypatch.setattr(jobs, "probe", probe)
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"{{kind: paraphrase, model: {own}, current: [sentiment], unseen: [topic]}}")
    sapo("run", spec, "--dry-run")
    sapo("run", spec, "--dry-run", "--trust-remote-code")
    assert asked == [False, True]

"""Methods from the terminal: a run, what it keeps for its user, settings that are refused."""

import json
import re

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import save_file
from typer.testing import CliRunner

from sapo_analysis.cli import app
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoder
from sapo_analysis.models.loading import (
    choose_device,
    context_length_of,
    load_model,
    load_tokenizer,
)
from sapo_analysis.models.soft_prompt import SoftPrompts, standing_before
from sapo_analysis.models.soft_prompt_files import OWN, read_soft_prompt
from sapo_analysis.plan import plan_of
from sapo_analysis.store import layout, open_run
from sapo_analysis.studies.calibrate import calibrate
from tests.in_process import working
from tests.test_readme import README

SPEC = {
    "past": ["translate"],
    "current": ["sentiment"],
    "unseen": ["product"],
    "method": "promot",
    "prompts": 1,
    "soft_prompt": {"virtual_tokens": 6},
    "promot": {"steps": 2, "select_every": 2, "dev_examples": 2},
    "training": {"examples": 8, "batch_size": 4, "steps": 2},
    "scoring": {"examples": 8},
    "evaluation": {"examples": 4, "n_predictions_kept": 2},
    "keep_adapters": True,
    "device": "cpu",
}
RACE = {"kind": "sequence", "orders": ["sentiment", "add"], "strategies": ["original+promot"]}
RACE |= {"prompts": 1, "evaluation": {"examples": 4}}


def sapo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def written(folder, spec):
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(spec))
    return file


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of ProMoT that kept what it trained."""
    folder = tmp_path_factory.mktemp("promot")
    with working():
        result = sapo("run", written(folder, SPEC), "--runs", folder / "runs")
    assert result.exit_code == 0, result.output
    (path,) = [path for path in (folder / "runs").iterdir() if path.name.startswith("mine-")]
    return path


@pytest.fixture
def kept(run):
    """What one trial left."""
    (folder, *_) = sorted((run / layout.ADAPTERS).glob("*/soft_prompt"))
    return folder.parent


@pytest.fixture
def refusal(tmp_path):
    """Run a spec that is refused; nothing is written."""

    def refused(spec, *options):
        with working():
            result = sapo("run", written(tmp_path, spec), "--runs", tmp_path / "runs", *options)
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.output and not (tmp_path / "runs").exists()
        return " ".join(result.stderr.split())

    return refused


def test_the_report_says_how_tasks_were_learned(run):
    for options in ((), ("--markdown",)):
        result = sapo("report", run, *options)
        assert result.exit_code == 0, result.output
        assert f"Findings of {run.name}, learned with ProMoT" in result.stdout
    assert json.loads(sapo("report", run, "--json").stdout)["method"] == "promot"


def test_peft_reads_the_soft_prompt_and_the_adapter_that_a_run_kept(kept):
    config = json.loads((kept / "soft_prompt" / "adapter_config.json").read_text())
    assert (config["num_virtual_tokens"], config["base_model_name_or_path"]) == (6, "pocket")
    base = load_model(find_model("pocket"), choose_device("cpu"), "float32")
    ids = torch.tensor([[5, 6, 7, 8]])
    own = SoftPrompts(base, [read_soft_prompt(kept / "soft_prompt", base)])
    tokens = torch.tensor([own.tokens.ids()])
    with torch.no_grad(), standing_before(base, own):
        expected = base(input_ids=torch.cat([tokens, ids], dim=1)).logits[:, 6:]
    behind = PeftModel.from_pretrained(base, str(kept / "soft_prompt")).eval()
    with torch.no_grad():
        found = behind(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, 6:]
    assert (found - expected).abs().max() < 1e-5
    tuned = PeftModel.from_pretrained(base, str(kept)).eval()
    with torch.no_grad(), tuned.disable_adapter():
        bare = base(input_ids=ids).logits
    with torch.no_grad():
        assert (tuned(input_ids=ids).logits - bare).abs().max() > 1e-4


def test_the_readmes_lines_put_a_kept_promot_together_in_plain_peft(run):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (lines,) = [block for block in blocks if "PeftModel" in block]
    found = {}
    exec(lines.replace('"RUN"', repr(str(run))), found)
    opened, model, trial = found["run"], found["model"], found["trial"]
    assert [one["current_task"] for one in found["learned"]] == ["translate", "sentiment"]
    plan = plan_of(opened.study)
    task, prompt = plan.tasks["sentiment"], plan.originals["sentiment"]
    encoder = Encoder(load_tokenizer(plan.model), context_length_of(plan.model))
    measured = opened.table("predictions").query(
        f"trial_id == '{trial.name}' and eval_task == 'sentiment'"
        f" and test_prompt == '{prompt.prompt_id}'"
    )
    assert len(measured) == 2
    rows = encoder.encode_split(task, "test", 2, prompt)
    for row, loss in zip(rows, measured.sort_values("example")["loss"], strict=True):
        ids = torch.tensor([row.ids])
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
        start = row.target_start
        answers = logits[-len(row.ids) :][start - 1 : -1]  # behind the virtual tokens
        own = torch.nn.functional.cross_entropy(answers, ids[0, start:])
        assert float(own) == pytest.approx(loss, rel=1e-4)


def test_a_kept_soft_prompt_takes_the_place_of_stage_1(kept, tmp_path):
    spec = SPEC | {"promot": SPEC["promot"] | {"stage_1_from": str(kept / "soft_prompt")}}
    with working():
        result = sapo("run", written(tmp_path, spec), "--dry-run")
    assert result.exit_code == 0, result.output
    assert "ProMoT" in result.stdout


def test_a_dry_run_counts_the_tokens_of_both_stages_behind_the_soft_prompt(run, monkeypatch):
    monkeypatch.setattr("sapo_analysis.plan.amounts.MEASURED_STEPS", 1)
    opened = open_run(run)
    costs = opened.table("costs").query("phase == 'train'")
    found = calibrate(opened.study, "stacked")
    assert found["train_examples"] == costs["examples"].sum()
    assert found["train_tokens"] == pytest.approx(costs["tokens"].sum(), rel=0.05)


def test_a_checkpoint_that_does_not_fit_is_refused_with_the_reason(refusal, kept, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    save_file({"prompt": torch.zeros(6, 32)}, other / OWN)
    for folder, says in [
        (tmp_path / "nothing", "there is no such folder"),
        (kept, "an adapter of the kind LORA, which is no soft prompt"),
        (other, "32 numbers each, and the model's embeddings"),
    ]:
        spec = SPEC | {"promot": {"stage_1_from": str(folder)}}
        message = refusal(spec)
        assert f"The stage-1 checkpoint {folder} does not fit the model: " in message
        assert says in message and "Name a folder with a soft prompt" in message


@pytest.mark.parametrize("method", ["prompt-tuning", "prefix-tuning", "promot"])
def test_a_soft_prompt_longer_than_the_context_is_refused_with_what_fits(refusal, method):
    message = refusal(SPEC | {"method": method, "soft_prompt": {"virtual_tokens": 600}})
    assert "soft_prompt.virtual_tokens is 600, and the longest text" in message
    assert "of the model's 512 tokens: at most" in message and "Lower soft_prompt" in message


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (SPEC | {"soft_prompt": {"virtual_tokens": 0}}, "greater than 0 (got 0)"),
        (SPEC | {"soft_prompt": {"learning_rate": -0.1}}, "soft_prompt.learning_rate: "),
        (SPEC | {"ia3": {"learning_rate": -1}}, "greater than 0 (got -1)"),
        (SPEC | {"full": {"learning_rate": -1}}, "full.learning_rate: "),
        (SPEC | {"soft_prompt": {"init": "words"}}, "'labels'"),
        (SPEC | {"soft_prompt": {"tokens": 3}}, "Known here: virtual_tokens, init"),
        (SPEC | {"method": "promto"}, "'promot'"),
        (SPEC | {"method": "ewc"}, "kind: sequence, strategies: [original+ewc]"),
        (SPEC | {"method": "promot-multi-task"}, "along several tasks alone"),
        (SPEC | {"method": "lora", "promot": {"stage_1_from": "x"}}, "has no stage 1"),
        (SPEC | {"rotate": True, "promot": {"stage_1_from": "x"}}, "Name one current task"),
        (RACE | {"promot": {"stage_1_from": "x"}}, "cannot serve all tasks of a sequence"),
        (RACE | {"strategies": ["sapo+promto"]}, "Did you mean 'promot'"),
        (RACE | {"promot": {"update": "full"}, "dtype": "bfloat16"}, "strategy 'original+promot'"),
        (SPEC | {"promot": {"update": "full"}, "dtype": "bfloat16"}, "Set dtype to float32"),
        (
            SPEC | {"method": "full", "memory": {"max_memory": {"cpu": "1GiB"}}},
            "leaves none that could be trained",
        ),
        (SPEC | {"evaluation": {"n_shots": [1]}}, "begin with 0, then rise: [0] or [0, 1]"),
        (SPEC | {"evaluation": {"n_shots": [0, 9]}}, "evaluation.n_shots"),
        (SPEC | {"diagnostics": {"every": -1}}, "diagnostics.every"),
        (SPEC | {"evaluation": {"checkpoints": [1]}}, "Set diagnostics.every instead"),
    ],
)
def test_a_wrong_setting_of_a_method_is_named_before_any_work(refusal, spec, says):
    assert says in refusal(spec)


def test_presets_of_methods_are_named_where_a_name_is_wrong(tmp_path):
    result = sapo("run", "smoke-promo", "--runs", tmp_path / "runs")
    assert result.exit_code == 2 and "Did you mean 'smoke-promot'" in result.stderr
    result = sapo("run", tmp_path / "none.yaml", "--runs", tmp_path / "runs")
    assert "smoke-METHOD with one of lora, lora-inc" in " ".join(result.stderr.split())

"""Pretraining in a few steps, and the shipped model it made."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from sapo_analysis.errors import InputError
from sapo_analysis.pretraining import PRESETS, base_scores, preset, pretrain
from sapo_analysis.pretraining.mix import pretraining_stream
from sapo_analysis.prompts import get_prompts, user_message
from sapo_analysis.tasks import list_tasks
from sapo_analysis.tasks.pocket import POCKET

SHIPPED = Path(__file__).parents[2] / "sapo_analysis" / "data" / "pocket"
SMOKE = PRESETS["smoke"].model_copy(update={"steps": 6, "eval_examples": 2})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pretrained") / "model"
    pretrain(SMOKE, out)
    return out


@pytest.fixture(scope="module")
def shipped() -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED, local_files_only=True)
    return AutoModelForCausalLM.from_pretrained(SHIPPED, local_files_only=True).eval(), tokenizer


def test_same_settings_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    pretrain(SMOKE, tmp_path / "again")
    for name in ("model.safetensors", "tokenizer.json", "prompt_frequencies.json"):
        assert (small / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_another_seed_gives_another_model(small: Path, tmp_path: Path) -> None:
    record = pretrain(SMOKE.model_copy(update={"seed": 1, "steps": 1}), tmp_path / "other")
    first = json.loads((small / "pretraining.json").read_text("utf-8"))
    assert record["fingerprints"]["weights"] != first["fingerprints"]["weights"]
    assert record["fingerprints"]["suite"] == first["fingerprints"]["suite"]


def test_settings_log_and_frequencies_are_written(small: Path) -> None:
    record = json.loads((small / "pretraining.json").read_text("utf-8"))
    assert record["settings"] == SMOKE.model_dump()
    assert set(record["base_scores"]) == set(POCKET)
    lines = (small / "pretraining_log.jsonl").read_text("utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    assert [row["step"] for row in log] == [1, 2, 4, 6]
    assert log[-1]["target_loss"] < log[0]["target_loss"]
    counts = json.loads((small / "prompt_frequencies.json").read_text("utf-8"))
    assert sum(counts.values()) == SMOKE.steps * SMOKE.batch_size


def test_it_loads_like_any_causal_model(small: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(small, local_files_only=True)
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_progress_may_stop_the_work(tmp_path: Path) -> None:
    def stop(done: int, total: int, text: str) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(SMOKE, tmp_path / "stopped", stop)


def test_a_full_folder_and_an_unknown_preset_are_refused(small: Path) -> None:
    with pytest.raises(InputError, match="not empty"):
        pretrain(SMOKE, small)
    with pytest.raises(InputError, match="Did you mean 'pocket'"):
        preset("pockets")


def test_pretraining_never_meets_an_input_of_a_split() -> None:
    held = {
        task.name: {e.input for s in ("train", "dev", "test") for e in task.examples(s)}
        for task in list_tasks()
    }
    for draw in islice(pretraining_stream(0, 0.7), 20_000):
        assert draw.example.input not in held[draw.task]
        assert draw.prompt.source in ("original", "seen")


def test_pretraining_shows_known_facts_only() -> None:
    topic = POCKET["topic"]
    hidden = set(topic.facts) - set(topic.known_facts())
    draws = [d for d in islice(pretraining_stream(0, 0.7), 5_000) if d.task == "topic"]
    assert draws
    for draw in draws:
        assert not hidden & set(draw.example.input.strip(".").replace(",", "").split())


def test_chat_template_lays_out_turns_and_starts_with_the_generation_prompt(
    shipped: tuple[Any, Any],
) -> None:
    _, tokenizer = shipped
    ask = [{"role": "user", "content": user_message("Do {x}.", "a <b> é\n", "")}]
    asked = tokenizer.apply_chat_template(ask, tokenize=False, add_generation_prompt=True)
    full = tokenizer.apply_chat_template(
        [*ask, {"role": "assistant", "content": "yes"}], tokenize=False
    )
    assert asked == "<|user|>Do {x}.\n\nText:\na <b> é\n<|assistant|>"
    assert full == asked + "yes<|end|>"
    asked_ids = tokenizer(asked, add_special_tokens=False)["input_ids"]
    full_ids = tokenizer(full, add_special_tokens=False)["input_ids"]
    assert full_ids[: len(asked_ids)] == asked_ids
    assert full_ids[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id
    assert tokenizer.decode(full_ids) == full


def test_shipped_files_are_small_and_belong_together(shipped: tuple[Any, Any]) -> None:
    model, _ = shipped
    weights = SHIPPED / "model.safetensors"
    record = json.loads((SHIPPED / "pretraining.json").read_text("utf-8"))
    assert weights.stat().st_size <= 6_000_000
    assert 800_000 <= sum(p.numel() for p in model.parameters()) <= 1_500_000
    assert record["fingerprints"]["weights"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert record["settings"] == PRESETS["pocket"].model_dump()
    bank = SHIPPED.parent / "prompts" / "pocket.json"
    assert record["fingerprints"]["prompts"] == hashlib.sha256(bank.read_bytes()).hexdigest()


def test_declared_roles_hold_for_the_shipped_model() -> None:
    scores = json.loads((SHIPPED / "pretraining.json").read_text("utf-8"))["base_scores"]
    for task in list_tasks():
        if task.role == "retained":
            assert scores[task.name] >= 90, task.name
        elif task.role == "half known":
            assert 15 <= scores[task.name] <= 85, task.name
        else:
            assert scores[task.name] < 90, task.name


def test_shipped_scores_are_reached_again(shipped: tuple[Any, Any]) -> None:
    # Within two answers of 200: the last bits of a logit differ from machine to machine.
    recorded = json.loads((SHIPPED / "pretraining.json").read_text("utf-8"))["base_scores"]
    assert base_scores(*shipped, 200) == pytest.approx(recorded, abs=1.0)


def test_targets_fit_into_the_decoding_limit(shipped: tuple[Any, Any]) -> None:
    _, tokenizer = shipped
    for task in list_tasks():
        for example in task.examples("test"):
            ids = tokenizer(example.target, add_special_tokens=False)["input_ids"]
            assert len(ids) < task.max_new_tokens, (task.name, example)


def test_sequences_are_short(shipped: tuple[Any, Any]) -> None:
    _, tokenizer = shipped
    for task in list_tasks():
        longest = max(len(tokenizer(p.text)["input_ids"]) for p in get_prompts(task.name))
        inputs = max(len(tokenizer(e.input)["input_ids"]) for e in task.examples("test"))
        assert longest + inputs + task.max_new_tokens + 8 <= 70, task.name

"""Pretraining in a few steps, and the shipped models it made."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sapo_analysis.errors import InputError
from sapo_analysis.learning.evaluation import evaluate
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoder, encode
from sapo_analysis.pretraining import (
    PRESETS,
    PretrainSettings,
    card,
    loop,
    measure_card,
    mix,
    preset,
    pretrain,
)
from sapo_analysis.pretraining.conversations import Conversation, conversations, padded
from sapo_analysis.pretraining.loop import LOG, rate_factor
from sapo_analysis.pretraining.mix import (
    mixture,
    pretraining_stream,
    prompt_weights,
    seen_prompts,
    suite_fingerprints,
)
from sapo_analysis.prompts import get_prompts, original, user_message
from sapo_analysis.tasks import SPLITS, get_task, list_tasks
from sapo_analysis.tasks.pocket import SHIPPED as SHIPPED_TASKS
from sapo_analysis.tasks.pocket import pocket_task, task_names
from sapo_analysis.tasks.pocket.suite import PocketTask

DATA = Path(__file__).parents[2] / "sapo_analysis" / "data"
SHIPPED = {0: DATA / "pocket", 1: DATA / "pocket-1", 2: DATA / "pocket-2"}
# One thread: several wait for each other where other tests run beside them.
SMOKE = PRESETS["smoke"].model_copy(update={"steps": 6, "card_examples": 1, "threads": 1})
BYTES = ("model.safetensors", "tokenizer.json", "prompt_frequencies.json", "mixture.json")


@pytest.fixture(scope="module", autouse=True)
def card_of_two_tasks() -> Iterator[None]:
    """The card of a model that is made here takes in two tasks: thirty would take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "list_tasks", lambda: [get_task("sentiment"), get_task("topic")])
        yield


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pretrained") / "model"
    pretrain(SMOKE, out)
    return out


@pytest.fixture(scope="module")
def shipped() -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED[0], local_files_only=True)
    return AutoModelForCausalLM.from_pretrained(SHIPPED[0], local_files_only=True).eval(), tokenizer


def record_of(seed: int) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((SHIPPED[seed] / "pretraining.json").read_text("utf-8"))
    return record


def test_same_settings_give_the_same_bytes_also_after_a_stop(small: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, text: str) -> None:
        # Late: the checkpoint of step 4 is there, a line of the log that has to go again, weights.
        if text.startswith("model card"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(SMOKE, tmp_path / "again", stop)
    assert (tmp_path / "again" / "model.safetensors").is_file()
    with pytest.raises(InputError, match="is not done: its pretraining was stopped"):
        find_model(str(tmp_path / "again"))
    steps: list[int] = []
    pretrain(SMOKE, tmp_path / "again", lambda done, total, text: steps.append(done))
    assert [step for step in steps if step] == [6] * len([step for step in steps if step])
    for name in BYTES:
        assert (small / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    one, two = (
        [json.loads(x)["answer_loss"] for x in (folder / LOG).read_text("utf-8").splitlines()]
        for folder in (small, tmp_path / "again")
    )
    assert one == two
    assert find_model(str(tmp_path / "again")).n_parameters > 0


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pretraining that was stopped at step 6, after the checkpoint of step 4."""

    def stop(done: int, total: int, text: str) -> None:
        if done == 6:
            raise KeyboardInterrupt

    out = tmp_path_factory.mktemp("stopped") / "half"
    with pytest.raises(KeyboardInterrupt):
        pretrain(SMOKE, out, stop)
    return out


@pytest.fixture
def half(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(stopped, tmp_path / "half"))


def test_a_half_done_folder_of_other_settings_is_refused(half: Path) -> None:
    with pytest.raises(InputError, match="learning_rate"):
        pretrain(SMOKE.model_copy(update={"learning_rate": 1e-4}), half)


def test_a_stop_before_the_first_checkpoint_begins_anew(small: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, text: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    out = tmp_path / "early"
    with pytest.raises(KeyboardInterrupt):
        pretrain(SMOKE, out, stop)
    assert [path.name for path in out.iterdir()] == [LOG]
    pretrain(SMOKE, out)
    for name in BYTES:
        assert (small / name).read_bytes() == (out / name).read_bytes(), name


def test_a_half_done_folder_of_another_suite_is_refused(
    half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "suite_fingerprints", lambda tasks: {"suite": "s", "prompts": "p"})
    with pytest.raises(InputError, match=r"\['suite', 'prompts'\] differ"):
        pretrain(SMOKE, half)


@pytest.mark.parametrize("change", [{"share": 3.0}, {"known": 0.7}])
def test_a_half_done_folder_of_another_mixture_is_refused(
    half: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, float]
) -> None:
    def changed(name: str) -> PocketTask:
        file = pocket_task(name).file
        return PocketTask(name, file.model_copy(update=change if name == "sentiment" else {}))

    monkeypatch.setattr(mix, "pocket_task", changed)
    with pytest.raises(InputError, match=r"\['mixture'\] differ"):
        pretrain(SMOKE, half)


def test_another_seed_gives_another_model(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "list_tasks", lambda: [get_task("sentiment")])  # one step: it rambles
    record = pretrain(SMOKE.model_copy(update={"seed": 1, "steps": 1}), tmp_path / "other")
    first = json.loads((small / "pretraining.json").read_text("utf-8"))
    assert record["fingerprints"]["weights"] != first["fingerprints"]["weights"]
    assert record["fingerprints"]["suite"] == first["fingerprints"]["suite"]


def test_settings_log_and_frequencies_are_written(small: Path) -> None:
    record = json.loads((small / "pretraining.json").read_text("utf-8"))
    assert record["settings"] == SMOKE.model_dump()
    lines = (small / LOG).read_text("utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    assert [row["step"] for row in log] == [1, 2, 4, 6]
    assert log[-1]["answer_loss"] < log[0]["answer_loss"]
    by_task = json.loads((small / "prompt_frequencies.json").read_text("utf-8"))
    counts = {(task, text): n for task, texts in by_task.items() for text, n in texts.items()}
    draws = list(islice(pretraining_stream(SMOKE), SMOKE.steps * SMOKE.batch_size))
    expected: Counter[tuple[str, str]] = Counter()
    for draw in draws:
        expected[draw.prompt.task, draw.prompt.text] += len(draw.examples)
    assert counts == expected
    assert record["examples"] == sum(counts.values()) > record["conversations"] == len(draws)
    assert "| sentiment |" in (small / "MODEL_CARD.md").read_text("utf-8")


def test_it_loads_like_any_causal_model(small: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(small, local_files_only=True)
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_a_full_folder_and_an_unknown_preset_are_refused(small: Path) -> None:
    with pytest.raises(InputError, match="not empty"):
        pretrain(SMOKE, small)
    with pytest.raises(InputError, match="Did you mean 'pocket'"):
        preset("pockets")


def test_pretraining_never_meets_an_input_of_a_split() -> None:
    held: dict[str, set[str]] = {name: set() for name in task_names()}
    for data_seed in (0, 1000):
        for task in list_tasks(data_seed):
            held[task.name] |= {e.input for split in SPLITS for e in task.examples(split)}
    for draw in islice(pretraining_stream(PretrainSettings()), 10_000):
        for example in draw.examples:
            assert example.input not in held[draw.task]
        assert draw.prompt.source in ("original", "seen")


def test_the_stream_follows_the_mixture() -> None:
    settings = PretrainSettings()
    draws = list(islice(pretraining_stream(settings), 20_000))
    expected = mixture(settings, task_names())["tasks"]
    tasks = Counter(draw.task for draw in draws)
    for name in task_names():
        share = expected[name]["probability"]
        # Five standard errors.
        assert abs(tasks[name] / 20_000 - share) < 5 * (share / 20_000) ** 0.5
    prompts = Counter(draw.prompt.prompt_id for draw in draws if draw.task == "topic")
    for prompt_id, weight in prompt_weights("topic", settings.zipf_exponent).items():
        error = (weight / tasks["topic"]) ** 0.5
        assert abs(prompts[prompt_id] / tasks["topic"] - weight) < 5 * error
    turns = Counter(len(draw.examples) for draw in draws)
    assert set(turns) == {1, 2, 3, 4, 5}
    assert abs(turns[1] / 20_000 - 0.8) < 0.015
    assert all(abs(turns[n] / 20_000 - 0.05) < 0.008 for n in (2, 3, 4, 5))


def test_prompt_weights_follow_zipf() -> None:
    weights = list(prompt_weights("topic", 0.7).values())
    assert sum(weights) == pytest.approx(1)
    assert weights[0] / weights[7] == pytest.approx(8**0.7)
    assert list(prompt_weights("topic", 0.7)) == [p.prompt_id for p in seen_prompts("topic")]
    assert len(weights) == 13


def test_pretraining_shows_known_facts_only() -> None:
    topic = pocket_task("topic")
    hidden = set(topic.facts) - set(topic.known_facts())
    draws = [d for d in islice(pretraining_stream(SMOKE), 5_000) if d.task == "topic"]
    assert draws
    for draw in draws:
        for example in draw.examples:
            assert not hidden & set(example.input.strip(".").replace(",", "").split())


def test_conversations_equal_the_engines_own_encoding(shipped: tuple[Any, Any]) -> None:
    _, tokenizer = shipped
    draws = list(islice(pretraining_stream(PretrainSettings()), 300))
    for draw, row in zip(draws, conversations(tokenizer, draws), strict=True):
        turns = [encode(tokenizer, draw.prompt.text, "", example) for example in draw.examples]
        assert row.ids == [token for turn in turns for token in turn.ids]
        expected = [i >= turn.target_start for turn in turns for i in range(len(turn.ids))]
        assert row.answer == expected


def test_padding_is_neither_answer_nor_text() -> None:
    rows = [Conversation([5, 6, 7], [False, True, True]), Conversation([8], [False])]
    ids, is_answer, is_text = padded(rows, pad_id=9)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert is_answer.tolist() == [[False, True, True], [False, False, False]]
    assert is_text.tolist() == [[True, False, False], [True, False, False]]


def test_losses_are_token_means_over_the_batch(shipped: tuple[Any, Any]) -> None:
    from sapo_analysis.pretraining.loop import _backward

    model, tokenizer = shipped
    model = type(model)(model.config).double()
    draws = list(islice(pretraining_stream(PretrainSettings()), 40))
    rows = conversations(tokenizer, draws)
    settings = PretrainSettings()
    answer_loss, text_loss = _backward(model, 0, rows, settings, step=6)
    gradient = model.model.layers[1].mlp.up_proj.weight.grad.clone()
    # One row at a time, by hand.
    model.zero_grad()
    sums, counts = [0.0, 0.0], [0, 0]
    parts: list[list[torch.Tensor]] = [[], []]
    for row in rows:
        logits = model(torch.tensor([row.ids])).logits[0, :-1].log_softmax(-1)
        for i, (token, answer) in enumerate(zip(row.ids[1:], row.answer[1:], strict=True)):
            if answer or (i + 1) % settings.text_every == 6 % settings.text_every:
                parts[answer].append(-logits[i, token])
    sums = [torch.stack(part).sum() for part in parts]
    counts = [len(part) for part in parts]
    assert answer_loss == pytest.approx(sums[1].item() / counts[1], rel=1e-9)
    assert text_loss == pytest.approx(sums[0].item() / counts[0], rel=1e-9)
    (sums[1] / counts[1] + settings.text_weight * sums[0] / counts[0]).backward()
    assert torch.allclose(model.model.layers[1].mlp.up_proj.weight.grad, gradient, rtol=1e-8)


def test_rate_rises_then_falls_to_zero() -> None:
    settings = PretrainSettings(steps=100, warmup=0.1)
    rates = [rate_factor(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[-1] < 0.001


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


@pytest.mark.parametrize("seed", SHIPPED)
def test_shipped_files_are_small_and_belong_together(seed: int) -> None:
    weights = SHIPPED[seed] / "model.safetensors"
    record = record_of(seed)
    assert weights.stat().st_size <= 6_000_000
    assert 800_000 <= record["parameters"] <= 1_500_000
    expected = PRESETS["pocket"].model_copy(update={"seed": seed}).model_dump()
    assert record["settings"] == expected
    assert record["seconds"] <= 3600
    fingerprints = record["fingerprints"]
    assert fingerprints["weights"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    tokenizer = (SHIPPED[seed] / "tokenizer.json").read_bytes()
    assert fingerprints["tokenizer"] == hashlib.sha256(tokenizer).hexdigest()
    mix = json.loads((SHIPPED[seed] / "mixture.json").read_text("utf-8"))
    assert mix == mixture(PretrainSettings(**record["settings"]), SHIPPED_TASKS)


def test_shipped_models_know_this_suite_and_these_prompts() -> None:
    now = suite_fingerprints(SHIPPED_TASKS)
    for seed in SHIPPED:
        assert {key: record_of(seed)["fingerprints"][key] for key in now} == now


@pytest.mark.parametrize("seed", SHIPPED)
def test_declared_roles_hold_for_the_shipped_models(seed: int) -> None:
    scores = {row["task"]: row["original"]["score"] for row in record_of(seed)["card"]}
    for task in map(get_task, SHIPPED_TASKS):
        if task.role == "retained":
            assert scores[task.name] >= 90, task.name
        elif task.role == "half known":
            assert 15 <= scores[task.name] <= 85, task.name
        else:
            assert scores[task.name] < 90, task.name


def test_card_figures_are_those_of_plain_evaluation(shipped: tuple[Any, Any]) -> None:
    model, tokenizer = shipped
    recorded = {row["task"]: row for row in record_of(0)["card"]}
    encoder = Encoder(tokenizer, 512)
    n = recorded["count"]["n_examples"]
    for name in ("count", "topic", "translate"):
        task = get_task(name)
        rows = encoder.encode_split(task, "test", n, original(name))
        result = evaluate(model, encoder, task, task.examples("test", n), rows, 50)
        # Within two answers: the last bits of a logit differ from machine to machine.
        assert result.value == pytest.approx(recorded[name]["original"]["score"], abs=200 / n)
        assert result.loss == pytest.approx(recorded[name]["original"]["loss"], rel=1e-3)


def test_the_card_is_the_mean_over_the_prompts_of_a_kind(shipped: tuple[Any, Any]) -> None:
    model, tokenizer = shipped
    (row,) = [row for row in measure_card(model, tokenizer, 4) if row["task"] == "topic"]
    assert [row[kind]["n_prompts"] for kind in ("original", "seen", "novel", "test-only")] == [
        1,
        12,
        8,
        4,
    ]
    task, encoder = get_task("topic"), Encoder(tokenizer, 512)
    losses = []
    for prompt in get_prompts("topic"):
        if prompt.test_only:
            rows = encoder.encode_split(task, "test", 4, prompt)
            losses.append(evaluate(model, encoder, task, task.examples("test", 4), rows, 4).loss)
    assert row["test-only"]["loss"] == pytest.approx(sum(losses) / 4, abs=1e-4)


def test_targets_fit_into_the_decoding_limit(shipped: tuple[Any, Any]) -> None:
    _, tokenizer = shipped
    for task in list_tasks():
        for example in task.examples("test"):
            ids = tokenizer(example.target, add_special_tokens=False)["input_ids"]
            assert len(ids) < task.max_new_tokens, (task.name, example)


def test_five_turns_fit_into_the_context(shipped: tuple[Any, Any]) -> None:
    _, tokenizer = shipped
    for task in list_tasks():
        longest = max(len(tokenizer(p.text)["input_ids"]) for p in get_prompts(task.name))
        inputs = max(len(tokenizer(e.input)["input_ids"]) for e in task.examples("test"))
        assert 5 * (longest + inputs + task.max_new_tokens + 8) <= 512, task.name


def test_a_checkpoint_cut_short_is_not_used(half: Path) -> None:
    # As a kill leaves it: the new checkpoint half written, the old one whole.
    shutil.copytree(half / "checkpoint", half / "checkpoint.new")
    (half / "checkpoint.new" / "progress.json").unlink()
    (half / "checkpoint.new" / "state.safetensors").write_bytes(b"half")
    pretrain(SMOKE, half)
    assert not (half / "checkpoint.new").exists()

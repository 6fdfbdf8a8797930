"""What every arm gets: one model, the same token ids, the same settings."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from sapo_analysis.bench.greedy import greedy_tokens
from sapo_analysis.bench.presets import Preset, Shape
from sapo_analysis.errors import unknown
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoded, Encoder
from sapo_analysis.models.loading import Device, context_length, load_model, load_tokenizer
from sapo_analysis.prompts import get_prompts
from sapo_analysis.spec import LoraSettings, TrainingSettings
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import Example, Task
from sapo_analysis.tasks.metrics import score

TRAINED_TASK = "sentiment"
EVALUATED_TASKS = ("sentiment", "translate")
"""One with a word as its answer and one with a sentence: decoding costs differ."""

SHARE_RIGHT = 0.7
"""Of random texts, how many have for an answer what the model itself would say."""

_SEED = 0
_ANSWERED_AT_ONCE = 64


@dataclass(frozen=True)
class Evaluated:
    """A task to answer: its examples and, under one prompt, their tokens."""

    task: Task
    examples: Sequence[Example]
    rows: Sequence[Encoded]

    def score(self, answers: Sequence[str]) -> float:
        """The task's metric of some answers, 0 to 100."""
        return score(self.task, answers, [example.target for example in self.examples])


@dataclass(frozen=True)
class Workload:
    """One bench's material.

    Attributes:
        preset: the sizes it is made to.
        model: the frozen base model.
        encoder: its tokenizer.
        train: the rows of each adapter (each prompt); the first `n_single` are spread over all of
            them by length.
        scored: the rows of each prompt.
        evaluated: the tasks that each adapter is tested on.
        lora: the adapters.
        training: a fine-tune; its number of steps is set by each job.
        threads: CPU threads that an arm may take.
    """

    preset: Preset
    model: PreTrainedModel
    encoder: Encoder
    train: list[list[Encoded]]
    scored: list[list[Encoded]]
    evaluated: list[Evaluated]
    lora: LoraSettings
    training: TrainingSettings
    threads: int

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where the model is."""
        return "cuda" if self.model.device.type == "cuda" else "cpu"

    def steps(self, n: int) -> TrainingSettings:
        """The fine-tune with `n` steps."""
        return self.training.model_copy(update={"steps": n})


def make_workload(preset: Preset, device: Device, lora: LoraSettings) -> Workload:
    """Load or make the model and encode or draw the texts of a preset.

    Raises:
        InputError: the adapters name a layer that the model does not have.
    """
    load = _pocket if preset.shape is None else _random
    work = load(preset, device, lora)
    check_targets(work.model, lora)
    return replace(work, train=spread_first(work.train, preset.n_single))


def spread_first(stack: list[list[Encoded]], n: int) -> list[list[Encoded]]:
    """The same adapters' rows, with `n` first that stand for all.

    Each is the middle one of a part: `n` equal parts, by the mean length of an adapter's rows.
    """
    by_length = sorted(stack, key=lambda rows: sum(len(row.ids) for row in rows) / len(rows))
    places = [(2 * i + 1) * len(stack) // (2 * n) for i in range(n)]
    rest = [rows for i, rows in enumerate(by_length) if i not in places]
    return [by_length[i] for i in places] + rest


def check_targets(model: PreTrainedModel, lora: LoraSettings) -> None:
    """Refuse names of layers that are not in the model.

    Raises:
        InputError: a name is not that of a linear layer.
    """
    if lora.target_modules == "all-linear":
        return
    typed: Any = model  # transformers leaves the next call untyped
    head = typed.get_output_embeddings()
    known = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    }
    for name in lora.target_modules:
        if name not in known:
            raise unknown("target module", name, sorted(known), "Give --targets from these.")


def small_preset(preset: Preset) -> Preset:
    """A preset of the same kind that takes seconds, for the checks before any timing."""
    shape = preset.shape
    if shape is not None:
        shape = Shape(
            shape.architecture,
            hidden=64,
            layers=2,
            intermediate=192,
            heads=4,
            kv_heads=max(1, 4 * shape.kv_heads // shape.heads),
            head_dim=16,
            vocabulary=256,
            length=32,
            prefix=8,
            answer=6,
        )
    return replace(
        preset, shape=shape, n_adapters=3, n_single=3, batch_size=4, examples=24, eval_examples=8
    )


def in_float64(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of a model in float64 throughout, transformers' float32 norms replaced."""
    precise: Any = copy.deepcopy(model).double()
    for name, module in list(precise.named_modules()):
        if type(module).__name__.endswith("RMSNorm"):
            precise.set_submodule(name, _Norm64(module))
    found: PreTrainedModel = precise
    return found


class _Norm64(nn.Module):
    """RMSNorm in its input's own precision."""

    def __init__(self, norm: Any):
        super().__init__()
        self.weight, self.epsilon = norm.weight, norm.variance_epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale x to unit mean square, times the weight."""
        root = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon)
        scaled: torch.Tensor = self.weight * x * root
        return scaled


def _pocket(preset: Preset, device: Device, lora: LoraSettings) -> Workload:
    files = find_model("pocket")
    model = load_model(files, device, "float32")
    encoder = Encoder(load_tokenizer(files), context_length(model))
    task = get_task(TRAINED_TASK)
    training = TrainingSettings(batch_size=preset.batch_size)
    prompts = [prompt for prompt in get_prompts(TRAINED_TASK) if not prompt.test_only]
    prompts = prompts[: preset.n_adapters]
    evaluated = []
    for name in EVALUATED_TASKS:
        tested = get_task(name)
        original = get_prompts(name)[0]
        rows = encoder.encode_split(tested, "test", preset.eval_examples, original)
        examples = tested.examples("test", preset.eval_examples)
        evaluated.append(Evaluated(tested, examples, rows))
    return Workload(
        preset,
        model,
        encoder,
        [encoder.encode_split(task, "train", training.examples, p) for p in prompts],
        [encoder.encode_split(task, "train", preset.examples, p) for p in prompts],
        evaluated,
        lora,
        training,
        torch.get_num_threads(),
    )


def _random(preset: Preset, device: Device, lora: LoraSettings) -> Workload:
    shape = preset.shape
    assert shape is not None
    model = random_model(shape, device)
    tokenizer = _number_tokenizer(shape.vocabulary)
    encoder = Encoder(tokenizer, context_length(model))
    rng = random.Random(_SEED)
    n = max(preset.batch_size * 8, preset.examples)
    prompts = [
        [rng.randrange(4, shape.vocabulary) for _ in range(shape.prefix)]
        for _ in range(preset.n_adapters)
    ]
    rows = [[_draw(rng, shape, prompt) for _ in range(n)] for prompt in prompts]
    tested = [_draw(rng, shape, prompts[0]) for _ in range(preset.eval_examples)]
    return Workload(
        preset,
        model,
        encoder,
        rows,
        [part[: preset.examples] for part in rows],
        [_own_answers(model, encoder, shape, tested)],
        lora,
        TrainingSettings(batch_size=preset.batch_size, learning_rate=1e-3),
        torch.get_num_threads(),
    )


def random_model(shape: Shape, device: Device) -> PreTrainedModel:
    """A model of a shape with random weights, frozen, in eval mode."""
    made: Any = AutoConfig.for_model(
        shape.architecture,
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=2 * shape.length,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    make: Any = AutoModelForCausalLM.from_config  # transformers leaves it untyped
    on_cpu = device.name == "cpu"
    with torch.random.fork_rng(), torch.device(device.name):
        torch.manual_seed(_SEED)
        model = make(made, dtype=torch.float32 if on_cpu else getattr(torch, shape.dtype))
    plain: Any = GenerationConfig
    model.generation_config = plain()
    model.requires_grad_(False)
    model.config.use_cache = False
    model.train(False)
    found: PreTrainedModel = model
    return found


def _draw(rng: random.Random, shape: Shape, prompt: list[int]) -> Encoded:
    length = rng.randint(shape.length - shape.length // 8, shape.length)
    ids = prompt + [rng.randrange(4, shape.vocabulary) for _ in range(length - len(prompt))]
    answer = rng.randint(shape.answer // 2, shape.answer)
    return Encoded(ids, length - answer, length - 1)


def _number_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer whose words are the numbers of its tokens."""
    names = ["<pad>", "<end>", "<unknown>", *(str(i) for i in range(3, vocabulary))]
    made = Tokenizer(
        models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unknown>")
    )
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    make: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerFast = make(
        tokenizer_object=made, pad_token="<pad>", eos_token="<end>", unk_token="<unknown>"
    )
    return tokenizer


def _own_answers(
    model: PreTrainedModel, encoder: Encoder, shape: Shape, rows: Sequence[Encoded]
) -> Evaluated:
    """A task in which the model is right on a known share: there its own greedy answer is gold."""
    written = greedy_tokens(model, encoder, rows, shape.answer, _ANSWERED_AT_ONCE)
    n_right = round(SHARE_RIGHT * len(rows))
    golden = [
        row if i >= n_right else Encoded(row.context + own, row.target_start, len(row.ids) - 1)
        for i, (row, own) in enumerate(zip(rows, written, strict=True))
    ]
    examples = [
        Example(f"text {i}", _decoded(encoder, row.ids[row.target_start :]))
        for i, row in enumerate(golden)
    ]
    task = Task(
        name="numbers",
        title="Random numbers",
        family="random",
        suite="bench",
        labels=(),
        metric="exact_match",
        suffix="",
        max_new_tokens=shape.answer,
        role="unseen",
        sizes={"train": 0, "dev": 0, "test": len(rows)},
        load=lambda split: examples if split == "test" else [],
    )
    return Evaluated(task, examples, golden)


def _decoded(encoder: Encoder, ids: Sequence[int]) -> str:
    return str(encoder.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

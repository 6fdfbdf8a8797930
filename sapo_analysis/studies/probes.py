"""Short questions to the engine: losses, winner and label ranks of some prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel

from sapo_analysis.errors import InputError
from sapo_analysis.learning.candidate_losses import full_losses, reads_packed
from sapo_analysis.learning.label_ranking import check_labels
from sapo_analysis.learning.label_ranking import rank_labels as rank
from sapo_analysis.learning.scoring import ExampleLoss
from sapo_analysis.learning.selection import select_prompt
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoded, Encoder, count_tokens
from sapo_analysis.models.loading import choose_device, context_length, load_model, load_tokenizer
from sapo_analysis.prompts import get_prompts
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.prompts.select import select_prompts
from sapo_analysis.prompts.validate import check_prompts
from sapo_analysis.spec import ScoringSettings
from sapo_analysis.studies.rows import indicators
from sapo_analysis.tasks import Task, get_task

_RANKED_AT_ONCE = 16
_AVERAGINGS = {
    "pre_update_loss": "pre_update_loss",
    "token_mean": "pre_update_loss_token_mean",
    "example_mean": "pre_update_loss_example_mean",
    "content": "pre_update_loss_content",
}


def score(
    model: str, task_name: str, texts: Sequence[str] | None, n: int, sources: Sequence[str] = ()
) -> dict[str, Any]:
    """Pre-update losses of a task's prompts at θ_0: of the given texts, or of all on offer.

    Raises:
        InputError: unknown model or task, an empty or repeated prompt, or one that does not fit.
    """
    asked = _Question(model, task_name, texts, sources)
    rows = asked.train_rows(n)
    is_packed = reads_packed(asked.model, rows, asked.encoder.pad_id)
    found = []
    for k, own in enumerate(rows):
        losses = full_losses(asked.model, own, asked.encoder.pad_id, is_packed)
        found.append(
            {**asked.of_prompt(k), **asked.averagings(k, losses), "n_examples": n, "exact": True}
        )
    return {"model": model, "task": task_name, "n_examples": n, "prompts": found}


def select(
    model: str, task_name: str, texts: Sequence[str] | None, n: int, sources: Sequence[str] = ()
) -> dict[str, Any]:
    """The prompt with the lowest pre-update loss at θ_0; of the others a lower bound is enough.

    Raises:
        InputError: as `score`, or a loss that is not a finite number.
    """
    asked = _Question(model, task_name, texts, sources)
    selection = select_prompt(
        asked.model, asked.train_rows(n), asked.encoder.pad_id, ScoringSettings().batch_size
    )
    found = []
    for k, candidate in enumerate(selection.candidates):
        if candidate.losses is None:
            values = {**dict.fromkeys(_AVERAGINGS), "pre_update_loss": candidate.value}
        else:
            values = asked.averagings(k, candidate.losses)
        found.append(
            {
                **asked.of_prompt(k),
                **values,
                "n_examples": candidate.n_examples,
                "exact": candidate.exact,
            }
        )
    return {
        "model": model,
        "task": task_name,
        "n_examples": n,
        "winner": asked.prompts[selection.winner].prompt_id,
        "gap": selection.gap,
        "noise": selection.noise,
        "n_evaluations": selection.n_evaluations,
        "n_full": selection.n_full,
        "n_repeated": selection.n_repeated,
        "n_rechecked": selection.n_rechecked,
        "prompts": found,
    }


def rank_labels(
    model: str, task_name: str, texts: Sequence[str] | None, n: int, sources: Sequence[str] = ()
) -> dict[str, Any]:
    """Accuracy of a task's label ranking at θ_0 on its first test examples, prompt by prompt.

    Raises:
        InputError: as `score`, or the task has no labels, or the model does not read packed rows.
    """
    check_labels(get_task(task_name, sources=sources))
    asked = _Question(model, task_name, texts, sources)
    examples = asked.task.examples("test", n)
    tried = asked.encoder.encode_split(asked.task, "test", n, asked.prompts[0])
    if not reads_packed(asked.model, [tried], asked.encoder.pad_id):
        raise InputError(
            f"{type(asked.model).__name__} does not read packed rows, which label ranking needs."
            " Use a model of another architecture."
        )
    found = []
    for k, prompt in enumerate(asked.prompts):
        ranking = rank(asked.model, asked.encoder, asked.task, examples, prompt, _RANKED_AT_ONCE)
        found.append(
            {
                **asked.of_prompt(k),
                "label_rank_sum": ranking.label_rank_sum,
                "label_rank_mean": ranking.label_rank_mean,
                "label_rank_trie": ranking.label_rank_trie,
            }
        )
    return {
        "model": model,
        "task": task_name,
        "labels": list(asked.task.labels),
        "n_examples": n,
        "prompts": found,
    }


class _Question:
    """A model and the prompts of a task that something is asked of."""

    def __init__(
        self, model: str, task_name: str, texts: Sequence[str] | None, sources: Sequence[str]
    ):
        self.task: Task = get_task(task_name, sources=sources)
        bank = get_prompts(self.task)
        offered = len([p for p in bank[1:] if not p.test_only])
        self.prompts: list[Prompt] = select_prompts(
            bank, offered if texts is None else 0, texts or ()
        )
        check_prompts([p.text for p in self.prompts], [p.prompt_id for p in self.prompts])
        files = find_model(model)
        self.model: PreTrainedModel = load_model(files, choose_device("auto"), "float32")
        self.encoder = Encoder(load_tokenizer(files), context_length(self.model))
        self._lengths = count_tokens(self.encoder.tokenizer, [p.text for p in self.prompts])

    def train_rows(self, n: int) -> list[list[Encoded]]:
        """The first `n` training examples under each prompt."""
        return [self.encoder.encode_split(self.task, "train", n, p) for p in self.prompts]

    def of_prompt(self, k: int) -> dict[str, Any]:
        """Which prompt an answer is about."""
        prompt = self.prompts[k]
        return {
            "prompt_id": prompt.prompt_id,
            "text": prompt.text,
            "source": prompt.source,
            "n_tokens": self._lengths[k],
        }

    def averagings(self, k: int, losses: Sequence[ExampleLoss]) -> dict[str, Any]:
        """Pre-update loss of a prompt in each averaging, from all its losses."""
        rows = indicators(
            "", self.prompts[k], losses, self._lengths[k], ScoringSettings().batch_size
        )
        values = {row["name"]: row["value"] for row in rows}
        return {name: values[indicator] for name, indicator in _AVERAGINGS.items()}

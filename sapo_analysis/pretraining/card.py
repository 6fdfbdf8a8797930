"""The model card: what a pocket model can do before any study, per task and kind of prompt."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from sapo_analysis.learning.draft_evaluation import evaluate_stacked
from sapo_analysis.model_files import find_model
from sapo_analysis.models.encoding import Encoder
from sapo_analysis.models.loading import choose_device, context_length, load_model, load_tokenizer
from sapo_analysis.prompts import Prompt, get_prompts
from sapo_analysis.tasks import list_tasks

_AT_ONCE = 100
KINDS = ("original", "seen", "novel", "test-only")

Row = dict[str, Any]


def measure_card(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    n_examples: int,
    tell: Callable[[str], None] = lambda task: None,
) -> list[Row]:
    """One row per task: its score (0 to 100) and loss (nats per target token) by kind of prompt.

    Each is the unweighted mean over the prompts of the kind, on the first `n_examples` test
    examples of data seed 0.
    """
    encoder = Encoder(tokenizer, context_length(model))
    found = []
    for task in list_tasks():
        tell(task.name)
        examples = task.examples("test", n_examples)
        row: Row = {"task": task.name, "role": task.role, "n_examples": n_examples}
        for kind, prompts in _by_kind(get_prompts(task.name)).items():
            results = [
                evaluate_stacked(model, encoder, task, examples, [encoded], _AT_ONCE)[0]
                for encoded in (
                    encoder.encode_split(task, "test", n_examples, prompt) for prompt in prompts
                )
            ]
            row[kind] = {
                "n_prompts": len(prompts),
                "score": round(fmean(result.value for result in results), 3),
                "loss": round(fmean(result.loss for result in results), 5),
            }
        found.append(row)
    return found


def card_from_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The worker's door: `model` and the number of `examples`; progress goes to standard error."""
    files = find_model(payload["model"])
    model = load_model(files, choose_device("auto"), "float32")
    rows = measure_card(
        model,
        load_tokenizer(files),
        int(payload["examples"]),
        lambda task: print(task, file=sys.stderr, flush=True),
    )
    return {"card": rows}


def card_text(record: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The card as Markdown; `record` is the content of `pretraining.json`."""
    settings = record["settings"]
    tables = [
        _table("Score, 0 to 100", "score", "{:.1f}", rows),
        _table("Loss, nats per target token", "loss", "{:.3f}", rows),
    ]
    n = rows[0]["n_examples"]
    return f"""# Model card: pocket, seed {settings["seed"]}

A Llama of {record["parameters"]:,} parameters, pretrained from nothing on the pocket suite of this
project: {record["conversations"]:,} generated conversations, {settings["steps"]:,} steps of
{settings["batch_size"]}, {record["seconds"] / 60:.1f} minutes on {settings["threads"]} threads.
It knows the suite's toy language and nothing else; it is an instrument for studying fine-tuning,
not an assistant. `pretraining.json` has settings, versions and fingerprints, `mixture.json` what it
was shown, `prompt_frequencies.json` how often each prompt, `pretraining_log.jsonl` its losses.

The suite shows pretraining a part of each task's facts ("half known"), all of them ("retained"), or
the task only rarely ("unseen"). Below: {n} test examples per task and prompt (data seed 0), means
over the prompts of a kind. Novel and test-only prompts were never shown. A score of 50 has a
standard error of {50 / n**0.5:.1f} points per prompt from the draw of the examples. `sapo card`
measures all of it again and says what differs by more than two answers, or a thousandth of a loss.

{chr(10).join(tables)}"""


def _by_kind(prompts: Sequence[Prompt]) -> dict[str, list[Prompt]]:
    groups: dict[str, list[Prompt]] = {kind: [] for kind in KINDS}
    for prompt in prompts:
        groups["test-only" if prompt.test_only else prompt.source].append(prompt)
    return groups


def _table(title: str, key: str, form: str, rows: Sequence[Row]) -> str:
    lines = [
        f"## {title}",
        "",
        f"| task | role | {' | '.join(KINDS)} |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        values = " | ".join(form.format(row[kind][key]) for kind in KINDS)
        lines.append(f"| {row['task']} | {row['role']} | {values} |")
    return "\n".join(lines) + "\n"

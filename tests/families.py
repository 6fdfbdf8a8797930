"""Studies of small random models of every family, end to end, and the README's table of what ran.

    python -m tests.families                     # all families: twenty minutes on two cores
    python -m tests.families --family qwen3      # one of them
    python -m tests.families --markdown FILE     # the table into a file too

Four Super-NaturalInstructions tasks of `../shared/data` (SAPO_DATA names another place), each with
the paraphrases that the project ships: a paraphrase study and a sequence study with the pocket
tokenizer, and both through worker processes with the family's own, on `random:` models. Further
studies run in this process: the plain engine, gradient checkpointing, bfloat16, 8 and 4 bits where
bitsandbytes is installed. A cell says what was run; where something is refused, the refusal.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

import sapo_analysis as sapo
from sapo_analysis import jobs
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import find_model
from sapo_analysis.models.loading import choose_device, load_model, load_tokenizer
from sapo_analysis.models.lora import merge_adapter
from sapo_analysis.spec import ParaphraseStudy, SequenceStudy
from sapo_analysis.store import layout
from tests.in_process import working
from tests.models.families import FAMILIES, TOKENIZERS, build
from tests.models.tokenizers_of_families import tokenizer_of

DATA = Path(os.environ.get("SAPO_DATA", "../shared/data")) / "SUPERNI"
TASKS = (
    "task1343_amazon_us_reviews_rating",
    "task195_sentiment140_classification",
    "task363_sst2_polarity_classification",
    "task1310_amazonreview_rating_classification",
)
_SHARED: dict[str, Any] = {
    "tasks_from": (str(DATA.absolute()),),
    "prompts": 2,
    "seeds": [0],
    "training": {"examples": 8, "batch_size": 4, "steps": 2},
    "scoring": {"examples": 4},
    "inputs": {"max_tokens": 96, "too_long": "cut"},
    "device": "cpu",
}
COLUMNS = (
    "family",
    "layout",
    "stacked engine",
    "plain engine",
    "adapters in peft",
    "gradient checkpointing",
    "bfloat16",
    "8 bit",
    "4 bit",
)


def paraphrase(model: str, **settings: Any) -> ParaphraseStudy:
    """One past task, two current ones, one unseen."""
    return ParaphraseStudy(
        name="families",
        model=model,
        past=TASKS[:1],
        current=TASKS[1:3],
        unseen=TASKS[3:],
        evaluation={"examples": 4, "n_predictions_kept": 4},
        **{**_SHARED, **settings},
    )


def sequence(model: str) -> SequenceStudy:
    """The four tasks in one order, by two policies."""
    return SequenceStudy(
        name="families-sequence",
        model=model,
        orders=[TASKS],
        strategies=["original", "sapo"],
        evaluation={"examples": 4, "n_predictions_kept": 4},
        **_SHARED,
    )


class Row:
    """What was run of one family; `runs` is where the runs go."""

    def __init__(self, family: str, folder: Path):
        self.family = family
        self.runs = folder / "runs"
        own = tokenizer_of(TOKENIZERS.get(family, family))
        pocket = load_tokenizer(find_model("pocket"))
        self.models = [
            f"random:{build(family, folder / name, tokenizer)}"
            for name, tokenizer in (("pocket", pocket), ("own", own))
        ]
        self.cells = {"family": family, "layout": "chat" if own.chat_template else "plain"}

    def fill(self) -> None:
        """Run everything."""
        self.cells["stacked engine"] = self._attempt(lambda: self._studies("stacked"))
        if "studies" in self.cells["stacked engine"]:
            self.cells["plain engine"] = self._attempt(lambda: self._here("plain"))
        else:
            self.cells["plain engine"] = self._attempt(lambda: self._studies("plain"))
        self.cells["adapters in peft"] = self._attempt(self._adapters)
        for column, settings in (
            ("gradient checkpointing", {"memory": {"gradient_checkpointing": True}}),
            ("bfloat16", {"dtype": "bfloat16"}),
            ("8 bit", {"memory": {"quantization": "8bit"}}),
            ("4 bit", {"memory": {"quantization": "4bit"}}),
        ):
            self.cells[column] = (
                "not run: bitsandbytes not installed"
                if "bit" in column and find_spec("bitsandbytes") is None
                else self._attempt(lambda settings=settings: self._here(self._engine, **settings))
            )

    @property
    def _engine(self) -> str:
        return "stacked" if "studies" in self.cells["stacked engine"] else "plain"

    def _attempt(self, work: Callable[[], str]) -> str:
        began = time.perf_counter()
        try:
            found = work()
        except InputError as error:
            found = "refused: " + re.split(r"(?<=[.;])\s", str(error))[0]
        print(f"  {found} ({time.perf_counter() - began:.0f} s)", flush=True)
        return found

    def _studies(self, engine: str) -> str:
        """Both kinds of study with both tokenizers, opened and read.

        Those with the family's own tokenizer go through worker processes.
        """
        for model, where in zip(self.models, (working, nullcontext), strict=True):
            for study in (paraphrase(model), sequence(model)):
                with where():
                    check(jobs.run_study(study, self.runs, engine=engine))
        return "4 studies"

    def _here(self, engine: str, **settings: Any) -> str:
        with working():
            check(jobs.run_study(paraphrase(self.models[1], **settings), self.runs, engine=engine))
        return "study"

    def _adapters(self) -> str:
        """Every adapter that a study kept, in plain peft, unmerged and merged."""
        study = paraphrase(self.models[1], keep_adapters=True)
        with working():
            path = jobs.run_study(study, self.runs, engine=self._engine)
        ids = torch.tensor([[3, 4, 5, 6]])
        files, device = find_model(self.models[1]), choose_device("cpu")
        kept = sorted((path / layout.ADAPTERS).iterdir())
        for folder in kept:
            model = load_model(files, device, "float32")
            adapted = PeftModel.from_pretrained(model, str(folder)).eval()
            logits = adapted(input_ids=ids).logits
            merged = merge_adapter(adapted.unload(), folder)(input_ids=ids).logits
            torch.testing.assert_close(merged, logits, rtol=1e-4, atol=1e-4)
        return f"{len(kept)} adapters"


def check(path: Path) -> None:
    """The run opens, is done, and gets no verdict because its weights are random."""
    run = sapo.open_run(path)
    assert run.is_complete and run.has_random_weights
    assert run.provenance["model"]["weights"] == "random"
    if isinstance(run.study, SequenceStudy):
        said = sapo.sequence_report(run)
    else:
        assert len(run.impacts())
        said = sapo.report(run)
        assert said["verdicts"] == [] and "random weights" in said["no_verdict"]
    assert "random weights" in str(said), said


def table(rows: list[dict[str, str]]) -> str:
    """The rows as a Markdown table."""
    lines = [COLUMNS, tuple("---" for _ in COLUMNS)]
    lines += [tuple(row[column] for column in COLUMNS) for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def main() -> None:
    """Run the families asked for and print the table."""
    parser = argparse.ArgumentParser(description="Studies of every family of models.")
    parser.add_argument("--family", choices=FAMILIES, help="this one alone")
    parser.add_argument("--markdown", type=Path, help="file to write the table into")
    options = parser.parse_args()
    rows = []
    for family in [options.family] if options.family else FAMILIES:
        print(family, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            row = Row(family, Path(folder))
            row.fill()
            rows.append(row.cells)
            if options.markdown:
                options.markdown.write_text(table(rows), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()

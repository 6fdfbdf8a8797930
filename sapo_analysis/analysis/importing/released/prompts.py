"""Which prompt each text of the released files is: one id per text of a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sapo_analysis.analysis.importing.problems import Problems, short
from sapo_analysis.analysis.importing.released.reading import ORIGINAL, ReleasedChain
from sapo_analysis.spec import NOT_RECORDED


@dataclass
class PromptBook:
    """The prompts of all chains, numbered as they are met; `-00` is a task's original."""

    _ids: dict[tuple[str, str], str] = field(default_factory=dict)
    _originals: dict[str, str] = field(default_factory=dict)
    _unknown: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, chains: Sequence[ReleasedChain], problems: Problems) -> PromptBook:
        """The originals and candidates of some chains, which have to share their originals."""
        book = cls()
        for chain in chains:
            for task, text, folder in _originals(chain):
                known = book._originals.setdefault(task, text)
                if known != text:
                    problems.add(
                        f"{folder} has another original prompt for {task} than other folders:"
                        f" {short(text)} and {short(known)}. Import them apart"
                    )
        for chain in chains:
            for stage in chain.stages:
                for candidate in stage.candidates:
                    book.id_of(stage.task, candidate.text)
        return book

    def original(self, task: str) -> str:
        """The id of a task's original prompt, whether or not its text is known."""
        return f"{task}-00"

    def id_of(self, task: str, text: str | None) -> str:
        """The id of a text; of none, that of a prompt which is not recorded."""
        if text is None:
            self._unknown.add(task)
            return f"{task}-{NOT_RECORDED.replace(' ', '-')}"
        if text == self._originals.get(task):
            return self.original(task)
        known = sum(name == task for name, _ in self._ids)
        return self._ids.setdefault((task, text), f"{task}-{known + 1:02d}")

    def rows(self, tasks: Sequence[str]) -> list[dict[str, Any]]:
        """`prompts` rows of some tasks."""
        found = []
        for task in tasks:
            original = self._originals.get(task, NOT_RECORDED)
            listed = [(self.original(task), original, "original")]
            listed += [
                (prompt_id, text, "paraphrase")
                for (name, text), prompt_id in self._ids.items()
                if name == task
            ]
            if task in self._unknown:
                listed.append((self.id_of(task, None), NOT_RECORDED, NOT_RECORDED))
            found += [
                {
                    "task": task,
                    "prompt_id": prompt_id,
                    "text": text,
                    "source": source,
                    "test_only": False,
                    "frequency": None,
                    "n_tokens": None,
                }
                for prompt_id, text, source in listed
            ]
        return found


def _originals(chain: ReleasedChain) -> Iterator[tuple[str, str, str]]:
    """Every place that says what a task's original prompt is: (task, text, folder)."""
    for i, stage in enumerate(chain.stages):
        for candidate in stage.candidates:
            if candidate.number == ORIGINAL:
                yield stage.task, candidate.text, stage.folder
        learned = chain.order[: i + 1]
        for task in chain.order:
            # Before it is learned, and with a strategy that chooses none, it has its original.
            is_original = chain.strategy.policy == "original" or task not in learned
            if is_original and (text := stage.prompts.get(task)):
                yield task, text, stage.folder

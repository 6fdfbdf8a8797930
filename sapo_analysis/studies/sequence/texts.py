"""Every text that a sequence study reads, encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sapo_analysis.learning.members import Dev
from sapo_analysis.models.encoding import Encoded, Encoder, count_tokens
from sapo_analysis.plan import SequencePlan
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies.readings import readings


class Texts:
    """A plan's examples under its prompts; `lengths` holds the candidates' own, in tokens."""

    def __init__(self, plan: SequencePlan, encoder: Encoder):
        self.plan, self._encoder = plan, encoder
        self.lengths = {task: self.counted(prompts) for task, prompts in plan.prompts.items()}

    def counted(self, prompts: Sequence[Prompt]) -> list[int]:
        """Length of each prompt's text by itself (tokens)."""
        return count_tokens(self._encoder.tokenizer, [prompt.text for prompt in prompts])

    def encode_all(self) -> None:
        """Encode all that can come to be read.

        Raises:
            InputError: texts are longer than the model's context; all are counted.
        """
        self._encoder.encode_all(readings(self.plan))

    def training(self, task: str, prompt: Prompt, n_shots: int = 0) -> Sequence[Encoded]:
        """The examples a task is trained on, each behind so many demonstrations."""
        n = self.plan.study.training.examples
        return self._encoder.encode_split(self.plan.tasks[task], "train", n, prompt, n_shots)

    def dev(self, task: str, prompt: Prompt, n_shots: int = 0) -> Dev:
        """The dev examples that checkpoints are judged on, under a prompt."""
        data, n = self.plan.tasks[task], self.plan.study.promot.dev_examples
        examples = data.examples("dev")[:n]
        rows = self._encoder.encode_split(data, "dev", len(examples), prompt, n_shots)
        return Dev(data, examples, rows)

    def scoring(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        """The examples a prompt's pre-update loss is taken over."""
        return self._rows(task, prompt, self.plan.study.scoring.examples)

    def information(self, task: str, prompt: Prompt) -> Sequence[Encoded]:
        """The examples that Fisher information is taken over."""
        return self._rows(task, prompt, self.plan.study.ewc.examples)

    def test(self, task: str, prompt: Prompt, n_shots: int = 0) -> Sequence[Encoded]:
        """The test examples of a task behind demonstrations, as many as the last stage reads."""
        n = self.plan.study.evaluation.at_the_end
        return self._encoder.encode_split(self.plan.tasks[task], "test", n, prompt, n_shots)

    def prompt(self, task: str, prompt_id: str) -> Prompt:
        """A candidate by its id."""
        return next(p for p in self.plan.prompts[task] if p.prompt_id == prompt_id)

    def fixed_tests(self) -> Iterator[tuple[str, Prompt, int]]:
        """Every task with its original prompt and its test-only ones, and number of demonstrations.

        Behind demonstrations the original prompts alone are asked, after all else.
        """
        for task in self.plan.tasks:
            for prompt in (self.plan.originals[task], *self.plan.test_only[task]):
                yield task, prompt, 0
        for n_shots in self.plan.study.evaluation.n_shots[1:]:
            for task in self.plan.tasks:
                yield task, self.plan.originals[task], n_shots

    def tests_of(self, task: str) -> Iterator[tuple[str, Prompt]]:
        """A task with every prompt that it can be tested with."""
        for prompt in (*self.plan.prompts[task], *self.plan.test_only[task]):
            yield task, prompt

    def _rows(self, task: str, prompt: Prompt, n: int) -> Sequence[Encoded]:
        return self._encoder.encode_split(self.plan.tasks[task], "train", n, prompt)

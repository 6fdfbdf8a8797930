"""What the chains of a sequence run chose and scored so far: from its tables, and as it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from sapo_analysis.plan import BASE_STATE
from sapo_analysis.store import Run
from sapo_analysis.store.live import Event


class Chain(NamedTuple):
    """One strategy that learns one order under one seed; `order` and `strategy` by their names."""

    order: str
    strategy: str
    seed: int


class Choice(NamedTuple):
    """The prompt that a chain's stage is trained with, and the state it starts from."""

    task: str
    prompt_id: str
    state_id: str


Scores = dict[tuple[str, str], tuple[float, float]]
"""By evaluated task and test prompt: score (0 to 100) and loss (nats per token)."""


@dataclass
class Course:
    """Choices and scores by chain and stage (stage 0: the base model), losses by state.

    Attributes:
        choices: what each stage is trained with.
        scores: what each finished stage scored, over the first rows that all stages share.
        base: the same of the base model.
        losses: pre-update losses by (state, task, prompt) that were scored in full.
    """

    choices: dict[tuple[Chain, int], Choice] = field(default_factory=dict)
    scores: dict[tuple[Chain, int], Scores] = field(default_factory=dict)
    base: Scores = field(default_factory=dict)
    losses: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def joined(self, surer: Course) -> Course:
        """Both together; where they know the same thing, `surer` is believed."""
        return Course(
            self.choices | surer.choices,
            self.scores | surer.scores,
            self.base | surer.base,
            self.losses | surer.losses,
        )

    def before(self, chain: Chain, stage: int) -> Scores | None:
        """What a chain's state scored before a stage; None where that is not known."""
        return self.base if stage == 1 else self.scores.get((chain, stage - 1))

    def finished(self) -> Iterator[tuple[Chain, int, Choice]]:
        """Every stage that was trained and measured."""
        for (chain, stage), choice in self.choices.items():
            if (chain, stage) in self.scores:
                yield chain, stage, choice


def of_tables(run: Run) -> Course:
    """What the tables of a sequence run say.

    Raises:
        RunError: a table is damaged.
    """
    scores = run.table("scores")
    scores = scores[scores["n_examples"] == run.sequence.evaluation.examples]
    scores = scores[scores["n_shots"] == 0]
    columns = ["state_id", "eval_task", "test_prompt", "value", "loss"]
    by_state: dict[str, Scores] = {}
    for state_id, task, prompt, value, loss in scores[columns].itertuples(index=False):
        by_state.setdefault(str(state_id), {})[str(task), str(prompt)] = float(value), float(loss)
    found = Course(base=by_state.get(BASE_STATE, {}))
    for row in run.table("chains").to_dict("records"):
        chain = Chain(row["order"], f"{row['policy']}+{row['method']}", int(row["seed"]))
        at = chain, int(row["stage"])
        found.choices[at] = Choice(row["task"], row["prompt_id"], row["state_id"])
        result = row["result_state_id"]
        if isinstance(result, str) and result in by_state:
            found.scores[at] = by_state[result]
    known = run.table("indicators").query("name == 'pre_update_loss' and exact")
    for row in known.to_dict("records"):
        found.losses[row["state_id"], row["task"], row["prompt_id"]] = float(row["value"])
    return found


class Told:
    """Takes in what a run tells while it is at work, for what its tables do not have yet."""

    def __init__(self, n_scored: int):
        """`n_scored`: rows that a candidate is scored on (examples)."""
        self.course = Course()
        self._n_scored = n_scored

    def take(self, events: Iterable[Event]) -> None:
        """Take in events in the order they were told; of repeated ones the last counts.

        One that is not as `store.live` lists them is passed over: the tables have it later.
        """
        for event in events:
            with suppress(KeyError, TypeError, ValueError):
                self._take(event)

    def _take(self, event: Event) -> None:
        if event["event"] == "scored":
            self._scored(event)
        elif event["event"] == "chosen":
            choice = Choice(event["task"], event["prompt"], event["state"])
            self.course.choices[_chain(event["chain"]), int(event["stage"])] = choice
        elif event["event"] == "measured":
            self._measured(event)

    def _scored(self, event: Event) -> None:
        key = (event["state"], event["task"], event["prompt"])
        if event["n"] == self._n_scored and not event["stopped"]:
            self.course.losses[key] = float(event["loss"])

    def _measured(self, event: Event) -> None:
        scores: Scores = {(task, prompt): (s, loss) for task, prompt, s, loss in event["scores"]}
        if event["stage"] == 0:
            self.course.base = scores
        for named in event["chains"] if scores else []:  # none: the fine-tune diverged
            self.course.scores[_chain(named), int(event["stage"])] = scores


def _chain(named: Event) -> Chain:
    return Chain(named["order"], named["strategy"], int(named["seed"]))

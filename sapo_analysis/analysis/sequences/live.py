"""A sequence run as it stands while it runs, from the events it tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sapo_analysis.analysis.intervals import NAN
from sapo_analysis.plan import tasks_in
from sapo_analysis.policies import get_policy
from sapo_analysis.spec import SequenceStudy, as_strategy
from sapo_analysis.store.live import Event

Chain = tuple[str, str, int]
"""Order, strategy, seed."""
Rows = tuple[Sequence[str], Mapping[int, Mapping[str, float]]]
"""A chain's tasks in order, and its scores by stage and task."""


@dataclass(frozen=True)
class Choice:
    """One candidate's loss at a state (nats per token), over the `n` texts read so far.

    Of one that was `stopped`, since it could not win any more, a lower bound over all texts.
    """

    prompt: str
    loss: float
    n: int
    stopped: bool


@dataclass(frozen=True)
class Standing:
    """How a strategy stands.

    Attributes:
        strategy: its name.
        stages: stages finished, over all its chains.
        choice: the prompt it took last, in words.
        learned: mean score on the tasks learned so far, at each chain's last stage (0 to 100).
        kept: mean change since each of these was just learned, the newest left out (points).
        ahead: mean gain over θ_0 on tasks not learned yet (points).
    """

    strategy: str
    stages: int
    choice: str
    learned: float
    kept: float
    ahead: float


@dataclass
class LiveSequence:
    """Takes in events and answers what a page or a terminal shows; no statistics before the end.

    Scores are those with original test prompts.

    Attributes:
        study: the study that runs.
        now: the last choice, in words, one by loss rather than another; empty before the first.
        curves: train losses of the last fine-tunes, by trial.
    """

    study: SequenceStudy
    now: str = ""
    curves: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._base: dict[str, float] = {}
        self._rows: dict[Chain, dict[int, dict[str, float]]] = {}
        self._losses: dict[tuple[str, str], dict[str, Choice]] = {}
        self._last: tuple[str, str] | None = None
        self._choices: dict[str, str] = {}
        self._by_loss = False

    def take(self, events: Iterable[Event]) -> None:
        """Take in events in the order they were told."""
        for event in events:
            getattr(self, f"_{event['event']}")(event)

    @property
    def candidates(self) -> list[Choice]:
        """The losses at the state scored last, lowest first."""
        if self._last is None:
            return []
        return sorted(self._losses[self._last].values(), key=lambda choice: choice.loss)

    @property
    def scored_task(self) -> str:
        """The task whose candidates these are."""
        return "" if self._last is None else self._last[1]

    def matrix(self, strategy: str) -> list[list[float]]:
        """Mean score by stage (θ_0 first) and position in the order; nan where none is there yet.

        A mean over the chains that went furthest, the same ones at every stage.
        """
        n = len(self.study.tasks)
        own = [
            (tasks_in(order), rows)
            for (order, name, _), rows in self._rows.items()
            if name == strategy and rows
        ]
        last = max((max(rows) for _, rows in own), default=0)
        chains = [(tasks, {0: self._base, **rows}) for tasks, rows in own if max(rows) == last]
        if not chains:
            chains = [(order, {0: self._base}) for order in self.study.orders]
        return [[_mean(_column(chains, stage, j)) for j in range(n)] for stage in range(n + 1)]

    def standings(self) -> list[Standing]:
        """Every strategy, as the study names them."""
        return [self._standing(str(name)) for name in self.study.chosen_strategies]

    def _standing(self, strategy: str) -> Standing:
        learned, kept, ahead, stages = [], [], [], 0
        for (order, own, _), rows in self._rows.items():
            if own != strategy or not rows:
                continue
            tasks, last = tasks_in(order), max(rows)
            stages += len(rows)
            learned.append(_mean([rows[last][task] for task in tasks[:last]]))
            kept += [
                rows[last][task] - rows[i][task]
                for i, task in enumerate(tasks[: last - 1], start=1)
                if i in rows
            ]
            ahead += [rows[last][task] - self._base[task] for task in tasks[last:] if self._base]
        choice = self._choices.get(strategy, "")
        return Standing(strategy, stages, choice, _mean(learned), _mean(kept), _mean(ahead))

    def _scored(self, event: Event) -> None:
        self._last = (event["state"], event["task"])
        found = self._losses.setdefault(self._last, {})
        found[event["prompt"]] = Choice(
            event["prompt"], event["loss"], event["n"], event["stopped"]
        )

    def _chosen(self, event: Event) -> None:
        strategy = event["chain"]["strategy"]
        draws = get_policy(as_strategy(strategy).policy).draws
        self._choices[strategy] = f"draws for {event['task']}" if draws else event["prompt"]
        if event["loss"] is not None or not self._by_loss:
            loss = "" if event["loss"] is None else f" ({event['loss']:.3f} nats/token)"
            does = "draws" if draws else f"takes {event['prompt']}{loss}"
            where = f"stage {event['stage']} of {len(self.study.tasks)}, {event['task']}"
            self.now = f"{where}: {strategy} {does}"
            self._by_loss = event["loss"] is not None

    def _trained(self, event: Event) -> None:
        self.curves[event["trial"]] = event["losses"]
        if event["diverged"]:
            self.now = f"{event['task']}: a fine-tune diverged, and the chains that made it end"

    def _measured(self, event: Event) -> None:
        values = _with_original(event["scores"])
        if event["stage"] == 0:
            self._base = values
        for chain in event["chains"] if values else []:
            key = (chain["order"], chain["strategy"], chain["seed"])
            self._rows.setdefault(key, {})[event["stage"]] = values


def _with_original(scores: Iterable[list[Any]]) -> dict[str, float]:
    """Scores by task: an evaluation's rows begin with the original prompt of each task."""
    found: dict[str, float] = {}
    for task, _, value, _ in scores:
        found.setdefault(task, value)
    return found


def _column(chains: Sequence[Rows], stage: int, position: int) -> list[float]:
    """Scores after a stage on the task at a position, of chains that have both."""
    return [
        rows[stage][tasks[position]]
        for tasks, rows in chains
        if tasks[position] in rows.get(stage, {})
    ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else NAN

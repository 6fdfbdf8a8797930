"""What a sequence run tells while it runs; the events are listed in `store.live`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sapo_analysis.learning.training import Fit
from sapo_analysis.plan import Chain, order_name
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.studies.sequence.stages import FineTune

_POINTS = 25
"""Points of a training curve that are told."""

Scores = Sequence[Mapping[str, Any]]


class Teller:
    """Turns what happens into events and hands them to `tell`."""

    def __init__(self) -> None:
        self.tell: Callable[..., None] = lambda event, **details: None
        self._scores: dict[str, list[list[Any]]] = {}

    def scored(self, state_id: str, prompt: Prompt, loss: float, n: int, stopped: bool) -> None:
        """A candidate's loss has arrived, over `n` texts."""
        at = {"state": state_id, "task": prompt.task, "prompt": prompt.prompt_id}
        self.tell("scored", **at, loss=loss, n=n, stopped=stopped)

    def chosen(self, chain: Chain, tune: FineTune, loss: float | None) -> None:
        """A chain has its prompt for the next stage."""
        self.tell(
            "chosen",
            chain=_named(chain),
            stage=len(tune.place.past) + 1,
            state=tune.state_id,
            task=tune.task,
            prompt=tune.prompt.prompt_id,
            loss=loss,
        )

    def trained(self, tune: FineTune, fit: Fit) -> None:
        """A fine-tune has ended; the loss at which it diverged is no number and is left out."""
        every = max(1, len(fit.losses) // _POINTS)
        losses = [round(loss, 4) for loss in fit.losses[::every] if math.isfinite(loss)]
        self.tell(
            "trained",
            trial=tune.trial_id,
            task=tune.task,
            every=every,
            losses=losses,
            diverged=fit.diverged,
        )

    def base(self, scores: Scores) -> None:
        """The base model is measured."""
        self.tell("measured", chains=[], stage=0, scores=_values(scores))

    def remember(self, scores: Scores) -> None:
        """Take up what an earlier worker measured: chains to come may share its states."""
        by_state: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in scores:
            by_state[row["state_id"]].append(row)
        self._scores.update({state_id: _values(own) for state_id, own in by_state.items()})

    def measured(self, tunes: Mapping[Chain, FineTune], stage: int, scores: Scores) -> None:
        """A stage of some chains is measured."""
        self.remember(scores)
        chains: dict[str, list[Chain]] = defaultdict(list)
        for chain, tune in tunes.items():
            chains[tune.result_id].append(chain)
        for state_id, own in chains.items():
            named = [_named(chain) for chain in own]
            known = self._scores.get(state_id, [])
            self.tell("measured", chains=named, stage=stage, scores=known)


def _named(chain: Chain) -> dict[str, Any]:
    return {
        "order": order_name(chain.order),
        "strategy": str(chain.strategy),
        "seed": chain.seed,
    }


def _values(scores: Scores) -> list[list[Any]]:
    """(task, test prompt, score, loss) over the first examples, which all stages share.

    Scores behind demonstrations are not told.
    """
    found: dict[tuple[str, str], list[Any]] = {}
    for row in scores:
        if row["n_shots"] != 0:
            continue
        key = (row["eval_task"], row["test_prompt"])
        found.setdefault(key, [*key, round(row["value"], 2), round(row["loss"], 4)])
    return list(found.values())

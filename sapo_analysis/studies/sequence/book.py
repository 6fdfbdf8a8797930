"""What is known of a sequence run so far: how far each chain is, what was trained and scored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sapo_analysis.plan import BASE_STATE, Chain, SequencePlan, order_name
from sapo_analysis.policies import get_policy
from sapo_analysis.store import Run
from sapo_analysis.studies.sequence.choosing import Scored


@dataclass(frozen=True)
class Step:
    """One stage that a chain has behind it; `result` is None where its fine-tune diverged."""

    task: str
    prompt_id: str
    result: str | None


@dataclass(frozen=True)
class Trained:
    """A fine-tune that was made: the state it reached (None: it diverged), and what it took."""

    result: str | None
    seconds: float
    examples: int


@dataclass
class Book:
    """Steps of each chain, fine-tunes by their id, candidates' losses by state and task."""

    steps: dict[Chain, list[Step]] = field(default_factory=dict)
    trained: dict[str, Trained] = field(default_factory=dict)
    scored: dict[tuple[str, str], Scored] = field(default_factory=dict)

    def of(self, chain: Chain) -> list[Step]:
        """What a chain has behind it."""
        return self.steps.setdefault(chain, [])

    def ended(self, chain: Chain) -> bool:
        """Whether a chain's last fine-tune diverged, so that nothing can follow."""
        steps = self.of(chain)
        return bool(steps) and steps[-1].result is None

    def state(self, chain: Chain) -> str:
        """The state that a chain has reached."""
        steps = self.of(chain)
        if not steps:
            return BASE_STATE
        assert steps[-1].result is not None, "callers leave out chains that ended"
        return steps[-1].result


def recall(book: Book, run: Run, plan: SequencePlan) -> None:
    """Fill a book with what the tables of a run say, which was begun before."""
    chains = {
        (order_name(order), *strategy, seed): Chain(order, strategy, seed)
        for order in plan.study.orders
        for strategy in plan.study.chosen_strategies
        for seed in plan.study.seeds
    }
    for row in run.table("chains").sort_values("stage", kind="stable").to_dict("records"):
        result = row["result_state_id"] if isinstance(row["result_state_id"], str) else None
        chain = chains[(row["order"], row["policy"], row["method"], row["seed"])]
        book.of(chain).append(Step(row["task"], row["prompt_id"], result))
        book.trained[row["trial_id"]] = Trained(result, row["train_seconds"], row["train_examples"])
    ids = {task: [p.prompt_id for p in own] for task, own in plan.prompts.items()}
    book.scored.update(_scored(run, ids))


def _scored(run: Run, candidates: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], Scored]:
    """Candidates' losses from the tables, and what they took to find."""
    losses: dict[tuple[str, str], dict[str, tuple[float, bool]]] = defaultdict(dict)
    for row in run.table("indicators").query("name == 'pre_update_loss'").to_dict("records"):
        at = losses[row["state_id"], row["task"]]
        at[row["prompt_id"]] = (float(row["value"]), bool(row["exact"]))
    took: dict[tuple[str, str], tuple[float, int]] = {}
    for row in run.table("costs").query("phase == 'score'").to_dict("records"):
        if str(row["group"]).startswith("score-"):
            task = str(row["group"]).removeprefix("score-")
            took[BASE_STATE, task] = (float(row["seconds"]), int(row["examples"]))
    for row in run.table("chains").to_dict("records"):
        if get_policy(row["policy"]).scores_at == "current state":
            spent = (float(row["choice_seconds"]), int(row["choice_examples"]))
            took.setdefault((row["state_id"], row["task"]), spent)
    found = {}
    for scored_at, known in losses.items():
        values, exact = zip(
            *(known[prompt_id] for prompt_id in candidates[scored_at[1]]), strict=True
        )
        found[scored_at] = Scored(list(values), list(exact), *took[scored_at])
    return found

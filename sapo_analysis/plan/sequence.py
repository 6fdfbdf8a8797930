"""From a sequence spec to the work: chains of stages, in groups that are trained at once.

Which prompt teaches a stage is decided when it is reached, so a plan names chains and stages, not
fine-tunes; those get their ids from what was chosen (`SequenceIdentity`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from sapo_analysis.errors import InputError
from sapo_analysis.methods import Method, make_method
from sapo_analysis.model_files import ModelFiles, find_model
from sapo_analysis.plan.candidates import chosen_prompts, prompt_bank
from sapo_analysis.plan.engines import EngineName, split_evenly, stack_size
from sapo_analysis.plan.enough_rows import Wanted, check_enough_rows
from sapo_analysis.plan.identity import (
    ALGORITHM_VERSION,
    data_fingerprint,
    digest,
    looked_at,
    named_apart,
)
from sapo_analysis.policies import get_policy
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import MethodName, SequenceStudy, Strategy
from sapo_analysis.tasks import get_task
from sapo_analysis.tasks.base import Task


def _stacked_together(study: SequenceStudy) -> list[tuple[MethodName, ...]]:
    """Methods that share a stack; those that train whole models have none.

    A stack is padded to its longest row, and all its batches share what is read once.
    """
    names = dict.fromkeys(strategy.method for strategy in study.chosen_strategies)
    made = {name: make_method(name, study) for name in names}
    alike = tuple(name for name, method in made.items() if _is_an_adapter(method))
    single = [(m,) for m, method in made.items() if m not in alike and not method.trains_all]
    return [alike, *single]


def _is_an_adapter(method: Method) -> bool:
    # What a user's method inherits from LoRA says nothing where it has a recipe of its own.
    return method.stacks_with_lora and not method.alone and method.recipe(0) is None


@dataclass(frozen=True)
class Chain:
    """One strategy that learns one order of tasks under one seed."""

    order: tuple[str, ...]
    strategy: Strategy
    seed: int

    def unit(self, stage: int) -> str:
        """The name of one stage of this chain; stages count from 1."""
        return f"{order_name(self.order)}|{self.strategy}|{self.seed}|{stage}"


def order_name(order: Sequence[str]) -> str:
    """An order of tasks as one text, as tables have it."""
    return " > ".join(order)


def tasks_in(order: str) -> tuple[str, ...]:
    """The tasks of an order that `order_name` named."""
    return tuple(order.split(" > "))


@dataclass(frozen=True)
class ChainGroup:
    """A unit of work that is saved whole or not at all.

    `base`: measure θ_0. `score`: pre-update loss of every candidate of one task at θ_0. `stage`:
    one stage of some chains: choose prompts, train, measure.
    """

    kind: Literal["base", "score", "stage"]
    group_id: str
    task: str | None = None
    stage: int = 0
    chains: tuple[Chain, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """What progress counts: a stage of a chain each."""
        return tuple(chain.unit(self.stage) for chain in self.chains)

    def without(self, units: Set[str]) -> ChainGroup | None:
        """The group less some of its units; None if none is left."""
        left = [chain for chain in self.chains if chain.unit(self.stage) not in units]
        return _stage_group(self.stage, left) if left else None


@dataclass(frozen=True)
class SequencePlan:
    """The study in full, apart from what policies will choose.

    `originals` holds every task's fixed test prompt, `test_only` its further test prompts,
    `prompts` the candidates of each task (the original first), `groups` the work in execution
    order: seed by seed, or some seeds at once, and stage by stage. `chunk` is the most adapters
    trained at once.
    """

    study: SequenceStudy
    engine: EngineName
    chunk: int
    model: ModelFiles
    tasks: dict[str, Task]
    originals: dict[str, Prompt]
    test_only: dict[str, list[Prompt]]
    prompts: dict[str, list[Prompt]]
    groups: list[ChainGroup] = field(repr=False)

    @cached_property
    def units(self) -> list[str]:
        """All stages of all chains in execution order."""
        return [unit for group in self.groups for unit in group.units]

    @property
    def training_rows(self) -> int:
        """How many first training rows of each task something reads."""
        return _training_rows(self.study)

    @cached_property
    def identity(self) -> SequenceIdentity:
        """Ids of this plan's fine-tunes and states."""
        return SequenceIdentity(self)


class SequenceIdentity:
    """Content hashes of whatever decides a state; how it is tested does not.

    What `diagnostics` looks at on the way is named too, where there is something.
    """

    def __init__(self, plan: SequencePlan):
        settings = plan.study.model_dump(mode="json")
        self._settings = {key: settings[key] for key in ("lora", "training", "dtype")}
        self._settings |= named_apart(plan.study)
        self._watched = looked_at(plan.study)
        self._model = plan.model.fingerprint
        self._data = {n: data_fingerprint(t, plan.originals[n]) for n, t in plan.tasks.items()}

    def trial(
        self,
        parent_id: str,
        learned: Sequence[str],
        task: str,
        prompts: Sequence[str],
        seed: int,
        method: object,
    ) -> str:
        """The id of a fine-tune.

        Args:
            parent_id: the state it starts from.
            learned: the tasks that state has learned, in order.
            task: the task it learns.
            prompts: the text it learns with; several where they are drawn while it trains.
            seed: of the chain.
            method: whatever of the method decides this fine-tune, as plain data.
        """
        return digest(
            version=ALGORITHM_VERSION,
            kind="sequence",
            model=self._model,
            settings=self._settings,
            parent=parent_id,
            learned=list(learned),
            data=self._data[task],
            prompts=list(prompts),
            seed=seed,
            method=method,
            **self._watched,
        )


def make_sequence_plan(study: SequenceStudy, engine: EngineName = "stacked") -> SequencePlan:
    """Resolve every name of a spec and lay out the work.

    Raises:
        InputError: a task, model, prompt or source is unknown, there is nothing to choose from, or
            more examples or test-only prompts are asked for than a task has.
    """
    model = find_model(study.model)
    tasks = {name: get_task(name, study.data_seed, study.tasks_from) for name in study.tasks}
    check_enough_rows(_wanted_rows(study, tasks))
    banks = {name: prompt_bank(task, model) for name, task in tasks.items()}
    prompts = chosen_prompts(study, banks)
    _check_candidates(study, prompts)
    test_only = {name: _test_only(study, name, bank) for name, bank in banks.items()}
    originals = {name: bank[0] for name, bank in banks.items()}
    chunk = stack_size(model.n_parameters) if engine == "stacked" else 1
    groups = list(_groups(study, chunk))
    return SequencePlan(study, engine, chunk, model, tasks, originals, test_only, prompts, groups)


def _training_rows(study: SequenceStudy) -> int:
    return max(_first_rows(study).values())


def _first_rows(study: SequenceStudy) -> dict[str, int]:
    """How many first training rows each setting reads."""
    methods = {strategy.method for strategy in study.chosen_strategies}
    found = {
        "training.examples": study.training.examples,
        "scoring.examples": study.scoring.examples,
    }
    return found | ({"ewc.examples": study.ewc.examples} if "ewc" in methods else {})


def _wanted_rows(study: SequenceStudy, tasks: Mapping[str, Task]) -> Iterator[Wanted]:
    final = study.evaluation.final_examples is not None
    tested = "evaluation.final_examples" if final else "evaluation.examples"
    for task in tasks.values():
        for setting, n in _first_rows(study).items():
            yield task, "train", setting, n
        yield task, "test", tested, study.evaluation.at_the_end


def _check_candidates(study: SequenceStudy, prompts: dict[str, list[Prompt]]) -> None:
    choosing = [s for s in study.chosen_strategies if s.policy != "original"]
    named = study.prompts if isinstance(study.prompts, tuple) else ()
    for name, candidates in prompts.items():
        alone = candidates[0].prompt_id in named  # said in so many words, not left out by mistake
        if choosing and len(candidates) < 2 and not alone:
            raise InputError(
                f"Task {name!r} has no candidates beside the original prompt, and {choosing[0]} has"
                " to choose. Raise `prompts`, name ids of this task, or add `own_prompts`; to have"
                f" it learned with the original alone, name {candidates[0].prompt_id!r}."
            )
    if choosing and all(len(candidates) < 2 for candidates in prompts.values()):
        raise InputError(
            f"Every task has its original prompt alone, and {choosing[0]} has to choose. Name"
            " further prompt ids of at least one task, or leave strategies but `original` out."
        )


def _test_only(study: SequenceStudy, task: str, bank: Sequence[Prompt]) -> list[Prompt]:
    known = [prompt for prompt in bank if prompt.test_only]
    n = study.evaluation.test_only_prompts
    if n > len(known):
        raise InputError(
            f"evaluation.test_only_prompts is {n}, but task {task!r} has {len(known)}."
            f" Set it to at most {len(known)}; 0 leaves them out."
        )
    return known[:n]


def _groups(study: SequenceStudy, chunk: int) -> Iterator[ChainGroup]:
    """Stage by stage; within a stage orders, strategies and seeds in equal stacks."""
    yield ChainGroup("base", "base")
    for task in _scored_at_base(study):
        yield ChainGroup("score", f"score-{task}", task)
    # As many seeds at once as fit into a stack; else one by one, so that a study that is stopped
    # half-way is a smaller balanced one.
    per_seed = len(study.orders) * len(study.chosen_strategies)
    at_once = max(1, chunk // per_seed)
    for first in range(0, len(study.seeds), at_once):
        seeds = study.seeds[first : first + at_once]
        chains = [
            Chain(o, s, seed)
            for seed in seeds
            for o in study.orders
            for s in study.chosen_strategies
        ]
        stacks = [
            part
            for methods in _stacked_together(study)
            for part in split_evenly([c for c in chains if c.strategy.method in methods], chunk)
        ]
        stacked = {chain for part in stacks for chain in part}
        for stage in range(1, len(study.tasks) + 1):
            for part in [*stacks, *([c] for c in chains if c not in stacked)]:
                yield _stage_group(stage, part)


def _stage_group(stage: int, chains: Sequence[Chain]) -> ChainGroup:
    units = [chain.unit(stage) for chain in chains]
    group_id = f"stage-{stage}-{digest(units=units)}"
    return ChainGroup("stage", group_id, stage=stage, chains=tuple(chains))


def _scored_at_base(study: SequenceStudy) -> list[str]:
    """Tasks whose candidates some policy wants scored at θ_0, which all chains share."""
    wanted = {get_policy(s.policy).scores_at for s in study.chosen_strategies}
    if "theta-0" in wanted:
        return list(study.tasks)
    if "current state" in wanted:
        return list(dict.fromkeys(order[0] for order in study.orders))
    return []

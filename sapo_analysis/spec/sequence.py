"""The sequence study: tasks learned one after another, strategies compared along the way."""

from __future__ import annotations

from math import floor
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.spec.base import Settings
from sapo_analysis.spec.methods import (
    METHODS,
    SEQUENCE_METHODS,
    EwcSettings,
    MethodName,
    OLoraSettings,
    ReplaySettings,
)
from sapo_analysis.spec.settings import Shots, Study, own_prompts_are_for

PolicyName = Literal["original", "random", "paft", "sapo", "sapp", "sapo-once", "shortest"]
POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)
Name = TypeVar("Name", bound=str)


class Strategy(NamedTuple):
    """Which prompt teaches the next task (policy), and how (method)."""

    policy: PolicyName
    method: MethodName

    def __str__(self) -> str:
        return f"{self.policy}+{self.method}"


def as_strategy(name: str) -> Strategy:
    """A strategy by its name, `policy+method`; a policy alone means sequential LoRA.

    Raises:
        InputError: there is no such policy or method; the known ones are listed.
    """
    policy, plus, method = name.partition("+")
    learns = method.strip() if plus else "lora"
    if learns in METHODS and learns not in SEQUENCE_METHODS:
        raise InputError(
            f"Method {learns!r} in strategy {name!r} learns one task alone. Make a paraphrase study"
            f" with method: {learns}, or name one of {', '.join(SEQUENCE_METHODS)}."
        )
    return Strategy(
        _known("policy", policy.strip(), POLICIES, name),
        _known("method", learns, SEQUENCE_METHODS, name),
    )


def _known(kind: str, given: str, names: tuple[Name, ...], whole: str) -> Name:
    for name in names:
        if given == name:
            return name
    raise unknown(
        f"{kind} in strategy {whole!r}:", given, names, "Write policy+method, as in sapo+lora."
    )


class SequenceScoring(Settings):
    """Pre-update loss of the candidates, for the policies that choose by it."""

    examples: PositiveInt = Field(
        250, description="first training rows scored, in file order (examples)"
    )
    batch_size: PositiveInt = Field(
        8,
        description="rows per batch of the released averaging,"
        " which is a mean of batch means (examples)",
    )
    early_stop: bool = Field(
        True,
        description="drop a candidate as soon as it cannot have the lowest loss any more: the"
        " choice is the same for less work, and losers get a lower bound (float32 alone)",
    )


class SequenceEvaluation(Settings):
    """How each state is measured on every task of the sequence."""

    examples: PositiveInt = Field(
        100, description="first test rows of each task after each stage (examples)"
    )
    final_examples: PositiveInt | None = Field(
        None, description="the same after the last stage; default: as many as before (examples)"
    )
    test_only_prompts: NonNegativeInt = Field(
        1, description="test-only paraphrases that each state is tested with (prompts)"
    )
    batch_size: PositiveInt = Field(64, description="rows decoded at once (examples)")
    n_shots: Shots = Field(
        (0,),
        description="demonstrations before each test input, from the task's training rows, under"
        " original prompts; several numbers measure as often (examples)",
    )
    n_predictions_kept: NonNegativeInt = Field(
        0,
        description="first test rows whose output is kept, of each task under its original prompt"
        " at the base model and after each stage, at most evaluation.examples (examples)",
    )

    @property
    def kept(self) -> int:
        """Test rows of each task whose output is kept; every stage has measured them."""
        return min(self.n_predictions_kept, self.examples)

    @property
    def at_the_end(self) -> int:
        """Test rows of each task after the last stage."""
        return self.final_examples or self.examples

    @model_validator(mode="after")
    def _the_end_is_no_smaller(self) -> SequenceEvaluation:
        if self.at_the_end < self.examples:
            raise ValueError(
                f"final_examples is {self.final_examples}, less than examples = {self.examples};"
                " differences between stages are taken on rows that all stages share"
            )
        return self


class PaftSettings(Settings):
    """Policy `paft`: prompts drawn while training."""

    every: PositiveInt = Field(4, description="steps between two draws (steps)")


def _one_or_several(orders: Any) -> Any:
    """One order may be written as a plain list of tasks."""
    if isinstance(orders, list | tuple) and orders and all(isinstance(t, str) for t in orders):
        return (tuple(orders),)
    return orders


class SequenceStudy(Study):
    """What is choosing the training prompt worth when tasks are learned one after another?

    For each seed and order, every strategy learns the tasks in turn from the base model; after each
    stage it is tested on all of them. Strategies share examples, order, adapter initialisation and
    dropout streams; only prompts and methods differ.
    """

    kind: Literal["sequence"] = "sequence"
    orders: Annotated[
        tuple[tuple[str, ...], ...],
        BeforeValidator(_one_or_several),
    ] = Field(
        min_length=1,
        description="the tasks in the order they are learned; several orders are a list of lists",
    )
    strategies: tuple[str, ...] = Field(
        ("original", "random", "sapo"),
        min_length=1,
        description="policy+method each; a policy alone means policy+lora",
    )
    scoring: SequenceScoring = SequenceScoring()
    evaluation: SequenceEvaluation = SequenceEvaluation()
    paft: PaftSettings = PaftSettings()
    o_lora: OLoraSettings = OLoraSettings()
    ewc: EwcSettings = EwcSettings()
    replay: ReplaySettings = ReplaySettings()

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, as the first order has them; every order has the same."""
        return self.orders[0]

    @property
    def chosen_strategies(self) -> tuple[Strategy, ...]:
        """The strategies, checked."""
        return tuple(as_strategy(name) for name in self.strategies)

    @property
    def replayed_rows(self) -> int:
        """Rows of earlier tasks that method `replay` adds to each batch."""
        return floor(self.replay.ratio * self.training.batch_size + 0.5)

    @model_validator(mode="after")
    def _replay_adds_rows(self) -> SequenceStudy:
        if self.replay.ratio > 0 and self.replayed_rows == 0:
            raise ValueError(
                f"replay.ratio is {self.replay.ratio}, which is less than half a row of a batch of"
                f" {self.training.batch_size}. Raise it, or set it to 0"
            )
        return self

    @model_validator(mode="after")
    def _orders_are_of_the_same_tasks(self) -> SequenceStudy:
        for i, order in enumerate(self.orders):
            if len(order) < 2:
                raise ValueError(
                    f"order {list(order)} is too short; a sequence needs at least two. Add one"
                )
            for j, task in enumerate(order):
                if task in order[:j]:
                    raise ValueError(
                        f"order {list(order)} has task {task!r} twice; a task is learned once."
                        " Remove one of the two"
                    )
            if set(order) != set(self.tasks):
                raise ValueError(
                    f"order {list(order)} has other tasks than {list(self.tasks)};"
                    " averages over orders compare the same tasks. Make a study of each"
                )
            if order in self.orders[:i]:
                raise ValueError(f"order {list(order)} is there twice. Name each order once")
        return self

    @model_validator(mode="after")
    def _strategies_are_known(self) -> SequenceStudy:
        try:
            chosen = [str(strategy) for strategy in self.chosen_strategies]
        except InputError as error:
            raise ValueError(str(error).rstrip(".")) from error
        for i, name in enumerate(chosen):
            if name in chosen[:i]:
                raise ValueError(f"strategy {name!r} is there twice. Name each strategy once")
        return self

    @model_validator(mode="after")
    def _methods_can_be_used(self) -> SequenceStudy:
        methods = {f"strategy {str(s)!r}": s.method for s in self.chosen_strategies}
        self.check_whole_models(methods)
        self.check_demonstrations(methods)
        return self

    @model_validator(mode="after")
    def _each_task_has_its_own_stage_1(self) -> SequenceStudy:
        if self.promot.stage_1_from is not None:
            raise ValueError(
                f"promot.stage_1_from is {self.promot.stage_1_from!r}: one saved soft prompt cannot"
                " serve all tasks of a sequence. Leave it out, or make a paraphrase study"
            )
        return self

    @model_validator(mode="after")
    def _own_prompts_have_a_task(self) -> SequenceStudy:
        own_prompts_are_for(self.tasks, self.own_prompts)
        return self

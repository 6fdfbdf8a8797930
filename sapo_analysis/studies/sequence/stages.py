"""One stage of a chain as a piece of work: where it starts, what it learns, with which prompt."""

from __future__ import annotations

from dataclasses import dataclass

from sapo_analysis.methods import Learned, Method, Recipe, what_decides
from sapo_analysis.methods.adapter_start import AdapterStart
from sapo_analysis.plan import Chain
from sapo_analysis.prompts.base import Prompt
from sapo_analysis.spec import MethodName
from sapo_analysis.tasks.base import Task


@dataclass(frozen=True)
class Place:
    """Where a chain stands before a stage.

    Attributes:
        state_id: the state it has reached.
        past: the stages behind it.
        start: where its fine-tune starts.
        standing: the state itself, on which candidates are scored.
        method: how it learns.
        data: what it learns next.
        instruction: that task's original prompt.
    """

    state_id: str
    past: tuple[Learned, ...]
    start: AdapterStart
    standing: AdapterStart
    method: Method
    data: Task
    instruction: str

    @property
    def task(self) -> str:
        """What it learns next, by name."""
        return self.data.name

    @property
    def recipe(self) -> Recipe | None:
        """How the method learns after this past; see `Method.recipe`."""
        return self.method.recipe(len(self.past))

    @property
    def learned(self) -> tuple[str, ...]:
        """The tasks behind it, in order."""
        return tuple(stage.task for stage in self.past)


@dataclass(frozen=True)
class FineTune:
    """A stage with its prompt chosen.

    Attributes:
        trial_id: its content's hash; chains that do the same thing share it.
        chain: the first of those chains.
        place: where it starts.
        prompt: what stands for its training prompt wherever a single one is asked for.
        prompts: what it trains with: that one, or several that are drawn from.
    """

    trial_id: str
    chain: Chain
    place: Place
    prompt: Prompt
    prompts: tuple[Prompt, ...]

    @property
    def task(self) -> str:
        """What it learns."""
        return self.place.task

    @property
    def method(self) -> Method:
        """How it learns."""
        return self.place.method

    @property
    def method_name(self) -> MethodName:
        """The method by name; `lora` where nothing of the method counts yet."""
        counts = what_decides(self.method, len(self.place.past)) is not None
        return self.method.name if counts else "lora"

    @property
    def state_id(self) -> str:
        """The state it starts from."""
        return self.place.state_id

    @property
    def result_id(self) -> str:
        """The state it leads to."""
        return "s-" + self.trial_id

"""Results that another tool measured: what a run folder says of them in place of a study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sapo_analysis.errors import InputError
from sapo_analysis.spec.base import Settings
from sapo_analysis.spec.sequence import Strategy, as_strategy
from sapo_analysis.spec.settings import NAME_PATTERN, SCHEMA_VERSION, SchemaVersion

NOT_RECORDED = "not recorded"


class Imported(Settings):
    """What all imported results have."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    name: str = Field(
        "imported",
        pattern=NAME_PATTERN,
        description="start of the run's id (a-z, 0-9, hyphen; at most 40)",
    )
    model: str = Field(
        NOT_RECORDED,
        min_length=1,
        max_length=200,
        description="the model, as the user or its folder names it",
    )
    note: str = Field("", max_length=1000, description="what the user wants said of it")


class ImportedResults(Imported):
    """Numbers of fine-tunes as a table gave them.

    How they were made is not known: no settings, no data, no fingerprints. It cannot be run.
    """

    kind: Literal["imported"] = "imported"
    file: str = Field("", max_length=200, description="name of the file; empty: a table in memory")
    sha256: str = Field("", description="of the file's content; empty: a table in memory")
    tasks: tuple[str, ...] = Field(min_length=1, description="current tasks")

    @property
    def source(self) -> str:
        """Where the results are from, in words."""
        return self.file or "a table in memory"


class ImportedSequence(Imported):
    """Scores of task sequences as the released code of SAPO left them in its output folders.

    Of a study it has what those files say: the orders, the strategies, the scores. Settings, seeds
    and data are not recorded there. It cannot be run.
    """

    kind: Literal["imported-sequence"] = "imported-sequence"
    folders: tuple[str, ...] = Field(min_length=1, description="the folders, without what is above")
    sha256: str = Field(description="of the names and contents of all files read")
    orders: tuple[tuple[str, ...], ...] = Field(
        min_length=1, description="the tasks in the order they were learned"
    )
    strategies: tuple[str, ...] = Field(min_length=1, description="policy+method each")
    seeds: tuple[int, ...] = Field(
        (0,), description="seeds are not recorded: one stands for the one chain of each strategy"
    )
    remarks: tuple[str, ...] = Field((), description="what was noticed on reading, a sentence each")

    @property
    def source(self) -> str:
        """Where the results are from, in words."""
        return ", ".join(self.folders)

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, as the first order has them; every order has the same."""
        return self.orders[0]

    @property
    def chosen_strategies(self) -> tuple[Strategy, ...]:
        """The strategies, checked."""
        return tuple(as_strategy(name) for name in self.strategies)

    @model_validator(mode="after")
    def _strategies_are_known(self) -> ImportedSequence:
        try:
            _ = self.chosen_strategies
        except InputError as error:
            raise ValueError(str(error).rstrip(".")) from error
        return self

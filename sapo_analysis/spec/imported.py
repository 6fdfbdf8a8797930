"""Results that another tool measured: what a run folder says of them in place of a study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sapo_analysis.spec.settings import NAME_PATTERN, SCHEMA_VERSION, SchemaVersion, Settings

NOT_RECORDED = "not recorded"


class ImportedResults(Settings):
    """Numbers of fine-tunes as a table gave them.

    How they were made is not known: no settings, no data, no fingerprints. It cannot be run.
    """

    kind: Literal["imported"] = "imported"
    schema_version: SchemaVersion = SCHEMA_VERSION
    name: str = Field(
        "imported",
        pattern=NAME_PATTERN,
        description="start of the run's id (a-z, 0-9, hyphen; at most 40)",
    )
    model: str = Field(
        NOT_RECORDED, min_length=1, max_length=200, description="the model, as the user names it"
    )
    file: str = Field("", max_length=200, description="name of the file; empty: a table in memory")
    sha256: str = Field("", description="of the file's content; empty: a table in memory")
    tasks: tuple[str, ...] = Field(min_length=1, description="current tasks")
    note: str = Field("", max_length=1000, description="what the user wants said of it")

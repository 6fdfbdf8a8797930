"""What a run has to be made under, laid down before its worker starts.

It stays in the folder until the run is done, so that a resume needs no options; what is worth
keeping goes into the provenance. It names runs by id, never by a folder.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ReusedRun(BaseModel):
    """A run that finished trials were taken from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    """Its id."""
    trials: int
    """How many trials were taken from it."""


class Conditions(BaseModel):
    """`conditions.json`. A value that is not there asks for nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int | None = None
    """CPU threads to work with: float32 sums depend on it."""
    engine: str | None = None
    """Engine that made the trials taken over; another one is refused."""
    device: str | None = None
    """Device that made them; another one is refused."""
    states: dict[str, dict[str, float]] = {}
    """Loss of each parent state of theirs on each task (nats per target token), as it was there."""
    reused: tuple[ReusedRun, ...] = ()
    """Runs that finished trials were taken from."""
    trust_remote_code: bool = False
    """Whether code that the model's author put beside it may run: asked for at a terminal only."""

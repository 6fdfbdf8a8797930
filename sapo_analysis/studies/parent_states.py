"""Whether a parent state came out as it was where trials taken over started from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sapo_analysis.errors import WorkError
from sapo_analysis.same_loss import is_same_loss

StateLosses = Mapping[str, Mapping[str, float]]
"""Loss of a state on a task (nats per target token), by state id and task."""


def check_states(rows: Mapping[str, Sequence[Mapping[str, Any]]], expected: StateLosses) -> None:
    """Refuse the measure of a state that another state of the same id was not measured with.

    What a trial changed is its loss after less its parent state's loss before. Where a state was
    learned anew and came out differently, that would be a difference between two states.

    Args:
        rows: The tables of one group of work.
        expected: How each state came out where trials taken over were made.

    Raises:
        WorkError: a loss differs by more than rounding; the state, the task and both are named.
    """
    # The group that reaches a state measures it under original prompts, as the losses were taken.
    reached = {row["state_id"] for row in rows.get("states", ())}
    for row in rows.get("scores", ()):
        was = expected.get(row["state_id"], {}).get(row["eval_task"])
        of_state = row["trial_id"] is None and row["n_shots"] == 0 and row["state_id"] in reached
        if of_state and was is not None and not is_same_loss(row["loss"], was):
            raise WorkError(
                f"Parent state {row['state_id']} came out otherwise than in the run that trials"
                f" are taken over from: loss {row['loss']:.6g} on {row['eval_task']!r}, there"
                f" {was:.6g} nats per token. Work on the machine and with the versions that it was"
                " made with, or resume with --allow-mixed to take its trials over all the same."
            )

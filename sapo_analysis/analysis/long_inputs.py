"""What became of long inputs, for who reads the numbers of a run."""

from __future__ import annotations

from sapo_analysis.store import Run

_DONE = {"cut": "were cut", "drop": "were left out, and the next rows took their place"}


def long_inputs(run: Run) -> str:
    """A sentence with counts by task and split; empty where every input is as its task has it."""
    done = run.provenance.get("inputs") or {}
    counts = [
        f"{name} " + ", ".join(f"{own['n']} {split}" for split, own in splits.items())
        for name, splits in done.get("tasks", {}).items()
    ]
    if not counts:
        return ""
    return (
        f"Inputs of {run.run_id} longer than {done['max_tokens']} tokens"
        f" {_DONE[done['too_long']]}: {'; '.join(counts)}."
    )

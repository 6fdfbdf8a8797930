"""Finished trials of other runs, taken over into a new one.

A trial's id hashes all that decides its result, so an equal id is the same fine-tune. What it is
for, and which role a task has, is the new study's to say. States and candidates are measured again
by the new run: a trial taken over is compared with the new run's own parent state, which therefore
has to come out as it was.
"""

from sapo_analysis.reuse.find import Reuse, find_reusable, plan_to_fill

__all__ = ["Reuse", "find_reusable", "plan_to_fill"]

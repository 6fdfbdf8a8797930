"""The work of a sequence study: choose a prompt, train, measure, stage after stage."""

from sapo_analysis.studies.sequence.work import SequenceWork, work_on_chains

__all__ = ["SequenceWork", "work_on_chains"]

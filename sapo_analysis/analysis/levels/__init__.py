"""The correlation of indicator and outcome: per task, within tasks, over all points."""

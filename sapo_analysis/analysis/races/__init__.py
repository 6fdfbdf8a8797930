"""Sequence runs beside a paraphrase study: which may be laid over its scatter, and where.

A stage of a sequence can be read as one more trial of a paraphrase study: from some parent state a
task was learned with the prompt that a strategy chose, and other tasks changed. It stands on the
study's axes only where everything but the choice is the same. Of a run that is: model, algorithm
version, dtype, adapter, training settings, and how many rows a loss is scored on. Of a task: its
data, its candidates by their texts (what random draws from, and what SAPO takes the lowest of), and
the parent state. A stage counts where its chain had learned exactly what the study had learned
before that task, each past task with its original prompt, as the study learns it.

- **No past**: the parent state is the base model in both, the very same weights (`SAME_STATE`).
- **A past**: another fine-tune has learned it (`SAME_TASKS`). Adapter initialisation, data order
  and dropout hang on the place of a fine-tune, which the two kinds of studies name differently, so
  no seed makes the states equal. It is as if the study had one more state seed; the page says so.
- Later stages, and chains whose policy chose another prompt for a past task, have another parent
  state and are left out.
- **Method**: a trial of a study trains a fresh adapter on the merged parent state. Before anything
  is learned all adapter methods do so; after a past `lora-inc` alone does. `full` never does.
- `paft` trains with many prompts and stands at no point of the scatter.

The stage's own adapter and data order are another draw as well, as another seed of the study would
be: a race's point and the study's point of the same prompt differ by what seeds do.

x is the loss of the chosen prompt at the chain's own parent state, where it was scored there in
full; at the base model else the study's own number, which is the same one. y is after − before on
the tasks of one role as the study sees them, with original test prompts, in the scatter's unit; a
point needs all evaluated tasks that the scatter's mean is over. Scores are over the first test rows
that all stages share; sequences keep no single answers, so where the study was tested on another
number of rows that cannot be undone and is said.
"""

from sapo_analysis.analysis.races.course import Chain, Course, Told, of_tables
from sapo_analysis.analysis.races.matching import (
    SAME_STATE,
    SAME_TASKS,
    Difference,
    Match,
    match,
)
from sapo_analysis.analysis.races.points import RacePoints, race_impacts, race_points

__all__ = [
    "SAME_STATE",
    "SAME_TASKS",
    "Chain",
    "Course",
    "Difference",
    "Match",
    "RacePoints",
    "Told",
    "match",
    "of_tables",
    "race_impacts",
    "race_points",
]

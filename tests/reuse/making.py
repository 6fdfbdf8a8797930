"""Studies and runs that tests of reuse start from, changed one way or another."""

import shutil

from sapo_analysis.prompts import get_prompts
from sapo_analysis.records import TABLES
from sapo_analysis.store import layout, open_run

MEASURED = ("scores", "curves", "predictions")


def changed(study, **changes):
    """A spec with other settings, checked."""
    return type(study)(**{**study.model_dump(), **changes})


def small(study):
    """One task from the base model, under a seed that nothing else uses."""
    task = study.current[:1]
    return changed(
        study, past=(), current=task, seeds=(5,), noise_seeds=(), prompts=paraphrases(task, 1)
    )


def paraphrases(tasks, n):
    """Ids of the first paraphrases of some tasks."""
    return tuple(prompt.prompt_id for task in tasks for prompt in get_prompts(task)[1 : n + 1])


def rows_of(run, table, trial_ids):
    """Rows of some trials, in an order of their own."""
    found = run.table(table)
    found = found[found["trial_id"].isin(trial_ids)]
    return found.sort_values(list(TABLES[table].keys), ignore_index=True)


def trial_ids(run, *purposes):
    trials = run.table("trials")
    return set(trials[trials["purpose"].isin(purposes)]["trial_id"])


def tampered(source, folder, **provenance):
    """A copy of the source whose provenance says something else."""
    path = shutil.copytree(source.path, folder / source.run_id)
    layout.write_json(path / "provenance.json", {**source.provenance, **provenance})
    return open_run(path)


def lending_half(source, folder, purpose):
    """A copy of the source that holds the trials of one purpose alone."""
    path = shutil.copytree(source.path, folder / source.run_id)
    file = path / "tables" / "trials" / "all.parquet"
    trials = source.table("trials")
    trials[trials["purpose"] == purpose].to_parquet(file, index=False)
    return open_run(path)

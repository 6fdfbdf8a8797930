"""Launching a study, and the runs there are."""

from __future__ import annotations

from sapo_analysis.analysis.glossary.term import POINTS, Term

SECTIONS: dict[str, tuple[Term, ...]] = {
    "Launching": (
        Term(
            *("role", "role", ""),
            "what the study does with the task: current is learned with each prompt, past is"
            " learned before, unseen and retained are only measured, off leaves it out",
        ),
        Term("position", "position", "", "when the task is learned, lowest first; empty: left out"),
        Term(
            *("base_score", "base score", "points"),
            "score of the base model under the task's original prompt, from the card that came with"
            " the model; empty: not known",
            "high",
        ),
        Term("train_rows", "rows", "training examples", "what a study can train on"),
        Term(
            *("usable", "prompts", "paraphrases"),
            "paraphrases that can be trained with, test-only ones and those marked as not"
            " equivalent left out; yours are with them",
        ),
        Term("taken", "trained with", "prompts", "the original and the paraphrases of this study"),
        Term(
            *("n_words", "words", "words"),
            "length of the prompts of this study, shortest to longest",
        ),
    ),
    "Runs": (
        Term("run", "run", "", "one execution of a study, by its name and eight hex digits"),
        Term("state", "state", "", "where the run stands: queued, running, … done, or damaged"),
        Term("progress", "progress", "", "finished trials ÷ planned ones; of a sequence, stages"),
        Term("finished", "trials", "", "finished and planned trials; of a sequence, stages"),
        Term("kind", "kind", "", "paraphrase study, sequence study, imported results or sequences"),
        Term("model", "model", "", "the base model that the study fine-tunes"),
        Term(
            "tasks", "tasks", "", "tasks that are learned; of a paraphrase study the current ones"
        ),
        Term(
            *("started", "started", "UTC"),
            "when a worker first began on the run; of imported results, when they were imported",
        ),
        Term("took", "took", "", "time that workers have spent on the run"),
        Term("device", "device", "", "what it was begun on"),
        Term("tags", "tags", "", "words of yours; they are beside the run, which stays as it is"),
        Term("where", "folder", "", "shipped with the package, or the runs folder that it lies in"),
        Term("remark", "remark", "", "why it stopped, or what is wrong with it"),
        Term("key", "key", "", "a setting of the study, or a condition it was made under"),
        Term("chains", "chains", "", "chains (an order under a seed) that have finished a stage"),
        Term(
            *("over_original", "Δ AP to original", POINTS),
            "AP so far − that of original with the same method, paired by order and seed, each pair"
            " at the last stage that both have",
            "high",
        ),
        Term("stages_done", "stages", "", "finished stages of all these chains"),
    ),
}

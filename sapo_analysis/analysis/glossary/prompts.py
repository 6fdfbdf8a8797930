"""Prompts, examples, and the data of tasks."""

from __future__ import annotations

from sapo_analysis.analysis.glossary.term import POINTS, Term

SECTIONS: dict[str, tuple[Term, ...]] = {
    "Prompts and examples": (
        Term("task", "task", "", "a dataset with a metric"),
        Term("current_task", "task", "", "the current task: the one that was being learned"),
        Term("eval_task", "task", "", "the evaluated task"),
        Term("prompt_id", "prompt", "", "the training prompt, by its id within the task"),
        Term("text", "text", "", "the instruction as it was trained with"),
        Term("source", "source", "", "where the wording comes from; original: the task's own"),
        Term("n_tokens", "tokens", "tokens", "length of the instruction alone"),
        Term(
            *("frequency", "frequency", "pretraining examples"),
            "pretraining examples with this text; empty: not known",
        ),
        Term("n_seeds", "seeds", "", "main seeds that the value is a mean of"),
        Term("input", "input", "", "the test example's input"),
        Term("gold", "gold", "", "the test example's target"),
        Term("before", "before", "", "the parent state's output"),
        Term("after", "after", "", "the output after the fine-tune, of the first seed that forgot"),
        Term(
            *("forgotten", "forgotten", ""),
            "in how many seeds an example that was right before is wrong after",
        ),
    ),
    "Tasks and their prompts": (
        Term("split", "split", "", "train, dev or test; which one an input is in never changes"),
        Term("rows", "rows", "", "examples of the split"),
        Term("characters", "characters", "", "length of the inputs: median, shortest to longest"),
        Term("words", "words", "", "as characters, in words parted by white space"),
        Term("repeated", "repeated", "", "rows whose input stood before in the same split", "low"),
        Term("shared", "shared", "", "rows whose input stands in another split", "low"),
        Term(
            *("most_common", "always one answer", "points"),
            "score of always giving the most frequent answer, which is named",
        ),
        Term("target", "answer", "", "the text that answers an input"),
        Term("train", "train", "% of rows", "training rows with this answer"),
        Term("dev", "dev", "% of rows", "dev rows with this answer"),
        Term("test", "test", "% of rows", "test rows with this answer"),
        Term("value", "value", "", "what the column of answers holds"),
        Term("label", "label word", "", "the word that the model has to answer; yours to change"),
        Term("rows_with_it", "rows", "", "rows with this value, of those that were looked at"),
        Term("use", "use", "", "offer it to studies; without it the prompt is only kept here"),
        Term(
            *("equivalent", "equivalent", ""),
            "asks for the same as the original; without it no study is offered the prompt, and"
            " Explore shows r with and without it",
        ),
        Term(
            *("checks", "checks", ""),
            "what to look at before using it: length, near-copies, other scripts, gaps to fill",
        ),
        Term(
            *("alike", "alike", "% of dev examples, 95 % Wilson interval"),
            "examples that the base model answers as under the original prompt, greedily: equal"
            " labels, or equal texts but for white space; n beside it; empty: not asked",
        ),
        Term(
            *("by_chance", "by chance", "% of dev examples"),
            "alike if the answers of one of the two prompts were dealt out at random: near 100"
            " where the model always says the same, and then alike says nothing",
        ),
        Term(
            *("usable_answers", "usable", "% of dev examples"),
            "answers that are one of the labels; of free text, that are not empty",
            "high",
        ),
        Term(
            *("dev_score", "score", POINTS),
            "the task's metric on the base model's answers to these dev examples",
            "high",
        ),
        Term(
            "told",
            "what that says",
            "",
            "whether alike is more than chance gives, and more than"
            " the same model without any instruction gives",
        ),
        Term(
            *("under_original", "under the original", ""),
            "what the base model answers under the original prompt",
        ),
        Term("under_this", "under this prompt", "", "what it answers under the other one"),
        Term("note", "note", "", "yours; no study reads it"),
        Term("place", "where", "", "line or entry of what was given"),
        Term("check", "check", "", "whether it can be used, is worth a look, or is refused"),
        Term("reasons", "why", "", "what speaks against it; empty where nothing does"),
    ),
}

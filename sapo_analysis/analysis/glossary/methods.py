"""Methods beside each other, soft prompts, and what is looked at along a fine-tune."""

from __future__ import annotations

from sapo_analysis.analysis.glossary.term import POINTS, Term

_SCALE = "0 to 100"
_EMBEDDING = "units of the embedding"
_TO_BASE = "it − that of the base model under the same prompts"

SECTIONS: dict[str, tuple[Term, ...]] = {
    "Methods compared": (
        Term("method", "method", "", "how a task is learned: which weights, in which steps"),
        Term(
            *("changes", "changes", ""),
            "what a method changes: the prompt (what stands before a text, on a frozen model),"
            " parameters (weights, an adapter or factors), or both",
        ),
        Term(
            *("name", "method", ""),
            "a method, in sequences a policy with a method; the base model is what all begin with",
        ),
        Term(
            *("soft_prompt", "soft prompt", ""),
            "trained vectors that stand before a text as tokens do (virtual tokens), while the"
            " model is frozen",
        ),
        Term(
            *("promot", "ProMoT", ""),
            "fine-tuning in two stages: a soft prompt is trained first, which takes up the format"
            " of the answers, then the model behind it; the soft prompt is on for its own task and"
            " removed for all others",
        ),
        Term(
            *("format_specialization", "format specialization", ""),
            "a fine-tuned model answers other tasks in the format of the one it was tuned on",
        ),
        Term("tuned_task", "tuned task", "", "the task that the fine-tune learned"),
        Term(
            *("tuned_score", "tuned score", _SCALE),
            "score on the tuned task with the prompt it was tuned with",
            "high",
        ),
        Term(
            *("tuned_score_original", "tuned score, original prompt", _SCALE),
            "score on the tuned task with its original prompt",
            "high",
        ),
        Term(
            *("normalized_average", "normalized average", _SCALE),
            "plain mean of the scores on all tasks with original prompts, as the ProMoT paper"
            " averages task metrics; nothing is subtracted for chance",
            "high",
        ),
        Term(
            *("normalized_average_others", "normalized average of the others", _SCALE),
            "plain mean of the scores on all tasks but the tuned one, with original prompts",
            "high",
        ),
        Term("tuned_score_to_base", "tuned, Δ to base", POINTS, f"tuned score: {_TO_BASE}", "high"),
        Term(
            *("tuned_score_original_to_base", "tuned, original prompt, Δ to base", POINTS),
            f"tuned score with the original prompt: {_TO_BASE}",
            "high",
        ),
        Term(
            *("normalized_average_to_base", "average, Δ to base", POINTS),
            f"normalized average: {_TO_BASE}",
            "high",
        ),
        Term(
            *("normalized_average_others_to_base", "others, Δ to base", POINTS),
            f"normalized average of the others: {_TO_BASE}",
            "high",
        ),
        Term("to_base", "Δ to base", POINTS, "score − that of the base model", "high"),
        Term("n_shots", "shots", "", "demonstrations before each test input"),
        Term("n_units", "n", "", "independent values that the interval is over"),
        Term("outcome", "outcome", "", "what the methods are compared in"),
        Term(
            *("paired", "method − reference", ""),
            "difference on the same tuned task, training prompt and seed; mean over prompts, seeds,"
            " then tuned tasks (of sequences over orders)",
        ),
        Term("own", "method", "", "the method's own mean over what is compared"),
        Term("of_reference", "reference", "", "the reference's mean over the same"),
        Term(
            *("verdict", "verdict", ""),
            "better or worse where the 95 % interval lies on one side of 0, else unclear; not"
            " corrected for the number of outcomes",
        ),
        Term("output", "output", "", "what was answered"),
        Term("correct", "right", "", "whether the task's metric takes the output as right"),
        Term(
            *("in_format", "in the tuned task's format", ""),
            "whether an output on another task has the format of the tuned task's answers: one of"
            " its labels, or alike in length, alphabet and template",
        ),
        Term(
            *("gold_in_format", "gold in that format", ""),
            "whether the right answer has that format itself: then it is no sign of specialization",
        ),
        Term(
            *("published_score", "published", _SCALE),
            "a score that the ProMoT paper prints, measured on another model",
            "high",
        ),
    ),
    "Beside plain LoRA": (
        Term(
            *("study", "study", ""),
            "runs with the same model, data, tasks, training and seeds: what differs is the method"
            " (or the order); nothing is pooled over studies",
        ),
        Term(
            *("policy", "policy", ""),
            "which prompt teaches: as a sequence chose it, or as the policy would have chosen among"
            " the prompts that a paraphrase study trained with; random is the mean over all",
        ),
        Term(
            *("mean_of_row", "mean", ""),
            "mean over prompts, seeds, then tuned tasks (of sequences over orders)",
        ),
        Term(
            *("to_plain", "− plain LoRA", ""),
            "difference to plain LoRA with the original prompt in the same study, on the same tuned"
            " task, seed and state (of sequences order, stage and seed), each with its own prompts;"
            " mean over prompts, seeds, then tuned tasks (of sequences over orders)",
        ),
        Term(
            *("p_corrected", "p, Holm", ""),
            "two-sided p of the paired difference, Holm corrected over the rows of one study and"
            " outcome",
        ),
        Term(
            *("verdict_holm", "after Holm", ""),
            "the verdict where p corrected by Holm is below 0.05, else unclear",
        ),
        Term(
            *("behind", "n", ""),
            "what stands behind a row: tuned tasks, prompts of a task or orders, seeds",
        ),
        Term(
            *("seed_sd", "seed SD", ""),
            "standard deviation over seeds of what is otherwise the same fine-tune (same tuned task"
            " and prompt; of sequences same order and stage), pooled",
            "low",
        ),
        Term("seed_df", "df", "", "degrees of freedom of the seed SD: Σ (seeds − 1)"),
        Term(
            *("seed_ratio", "seed SD ÷ plain LoRA's", "ratio"),
            "geometric mean over tuned tasks (or orders) of the ratio of seed SDs, those left out"
            " where either does not vary; 95 %, Student t over tasks (or orders)",
            "low",
        ),
        Term(
            *("seed_verdict", "with the seed", ""),
            "steadier or less steady where the ratio's 95 % interval lies on one side of 1, else"
            " unclear; not corrected for the number of rows",
        ),
        Term(
            *("time_ratio", "time", "× plain LoRA"),
            "seconds of a fine-tune ÷ those of plain LoRA in the same study on an equal machine;"
            " says little where runs stood beside other work",
            "low",
        ),
        Term(
            *("choosing_ratio", "choosing", "× plain LoRA"),
            "seconds that choosing the prompt of a stage took ÷ those of a fine-tune of plain LoRA",
            "low",
        ),
        Term(
            *("tokens_ratio", "tokens read", "× plain LoRA"),
            "tokens read in training, in all passes, ÷ those of plain LoRA in the same study; what"
            " the texts of a batch begin with alike is read once where the method allows it",
            "low",
        ),
        Term(
            *("flops_ratio", "operations", "× plain LoRA"),
            "floating-point operations of the model in training ÷ those of plain LoRA",
            "low",
        ),
        Term(
            *("trained_values", "trained values", "values"),
            "how many numbers a fine-tune trains, as the run counted them",
            "low",
        ),
    ),
    "Along a fine-tune": (
        Term("step", "step", "optimizer steps", "optimizer steps taken, of all phases"),
        Term("series", "series", "", "what was looked at"),
        Term(
            *("format_ratio", "format ratio", "share, 0 to 1"),
            "share of outputs on other tasks that are in the tuned task's format, mean over the"
            " other tasks",
            "low",
        ),
        Term(
            *("format_ratio_of_targets", "format ratio of gold answers", "share, 0 to 1"),
            "the same share of the other tasks' right answers: what a model that is right"
            " everywhere would come to",
        ),
        Term(
            *("gradient_alignment", "gradient alignment", "cosine, −1 to 1"),
            "cosine between the gradient of the training loss and that with labels shuffled over"
            " the examples, by module of the last layer; near 1: training changes the format more"
            " than the answers",
        ),
        Term(
            *("gradient_alignment_floor", "floor of the alignment", "cosine, −1 to 1"),
            "what the shuffles leave of the alignment by keeping some labels in place",
        ),
        Term("module", "module", "", "a weight matrix of the model's last layer"),
        Term("floor", "floor", "", "what the value would be without specialization"),
        Term("first_stage_ends", "stage 1 ends", "optimizer steps", "end of ProMoT's first stage"),
        Term(
            *("persistence_diagram", "persistence diagram", ""),
            "births and deaths of components (H0) and loops (H1) among the virtual tokens of a soft"
            " prompt, as all that are nearer to each other than a growing distance are joined"
            " (Vietoris–Rips); what lies far above the diagonal lasts long",
        ),
        Term(
            *("h0_persistence", "total H0 persistence", _EMBEDDING),
            "how long all components of a soft prompt's virtual tokens last together: the length of"
            " a minimum spanning tree; grows with the number of tokens",
        ),
        Term(
            *("h1_persistence", "total H1 persistence", _EMBEDDING),
            "how long all loops of a soft prompt's virtual tokens last together, death − birth of"
            " each; grows with the number of tokens",
        ),
        Term(
            *("compactness", "compactness", "0 to 1"),
            "1 − root mean square distance of a soft prompt's virtual tokens to their centroid ÷"
            " root mean square of their lengths; 1 where all tokens are the same, 0 where their"
            " centroid is the origin",
        ),
        Term(
            *("dimension", "dimension", ""),
            "of a persistence diagram: 0 (H0) a component, 1 (H1) a loop",
        ),
        Term(
            *("birth", "birth", _EMBEDDING),
            "distance at which a component or loop begins; of components 0",
        ),
        Term(
            *("death", "death", _EMBEDDING),
            "distance at which a component is joined to another, or a loop is filled",
        ),
        Term("fine_tune", "fine-tune", "", "one of a tuned task: its prompt or order, and seed"),
        Term("moment", "moment", "", "first or last look of a fine-tune"),
        Term(
            *("other_score", "others' score", _SCALE),
            "mean score on the other tasks with original prompts, over the examples of a look",
            "high",
        ),
    ),
}

"""The claims, correlations, and tasks beside each other."""

from __future__ import annotations

from sapo_analysis.analysis.glossary.term import POINTS, Term

_WITHIN = "within each current task, mean of Fisher's z over tasks, shown as r"
_LOST = (
    f"correlation over prompts of pre-update loss and forgetting, {_WITHIN}."
    " Forgetting is score before − after, or loss after − before. The claim predicts r above 0"
)

SECTIONS: dict[str, tuple[Term, ...]] = {
    "Claims": (
        Term("claim_3_forgetting_past", "Loss → forgetting (past)", "−1 to 1", _LOST),
        Term("claim_3_forgetting_retained", "Loss → forgetting (retained)", "−1 to 1", _LOST),
        Term(
            *("claim_3_generalization", "Loss → generalization", "−1 to 1"),
            "correlation over prompts of pre-update loss and generalization (score after − before"
            f" on unseen tasks, or loss before − after), {_WITHIN}. The claim predicts r below 0",
        ),
        Term(
            *("claim_1", "Alike in-task, unlike elsewhere", "ratio of standard deviations"),
            "sd over prompts of the mean impact on other tasks ÷ sd over prompts of the final"
            " in-task result, per current task, geometric mean over tasks. The claim predicts above"
            " 1: prompts that teach a task equally well differ in what they do elsewhere",
        ),
        Term(
            *("claim_2", "Good for one, good for others", "−1 to 1"),
            "mean over pairs of other tasks of r(impact on one, impact on the other) over prompts,"
            f" {_WITHIN}. The claim predicts above 0",
        ),
        Term("claim", "claim", "", "a published claim, by its number"),
        Term("predicted", "predicted", "", "the side of 0 that the claim predicts"),
        Term("form", "form", "", "score form (points) or loss form (nats per token)"),
        Term(
            *("estimate", "estimate", ""),
            "for claim 1 the natural log of a ratio of spreads, for the others r",
        ),
        Term(
            *("these_interval", "these tasks, 95 %", ""),
            "interval that speaks of the named tasks only; of r: mean z ± 1.96 · √(Σ 1 / (n − 3)) /"
            " k",
        ),
        Term(
            *("new_interval", "new tasks, 95 %", ""),
            "interval that speaks of tasks like these: Student t over the tasks' values (of r,"
            " their z), k − 1 degrees of freedom; none from one task",
        ),
        Term("these_verdict", "these tasks", "", "verdict on the named tasks only"),
        Term("new_verdict", "new tasks", "", "verdict on tasks like these"),
        Term(
            *("n", "n", ""),
            "current tasks × prompts of a task; where a third number stands, × main seeds",
        ),
        Term(
            *("noise_floor", "noise floor", ""),
            "σ of one trial's outcome from the seed alone, its upper 95 % limit and unit; for claim"
            " 1 the ratio of spreads if prompts did nothing. Upper bound: with one noise prompt a"
            " task, what the seed does to all prompts alike is in it. –: not measured",
        ),
    ),
    "Correlations and tasks": (
        Term("r", "r", "−1 to 1", "correlation over prompts with the outcome"),
        Term(
            *("r_interval", "r (95 % over prompts)", "−1 to 1"),
            "correlation over one task's prompts, with Fisher's interval",
        ),
        Term("holds", "as predicted", "", "whether r has the sign that the claim predicts"),
        Term("mean", "mean", "", "the outcome's mean over prompts, in its own unit"),
        Term(
            *("sigma_prompt", "σ prompt", ""),
            "standard deviation of the outcome over prompts, seed noise removed, in its unit",
        ),
        Term(
            *("sigma_seed", "σ seed", ""),
            "standard deviation of one trial's outcome over seeds, in its unit",
        ),
        Term(
            *("ratio", "σ prompt ÷ σ seed", "1"),
            "how far the prompt moves the outcome against how far the seed does, with its 95 %"
            " interval; needs two seeds. (–): prompts differ even less than the seed alone would"
            " make them",
        ),
        Term(
            *("loss_ratio", "loss, highest ÷ lowest", "1"),
            "pre-update loss of the worst prompt over that of the best",
        ),
        Term(
            *("in_task_sd", "in-task sd", POINTS),
            "sd over prompts of the final in-task score, seed noise removed",
        ),
        Term(
            *("least_gain", "least gain", POINTS),
            "in-task points gained by the prompt that gained least",
        ),
        Term("misses", "misses", "", "where training did not do what a study relies on"),
        Term("characteristic", "of the task", "", "what tasks may differ in"),
        Term(
            *("rho", "ρ with r, as predicted", "−1 to 1"),
            "Spearman's ρ over tasks between r, positive where as predicted, and the column",
        ),
        Term(
            *("p", "p", ""),
            "two-sided, not corrected for the number of rows that are looked at",
        ),
        Term("where_holds", "mean where it holds", "", "mean over tasks with the predicted sign"),
        Term("where_fails", "mean where it fails", "", "mean over tasks with the other sign"),
        Term("n_tasks", "tasks", "", "current tasks that enter"),
        Term("indicator", "indicator", "", "what is known of a prompt before the update"),
        Term(
            *("given", "held fixed", ""),
            "partial correlation: what is left of r with these held fixed",
        ),
        Term("compared_at", "compared at", "", "after so many steps, or at equal dev loss"),
        Term("steps", "steps", "optimizer steps", "mean over prompts, least to most"),
        Term(
            *("delta_norm", "‖ΔW‖", ""),
            "Frobenius norm of the update: mean over prompts, least to most",
        ),
    ),
}

"""What the Statistics page shows beside correlations: shares, parts, boards, picks and plans."""

from __future__ import annotations

from sapo_analysis.analysis.glossary.term import Term

_ONE_TRIAL = "of one trial's variance over prompts and seeds"

SECTIONS: dict[str, tuple[Term, ...]] = {
    "Levels": (
        Term("measure", "measure", "", "which number it is"),
        Term("measured", "value", "", "the number, in the unit beside it"),
        Term("measured_unit", "in", "", "unit of the value and of its intervals"),
        Term(
            *("spearman_interval", "Spearman's ρ (95 %)", "−1 to 1"),
            "rank correlation over one task's prompts, with Fisher's interval",
        ),
        Term(
            *("slope_interval", "slope (95 %)", ""),
            "Theil-Sen slope over one task's prompts: the median of the slopes of all pairs, with"
            " Sen's interval, which few prompts leave without a width",
        ),
        Term("n_prompts", "prompts", "", "prompts of a task that enter; the fewest of any task"),
    ),
    "Noise": (
        Term("quantity", "quantity", "", "what was measured of each trial"),
        Term("quantity_unit", "in", "", "unit of both σ"),
        Term(
            *("prompt_share", "share of prompts (95 %)", "1"),
            f"part {_ONE_TRIAL} that lies between prompts; over tasks the interval is for new ones,"
            " Student t. Not held at zero: below 0, prompts differ less than seeds would make them",
        ),
        Term(
            *("reliability", "reliability (95 %)", "0 to 1"),
            "part of the variance over prompts, of means over these seeds, that is the prompts' own"
            " and would be there again under other seeds",
            "high",
        ),
        Term(
            *("share_in_task", "share, in-task", "1"),
            f"part {_ONE_TRIAL} of the final in-task result that lies between prompts",
        ),
        Term(
            *("share_cross_task", "share, other tasks", "1"),
            f"part {_ONE_TRIAL} of the mean impact on other tasks that lies between prompts",
        ),
        Term(
            *("share_difference", "difference", "1"),
            "share on other tasks − share in-task, paired by task. Claim 1 expects it above 0",
        ),
        Term(
            *("raw_r", "r as seen (95 %)", "−1 to 1"),
            "correlation within tasks of values averaged over seeds, for new tasks: the headline",
        ),
        Term(
            *("corrected_r", "r without seed noise (95 %)", "−1 to 1"),
            "correlation of what prompts do to both variables, from covariances of different"
            " seeds: noise that shrinks r is taken out, so is noise that both have from one trial."
            " Interval for new tasks, each task left out in turn",
        ),
        Term("mean_r", "mean r", "−1 to 1", "mean over tasks of r as seen: what is corrected"),
        Term(
            *("from_seed", "from the seed", ""),
            "part of mean r that both variables have from sharing a seed",
        ),
        Term("reliability_x", "reliability, loss", "0 to 1", "of pre-update loss", "high"),
        Term("reliability_y", "reliability, outcome", "0 to 1", "of the outcome", "high"),
        Term("why_missing", "note", "", "what a number lacks, or why there is none"),
    ),
    "Between tasks": (
        Term("part", "part", "", "the whole of r, or what of it prompts or one trial's noise make"),
        Term(
            *("pair_r", "r of impacts", "−1 to 1"),
            "correlation over prompts of the impacts on two other tasks, mean over pairs: observed",
        ),
        Term(
            *("pair_prompt", "made by prompts", "−1 to 1"),
            "part of r from covariances of impacts at different seeds, which noise that the tasks"
            " of one trial share cannot make",
        ),
        Term(
            *("pair_seed", "made by the seed", "−1 to 1"),
            "r less the prompts' part: noise of one trial that its tasks share",
        ),
        Term(
            *("pair_corrected", "r without seed noise", "−1 to 1"),
            "r as it would be without noise, held at ±1; none where prompts move a task no more"
            " than seeds do",
        ),
        Term(
            *("seed_alone", "from the seed alone", "−1 to 1"),
            "r of impacts if prompts did nothing: noise of one trial moves all tasks at once",
        ),
        Term(
            *("p_shuffled", "p", ""),
            "two-sided share of shuffles with as much: prompts shuffled anew at each seed, trials"
            " kept whole; of these tasks",
        ),
        Term("task_i", "one task", "", "an evaluated task that is not the current one"),
        Term("task_j", "another task", "", "a second one"),
        Term("n_others", "other tasks", "", "evaluated tasks whose pairs enter"),
        Term("n_current_tasks", "current tasks", "", "current tasks in which both are other tasks"),
    ),
    "Indicators": (
        Term(
            *("p_adjusted", "p, all tried", ""),
            "share of shuffles in which the largest of all indicators is as large (Westfall and"
            " Young): of these tasks, and corrected for how many were tried",
        ),
        Term(
            *("strength", "strength (95 %)", "−1 to 1"),
            "r with the sign that the other tasks give (of the indicator named beforehand, that of"
            " the claim): how well it predicts, whichever way. 0 on average for a useless one",
            "high",
        ),
        Term(
            *("over_named", "− named (95 %)", "of Fisher's z"),
            "strength less that of the indicator named beforehand, paired by task; for new tasks",
            "high",
        ),
        Term(
            *("p_over_named", "p, Holm", ""),
            "of that difference, two-sided, corrected by Holm for the number of differences",
        ),
        Term("chosen_indicator", "chosen by the others", "", "the best one on all other tasks"),
        Term(
            *("held_out_r", "its r here", "−1 to 1"),
            "r in this task, which had no say in the choice, with the sign the others give",
            "high",
        ),
        Term(
            *("named_r", "r of the named one", "−1 to 1"),
            "r in this task of the indicator named beforehand, with its predicted sign",
            "high",
        ),
    ),
    "What else differs": (
        Term("statistic", "statistic", "", "Pearson: on a line; Spearman: on ranks"),
        Term("partial_r", "partial r", "−1 to 1", "what is left of r with these held fixed"),
        Term(
            *("same_points_r", "plain r", "−1 to 1"),
            "r of the same points with nothing held fixed, for comparison",
        ),
        Term(
            *("descriptive", "reading", ""),
            "descriptive: what is held fixed came out of the same training and may lie on the way"
            " from loss to outcome; the number describes these trials and corrects nothing",
        ),
        Term("r_without", "r without it", "−1 to 1", "r within tasks with this point left out"),
        Term("shift", "shift", "", "r without it − r: how far this one point moves r"),
        Term("task_r", "task's r", "−1 to 1", "r over the prompts of its task"),
        Term("task_r_without", "task's r without it", "−1 to 1", "the same without this point"),
        Term("left_out", "left out", "", "any one prompt, or any one whole task"),
        Term("lowest_r", "lowest r", "−1 to 1", "least that leaving one out makes of r"),
        Term("lowest_without", "without", "", "what is left out for the lowest r"),
        Term("highest_r", "highest r", "−1 to 1", "most that leaving one out makes of r"),
        Term("highest_without", "without", "", "what is left out for the highest r"),
        Term("turns_sign", "sign turns without", "", "what alone decides the sign of r"),
        Term(
            *("brings_zero", "holds 0 without", ""),
            "what alone keeps the interval, that for these tasks or for new ones, off 0",
        ),
    ),
    "Does the rule pay?": (
        Term("against", "against", "", "the other way of picking"),
        Term(
            *("pick_gain", "gain", ""),
            "what the lowest-loss pick is better by, of the same trials and so paired; positive:"
            " better",
            "high",
        ),
        Term("tasks_better", "tasks better", "", "tasks on which the gain is above 0"),
        Term("at_random", "random pick", "", "what a pick at random comes to"),
        Term(
            *("pick_lowest_loss", "lowest loss", ""),
            "outcome of the prompt with the lowest pre-update loss at each seed",
        ),
        Term("pick_random", "random", "", "mean outcome of all prompts"),
        Term("pick_original", "original", "", "outcome of the task's original prompt"),
        Term(
            *("pick_hindsight_best", "best in hindsight", ""),
            "outcome of the prompt that is best on the other seeds; needs two seeds",
        ),
        Term(
            *("pick_highest_loss", "highest loss", ""),
            "outcome of the prompt with the highest pre-update loss: the rule turned round",
        ),
        Term(
            *("pick_regret", "regret", ""),
            "what the lowest-loss pick loses against the best in hindsight, in the outcome's unit",
            "low",
        ),
        Term(
            *("hit_rate", "hit rate", "0 to 1"),
            "how often the lowest-loss pick is the prompt that is best on the other seeds",
            "high",
        ),
        Term(
            *("pick_rank", "rank of the pick", "0 to 1"),
            "share of the other prompts that did better at the pick's own seed; 0.5 by chance",
            "low",
        ),
    ),
    "Next study": (
        Term("plan_tasks", "tasks", "", "current tasks, as few as do"),
        Term("plan_prompts", "prompts", "", "prompts of a task, the original among them"),
        Term("plan_seeds", "seeds", "", "main seeds of the study"),
        Term("plan_trials", "trials", "", "main trials: tasks × prompts × seeds", "low"),
        Term(
            *("plan_r", "r to expect", "−1 to 1"),
            "the pilot's r as means over so many seeds would show it: fewer seeds, a smaller r",
        ),
        Term(
            *("plan_half_width", "±", "−1 to 1"),
            "half of the 95 % interval for new tasks",
            "low",
        ),
        Term(
            *("plan_power", "power", "0 to 1"),
            "probability that the interval for new tasks lies wholly on the side of r",
            "high",
        ),
    ),
}

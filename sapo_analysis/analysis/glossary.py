"""What every number on a page or an axis is: its name, definition, unit, and which way is good.

Pages, figures and reports take their words from here, so that a number is described in one place
and alike everywhere; the Method page lists all of it. A new table column or metric needs a term
here before it is shown: `entry` refuses a name that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sapo_analysis.analysis.quantities import LOSS_UNIT, QUANTITIES
from sapo_analysis.errors import unknown

Better = Literal["high", "low", ""]
DIRECTIONS: dict[Better, str] = {"high": "higher is better", "low": "lower is better", "": ""}
POINTS = "points"
TOKEN = "nats per token"


@dataclass(frozen=True)
class Term:
    """One number or column.

    Attributes:
        name: The column, metric or indicator it stands for; unique.
        label: Its name for readers, as short as a table's head has to be.
        unit: Its unit; empty for what has none, such as a name or a text.
        definition: What it is, as a phrase without a full stop at the end.
        better: Which way is good; empty where neither is.
    """

    name: str
    label: str
    unit: str
    definition: str
    better: Better = ""

    @property
    def axis(self) -> str:
        """Label and unit: `gradient norm (nats per token, per unit of weight)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def in_words(self) -> str:
        """Definition and unit, as a report says it."""
        return f"{self.definition} ({self.unit})" if self.unit else self.definition

    @property
    def help(self) -> str:
        """Definition, unit and good direction in whole sentences, for a tooltip."""
        first = self.definition[:1]
        text = (first.upper() if first.isascii() else first) + self.definition[1:] + "."
        if self.unit:
            text += f" Unit: {self.unit}."
        if self.better:
            text += f" {DIRECTIONS[self.better].capitalize()}."
        return text


def _quantity_terms() -> tuple[Term, ...]:
    """Each quantity in score form and in loss form."""
    words = {
        "forgetting": ("forgetting", "points lost", "loss rise"),
        "generalization": ("generalization", "points gained", "loss drop"),
        "learning": ("learning", "points gained", "loss drop"),
        "impact": ("impact", "points gained", "loss drop"),
    }
    terms = []
    for quantity in QUANTITIES:
        label, points, in_loss = words[quantity.name]
        forms = quantity.to_dict()
        better: Better = "low" if quantity.good_when == "low" else "high"
        on = f"on {' or '.join(quantity.roles)} tasks"
        said = f"{quantity.meaning}, {on}: "
        score = said + forms["score_form"].replace("-", "−")
        loss = said + forms["loss_form"].replace("-", "−")
        terms.append(Term(quantity.name, label, points, score, better))
        terms.append(Term(f"{quantity.name}_loss", in_loss, LOSS_UNIT, loss, better))
    return tuple(terms)


_WITHIN = "within each current task, mean of Fisher's z over tasks, shown as r"
_LOST = (
    f"correlation over prompts of pre-update loss and forgetting, {_WITHIN}."
    " Forgetting is score before − after, or loss after − before. The claim predicts r above 0"
)
_ALIGNMENT = "mean cosine of the loss's gradient with that of {} tasks; positive: a small step that"
_ALIGNMENT += " helps the current task helps them"

SECTIONS: dict[str, tuple[Term, ...]] = {
    "Outcomes of a fine-tune": (
        *_quantity_terms(),
        Term(
            *("score_after", "final in-task score", POINTS),
            "score on the current task after the fine-tune, under its training prompt",
            "high",
        ),
        Term(
            *("loss_after", "final in-task loss", LOSS_UNIT),
            "loss on the current task after the fine-tune, under its training prompt; the drop is"
            " not used, as it holds pre-update loss on both axes",
            "low",
        ),
        Term("score_before", "score before", POINTS, "score at the trial's parent state", "high"),
        Term("loss_before", "loss before", LOSS_UNIT, "loss at the trial's parent state", "low"),
        Term("score_change", "Δ score", POINTS, "score after − before", "high"),
        Term("loss_change", "Δ loss", LOSS_UNIT, "loss after − before", "low"),
    ),
    "Known before the update": (
        Term(
            *("pre_update_loss", "pre-update loss", TOKEN),
            "loss on the task's training examples under a prompt, before any update; averaged as"
            " the paper's released code does: a mean of batch means",
        ),
        Term(
            *("pre_update_loss_token_mean", "pre-update loss, token mean", TOKEN),
            "pre-update loss as the mean over all target tokens",
        ),
        Term(
            *("pre_update_loss_example_mean", "pre-update loss, example mean", TOKEN),
            "pre-update loss as the mean over examples of each one's mean over tokens",
        ),
        Term(
            *("pre_update_loss_content", "pre-update loss, answer text alone", TOKEN),
            "pre-update loss over the answer's text, without the tokens that only end it",
        ),
        Term("prompt_length", "prompt length", "tokens", "tokens of the instruction alone"),
        Term(
            *("prompt_frequency", "pretraining examples with this prompt", ""),
            "how many pretraining examples hold this prompt's text",
        ),
        Term(
            *("log_prompt_frequency", "log(1 + pretraining examples with this prompt)", ""),
            "natural logarithm of one plus the pretraining examples with this prompt's text",
        ),
        Term(
            *("prompt_seen", "prompt met in pretraining", "1 yes, 0 no"),
            "whether any pretraining example holds this prompt's text",
        ),
        Term("prompt_perplexity", "prompt perplexity", "1", "perplexity of the prompt's own words"),
        Term(
            *("prompt_similarity", "similarity to learned tasks' prompts", "cosine"),
            "largest cosine between the prompt and the prompts of tasks learned before",
        ),
        Term(
            *("gradient_norm", "gradient norm", "nats per token, per unit of weight"),
            "norm of the loss's gradient by the weights that adapters change",
        ),
        *(
            Term(
                f"gradient_alignment_{role}",
                f"gradient alignment with {role} tasks",
                "mean cosine",
                _ALIGNMENT.format(role),
            )
            for role in ("past", "unseen", "retained")
        ),
        Term(
            *("loss_after_step", "loss after one small step", TOKEN),
            "loss on the current task after one small step of gradient descent",
        ),
    ),
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
            "interval that speaks of the named tasks only: mean z ± 1.96 · √(Σ 1 / (n − 3)) / k",
        ),
        Term(
            *("new_interval", "new tasks, 95 %", ""),
            "interval that speaks of tasks like these: Student t over the tasks' z, k − 1 degrees"
            " of freedom; none from one task",
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
        Term("note", "note", "", "yours; no study reads it"),
        Term("place", "where", "", "line or entry of what was given"),
        Term("check", "check", "", "whether it can be used, is worth a look, or is refused"),
        Term("reasons", "why", "", "what speaks against it; empty where nothing does"),
    ),
    "Sequences": (
        Term("ap", "AP", POINTS, "average performance after the last stage", "high"),
        Term(
            *("bwt", "BWT", POINTS),
            "backward transfer, averaged over stages as released; negative: forgetting",
            "high",
        ),
        Term(
            *("bwt_final", "BWT, last row", POINTS),
            "backward transfer of the last stage alone; negative: forgetting",
            "high",
        ),
        Term("fwt", "FWT", POINTS, "forward transfer to tasks not learned yet", "high"),
        Term(
            *("chain_forgetting_loss", "forgetting in loss", "nats/token"),
            "loss after the last stage − loss when just learned, mean over all tasks but the last;"
            " positive: forgetting",
            "low",
        ),
        Term(
            *("final", "final", "0 to 100"),
            "score after the last stage, over all its examples",
            "high",
        ),
        Term(
            *("just_learned", "just learned", "0 to 100"),
            "score right after the task was learned",
            "high",
        ),
        Term(
            *("change", "change", POINTS),
            "score after the last stage − just learned, chains that learn the task last left out",
            "high",
        ),
        Term(
            *("gain_before", "gain before", POINTS),
            "gain over the base model while the task is not learned yet, mean over those stages",
            "high",
        ),
        Term(
            *("chain_loss_change", "loss change", TOKEN),
            "loss after the last stage − just learned, as for `change`",
            "low",
        ),
        Term("strategy", "strategy", "", "policy+method: which prompt teaches, and how"),
        Term("reference", "reference", "", "the strategy that another one is compared with"),
        Term(
            *("difference", "strategy − reference", ""),
            "strategy − reference, paired by order and seed; seeds averaged within an order,"
            " Student t over orders",
        ),
        Term("lower", "from", "", "lower end of the 95 % interval"),
        Term("upper", "to", "", "upper end of the 95 % interval"),
        Term(
            *("p_holm", "p, Holm", ""),
            "p corrected by Holm over the contrasts that are tested beside the primary one",
        ),
        Term("is_primary", "primary", "", "the one contrast that was named beforehand"),
        Term("n_orders", "orders", "", "orders of the tasks that enter"),
        Term("unit", "unit", "", "what the interval is over: orders, or seeds of one order"),
        Term("choice_seconds", "choosing", "s", "time that choosing prompts took", "low"),
        Term("choice_examples", "texts read", "", "texts read to choose", "low"),
        Term("train_seconds", "training", "s", "time that training took", "low"),
        Term("train_examples", "texts trained", "", "texts trained on"),
        Term(
            *("share", "share", ""),
            "of choosing in choosing and training, by time; fine-tunes of a stack share its time"
            " evenly, so it hangs on how many there were",
            "low",
        ),
        Term(
            *("share_of_texts", "share of texts", ""),
            "the share of choosing by texts read; one is read forwards to choose, forwards and"
            " backwards to train",
            "low",
        ),
        Term(
            *("regret", "regret", "nats/token"),
            "pre-update loss of the chosen prompt − the lowest at that state, where it is known:"
            " at states that a policy had scored, and so for other policies mostly at the first",
            "low",
        ),
        Term("mean_regret", "mean regret", "nats/token", "mean of regret where it is known", "low"),
        Term("largest_regret", "largest", "nats/token", "largest regret that is known", "low"),
        Term("n_stages", "stages known", "", "stages at which regret is known"),
        Term("stage", "stage", "", "how many tasks have been learned by then"),
        Term("order", "order", "", "the tasks of a chain as they are learned"),
        Term("seed", "seed", "", "of the chain: adapters, data order, dropout, random choices"),
        Term("learned_at", "learned at", "stage", "the stage at which the chain learned the task"),
        Term("score_base", "base model", "0 to 100", "score of the base model", "high"),
        Term("score_learned", "just learned", "0 to 100", "score at that stage", "high"),
        Term("score_now", "now", "0 to 100", "score at the stage of the cell", "high"),
        Term(
            *("since_learned", "Δ since learned", POINTS),
            "score now − just learned; negative: lost",
            "high",
        ),
        Term("since_base", "Δ to base", POINTS, "score now − that of the base model", "high"),
        Term("loss_base", "loss, base", TOKEN, "loss of the base model", "low"),
        Term("loss_learned", "loss, learned", TOKEN, "loss when the task was just learned", "low"),
        Term("loss_now", "loss, now", TOKEN, "loss at the stage of the cell", "low"),
        Term(
            *("loss_since_learned", "Δ loss since learned", TOKEN),
            "loss now − just learned; positive: lost",
            "low",
        ),
        Term(
            *("loss_since_base", "Δ loss to base", TOKEN),
            "loss now − that of the base model",
            "low",
        ),
        Term(
            *("then", "then", ""),
            "the output when the task was just learned, of the chain shown under `now`; of the base"
            " model where the task was not learned before this stage",
        ),
        Term(
            *("now", "now", ""),
            "the output at this stage, of the first chain that forgot it, else of the first",
        ),
        Term("right_then", "right then", "", "how many chains answered the example right then"),
        Term("right_now", "right now", "", "how many chains answer the example right now"),
        Term("chosen_loss", "loss", "nats/token", "of the chosen prompt at this state", "low"),
        Term("lowest_loss", "lowest", "nats/token", "of all candidates at this state", "low"),
    ),
    "Races over a study": (
        Term("study_x", "loss in the study", TOKEN, "pre-update loss of this prompt's own point"),
        Term("study_y", "in the study", "", "the outcome of this prompt's own point"),
        Term(
            *("parent", "parent state", ""),
            "how near the state that the race learned the task from is to the study's: the same"
            " weights, or the same tasks learned before by another fine-tune",
        ),
        Term("study_value", "study", "", "the key's value in the study on this page"),
        Term("race_value", "that run", "", "the key's value in the sequence run"),
    ),
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
        Term("kind", "kind", "", "paraphrase study, sequence study, or imported results"),
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
"""All terms, in the sections of the Method page."""

TERMS: dict[str, Term] = {term.name: term for terms in SECTIONS.values() for term in terms}


def entry(name: str) -> Term:
    """The term of a column, metric or indicator.

    Raises:
        InputError: there is none; the known ones are named.
    """
    if name not in TERMS:
        raise unknown("term", name, list(TERMS), "Describe it in analysis/glossary.py.")
    return TERMS[name]
